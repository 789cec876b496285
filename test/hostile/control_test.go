package hostile_test

import (
	"strings"

	"github.com/linarite/linarite/test/harness"
)

// asked is a request to the control API with a Host and other headers.
func asked(host string, headers ...string) string {
	return raw("GET /v1/connection-strings HTTP/1.1", append([]string{"Host: " + host}, headers...)...)
}

// ordered is a request that would change something.
func ordered(headers ...string) string {
	return raw("POST /v1/reset HTTP/1.1", append([]string{"Host: {host}:8080", "Content-Length: 0"}, headers...)...)
}

// control are requests to the control API. None of them may do what it asks for.
var control = map[string]exchange{
	// Names that are not the hub's, as a page would have that rebinds its own.
	"a Host of somebody else":             {asked("evil.example"), []int{403}},
	"a Host that begins like loopback":    {asked("127.0.0.1.evil.example"), []int{403}},
	"a Host that begins like localhost":   {asked("localhost.evil.example"), []int{403}},
	"a Host that ends like localhost":     {asked("evil-localhost"), []int{403}},
	"a Host below localhost":              {asked("evil.localhost"), []int{403}},
	"a Host of an address elsewhere":      {asked("192.0.2.1:8080"), []int{403}},
	"a Host of all addresses":             {asked("0.0.0.0:8080"), []int{403}},
	"a Host of a number":                  {asked("2130706433"), []int{403}},
	"a Host in octal":                     {asked("0177.0.0.1"), []int{403}},
	"a Host in hexadecimal":               {asked("0x7f.1"), []int{403}},
	"a Host with a user":                  {asked("evil.example@127.0.0.1:8080"), []int{400, 403}},
	"a Host behind a user":                {asked("127.0.0.1:8080@evil.example"), []int{400, 403}},
	"a Host of nothing":                   {asked(""), []int{403}},
	"a Host of a port alone":              {asked(":8080"), []int{403}},
	"a Host with a zone":                  {asked("[::1%25evil]"), []int{400, 403}},
	"a Host of 20 KB":                     {asked(long(20 << 10)), []int{403}},
	"no Host in HTTP/1.0":                 {raw("GET /v1/connection-strings HTTP/1.0"), []int{403}},
	"a URL with another name":             {raw("GET http://evil.example/v1/connection-strings HTTP/1.1", "Host: {host}"), []int{403}},
	"a name in another header":            {asked("evil.example", "X-Forwarded-Host: {host}", "Forwarded: host={host}"), []int{403}},
	"a Host of somebody else, for health": {raw("GET /health HTTP/1.1", "Host: evil.example"), []int{403}},

	// Pages of other sites.
	"a page of another site":             {ordered("Origin: https://evil.example"), []int{403}},
	"a page of no site":                  {ordered("Origin: null"), []int{403}},
	"a page of another port":             {ordered("Origin: http://{host}:9999"), []int{403}},
	"a page of a longer name":            {ordered("Origin: http://{host}:8080.evil.example"), []int{403}},
	"a page behind a user":               {ordered("Origin: http://{host}:8080@evil.example"), []int{403}},
	"a page of two sites":                {ordered("Origin: http://{host}:8080 https://evil.example"), []int{403}},
	"a form of another site":             {ordered("Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"), []int{403}},
	"a fetch across sites":               {ordered("Sec-Fetch-Site: cross-site"), []int{403}},
	"a fetch of the same site":           {ordered("Sec-Fetch-Site: same-site"), []int{403}},
	"a fetch of a site there is not":     {ordered("Sec-Fetch-Site: nonsense"), []int{403}},
	"an image on another site":           {asked("{host}:8080", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"), []int{403}},
	"a question before the real request": {raw("OPTIONS /v1/reset HTTP/1.1", "Host: {host}:8080", "Origin: https://evil.example", "Access-Control-Request-Method: POST"), []int{403}},
	"a WebSocket from another site":      {raw("GET /v1/events HTTP/1.1", "Host: {host}:8080", "Origin: https://evil.example", "Connection: Upgrade", "Upgrade: websocket"), []int{403}},

	// Paths and methods.
	"a path out of the API":           {plain("GET", "/v1/../../etc/passwd", ""), []int{301, 307, 404}},
	"an encoded path out of the API":  {plain("GET", "/v1/%2e%2e/%2e%2e/etc/passwd", ""), []int{301, 307, 404}},
	"a device with a slash":           {plain("POST", "/v1/devices/a%2Fb/messages", `{"body":"x"}`), []int{400, 404}},
	"a device with a NUL in its name": {plain("POST", "/v1/devices/a%00b/messages", `{"body":"x"}`), []int{400, 404}},
	"a device of 10 KB":               {plain("POST", "/v1/devices/"+long(10<<10)+"/messages", `{"body":"x"}`), []int{400, 404}},
	"a reset by GET":                  {plain("GET", "/v1/reset", ""), []int{405}},
	"a reset by HEAD":                 {plain("HEAD", "/v1/reset", ""), []int{405}},
	"a reset hidden in a header":      {plain("GET", "/v1/reset", "", "X-HTTP-Method-Override: POST"), []int{405}},
	"TRACE of the health":             {plain("TRACE", "/health", ""), []int{405}},
	"profiles":                        {plain("GET", "/debug/pprof/heap", ""), []int{404}},

	// Queries and bodies.
	"a wait beyond all numbers":       {plain("GET", "/v1/events?wait=99999999999999999999", ""), []int{400}},
	"a timeout of a thousand hours":   {plain("GET", "/v1/events?wait=1&timeout=1000h", ""), []int{400}},
	"a negative max":                  {plain("GET", "/v1/events?max=-1", ""), []int{400}},
	"a cursor of 20 KB":               {plain("GET", "/v1/events?after="+strings.Repeat("1.", 10<<10), ""), []int{400}},
	"a cursor beyond all numbers":     {plain("GET", "/v1/events?after=99999999999999999999.0.0.0", ""), []int{400}},
	"a thousand filters":              {plain("GET", "/v1/events?device=nobody&"+strings.Repeat("property=a%3Db&", 1000), ""), []int{200}},
	"a query with broken escapes":     {plain("GET", "/v1/events?device=%zz", ""), []int{400}},
	"a query with semicolons":         {plain("GET", "/v1/events?device=a;source=b", ""), []int{400}},
	"a clock advanced beyond time":    {plain("POST", "/v1/clock", `{"advance":"99999999999999h"}`), []int{400}},
	"a clock turned back":             {plain("POST", "/v1/clock", `{"advance":"-1h"}`), []int{400}},
	"a clock advanced by a number":    {plain("POST", "/v1/clock", `{"advance":1e308}`), []int{400}},
	"a body of 2 MB":                  {plain("POST", "/v1/devices/{device}/messages", `{"body":"`+long(2<<20)+`"}`), []int{413}},
	"a body 40,000 levels deep":       {plain("POST", "/v1/clock", strings.Repeat(`{"advance":`, 40000)), []int{400}},
	"properties 60,000 levels deep":   {plain("POST", "/v1/devices/{device}/messages", `{"properties":`+strings.Repeat(`{"a":`, 60000)), []int{400}},
	"a body of two bodies":            {plain("POST", "/v1/clock", `{}{"advance":"1h"}`), []int{400}},
	"a body of one name 50,000 times": {plain("POST", "/v1/clock", `{`+strings.Repeat(`"advance":"x",`, 50000)+`"advance":"x"}`), []int{413}},
	"base64 that is none":             {plain("POST", "/v1/devices/{device}/messages", `{"body":"%%%","bodyEncoding":"base64"}`), []int{400}},
	"a message that is too long":      {plain("POST", "/v1/devices/{device}/messages", `{"body":"`+long(100<<10)+`"}`), []int{413}},
	"a message that lives for ever":   {plain("POST", "/v1/devices/{device}/messages", `{"body":"x","ttl":"999999h"}`), []int{400}},
	"a message without a body":        {plain("POST", "/v1/devices/{device}/messages", "", "Content-Length: 0"), []int{400}},
}

// serviceInputs are all inputs of the HTTPS port that are HTTP.
func serviceInputs() map[string]input {
	return inputsOf(harness.HTTPSPort, httpAbuse(devicePath), service)
}

// controlInputs are all inputs of the control port that are HTTP.
func controlInputs() map[string]input {
	return inputsOf(harness.ControlPort, httpAbuse("/v1/clock"), control)
}

// webSocketInputs are all inputs that have to do with WebSocket.
func webSocketInputs() map[string]input {
	all := inputsOf(harness.HTTPSPort, upgrades())
	for name, in := range webSocket {
		all[name] = in
	}
	return all
}
