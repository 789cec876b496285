package hostile_test

import "strings"

// A path that is there.
const devicePath = "/devices/{device}?api-version=2021-04-12"

// httpAbuse are requests that are no good HTTP, or hardly, whatever the API
// behind; path is one that is there.
func httpAbuse(path string) map[string]exchange {
	host := "Host: {host}"
	get := "GET " + path + " HTTP/1.1"
	post := "POST " + path + " HTTP/1.1"
	return map[string]exchange{
		// Headers.
		"a header of 1 MB":                {raw(get, host, "X: "+long(1<<20)), []int{431, 0}},
		"ten thousand headers":            {raw(get, append(many(10000), host)...), []int{431, 0}},
		"a path of 100 KB":                {raw("GET /"+long(100<<10)+" HTTP/1.1", host), []int{431, 0}},
		"a query of 100 KB":               {raw("GET "+path+"?a="+long(100<<10)+" HTTP/1.1", host), []int{431, 0}},
		"a method of 100 KB":              {raw(strings.Repeat("G", 100<<10)+" / HTTP/1.1", host), []int{400, 431, 0}},
		"a header with no name":           {raw(get, host, ": x"), []int{400}},
		"a header with a space":           {raw(get, host, "X : y"), []int{400}},
		"a header that is folded":         {raw(get, host, "X: y\r\n z"), []int{400, 401, 200}},
		"a header with a NUL":             {raw(get, host, "X: a\x00b"), []int{400}},
		"a header with a carriage return": {raw(get, host, "X: a\rb"), []int{400}},
		"a header that is no header":      {raw(get, host, "nonsense"), []int{400}},
		"no Host":                         {raw(get), []int{400}},
		"two Hosts":                       {raw(get, host, host), []int{400}},
		"a Host with a slash":             {raw(get, "Host: {host}/evil"), []int{400, 401, 403}},
		"a line without a version":        {raw("GET " + path), []int{400}},
		"HTTP/0.9":                        {"GET " + path + "\r\n", []int{400}},
		"HTTP/1.1 in lower case":          {raw("GET "+path+" http/1.1", host), []int{400}},
		"HTTP/2 without being asked":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{403, 404, 505}},
		"HTTP/9.9":                        {raw("GET "+path+" HTTP/9.9", host), []int{505, 400}},
		"a request for the authority":     {raw("CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443"), []int{400, 403, 404, 405}},
		"a request for everything":        {raw("OPTIONS * HTTP/1.1", host), []int{200, 400, 404, 405}},
		"nothing but line feeds":          {strings.Repeat("\r\n", 5000), []int{400, 0}},
		"a megabyte of nothing":           {strings.Repeat("\x00", 1<<20), []int{400, 431, 0}},

		// Bodies and their lengths, as smugglers write them.
		"a negative length":             {raw(post, host, "Content-Length: -1"), []int{400}},
		"a length that is no number":    {raw(post, host, "Content-Length: ten"), []int{400}},
		"a length with a sign":          {raw(post, host, "Content-Length: +5") + "hello", []int{400}},
		"a length beyond all numbers":   {raw(post, host, "Content-Length: 99999999999999999999"), []int{400}},
		"two lengths":                   {raw(post, host, "Content-Length: 5", "Content-Length: 6") + "hello!", []int{400}},
		"two lengths in one":            {raw(post, host, "Content-Length: 5, 6") + "hello!", []int{400}},
		"an encoding there is not":      {raw(post, host, "Transfer-Encoding: zip") + "hello", []int{501}},
		"two encodings":                 {raw(post, host, "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n", []int{400, 501}},
		"an encoding of two":            {raw(post, host, "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", []int{400, 501}},
		"an encoding with a tab":        {raw(post, host, "Transfer-Encoding:\tx-chunked") + "0\r\n\r\n", []int{501}},
		"an encoding with a space":      {raw(post, host, "Transfer-Encoding : chunked") + "0\r\n\r\n", []int{400}},
		"chunks over HTTP/1.0":          {raw("POST "+path+" HTTP/1.0", host, "Transfer-Encoding: chunked") + "0\r\n\r\n", []int{400, 401, 404, 405, 501}},
		"a body that expects a miracle": {raw(post, host, "Expect: a-miracle", "Content-Length: 5") + "hello", []int{417}},
	}
}

// service are requests to the service API.
var service = map[string]exchange{
	// Who are you.
	"no token":                             {plain("GET", devicePath, ""), []int{401}},
	"a token that is no token":             {plain("GET", devicePath, "", "Authorization: Bearer abc"), []int{401}},
	"a token of 20 KB":                     {plain("GET", devicePath, "", "Authorization: SharedAccessSignature "+long(20<<10)), []int{401}},
	"a token in the query":                 {plain("GET", devicePath+"&Authorization={token}", ""), []int{401, 400}},
	"a token of a policy there is not":     {plain("GET", devicePath, "", "Authorization: SharedAccessSignature sr={host}&sig=AAAA&se=9999999999&skn=root"), []int{401}},
	"two tokens":                           {plain("GET", devicePath, "", "Authorization: nonsense", "Authorization: {token}"), []int{401}},
	"an identity in headers":               {plain("GET", devicePath, "", "X-Forwarded-For: 127.0.0.1", "X-Original-URL: /devices", "X-Rewrite-URL: /devices"), []int{401}},
	"a method hidden in a header, no key":  {plain("POST", "/twins/{device}?api-version=2021-04-12", "{}", "X-HTTP-Method-Override: PATCH"), []int{401}},
	"a body of 10 MB without a token":      {plain("PUT", devicePath, long(10<<20)), []int{401, 0}},
	"a claim of 10 EB without a token":     {plain("PUT", devicePath, "", "Content-Length: 9223372036854775807"), []int{401}},
	"a thousand chunks without a token":    {plain("PUT", devicePath, "", "Transfer-Encoding: chunked") + strings.Repeat("1\r\nx\r\n", 1000) + "0\r\n\r\n", []int{401}},
	"a method hidden that there is not":    {plain("POST", "/twins/{device}?api-version=2021-04-12", "{}", "X-HTTP-Method-Override: DELETE"), []int{405}},
	"a hundred requests in one piece":      {strings.Repeat(plain("GET", devicePath, ""), 100), []int{401}},
	"a request hidden in another's body":   {plain("PUT", devicePath, raw("DELETE "+devicePath+" HTTP/1.1", "Host: {host}")), []int{401}},
	"a request hidden behind a zero chunk": {raw("PUT "+devicePath+" HTTP/1.1", "Host: {host}", "Content-Length: 50", "Transfer-Encoding: chunked") + "0\r\n\r\n" + raw("DELETE "+devicePath+" HTTP/1.1", "Host: {host}"), []int{400, 401}},

	// Paths.
	"a path out of the root":           {request("GET", "/../../etc/passwd", ""), []int{404}},
	"an encoded path out of the root":  {request("GET", "/devices/%2e%2e/%2e%2e/etc/passwd", ""), []int{404}},
	"a path with encoded slashes":      {request("GET", "/devices/%2F..%2F..%2Fetc%2Fpasswd", ""), []int{400}},
	"a path with a NUL":                {request("GET", "/devices/a%00b", ""), []int{400}},
	"a path with backslashes":          {request("GET", `/devices/..\..\windows`, ""), []int{400, 404}},
	"a path with a line feed":          {request("GET", "/devices/a%0a%7B%22level%22%3A%22error%22%7D", ""), []int{400}},
	"a path encoded twice":             {request("GET", "/devices/%252e%252e", ""), []int{400, 404}},
	"a path with broken escapes":       {request("GET", "/devices/%zz", ""), []int{400}},
	"a path of double slashes":         {request("GET", "//devices//{device}", ""), []int{404}},
	"a path of 3,000 segments":         {request("GET", strings.Repeat("/a", 3000), ""), []int{404}},
	"a path that is not UTF-8":         {request("GET", "/devices/%ff%fe", ""), []int{400}},
	"a device with a name of 1 KB":     {request("GET", "/devices/"+long(1024), ""), []int{400}},
	"a device with a wildcard":         {request("DELETE", "/devices/*", "", "If-Match: *"), []int{404}},
	"a path with semicolons":           {request("GET", "/devices;/{device};a=b", ""), []int{404}},
	"a URL for another host":           {raw("GET https://evil.example/devices?api-version=2021-04-12 HTTP/1.1", "Host: {host}"), []int{401}},
	"a URL with a user":                {raw("GET https://user:password@{host}/devices?api-version=2021-04-12 HTTP/1.1", "Host: {host}"), []int{401}},
	"a trailing path of dots":          {request("GET", "/devices/{device}/...../", ""), []int{404}},
	"a segment of nothing but percent": {request("GET", "/devices/%", ""), []int{400}},

	// Methods and versions.
	"a method there is not":           {request("STEAL", devicePath, ""), []int{405}},
	"TRACE":                           {request("TRACE", devicePath, ""), []int{405}},
	"a method in lower case":          {request("get", devicePath, ""), []int{405}},
	"no api-version":                  {plain("GET", "/devices/{device}", "", "Authorization: {token}"), []int{400}},
	"an api-version of 10 KB":         {request("GET", "/devices/{device}?api-version="+long(10<<10), ""), []int{400}},
	"an api-version of another age":   {request("GET", "/devices/{device}?api-version=99999999-01-01", ""), []int{400}},
	"an api-version of no day":        {request("GET", "/devices/{device}?api-version=2021-02-31", ""), []int{400}},
	"an api-version with a NUL":       {request("GET", "/devices/{device}?api-version=%00", ""), []int{400}},
	"a thousand api-versions":         {request("GET", "/devices/{device}?"+strings.Repeat("api-version=x&", 1000), ""), []int{400}},
	"a query of ten thousand nothing": {request("GET", "/devices/{device}?"+strings.Repeat("&", 10000)+"api-version=2021-04-12", ""), []int{400}},
	"a top beyond all numbers":        {request("GET", "/devices?top=99999999999999999999", ""), []int{400}},
	"a negative top":                  {request("GET", "/devices?top=-1", ""), []int{400}},

	// Bodies.
	"JSON 100,000 levels deep":            {request("PUT", devicePath, strings.Repeat(`{"a":`, 100000)), []int{400, 413}},
	"brackets by the hundred thousand":    {request("PUT", devicePath, strings.Repeat("[", 400000)), []int{400}},
	"JSON of 1 MB":                        {request("PUT", devicePath, `{"deviceId":"`+long(1<<20)+`"}`), []int{413}},
	"JSON of 500 KB":                      {request("PATCH", "/twins/{device}", `{"tags":{"a":"`+long(500<<10)+`"}}`), []int{400}},
	"a twin of 120,000 empty arrays":      {request("PATCH", "/twins/{device}", `{"properties":{"desired":{"a":[`+strings.Repeat("[],", 120000)+`[]]}}}`), []int{413}},
	"a twin of 4,000 empty arrays":        {request("PATCH", "/twins/{device}", `{"properties":{"desired":{"a":[`+strings.Repeat("[],", 4000)+`[]]}}}`), []int{200}},
	"JSON that is not UTF-8":              {request("PUT", devicePath, "{\"deviceId\":\"\xff\xfe\"}"), []int{400}},
	"JSON of another encoding":            {request("PUT", devicePath, "\xff\xfe{\x00}\x00"), []int{400}},
	"JSON with a mark before":             {request("PUT", devicePath, "\xef\xbb\xbf{}"), []int{400}},
	"JSON that is cut":                    {request("PUT", devicePath, `{"deviceId":`), []int{400}},
	"JSON of one name 50,000 times":       {request("PUT", devicePath, `{`+strings.Repeat(`"a":1,`, 50000)+`"a":1}`), []int{409}},
	"JSON with numbers of 100,000 digits": {request("PATCH", "/twins/{device}", `{"tags":{"a":`+strings.Repeat("9", 100000)+`}}`), []int{400}},
	"a method with a payload 90 deep":     {request("POST", "/twins/{device}/methods", `{"methodName":"m","payload":`+strings.Repeat("[", 90)+strings.Repeat("]", 90)+`}`), []int{404}},
	"a method with a payload of 500 KB":   {request("POST", "/twins/{device}/methods", `{"methodName":"m","payload":"`+long(500<<10)+`"}`), []int{413}},
	"a method with an endless timeout":    {request("POST", "/twins/{device}/methods", `{"methodName":"m","responseTimeoutInSeconds":99999999999999999999}`), []int{400}},
	"a method with a name of 100 KB":      {request("POST", "/twins/{device}/methods", `{"methodName":"`+long(100<<10)+`"}`), []int{400}},
	"a method with a name of a path":      {request("POST", "/twins/{device}/methods", `{"methodName":"../../x/?$rid=1"}`), []int{400}},
	"a device with a key of 100 KB":       {request("PUT", devicePath, `{"authentication":{"symmetricKey":{"primaryKey":"`+long(100<<10)+`","secondaryKey":"`+long(100<<10)+`"}}}`), []int{400}},
	"an If-Match of 10 KB":                {request("DELETE", devicePath, "", `If-Match: "`+long(10<<10)+`"`), []int{412}},
	"XML":                                 {request("PUT", devicePath, `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`), []int{400}},
	"a zipped body that is none":          {request("PUT", devicePath, "{", "Content-Encoding: gzip"), []int{400}},

	// Chunks.
	"a chunk of a length beyond all numbers": {chunked("PUT", devicePath, "FFFFFFFFFFFFFFFFF\r\nx\r\n"), []int{400}},
	"a chunk of a negative length":           {chunked("PUT", devicePath, "-1\r\nx\r\n"), []int{400}},
	"a chunk longer than it says":            {chunked("PUT", devicePath, "2\r\n{}{}{}\r\n0\r\n\r\n"), []int{400}},
	"a chunk with an extension of 100 KB":    {chunked("PUT", devicePath, "2;a="+long(100<<10)+"\r\n{}\r\n0\r\n\r\n"), []int{400}},
	"ten thousand chunks of one byte":        {chunked("PUT", devicePath, strings.Repeat("1\r\n \r\n", 10000)+"2\r\n{}\r\n0\r\n\r\n"), []int{409}},
	"chunks with extensions":                 {chunked("PUT", devicePath, strings.Repeat("1;"+long(1000)+"\r\n \r\n", 1000)+"0\r\n\r\n"), []int{400}},
	"a trailer of 1 MB":                      {chunked("PUT", devicePath, "2\r\n{}\r\n0\r\nX: "+long(1<<20)+"\r\n\r\n"), []int{400, 409}},
	"a trailer that changes the length":      {chunked("PUT", devicePath, "2\r\n{}\r\n0\r\nContent-Length: 100\r\n\r\n"), []int{400, 409}},
}
