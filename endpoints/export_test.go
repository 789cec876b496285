package endpoints

import "github.com/linarite/linarite/routing"

// EncodeRecord is a message as a line of a file.
func EncodeRecord(m *routing.Message) []byte { return marshal(recordOf(m)) }

// EncodeEvent is a message as a webhook gets it.
func EncodeEvent(m *routing.Message) []byte {
	e := eventOf(m, "plant", "id")
	return marshal(e.grid())
}
