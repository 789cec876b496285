package endpoints_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/endpoints"
	"github.com/linarite/linarite/hub"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/routing"
)

// deliver expects all messages to be taken.
func deliver(t *testing.T, sink hub.Sink, batch []routing.Message) {
	t.Helper()
	done, err := sink.Deliver(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, len(batch), done)
}

func content(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(text)
}

func TestALineIsAMessage(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"deep/archive.jsonl"}`)
	deliver(t, sink, telemetry(`{"t": 21}`, `not JSON`))
	binary := event(routing.TwinChangeEvents, "updateTwin", "\x00\xff")
	binary.System = nil
	deliver(t, sink, []routing.Message{binary, {Source: routing.DeviceMessages, Enqueued: moment, Origin: &iot.Origin{}}})

	const said = `"Properties":{"alert":"<high>","null":""},"SystemProperties":{"connectionAuthMethod":"{\"scope\":\"device\"}",` +
		`"connectionDeviceGenerationId":"637","connectionDeviceId":"d1","contentEncoding":"utf-8","contentType":"application/json",` +
		`"enqueuedTime":"2026-01-02T03:04:05.6000000Z","messageSource":"Telemetry"}`
	assert.Equal(t, strings.Join([]string{
		`{"EnqueuedTimeUtc":"2026-01-02T03:04:05.6000000Z",` + said + `,"Body":{"t":21}}`,
		`{"EnqueuedTimeUtc":"2026-01-02T03:04:05.6000000Z",` + said + `,"Body":"bm90IEpTT04="}`,
		`{"EnqueuedTimeUtc":"2026-01-02T03:04:05.6000000Z","Properties":{"opType":"updateTwin"},"SystemProperties":{` +
			`"connectionDeviceId":"d1","connectionModuleId":"m1","enqueuedTime":"2026-01-02T03:04:05.6000000Z",` +
			`"messageSource":"twinChangeEvents"},"Body":"AP8="}`,
		`{"EnqueuedTimeUtc":"2026-01-02T03:04:05.6000000Z","Properties":{},"SystemProperties":{` +
			`"enqueuedTime":"2026-01-02T03:04:05.6000000Z","messageSource":"Telemetry"},"Body":""}`,
		``,
	}, "\n"), content(t, folder, "deep", "archive.jsonl"))
}

func TestAFullFileIsPutAside(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	line := int64(len(oneLine(t)))
	sink := must(t, endpoints.Opener{Folder: folder}, "file", fmt.Sprintf(`{"path":"a","maxSize":%d,"maxFiles":3}`, 2*line))
	deliver(t, sink, telemetry("0", "1", "2", "3", "4", "5", "6"))
	assert.Equal(t, []string{"6"}, bodies(t, folder, "a"))
	assert.Equal(t, []string{"4", "5"}, bodies(t, folder, "a.1"))
	assert.Equal(t, []string{"2", "3"}, bodies(t, folder, "a.2"))
	assert.NoFileExists(t, filepath.Join(folder, "a.3"))

	deliver(t, sink, telemetry("7"))
	deliver(t, sink, telemetry("8"))
	assert.Equal(t, []string{"8"}, bodies(t, folder, "a"))
	assert.Equal(t, []string{"6", "7"}, bodies(t, folder, "a.1"))
}

func TestALargeMessageHasAFileToItself(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a","maxSize":1,"maxFiles":2}`)
	deliver(t, sink, telemetry("0", "1", "2"))
	assert.Equal(t, []string{"2"}, bodies(t, folder, "a"))
	assert.Equal(t, []string{"1"}, bodies(t, folder, "a.1"))
}

func TestAFileMayBeAllThereIs(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a","maxSize":1,"maxFiles":1}`)
	deliver(t, sink, telemetry("0", "1"))
	assert.Equal(t, []string{"1"}, bodies(t, folder, "a"))
}

