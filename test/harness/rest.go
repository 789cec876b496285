package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// APIVersion is what service calls send unless their path has its own.
const APIVersion = "2021-04-12"

// Response is an answer of the service API.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON fills v from the body.
func (r Response) JSON(tb testing.TB, v any) {
	tb.Helper()
	if err := json.Unmarshal(r.Body, v); err != nil {
		tb.Fatalf("%v: %s", err, r.Body)
	}
}

// REST calls the service API as the policy iothubowner and returns whatever it
// answers. body is JSON when it is a string or bytes, and marshalled otherwise;
// nil sends none. headers are pairs of name and value, and beat the usual ones.
func (h *Hub) REST(tb testing.TB, method, path string, body any, headers ...string) Response {
	tb.Helper()
	response, err := h.Service(method, path, body, headers...)
	if err != nil {
		tb.Fatal(err)
	}
	return response
}

// Service is REST for callers that are no tests.
func (h *Hub) Service(method, path string, body any, headers ...string) (Response, error) {
	if !strings.Contains(path, "api-version=") {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "api-version=" + APIVersion
	}
	text, err := encode(body)
	if err != nil {
		return Response{}, err
	}
	request, err := http.NewRequest(method, "https://"+h.Addr(HTTPSPort)+path, bytes.NewReader(text))
	if err != nil {
		return Response{}, err
	}
	request.Header.Set("Authorization", Sign(h.Address, WellKnownKey, "iothubowner", time.Now().Add(time.Hour)))
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := h.http.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	return Response{Status: response.StatusCode, Header: response.Header, Body: answer}, err
}

func encode(body any) ([]byte, error) {
	switch body := body.(type) {
	case nil:
		return nil, nil
	case string:
		return []byte(body), nil
	case []byte:
		return body, nil
	}
	return json.Marshal(body)
}

// Identity is a registered device or module and how it proves who it is.
type Identity struct {
	Host     string
	DeviceID string
	ModuleID string // "" for a device
	Key      string // primary key, base64
}

// CreateDevice registers a device with keys of the hub's making.
func (h *Hub) CreateDevice(tb testing.TB, id string) Identity {
	tb.Helper()
	return h.create(tb, id, "")
}

// CreateModule registers a module of a device.
func (h *Hub) CreateModule(tb testing.TB, device, module string) Identity {
	tb.Helper()
	return h.create(tb, device, module)
}

func (h *Hub) create(tb testing.TB, device, module string) Identity {
	tb.Helper()
	who, err := h.Register(device, module)
	if err != nil {
		tb.Fatal(err)
	}
	return who
}

// Register is CreateDevice and CreateModule for callers that are no tests;
// module is "" for a device.
func (h *Hub) Register(device, module string) (Identity, error) {
	path := "/devices/" + url.PathEscape(device)
	body := map[string]string{"deviceId": device}
	if module != "" {
		path += "/modules/" + url.PathEscape(module)
		body["moduleId"] = module
	}
	response, err := h.Service(http.MethodPut, path, body)
	if err != nil {
		return Identity{}, err
	}
	if response.Status/100 != 2 {
		return Identity{}, fmt.Errorf("PUT %s: %d: %s", path, response.Status, response.Body)
	}
	var made struct {
		Authentication struct {
			SymmetricKey struct {
				PrimaryKey string `json:"primaryKey"`
			} `json:"symmetricKey"`
		} `json:"authentication"`
	}
	err = json.Unmarshal(response.Body, &made)
	return Identity{Host: h.Address, DeviceID: device, ModuleID: module, Key: made.Authentication.SymmetricKey.PrimaryKey}, err
}

// ClientID is the MQTT client id: `{device}` or `{device}/{module}`.
func (i Identity) ClientID() string {
	if i.ModuleID == "" {
		return i.DeviceID
	}
	return i.DeviceID + "/" + i.ModuleID
}

// UserName is the plain form of the MQTT user name.
func (i Identity) UserName() string {
	return i.Host + "/" + i.ClientID() + "/?api-version=" + APIVersion
}

// Resource is what the identity's own tokens are for, not encoded.
func (i Identity) Resource() string {
	resource := i.Host + "/devices/" + i.DeviceID
	if i.ModuleID != "" {
		resource += "/modules/" + i.ModuleID
	}
	return resource
}

// Token is a SAS token signed with the identity's key.
func (i Identity) Token(ttl time.Duration) string {
	return Sign(i.Resource(), i.Key, "", time.Now().Add(ttl))
}

// ConnectionString is what an SDK is given.
func (i Identity) ConnectionString() string {
	module := ""
	if i.ModuleID != "" {
		module = ";ModuleId=" + i.ModuleID
	}
	return fmt.Sprintf("HostName=%s;DeviceId=%s%s;SharedAccessKey=%s", i.Host, i.DeviceID, module, i.Key)
}
