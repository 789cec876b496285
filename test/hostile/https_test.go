package hostile_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/linarite/linarite/test/harness"
)

// The device's own paths.
const (
	eventsPath = "/devices/{device}/messages/events"
	boundPath  = "/devices/{device}/messages/deviceBound"
)

// deviceRequest is a request with the device's own good token.
func deviceRequest(method, path, body string, headers ...string) string {
	return ownRequest(method, path+"?api-version="+harness.APIVersion, body, headers...)
}

func ownRequest(method, path, body string, headers ...string) string {
	if body != "" {
		headers = append(headers, "Content-Length: "+strconv.Itoa(len(body)))
	}
	return raw(method+" "+path+" HTTP/1.1", append(headers, "Host: {host}", "Authorization: {device-token}")...) + body
}

// batch is a request with many messages.
func batch(body string) string {
	return deviceRequest("POST", eventsPath, body, "Content-Type: application/vnd.microsoft.iothub.json")
}

// properties are so many headers with properties.
func properties(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("iothub-app-%d: %d", i, i)
	}
	return all
}

// httpsDevices are requests of devices that speak HTTPS.
var httpsDevices = map[string]exchange{
	// Who are you.
	"events without a token":             {plain("POST", eventsPath+"?api-version=2021-04-12", "{}"), []int{401}},
	"events of another device":           {deviceRequest("POST", "/devices/neighbour/messages/events", "x"), []int{401}},
	"events of a device there is not":    {deviceRequest("POST", "/devices/nobody/messages/events", "x"), []int{401}},
	"events of a module there is not":    {deviceRequest("POST", "/devices/{device}/modules/nobody/messages/events", "x"), []int{401, 404}},
	"events of a certified device":       {deviceRequest("POST", "/devices/"+certified+"/messages/events", "x"), []int{401}},
	"another device's messages":          {deviceRequest("GET", "/devices/neighbour/messages/deviceBound", ""), []int{401}},
	"another device's lock":              {deviceRequest("DELETE", "/devices/neighbour/messages/deviceBound/x", ""), []int{401}},
	"10 MB of events without a token":    {plain("POST", eventsPath+"?api-version=2021-04-12", long(10<<20)), []int{401, 0}},
	"a device's token in the query":      {ownRequest("POST", eventsPath+"?api-version=2021-04-12&Authorization={device-token}", "x", "Authorization: x"), []int{401, 400}},
	"a device that would be a back end":  {deviceRequest("GET", "/devices/{device}", ""), []int{401}},
	"a device that would read its twin":  {deviceRequest("GET", "/twins/{device}", ""), []int{401}},
	"events of a device out of its path": {deviceRequest("POST", "/devices/{device}/../neighbour/messages/events", "x"), []int{404, 401}},

	// Messages.
	"an event of 256 KB and a byte":        {deviceRequest("POST", eventsPath, long(256<<10+1)), []int{413}},
	"an event of 10 MB":                    {deviceRequest("POST", eventsPath, long(10<<20)), []int{413}},
	"an event that claims 10 EB":           {deviceRequest("POST", eventsPath, "", "Content-Length: 9223372036854775807"), []int{413}},
	"an event with 1,000 properties":       {deviceRequest("POST", eventsPath, "x", properties(1000)...), []int{204, 431}},
	"an event with 10,000 properties":      {deviceRequest("POST", eventsPath, "x", properties(10000)...), []int{431, 0}},
	"an event with a property of 60 KB":    {deviceRequest("POST", eventsPath, "x", "iothub-app-a: "+long(60<<10)), []int{204, 413, 431}},
	"an event with a name of 20 KB":        {deviceRequest("POST", eventsPath, "x", "iothub-app-"+long(20<<10)+": a"), []int{204, 413, 431}},
	"an event with a name of no bytes":     {deviceRequest("POST", eventsPath, "x", "iothub-app-: a"), []int{204}},
	"an event with a name that is not one": {deviceRequest("POST", eventsPath, "x", "iothub-app-a b: a"), []int{400}},
	"an event that is not UTF-8":           {deviceRequest("POST", eventsPath, "\xff\xfe", "iothub-app-a: \xff\xfe", "iothub-messageid: \xff"), []int{204, 400}},
	"an event with a name in all cases": {deviceRequest("POST", eventsPath, "x", "iothub-app-abc: 1", "IOTHUB-APP-ABC: 2",
		"Iothub-App-Abc: 3", "iothub-app-aBc: 4"), []int{204}},
	"an event that would be another's": {deviceRequest("POST", eventsPath, "x", "iothub-connection-device-id: neighbour",
		"iothub-app-iothub-connection-device-id: neighbour", "iothub-app-%24.cdid: neighbour"), []int{204}},
	"an event with a broken expiry": {deviceRequest("POST", eventsPath, "x", "iothub-expiry: "+long(1000)), []int{204, 400}},

	// Batches.
	"a batch that is none":              {batch(`{}`), []int{400}},
	"a batch of nothing":                {batch(`[]`), []int{204, 400}},
	"a batch of null":                   {batch(`null`), []int{400}},
	"a batch that is cut":               {batch(`[{"body":"eA==`), []int{400}},
	"a batch with more behind it":       {batch(`[{"body":"eA=="}]]`), []int{400}},
	"a batch of nulls":                  {batch(`[null,null]`), []int{204, 400}},
	"a batch of numbers":                {batch(`[1,2,3]`), []int{400}},
	"a batch without base64":            {batch(`[{"body":"%%%"}]`), []int{400}},
	"a batch with a body of numbers":    {batch(`[{"body":[1,2,3]}]`), []int{400}},
	"a batch of 512 KB and a byte":      {batch(`[{"body":"` + long(512<<10) + `"}]`), []int{413}},
	"a batch of 10 MB":                  {batch(`[{"body":"` + long(10<<20) + `"}]`), []int{413}},
	"a batch of too many":               {batch(`[` + strings.Repeat(`{},`, 150000) + `{}]`), []int{413}},
	"brackets by the batch":             {batch(strings.Repeat("[", 400000)), []int{400}},
	"a batch 100,000 levels deep":       {batch(strings.Repeat(`[{"body":`, 50000)), []int{400}},
	"a batch with one name very often":  {batch(`[{` + strings.Repeat(`"body":"",`, 40000) + `"body":""}]`), []int{204}},
	"a batch with 40,000 properties":    {batch(`[{"body":"","properties":{` + strings.Repeat(`"iothub-app-a":"",`, 20000) + `"iothub-app-b":""}}]`), []int{204}},
	"a batch that is not UTF-8":         {batch("[{\"body\":\"\xff\",\"base64Encoded\":false}]"), []int{400}},
	"a batch with a NUL in a name":      {batch(`[{"body":"","properties":{"iothub-app-\u0000":"\u0000"}}]`), []int{204, 400}},
	"a batch whose last message is bad": {batch(`[` + strings.Repeat(`{"body":"eA=="},`, 100) + `{"body":"%"}]`), []int{400}},

	// Messages to the device.
	"a lock of no time":             {deviceRequest("GET", boundPath, "", "iothub-messagelocktimeout: 0"), []int{400}},
	"a lock of less":                {deviceRequest("GET", boundPath, "", "iothub-messagelocktimeout: -1"), []int{400}},
	"a lock beyond all numbers":     {deviceRequest("GET", boundPath, "", "iothub-messagelocktimeout: 99999999999999999999"), []int{400}},
	"a lock that is no number":      {deviceRequest("GET", boundPath, "", "iothub-messagelocktimeout: NaN"), []int{400}},
	"a lock that was never had":     {deviceRequest("DELETE", boundPath+"/x", ""), []int{412}},
	"a lock of 10 KB":               {deviceRequest("DELETE", boundPath+"/"+long(10<<10), ""), []int{412, 400}},
	"a lock with encoded slashes":   {deviceRequest("DELETE", boundPath+"/..%2F..%2Fx", ""), []int{412, 400, 404}},
	"a lock with a NUL":             {deviceRequest("DELETE", boundPath+"/%00", ""), []int{412, 400}},
	"a lock that is abandoned":      {deviceRequest("POST", boundPath+"/x/abandon", ""), []int{412}},
	"a lock and a method there not": {deviceRequest("PATCH", boundPath+"/x", "{}"), []int{405}},
}
