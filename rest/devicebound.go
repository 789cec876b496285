package rest

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/linarite/linarite/c2d"
	"github.com/linarite/linarite/iot"
)

// lockHeader says for how many seconds a device wants a message to be its own: in
// a header or in the query string. IoT Hub: contract.md §8.3, §17.
const lockHeader = "iothub-messagelocktimeout"

// maxLock is how long a device may have a message locked. IoT Hub: contract.md
// §8.5, feedback's lockDuration; for messages there is no source.
const maxLock = 300 * time.Second

// stampLayout is how a message's times are written in headers, in UTC: as .NET
// does in the United States. IoT Hub: sample of azure-iot-cli-extension's tests.
const stampLayout = "1/2/2006 3:04:05 PM"

// receive locks the oldest message that waits for a device and answers with it, or
// with 204 when there is none.
//
// IoT Hub: contract.md §17.
func (a *api) receive(c *call) (reply, error) {
	lockFor, err := c.lockFor()
	if err != nil {
		return reply{}, err
	}
	d, ok, err := c.visit.Receive(lockFor)
	if err != nil {
		return reply{}, err
	}
	if !ok {
		return noContent()
	}
	return deviceBound(c.identity(), d), nil
}

// lockFor is how long the message is to be locked; 0 is the hub's default. Error:
// 400004.
func (c *call) lockFor() (time.Duration, error) {
	text := c.Header.Get(lockHeader)
	if text == "" {
		text = query(c.URL, lockHeader)
	}
	if text == "" {
		return 0, nil
	}
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 1 || seconds > int(maxLock.Seconds()) {
		return 0, iot.ErrArgumentInvalid.Because("%s must be a number of seconds from 1 to %.0f.", lockHeader, maxLock.Seconds())
	}
	return time.Duration(seconds) * time.Second, nil
}

// deviceBound is a message as a device receives it: its body, and all else in
// headers, some of them empty. The lock token is the ETag. A property whose name
// cannot be a header's is left out.
//
// IoT Hub: contract.md §7.2, §17; sample of azure-iot-cli-extension's tests. Java
// reads the content's type and encoding from headers that begin with iothub-, the
// CLI from those that do not.
func deviceBound(id iot.Identity, d c2d.Delivery) reply {
	system := func(name string) string {
		value, _ := d.System.Get(name)
		return value
	}
	h := map[string]string{
		"ETag":                  `"` + d.LockToken + `"`,
		"iothub-messageid":      system(iot.MessageID),
		"iothub-correlationid":  system(iot.CorrelationID),
		"iothub-userid":         system(iot.UserID),
		"iothub-to":             "/" + id.Path() + "/messages/deviceBound",
		"iothub-expiry":         "",
		"iothub-ack":            d.Ack.String(),
		"iothub-enqueuedtime":   d.EnqueuedTime.UTC().Format(stampLayout),
		"iothub-sequencenumber": strconv.FormatUint(d.Sequence, 10),
		"iothub-deliverycount":  strconv.Itoa(d.DeliveryCount),
	}
	if !d.Expiry.IsZero() {
		h["iothub-expiry"] = d.Expiry.UTC().Format(stampLayout)
	}
	for name, header := range map[string]string{iot.ContentType: "ContentType", iot.ContentEncoding: "ContentEncoding"} {
		if value := system(name); value != "" {
			h[header], h["iothub-"+strings.ToLower(header)] = value, value
		}
	}
	for _, p := range d.Properties {
		h[propertyPrefix+p.Name] = p.Value
	}
	return reply{status: 200, header: h, body: append([]byte{}, d.Body...), kind: "application/octet-stream"}
}

// complete removes a message for good: it was dealt with, or with `?reject` never
// will be. Error: 412002 when its lock was lost.
//
// IoT Hub: contract.md §17. Java calls the parameter `?reject`, question mark
// included; whether the service takes that for a rejection has no source.
func (a *api) complete(c *call) (reply, error) {
	settle := c.visit.Complete
	if has(c.URL, "reject") || has(c.URL, "?reject") {
		settle = c.visit.Reject
	}
	if err := settle(c.lock()); err != nil {
		return reply{}, err
	}
	return noContent()
}

// abandon gives a message back, to be received again. Error: 412002.
func (a *api) abandon(c *call) (reply, error) {
	if err := c.visit.Abandon(c.lock()); err != nil {
		return reply{}, err
	}
	return noContent()
}

// lock is the lock token that the path names, perhaps in the quotes of its ETag.
func (c *call) lock() string { return strings.Trim(c.lockToken, `"`) }

// has says whether the query string has a parameter, with a value or without,
// whose name is spelled in any case.
func has(u *url.URL, name string) bool {
	for key := range u.Query() {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}
