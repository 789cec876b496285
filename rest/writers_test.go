package rest_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Back ends count together under ETags, each in another way: none of their steps
// may be lost.
func TestNoStepIsLostWhicheverWayATwinIsWritten(t *testing.T) {
	t.Parallel()
	f := start(t)
	f.must("PUT", "/devices/d1", `{}`)
	ways := []func(etag string, n int) (method, path, body string, header []string){
		func(etag string, n int) (string, string, string, []string) {
			return "PATCH", "/twins/d1", fmt.Sprintf(`{"properties":{"desired":{"count":%d}}}`, n), []string{"If-Match: " + etag}
		},
		func(etag string, n int) (string, string, string, []string) {
			return "PUT", "/twins/d1", fmt.Sprintf(`{"properties":{"desired":{"count":%d}}}`, n), []string{`If-Match: "` + etag + `"`}
		},
		func(etag string, n int) (string, string, string, []string) {
			body := `[{"id":"d1","importMode":"updateTwinIfMatchETag","twinETag":"%s","properties":{"desired":{"count":%d}}}]`
			return "POST", "/devices", fmt.Sprintf(body, etag, n), nil
		},
		func(etag string, n int) (string, string, string, []string) {
			return "PATCH", "/digitaltwins/d1", fmt.Sprintf(`[{"op":"add","path":"/count","value":%d}]`, n), []string{"If-Match: " + etag}
		},
	}
	const steps = 25
	var all sync.WaitGroup
	for _, way := range ways {
		all.Go(func() {
			for done := 0; done < steps; {
				etag, n := f.counted()
				runtime.Gosched() // lets others write in between
				method, path, body, header := way(etag, n+1)
				r := f.record(f.request(method, path, body, header...))
				if r.status < 300 {
					done++
					continue
				}
				assert.Contains(t, r.body, "PreconditionFailed")
			}
		})
	}
	all.Wait()
	_, n := f.counted()
	require.Equal(t, len(ways)*steps, n)
}

// counted is the twin's ETag and how far it has counted.
func (f *fixture) counted() (etag string, n int) {
	var doc struct {
		ETag       string
		Properties struct{ Desired struct{ Count int } }
	}
	r := f.record(f.request("GET", "/twins/d1", ""))
	assert.NoError(f.t, json.Unmarshal([]byte(r.body), &doc))
	return doc.ETag, doc.Properties.Desired.Count
}
