package hub

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/linarite/linarite/query"
	"github.com/linarite/linarite/twin"
)

// row is a twin's document as a query looks into it: what the twin does not
// have is joined from the registry and the connections when it is asked for.
// Its members are those of TwinDocument.
//
// IoT Hub: contract.md §10.1.
type row struct {
	hub    *Hub
	twin   *twin.Snapshot
	joined bool
	rest   TwinDocument // all but tags and properties, when joined
}

// The objects and arrays of a row.
const (
	wholeAt int32 = iota
	propertiesAt
	thumbprintAt
	capabilitiesAt
	scopesAt
)

func (r *row) value() query.Value { return query.Object(r, wholeAt) }

// Member is a member of the document, or of an object that is one.
func (r *row) Member(at int32, name string) query.Value {
	switch at {
	case wholeAt:
		return r.member(name)
	case propertiesAt:
		switch name {
		case "desired":
			return r.twin.Desired()
		case "reported":
			return r.twin.Reported()
		}
	case thumbprintAt:
		switch strings.ToLower(name) {
		case "primarythumbprint":
			return stringOrNull(r.join().X509Thumbprint.Primary)
		case "secondarythumbprint":
			return stringOrNull(r.join().X509Thumbprint.Secondary)
		}
	case capabilitiesAt:
		if name == "iotEdge" {
			return query.Boolean(r.join().Capabilities.IoTEdge)
		}
	}
	return query.Value{}
}

func (r *row) member(name string) query.Value {
	switch name {
	case "deviceId":
		return query.String(r.twin.Identity().DeviceID)
	case "moduleId":
		return optional(r.twin.Identity().ModuleID)
	case "etag":
		return query.String(r.twin.ETag())
	case "version":
		return query.Number(float64(r.twin.Version()))
	case "modelId":
		return optional(r.twin.ModelID())
	case "tags":
		return r.twin.Tags()
	case "properties":
		return query.Object(r, propertiesAt)
	}
	return r.joinedMember(name)
}

func (r *row) joinedMember(name string) query.Value {
	d := r.join()
	if d.DeviceID == "" {
		return query.Value{} // it was deleted meanwhile
	}
	switch name {
	case "deviceEtag":
		return query.String(d.DeviceETag)
	case "status":
		return query.String(d.Status)
	case "statusReason":
		return optional(d.StatusReason)
	case "statusUpdateTime":
		return moment(d.StatusUpdateTime)
	case "connectionState":
		return query.String(d.ConnectionState)
	case "lastActivityTime":
		return moment(d.LastActivityTime)
	case "cloudToDeviceMessageCount":
		return query.Number(float64(d.MessageCount))
	case "authenticationType":
		return query.String(d.AuthenticationType)
	case "x509Thumbprint":
		return query.Object(r, thumbprintAt)
	case "deviceScope":
		return optional(d.DeviceScope)
	case "capabilities":
		if d.Capabilities != nil {
			return query.Object(r, capabilitiesAt)
		}
	case "parentScopes":
		if len(d.ParentScopes) > 0 {
			return query.Array(r, scopesAt)
		}
	}
	return query.Value{}
}

// join is the part of the document that is not the twin's; empty when the
// identity was deleted meanwhile.
func (r *row) join() *TwinDocument {
	if !r.joined {
		r.joined = true
		r.rest, _ = r.hub.document(r.twin.Identity(), twin.Twin{})
	}
	return &r.rest
}

// Element is an element of the array at a place.
func (r *row) Element(at int32, i int) query.Value {
	if scopes := r.join().ParentScopes; at == scopesAt && i < len(scopes) {
		return query.String(scopes[i])
	}
	return query.Value{}
}

// AppendJSON writes the object or array at a place.
func (r *row) AppendJSON(b []byte, at int32) []byte {
	var v any
	switch at {
	case propertiesAt:
		t := r.twin.Twin()
		v = TwinProperties{Desired: t.Desired, Reported: t.Reported}
	case thumbprintAt:
		v = r.join().X509Thumbprint
	case capabilitiesAt:
		v = r.join().Capabilities
	case scopesAt:
		v = r.join().ParentScopes
	}
	text, _ := json.Marshal(v) // there is nothing in it that cannot be written
	return append(b, text...)
}

func optional(s string) query.Value {
	if s == "" {
		return query.Value{}
	}
	return query.String(s)
}

func stringOrNull(s *string) query.Value {
	if s == nil {
		return query.Null()
	}
	return query.String(*s)
}

func moment(t Time) query.Value {
	return query.String(time.Time(t).UTC().Format(timeLayout))
}
