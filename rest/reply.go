package rest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// reply is an answer that is ready to be sent.
type reply struct {
	status int
	header map[string]string // beside those every answer has
	body   []byte            // nil: none
	kind   string            // of the body; empty: JSON
}

// noContent is the answer to what succeeded and has nothing to tell.
func noContent() (reply, error) { return reply{status: http.StatusNoContent}, nil }

// document is the answer 200 with v in JSON.
func document(v any) (reply, error) {
	body, err := encode(v)
	if err != nil {
		return reply{}, fmt.Errorf("write the answer: %w", err)
	}
	return reply{status: http.StatusOK, body: body}, nil
}

// encode is v in JSON, `<`, `>` and `&` as they are.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// write sends the answer with the headers of every answer. Headers are spelled as
// IoT Hub spells them, not as Go would.
// IoT Hub: contract.md §12.2 (LIVE).
func (r reply) write(w http.ResponseWriter, id string) {
	h := w.Header()
	h.Set("Server", "Microsoft-HTTPAPI/2.0")
	h.Set("Vary", "Origin")
	h["x-ms-request-id"] = []string{id}
	for name, value := range r.header {
		h[name] = []string{value}
	}
	if r.body == nil {
		w.WriteHeader(r.status)
		return
	}
	h.Set("Content-Type", cmp.Or(r.kind, "application/json; charset=utf-8"))
	h.Set("Content-Length", strconv.Itoa(len(r.body)))
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // a client that went away needs no answer
}

// newGUID is a random GUID in lower case.
func newGUID() string {
	var g [16]byte
	rand.Read(g[:]) // never fails: crypto/rand ends the program instead
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", g[:4], g[4:6], g[6:8], g[8:10], g[10:])
}
