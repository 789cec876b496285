package wire_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

// Source: contract.md §13.1, §24; that system modules do not count is Linarite's.
func TestADeviceHasAtMostFiftyModules(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	r := hub.REST(t, "PUT", d.restPath("/devices/"), `{"capabilities":{"iotEdge":true}}`, "If-Match", "*")
	require.Equal(t, 200, r.Status, "%s", r.Body)
	items := make([]string, 50)
	for n := range items {
		items[n] = fmt.Sprintf(`{"id":%q,"moduleId":"m%d","importMode":"create"}`, d.DeviceID, n)
	}
	r = hub.REST(t, "POST", "/devices", "["+strings.Join(items, ",")+"]")
	require.Equal(t, 200, r.Status, "%s", r.Body)

	one := d.restPath("/devices/") + "/modules/one"
	r = hub.REST(t, "PUT", one, `{}`)
	require.Equal(t, 413, r.Status)
	require.Equal(t, "TooManyModulesOnDevice", r.Header.Get("iothub-errorcode"))
	var body struct{ ErrorCode int }
	r.JSON(t, &body)
	require.Equal(t, 413003, body.ErrorCode)
	require.Equal(t, 204, hub.REST(t, "DELETE", d.restPath("/devices/")+"/modules/m0", nil, "If-Match", "*").Status)
	require.Equal(t, 200, hub.REST(t, "PUT", one, `{}`).Status)
	var all []struct{ ModuleID string }
	hub.REST(t, "GET", d.restPath("/devices/")+"/modules", nil).JSON(t, &all)
	require.Len(t, all, 52)
}

// Source: contract.md §10.3. Sizes are in TestAPatchAtTheLimits, too.
func TestWhatABackEndCannotWriteIntoATwin(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 4000)
	for name, c := range map[string]struct {
		section string
		status  int
		code    string
	}{
		"a dollar in a name":        {`{"a$b":1}`, 400, "ArgumentInvalid"},
		"a dot in a name":           {`{"a.b":1}`, 400, "ArgumentInvalid"},
		"a space in a name":         {`{"a b":1}`, 400, "ArgumentInvalid"},
		"a control in a name":       {`{"a\u0001":1}`, 400, "ArgumentInvalid"},
		"a name too long":           {`{"` + strings.Repeat("n", 1025) + `":1}`, 400, "ArgumentInvalid"},
		"a text too long":           {`{"a":"` + strings.Repeat("x", 4097) + `"}`, 400, "ArgumentInvalid"},
		"an integer too large":      {`{"a":4503599627370496}`, 400, "ArgumentInvalid"},
		"an integer too small":      {`{"a":-4503599627370497}`, 400, "ArgumentInvalid"},
		"eleven levels":             {strings.Repeat(`{"a":`, 12) + `1` + strings.Repeat(`}`, 12), 400, "ArgumentInvalid"},
		"null in an array":          {`{"a":[null]}`, 400, "ArgumentInvalid"},
		"an array":                  {`[1]`, 400, "ArgumentInvalid"},
		"33 KB, which tags are 8":   {members(long, 9), 413, "GenericRequestEntityTooLarge"},
		"more values than it holds": {`{"a":[` + strings.Repeat("{},", 10_000) + `1]}`, 413, "GenericRequestEntityTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDevice(t)
			for _, who := range []identity{d, d.module(t)} {
				path := who.restPath("/twins/")
				before := hub.REST(t, "GET", path, nil).Body
				for _, body := range []string{`{"tags":` + c.section + `}`, `{"properties":{"desired":` + c.section + `}}`} {
					for _, method := range []string{"PATCH", "PUT"} {
						r := hub.REST(t, method, path, body)
						require.Equal(t, c.status, r.Status, "%s", r.Body)
						require.Equal(t, c.code, r.Header.Get("iothub-errorcode"))
					}
				}
				require.Equal(t, string(before), string(hub.REST(t, "GET", path, nil).Body))
			}
		})
	}
}

