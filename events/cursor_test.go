package events_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/events"
	"github.com/linarite/linarite/iot"
)

func TestParsingACursor(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]events.Cursor{
		"0":                       {0},
		"12.0.3.7":                {12, 0, 3, 7},
		"9223372036854775807.100": {9223372036854775807, 100},
	} {
		c, err := events.ParseCursor(text)
		require.NoError(t, err, text)
		require.Equal(t, want, c)
		require.Equal(t, text, c.String())
	}
	for _, text := range []string{
		"", ".", "1.", ".1", "1..2", "-1", "+1", "1.-2", "01", "1.00", " 1", "1 ", "0x1", "1_0", "1e3", "a", "١",
		"9223372036854775808", "99999999999999999999",
	} {
		_, err := events.ParseCursor(text)
		require.ErrorIs(t, err, iot.ErrArgumentInvalid, "%q", text)
	}
}

func TestACursorMayBeTooShort(t *testing.T) {
	t.Parallel()
	log, _ := single(2, events.Options{})
	evs, next := log.ReadAll(events.Cursor{}, 0)
	require.Len(t, evs, 2)
	require.Equal(t, events.Cursor{2}, next)
	evs, next = log.ReadAll(events.Cursor{1, 5, 6}, 0)
	require.Len(t, evs, 1)
	require.Equal(t, events.Cursor{2}, next, "a partition that does not exist is dropped")
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"0", "12.0.3.7", "1..2", "-1", "007", "9223372036854775808", ""} {
		f.Add(seed)
	}
	log, _ := single(10, events.Options{})
	f.Fuzz(func(t *testing.T, text string) {
		c, err := events.ParseCursor(text)
		if err != nil {
			require.ErrorIs(t, err, iot.ErrArgumentInvalid)
			return
		}
		require.Equal(t, text, c.String())
		_, next := log.ReadAll(c, 3)
		require.Len(t, next, 1)
		require.LessOrEqual(t, next[0], int64(10))
	})
}