// oneLine is what a message of a one-byte body takes.
func oneLine(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	deliver(t, must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a"}`), telemetry("0"))
	return content(t, folder, "a")
}

// bodies are those of the records in a file.
func bodies(t *testing.T, path ...string) (found []string) {
	t.Helper()
	for line := range strings.Lines(content(t, path...)) {
		_, body, _ := strings.Cut(line, `"Body":`)
		found = append(found, strings.TrimSuffix(body, "}\n"))
	}
	return found
}

func TestAFileIsGoneOnWith(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a"), []byte("whole\ncut sho"), 0o600))
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a"}`)
	deliver(t, sink, telemetry("1"))
	lines := strings.Split(content(t, folder, "a"), "\n")
	require.Len(t, lines, 4)
	assert.Equal(t, []string{"whole", "cut sho"}, lines[:2])
	assert.True(t, strings.HasPrefix(lines[2], `{"EnqueuedTimeUtc"`))
}

func TestAPathMayBeAbsoluteWhenTheOperatorSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a")
	deliver(t, must(t, endpoints.Opener{Files: []string{path}}, "file", fmt.Sprintf(`{"path":%q}`, path)), telemetry("1"))
	assert.FileExists(t, path)
}

func TestALinkDoesNotLeadOutOfTheFolder(t *testing.T) {
	t.Parallel()
	folder, outside := t.TempDir(), filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.Symlink(outside, filepath.Join(folder, "a")))
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a"}`)
	done, err := sink.Deliver(t.Context(), telemetry("1"))
	require.Error(t, err)
	assert.Zero(t, done)
	assert.NoFileExists(t, outside)
}

func TestAFileThatCannotBeWrittenIsTriedAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "a"), 0o700))
	sink := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"a"}`)
	done, err := sink.Deliver(t.Context(), telemetry("1"))
	require.Error(t, err)
	assert.Zero(t, done)

	require.NoError(t, os.Remove(filepath.Join(folder, "a")))
	deliver(t, sink, telemetry("1"))
	assert.Equal(t, []string{"1"}, bodies(t, folder, "a"))
}

// Whoever watches a file may take it away, or cut it, without a word.
func TestAFileThatIsTakenAwayIsMadeAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	sink := must(t, endpoints.Opener{Folder: folder}, "file", fmt.Sprintf(`{"path":"a","maxSize":%d}`, 2*len(oneLine(t))))
	deliver(t, sink, telemetry("0", "1"))
	require.NoError(t, os.Remove(filepath.Join(folder, "a")))
	deliver(t, sink, telemetry("2"))
	assert.Equal(t, []string{"2"}, bodies(t, folder, "a"))

	require.NoError(t, os.Rename(filepath.Join(folder, "a"), filepath.Join(folder, "mine")))
	deliver(t, sink, telemetry("3"))
	assert.Equal(t, []string{"3"}, bodies(t, folder, "a"))
	assert.Equal(t, []string{"2"}, bodies(t, folder, "mine"))

	require.NoError(t, os.Truncate(filepath.Join(folder, "a"), 0))
	deliver(t, sink, telemetry("4", "5"))
	assert.Equal(t, []string{"4", "5"}, bodies(t, folder, "a"))
	assert.NoFileExists(t, filepath.Join(folder, "a.1"))
}

// Two that put it aside at once would lose messages.
func TestAFileHasOneWriter(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	first := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"in/a"}`)
	second := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"in/a"}`)
	third, err := endpoints.Opener{Folder: folder}.Open(
		routing.Endpoint{Name: "b", Type: "file", Settings: json.RawMessage(`{"path":"in/b"}`)}, hub.SinkOptions{})
	require.NoError(t, err)
	deliver(t, first, telemetry("1"))
	deliver(t, third, telemetry("1"))
	done, err := second.Deliver(t.Context(), telemetry("2"))
	require.ErrorContains(t, err, "another hub, or another endpoint, writes to in/a")
	assert.Zero(t, done)

	fourth := must(t, endpoints.Opener{Folder: folder}, "file", `{"path":"in/b"}`)
	require.NoError(t, third.Close())
	deliver(t, fourth, telemetry("2"))
	assert.Equal(t, []string{"1", "2"}, bodies(t, folder, "in", "b"))
}
