package mqtt

import (
	"context"
	"log/slog"
	"strings"

	"github.com/rs/zerolog"

	"github.com/linarite/linarite/iot"
)

// engineLog carries mochi's log into ours, as debug lines whatever their level:
// what matters about a connection is in one line of our own. Attributes that
// hold a packet are left out, since a packet may hold a token.
type engineLog struct {
	to    slog.Handler
	level zerolog.Level
}

func newEngineLog(log zerolog.Logger) engineLog {
	return engineLog{to: zerolog.NewSlogHandler(log), level: log.GetLevel()}
}

func (h engineLog) Enabled(context.Context, slog.Level) bool { return h.level <= zerolog.DebugLevel }

func (h engineLog) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, slog.LevelDebug, r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		if !secret(a.Key) {
			clean.AddAttrs(a)
		}
		return true
	})
	return h.to.Handle(ctx, clean)
}

func (h engineLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return engineLog{to: h.to.WithAttrs(attrs), level: h.level}
}

func (h engineLog) WithGroup(name string) slog.Handler {
	return engineLog{to: h.to.WithGroup(name), level: h.level}
}

// secret says whether mochi puts packets or wills under this key.
func secret(key string) bool { return key == "pk" || key == "packet" || key == "will" }

// loggable is a topic as a log may show it: without a property bag, which may
// hold data.
func loggable(topic string) string {
	i := strings.IndexAny(topic, "=&")
	if i < 0 {
		return iot.Printable(topic)
	}
	return iot.Printable(topic[:strings.LastIndexByte(topic[:i], '/')+1]) + "…"
}
