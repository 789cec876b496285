package contract_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/contract"
)

// device is an identity as the hub writes one.
const device = `{"deviceId":"d1","generationId":"1","etag":"MQ==","connectionState":"Disconnected","status":"enabled","statusReason":null,` +
	`"connectionStateUpdatedTime":"0001-01-01T00:00:00","lastActivityTime":"2026-03-02T08:30:15.1234567Z","cloudToDeviceMessageCount":0,` +
	`"authentication":{"symmetricKey":{"primaryKey":"a","secondaryKey":"b"},"x509Thumbprint":{"primaryThumbprint":null},"type":"sas"},` +
	`"capabilities":{"iotEdge":false}}`

// refusal is an error in the plain envelope.
const refusal = `{"Message":"ErrorCode:DeviceNotFound;d1","ExceptionMessage":` +
	`"Tracking ID:0123456789ABCDEF0123456789ABCDEF-G:0-TimeStamp:03/02/2026 08:30:15"}`

// exchange is a good one that made a device.
func exchange() contract.Exchange {
	return contract.Exchange{
		Method: "PUT", Target: "/devices/d1?api-version=2021-04-12", Status: 200,
		Request:  contract.Message{Header: map[string]string{"Content-Type": "application/json"}, Body: `{"deviceId":"d1","status":"enabled"}`},
		Response: contract.Message{Header: map[string]string{"content-type": "application/json; charset=utf-8", "x-ms-request-id": "1"}, Body: device},
	}
}

// refused is the exchange with an error for its answer.
func refused(e contract.Exchange, status int, name, body string) contract.Exchange {
	e.Status, e.Response.Body = status, body
	e.Response.Header["iothub-errorcode"] = name
	return e
}

func TestExchangesThatKeepTheContract(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*contract.Exchange){
		"a device is made":             func(*contract.Exchange) {},
		"case does not matter":         func(e *contract.Exchange) { e.Target = "/Devices/d1?API-Version=2021-04-12" },
		"an id is percent-encoded":     func(e *contract.Exchange) { e.Target = "/devices/d%23%2F1?api-version=1" },
		"null where the Swagger hides": func(e *contract.Exchange) { e.Request.Body = `{"deviceId":"d1","authentication":null}` },
		"an error": func(e *contract.Exchange) {
			*e = refused(*e, 404, "DeviceNotFound", refusal)
			e.Request.Body = `{"deviceId":7}`
		},
		"an error in the other envelope": func(e *contract.Exchange) {
			*e = refused(*e, 409, "ModuleAlreadyExistsOnDevice", `{"errorCode":409301,"message":"m","trackingId":"t","timestampUtc":"2026-03-02T08:30:15Z"}`)
		},
		"a bulk request that was refused as a whole": func(e *contract.Exchange) {
			e.Method, e.Target, e.Request.Body = "POST", "/devices?api-version=1", `[]`
			*e = refused(*e, 400, "ArgumentInvalid", refusal)
		},
		"a bulk request of which an item failed": func(e *contract.Exchange) {
			e.Method, e.Target, e.Request.Body = "POST", "/devices?api-version=1", `[{"id":"d1","importMode":"create"}]`
			*e = refused(*e, 400, "BulkRegistryOperationFailure",
				`{"isSuccessful":false,"errors":[{"deviceId":"d1","errorCode":"DeviceAlreadyExists","errorStatus":"s"}],"warnings":[]}`)
		},
		"a payload that is any JSON": func(e *contract.Exchange) {
			e.Method, e.Target, e.Request.Body = "POST", "/twins/d1/methods?api-version=1", `{"methodName":"m","payload":[1]}`
			e.Response.Body = `{"status":200,"payload":"text"}`
		},
		"a path that is none":   func(e *contract.Exchange) { *e = refused(*e, 404, "GenericNotFound", refusal); e.Target = "/nothing" },
		"a device over HTTPS":   func(e *contract.Exchange) { e.Method, e.Target = "POST", "/devices/d1/messages/events?api-version=1" },
		"a patch in a disguise": disguised,
		"a word with a capital": func(e *contract.Exchange) { e.Request.Body = `{"deviceId":"d1","status":"Enabled"}` },
		"what is no HTTP":       func(e *contract.Exchange) { e.Target, e.Status, e.Response.Header = "/devices/a b", 400, nil },
		"WebSockets are no API": func(e *contract.Exchange) { e.Target, e.Response.Header = "/$iothub/websocket", nil },
		"an answer without a body": func(e *contract.Exchange) {
			e.Method, e.Status, e.Request.Body, e.Response.Body = "DELETE", 204, "", ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, err := contract.New()
			require.NoError(t, err)
			e := exchange()
			change(&e)
			assert.NoError(t, api.Check(e))
		})
	}
}

