package rest

import (
	"encoding/json"
	"errors"

	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/twin"
)

// twinBody is what a request may set of a twin. Its read-only members are
// ignored: ids, etag, version, reported properties, metadata.
// IoT Hub: contract.md §10.2.
type twinBody struct {
	Tags       json.RawMessage `json:"tags"`
	Properties struct {
		Desired json.RawMessage `json:"desired"`
	} `json:"properties"`
}

// update is the change that the body asks for.
func (b twinBody) update() twin.Update {
	return twin.Update{Tags: b.Tags, Desired: b.Properties.Desired}
}

// check refuses sections with more values than a twin could hold. Error: 413000.
func (b twinBody) check() error {
	for _, section := range []json.RawMessage{b.Tags, b.Properties.Desired} {
		if _, values := shape(section); values > maxValues {
			return iot.ErrEntityTooLarge.Because("A section of the twin has more than %d values.", maxValues)
		}
	}
	return nil
}

// readTwin answers with the twin of a device or module.
func (a *api) readTwin(c *call) (reply, error) {
	return c.twinReply(a.hub.Twin(c.identity()))
}

// patchTwin merges the body into tags and desired properties.
func (a *api) patchTwin(c *call) (reply, error) { return c.changeTwin(a.hub.PatchTwin) }

// replaceTwin puts the body in the place of tags and desired properties.
func (a *api) replaceTwin(c *call) (reply, error) { return c.changeTwin(a.hub.ReplaceTwin) }

type twinChange func(iot.Identity, twin.Update, string) (hub.TwinDocument, error)

func (c *call) changeTwin(change twinChange) (reply, error) {
	var body twinBody
	if err := c.decode(&body); err != nil {
		return reply{}, err
	}
	if err := body.check(); err != nil {
		return reply{}, err
	}
	return c.twinReply(change(c.identity(), body.update(), c.ifMatch()))
}

// twinReply makes the answer of a twin operation: a module that is missing is a
// missing device here. IoT Hub: contract.md §10.2.
func (c *call) twinReply(t hub.TwinDocument, err error) (reply, error) {
	switch {
	case errors.Is(err, iot.ErrModuleNotFound):
		return reply{}, iot.ErrDeviceNotFound.Because("%s", c.identity())
	case err != nil:
		return reply{}, err
	}
	return document(t)
}
