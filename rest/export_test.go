package rest

import (
	"errors"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
)

// MaxBody, MaxBulk, MaxDepth and MaxValues are the limits of a body.
const (
	MaxBody   = maxBody
	MaxBulk   = maxBulk
	MaxDepth  = maxDepth
	MaxValues = maxValues
)

// Segments takes an escaped path apart.
func Segments(escaped string) ([]string, error) { return segments(escaped) }

// Faulty is an API whose operations fail in ways that a sound hub does not.
func Faulty(h *hub.Hub, log zerolog.Logger) http.Handler {
	fail := func(err error) func(*api, *call) (reply, error) {
		return func(*api, *call) (reply, error) { return reply{}, err }
	}
	return &api{hub: h, log: log, routes: []route{
		{"GET", "panic", auth.RegistryRead, plain, func(*api, *call) (reply, error) { panic("out of ink") }},
		{"GET", "foreign", auth.RegistryRead, plain, fail(errors.New("the disk is full"))},
		{"GET", "throttled", auth.RegistryRead, plain, fail(iot.ErrThrottled)},
		{"GET", "unwritable", auth.RegistryRead, plain, func(*api, *call) (reply, error) {
			return document(func() {})
		}},
	}}
}
