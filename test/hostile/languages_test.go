package hostile_test

import "strings"

// queried is a query over the twins.
func queried(text string, headers ...string) string {
	return request("POST", "/devices/query", `{"query":"`+text+`"}`, headers...)
}

// tried is a message tried with the routes, one of which has a condition.
func tried(condition string) string {
	return plain("PUT", "/v1/routes/hostile", `{"source":"DeviceMessages","condition":"`+condition+`","endpointNames":["events"]}`)
}

// languages are requests to the service API in which something is to be parsed:
// queries, lists of identities, patches, messages of devices over HTTPS.
var languages = map[string]exchange{
	"a query of 10,000 parentheses":       {queried("SELECT * FROM devices WHERE " + strings.Repeat("(", 10000)), []int{400}},
	"a query of 100,000 parentheses":      {queried("SELECT * FROM devices WHERE " + strings.Repeat("(", 100000) + "1" + strings.Repeat(")", 100000)), []int{400, 413}},
	"a query of 50,000 NOTs":              {queried("SELECT * FROM devices WHERE " + strings.Repeat("NOT ", 50000) + "1=1"), []int{400, 413}},
	"a query of 20,000 ANDs":              {queried("SELECT * FROM devices WHERE a=1" + strings.Repeat(" AND a=1", 20000)), []int{200, 400, 413}},
	"a query of 50,000 minus signs":       {queried("SELECT * FROM devices WHERE a = " + strings.Repeat("-", 50000) + "1"), []int{400, 413}},
	"a query of 100,000 dots":             {queried("SELECT * FROM devices WHERE a" + strings.Repeat(".a", 50000) + " = 1"), []int{200, 400, 413}},
	"a query of 10,000 brackets":          {queried("SELECT * FROM devices WHERE a IN " + strings.Repeat("[", 10000)), []int{400, 413}},
	"a query of functions in functions":   {queried("SELECT * FROM devices WHERE " + strings.Repeat("IS_DEFINED(", 5000)), []int{400, 413}},
	"a query of a text without an end":    {queried("SELECT * FROM devices WHERE a = '" + long(100<<10)), []int{400, 413}},
	"a query of a number without an end":  {queried("SELECT * FROM devices WHERE a = " + strings.Repeat("9", 100<<10)), []int{200, 400, 413}},
	"a query of an endless exponent":      {queried("SELECT * FROM devices WHERE a = 1e999999999"), []int{200, 400}},
	"a query of 10,000 columns":           {queried("SELECT " + strings.Repeat("a, ", 10000) + "a FROM devices"), []int{200, 400, 413}},
	"a query that is not UTF-8":           {queried("SELECT * FROM devices WHERE a = '\xff\xfe'"), []int{400}},
	"a query of nothing":                  {queried(""), []int{400}},
	"a query of half a megabyte of space": {queried(strings.Repeat(" ", 500<<10)), []int{400, 413}},
	"a query that asks for 10 EB a page":  {queried("SELECT * FROM devices", "x-ms-max-item-count: 9223372036854775807"), []int{200, 400}},
	"a query that asks for less than 0":   {queried("SELECT * FROM devices", "x-ms-max-item-count: -1"), []int{200, 400}},
	"a continuation of one's own":         {queried("SELECT * FROM devices", "x-ms-continuation: "+long(10<<10)), []int{400}},
	"a continuation that is base64":       {queried("SELECT * FROM devices", "x-ms-continuation: eyJhIjoxfQ=="), []int{400}},

	"a list of 10,000 identities":    {request("POST", "/devices", "["+strings.Repeat(`{"id":"x","importMode":"create"},`, 10000)+`{}]`), []int{400, 413}},
	"a list of empty identities":     {request("POST", "/devices", "["+strings.Repeat(`{},`, 99)+`{}]`), []int{400}},
	"a list of lists":                {request("POST", "/devices", strings.Repeat("[", 100000)), []int{400, 413}},
	"keys for 10,000 identities":     {request("POST", "/devices/keys/regenerate?api-version=2024-03-31", "["+strings.Repeat(`{"id":"x"},`, 10000)+`{}]`), []int{400, 413}},
	"a patch of 50,000 operations":   {request("PATCH", "/digitaltwins/{device}", "["+strings.Repeat(`{"op":"add","path":"/a","value":1},`, 10000)+`{}]`), []int{400, 413}},
	"a patch of a path without end":  {request("PATCH", "/digitaltwins/{device}", `[{"op":"add","path":"`+strings.Repeat("/a", 50000)+`","value":1}]`), []int{400, 413}},
	"a command of a name of 100 KB":  {request("POST", "/digitaltwins/{device}/commands/"+long(20<<10), "{}"), []int{400, 404}},
	"a message of 300 KB over HTTPS": {request("POST", "/devices/{device}/messages/events", `"`+long(300<<10)+`"`), []int{413}},
	"a batch of 10,000 messages": {request("POST", "/devices/{device}/messages/events", "["+strings.Repeat(`{"body":"eA=="},`, 10000)+`{"body":"eA=="}]`,
		"Content-Type: application/vnd.microsoft.iothub.json"), []int{204, 400, 413}},
	"properties in 200 headers": {request("POST", "/devices/{device}/messages/events", "x", manyProperties(200)...), []int{204, 400, 413}},
	"a lock that is none":       {request("DELETE", "/devices/{device}/messages/deviceBound/"+long(10<<10), ""), []int{400, 404, 412}},
}

