package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
)

// recordingVariable names the file that exchanges with the service API are added
// to, when it is set: test/contract holds them against the Swagger afterwards.
const recordingVariable = "LINARITE_EXCHANGES"

// recorder adds what goes over HTTPS to a recording.
type recorder struct {
	*http.Transport
	file string
}

// recorded is a transport that records, where a recording is asked for.
func recorded(transport *http.Transport) http.RoundTripper {
	file := os.Getenv(recordingVariable)
	if file == "" {
		return transport
	}
	return recorder{transport, file}
}

// RoundTrip does one exchange and records it.
func (r recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		if sent, err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
	response, err := r.Transport.RoundTrip(request)
	if err != nil || request.URL.Scheme != "https" {
		return response, err
	}
	got, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(got))
	return response, r.write(request, sent, response, got)
}

// message is one half of an exchange.
type message struct {
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// write adds a line in one piece, since others may write to the file as well.
func (r recorder) write(request *http.Request, sent []byte, response *http.Response, got []byte) error {
	line, err := json.Marshal(map[string]any{
		"method": request.Method, "target": request.URL.RequestURI(), "status": response.StatusCode,
		"request": message{headers(request.Header), string(sent)}, "response": message{headers(response.Header), string(got)},
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(r.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// headers are the first values of headers, without the token.
func headers(h http.Header) map[string]string {
	all := map[string]string{}
	for name := range h {
		if name != "Authorization" {
			all[name] = h.Get(name)
		}
	}
	return all
}