// disguised is a patch as Java sends it.
func disguised(e *contract.Exchange) {
	e.Method, e.Target, e.Request.Body = "POST", "/twins/d1?api-version=1", `{"tags":{"a":1}}`
	e.Request.Header["X-HTTP-Method-Override"] = "PATCH"
	e.Response.Body = `{"deviceId":"d1","modelId":"dtmi:a;1","version":2,"tags":{"a":1},"properties":{"desired":{"$version":1},"reported":{}}}`
}

func TestExchangesThatBreakTheContract(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*contract.Exchange)
		want   string
	}{
		"a wrong type in the answer":   {replace(`"d1"`, `7`), "deviceId"},
		"a word with a capital":        {replace(`"enabled"`, `"Enabled"`), "status"},
		"a word that is none":          {replace(`"Disconnected"`, `"Asleep"`), "connectionState"},
		"a time that is none":          {replace(`0001-01-01T00:00:00"`, `yesterday"`), "connectionStateUpdatedTime"},
		"eight digits of a second":     {replace(`.1234567Z`, `.12345678Z`), "lastActivityTime"},
		"a member nobody knows":        {replace(`"etag"`, `"eTag"`), "eTag"},
		"a member of a member":         {replace(`"iotEdge"`, `"iotedge"`), "iotedge"},
		"no JSON":                      {replace(`{"deviceId"`, `"deviceId"`), "body"},
		"another content type":         {header("content-type", "text/plain"), "content type"},
		"no request id":                {header("x-ms-request-id", ""), "x-ms-request-id"},
		"an error's header on success": {header("iothub-errorcode", "X"), "iothub-errorcode"},
		"no error's header on an error": {
			func(e *contract.Exchange) { e.Status, e.Response.Body = 404, refusal }, "iothub-errorcode",
		},
		"an error without an envelope": {
			func(e *contract.Exchange) { *e = refused(*e, 404, "X", `{"error":"no"}`) }, "the answer",
		},
		"an error without its code": {
			func(e *contract.Exchange) { *e = refused(*e, 404, "X", strings.Replace(refusal, "ErrorCode:", "", 1)) }, "the answer",
		},
		"a status that is not documented": {func(e *contract.Exchange) { e.Status = 202 }, "the answer"},
		"a request that should not have been taken": {
			func(e *contract.Exchange) { e.Request.Body = `{"deviceId":7}` }, "the request, which was taken",
		},
		"a mode that is none": {
			func(e *contract.Exchange) {
				e.Method, e.Target, e.Request.Body = "POST", "/devices?api-version=1", `[{"id":"d1","importMode":"upsert"}]`
				e.Response.Body = `{"isSuccessful":true,"errors":[],"warnings":[]}`
			}, "the request, which was taken",
		},
		"no api-version":            {func(e *contract.Exchange) { e.Target = "/devices/d1" }, "api-version"},
		"an operation nobody knows": {func(e *contract.Exchange) { e.Target = "/gadgets?api-version=1" }, "no such operation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			api, err := contract.New()
			require.NoError(t, err)
			e := exchange()
			c.change(&e)
			assert.ErrorContains(t, api.Check(e), c.want)
		})
	}
}

// replace changes the answer.
func replace(from, to string) func(*contract.Exchange) {
	return func(e *contract.Exchange) { e.Response.Body = strings.Replace(e.Response.Body, from, to, 1) }
}

// header changes a header of the answer.
func header(name, value string) func(*contract.Exchange) {
	return func(e *contract.Exchange) { e.Response.Header[name] = value }
}

func TestWhatWasNotDoneIsKnown(t *testing.T) {
	t.Parallel()
	api, err := contract.New()
	require.NoError(t, err)
	all := api.Unused()
	require.Len(t, all, 42)
	require.Contains(t, all, "PUT /devices/{id}")
	require.NoError(t, api.Check(exchange()))
	assert.Len(t, api.Unused(), 41)
	assert.NotContains(t, api.Unused(), "PUT /devices/{id}")
}

func TestARecordingIsRead(t *testing.T) {
	t.Parallel()
	line, err := json.Marshal(exchange())
	require.NoError(t, err)
	var got []contract.Exchange
	note := func(e contract.Exchange) { got = append(got, e) }
	require.NoError(t, contract.Read(strings.NewReader(string(line)+"\n"+string(line)+"\n"), note))
	assert.Equal(t, []contract.Exchange{exchange(), exchange()}, got)
	assert.Equal(t, "PUT /devices/d1?api-version=2021-04-12 → 200", got[0].String())
	require.Error(t, contract.Read(strings.NewReader(string(line)+"\n{"), note))
	require.Error(t, contract.Read(strings.NewReader("{}\n"), note))
}