// manyProperties are headers that are properties of a message.
func manyProperties(n int) []string {
	all := many(n)
	for i := range all {
		all[i] = strings.Replace(all[i], "X-", "iothub-app-", 1)
	}
	return all
}

// rules are requests to the control API in which something is to be parsed: routes,
// endpoints, enrichments, certificates, seed files.
var rules = map[string]exchange{
	"a condition of 10,000 parentheses":    {tried(strings.Repeat("(", 10000) + "a = 1"), []int{400}},
	"a condition of 100,000 parentheses":   {tried(strings.Repeat("(", 100000)), []int{400}},
	"a condition of 50,000 NOTs":           {tried(strings.Repeat("NOT ", 50000) + "a = 1"), []int{400}},
	"a condition of functions":             {tried(strings.Repeat("concat(", 10000)), []int{400}},
	"a condition of brackets":              {tried("$body" + strings.Repeat("[1", 10000)), []int{400}},
	"a condition on a path without an end": {tried("$body" + strings.Repeat(".a", 50000) + " = 1"), []int{400}},
	"a try of a body 40,000 levels deep":   {plain("POST", "/v1/routes/test", `{"message":{"body":"`+strings.Repeat(`[`, 40000)+`"},"condition":"$body.a = 1"}`), []int{200, 400}},
	"a route with a name of 10 KB":         {plain("PUT", "/v1/routes/"+long(10<<10), `{}`), []int{400}},
	"a route to 10,000 endpoints":          {plain("PUT", "/v1/routes/hostile", `{"source":"DeviceMessages","endpointNames":[`+strings.Repeat(`"a",`, 10000)+`"a"]}`), []int{400}},
	"an endpoint on a path of the system":  {plain("PUT", "/v1/endpoints/hostile", `{"file":{"path":"/proc/self/mem"}}`), []int{400, 404, 409, 500}},
	"an endpoint with a URL of a file":     {plain("PUT", "/v1/endpoints/hostile", `{"webhook":{"url":"file:///etc/passwd"}}`), []int{400}},
	"a validation with an id of 20 KB":     {plain("GET", "/v1/endpoints/hostile/validate?id="+long(20<<10), ""), []int{404}},
	"a validation without an id":           {plain("GET", "/v1/endpoints/%00/validate", ""), []int{404}},
	"an enrichment of 400 KB":              {plain("PUT", "/v1/enrichments/hostile", `{"value":"`+long(400<<10)+`","endpointNames":["events"]}`), []int{400}},
	"a certificate that is none":           {plain("PUT", "/v1/certificates/hostile", `{"certificate":"`+long(400<<10)+`"}`), []int{400}},
	"a certificate of a thousand":          {plain("PUT", "/v1/certificates/hostile", `{"certificate":"`+strings.Repeat(`-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, 1000)+`"}`), []int{400}},
	"a certificate with a name of a path":  {plain("PUT", "/v1/certificates/..%2f..%2fetc", `{}`), []int{400}},
	"a seed of 10,000 brackets":            {plain("POST", "/v1/seed", strings.Repeat("[", 10000)), []int{400}},
	"a seed of 800 indents":                {plain("POST", "/v1/seed", indented(800)), []int{400}},
	"a seed of aliases of aliases":         {plain("POST", "/v1/seed", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"), []int{400}},
	"a seed that is no YAML":               {plain("POST", "/v1/seed", "\x00\x01\x02: [}"), []int{400}},
	"a seed of 100 KB of tabs":             {plain("POST", "/v1/seed", strings.Repeat("\t", 100<<10)), []int{200, 400}},
}

// indented is YAML of mappings in mappings.
func indented(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
