package hubtest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/linarite/linarite/hubtest"
)

// A back end's program is tested against a hub that is there for this test only.
func Example() {
	_ = func(t *testing.T) { // func TestBackEnd(t *testing.T)
		h := hubtest.Start(t)
		fmt.Println("devices connect with", h.DeviceConnectionString("thermometer"), "to", h.MQTTAddr())
		fmt.Println("back ends connect with", h.ServiceConnectionString(), "to", h.HTTPSURL())
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: h.TLSConfig()}}
		_ = client // … the program under test

		h.WaitConnected("thermometer")
		for _, e := range h.WaitEvents(3, hubtest.Filter{Device: "thermometer"}) {
			fmt.Printf("%s\n", e.Message.Body)
		}
		h.Clock().Advance(time.Hour) // tokens, locks and timeouts run out
	}
}
