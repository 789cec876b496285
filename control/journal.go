package control

import (
	"context"
	"slices"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
)

// Bounds of one reading of the journal.
const (
	maxRead = 16 << 20 // bytes of bodies and properties
	scan    = 512      // events looked at in one go
)

// Filter selects events. Its zero value selects all; a member that is set must
// fit exactly.
type Filter struct {
	Device, Module string
	Source         string         // "Telemetry"
	Properties     iot.Properties // application properties that must be there
}

// Match says whether the filter selects e.
func (f Filter) Match(e *events.Event) bool {
	if f.Source != "" && f.Source != e.Source {
		return false
	}
	if f.Device != "" && (e.Origin == nil || e.Origin.DeviceID != f.Device) {
		return false
	}
	if f.Module != "" && (e.Origin == nil || e.Origin.ModuleID != f.Module) {
		return false
	}
	for _, want := range f.Properties {
		if !slices.Contains(e.Message.Properties, want) {
			return false
		}
	}
	return true
}

// Read collects the selected events from a position on, oldest first, and
// returns them with the position to go on from. It waits until there are wait of
// them or ctx ends, and returns at most limit, or as many as have 16 MiB in all.
func (f Filter) Read(ctx context.Context, log *events.Log, from events.Cursor, wait, limit int) ([]events.Event, events.Cursor) {
	at := slices.Clone(from)
	var found []events.Event
	for size := 0; ; {
		batch, next := log.ReadAll(at, scan)
		for i := range batch {
			e := &batch[i]
			at[e.Partition] = e.Sequence + 1
			if !f.Match(e) {
				continue
			}
			found = append(found, *e)
			if size += e.Message.Size(); len(found) >= limit || size >= maxRead {
				return found, at
			}
		}
		at = slices.Clone(next)
		if len(batch) > 0 {
			continue
		}
		if len(found) >= wait || log.WaitAny(ctx, at) != nil {
			return found, at
		}
	}
}