// members are so many members with a text.
func members(text string, n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(`"m%d":%q`, i, text)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// SDKs write conditions in five ways. Source: contract.md §12.3, §10.2.
func TestEveryFormOfIfMatch(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	m := d.module(t)
	for _, path := range []string{d.restPath("/devices/"), m.restPath("/devices/"), d.restPath("/twins/"), m.restPath("/twins/")} {
		for _, form := range []string{`*`, `"*"`, `""`, `etag`, `"etag"`} {
			var doc struct{ ETag string }
			hub.REST(t, "GET", path, nil).JSON(t, &doc)
			condition := strings.Replace(form, "etag", doc.ETag, 1)
			r := hub.REST(t, "PUT", path, `{}`, "If-Match", condition)
			require.Equal(t, 200, r.Status, "%s %s: %s", path, form, r.Body)
			if form != condition {
				r = hub.REST(t, "PUT", path, `{}`, "If-Match", condition)
				require.Equal(t, 412, r.Status, "%s %s: %s", path, form, r.Body)
				require.Equal(t, "PreconditionFailed", r.Header.Get("iothub-errorcode"))
			}
		}
	}
	require.Equal(t, 412, hub.REST(t, "DELETE", m.restPath("/devices/"), nil).Status, "a condition is needed")
	require.Equal(t, 204, hub.REST(t, "DELETE", m.restPath("/devices/"), nil, "If-Match", `"*"`).Status)
	require.Equal(t, 412, hub.REST(t, "DELETE", d.restPath("/devices/"), nil).Status)
	require.Equal(t, 204, hub.REST(t, "DELETE", d.restPath("/devices/"), nil, "If-Match", `*`).Status)
}

// Each writer adds one to a number that it has read, and tries again when somebody
// was quicker.
func TestWritersWithETagsLoseNoUpdate(t *testing.T) {
	t.Parallel()
	const writers, rounds = 8, 10
	d := newDevice(t)
	for _, c := range []struct {
		path, body string
		read       func(r harness.Response) (n int, etag string)
	}{
		{d.restPath("/twins/"), `{"tags":{"n":%d}}`, func(r harness.Response) (int, string) {
			var doc struct {
				ETag string
				Tags struct{ N int }
			}
			r.JSON(t, &doc)
			return doc.Tags.N, doc.ETag
		}},
		{d.restPath("/devices/"), `{"statusReason":"%d"}`, func(r harness.Response) (int, string) {
			var doc struct{ ETag, StatusReason string }
			r.JSON(t, &doc)
			n, _ := strconv.Atoi(doc.StatusReason)
			return n, doc.ETag
		}},
	} {
		var all sync.WaitGroup
		for range writers {
			all.Go(func() {
				for done := 0; done < rounds; {
					n, etag := c.read(hub.REST(t, "GET", c.path, nil))
					switch r := hub.REST(t, "PUT", c.path, fmt.Sprintf(c.body, n+1), "If-Match", `"`+etag+`"`); r.Status {
					case 200:
						done++
					case 412: // somebody was quicker
					default:
						assert.Fail(t, "neither taken nor too late", "%d %s", r.Status, r.Body)
						return
					}
				}
			})
		}
		all.Wait()
		n, _ := c.read(hub.REST(t, "GET", c.path, nil))
		require.Equal(t, writers*rounds, n)
	}
}

// IoT Hub has no queue for a module. Source: contract.md §8, §17.
func TestModulesHaveNoMessagesOverHTTPS(t *testing.T) {
	t.Parallel()
	m := newModule(t)
	path := m.restPath("/devices/") + "/messages/devicebound"
	for method, under := range map[string]string{"GET": "", "DELETE": "/token", "POST": "/token/abandon"} {
		r := hub.REST(t, method, path+under, nil)
		requireRefused(t, r, 404, "GenericNotFound", "There is nothing at this path.")
	}
	require.Equal(t, 404, hub.REST(t, "DELETE", m.restPath("/devices/")+"/commands", nil).Status)
}
