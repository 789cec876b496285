// Package sdk_test reads the built hub's events with the official SDK for Go,
// azeventhubs, unmodified: over TLS on the hub's real ports, with the connection
// string that it prints and its certificate checked. The devices are go-amqp's,
// which the SDK stands on.
package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/test/harness"
)

const (
	address = "127.0.0.17" // the suite's own
	group   = "dashboard"  // a consumer group besides $Default
)

// groups are all consumer groups but $Default.
var groups = []string{group, "owners-TLS", "owners-WebSocket", "processors-TLS", "processors-WebSocket"}

// hub is shared by all tests; each registers devices of its own. events is the
// connection string that it prints for readers.
var (
	hub    *harness.Hub
	events string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	code, err := launch(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// launch runs the tests against a hub of theirs.
func launch(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "linarite-sdk-go-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	config := filepath.Join(dir, "linarite.yaml")
	if err := os.WriteFile(config, []byte("consumerGroups: ["+strings.Join(groups, ", ")+"]\n"), 0o600); err != nil {
		return 1, err
	}
	if hub, err = harness.Launch(harness.Options{Address: address, Args: []string{"--config", config}}); err != nil {
		return 1, err
	}
	if events, err = printed(); err == nil {
		code = m.Run()
	}
	return code, errors.Join(err, hub.Stop())
}

// printed is the connection string of the event endpoint.
func printed() (string, error) {
	answer, err := http.Get("http://" + hub.Addr(harness.ControlPort) + "/v1/connection-strings")
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }()
	var all struct{ Events string }
	err = json.NewDecoder(answer.Body).Decode(&all)
	return all.Events, err
}

// way is how a client reaches the endpoint.
type way func(*azeventhubs.ConsumerClientOptions)

// The ways to the endpoint. WebSocket is as the SDK's example has it, but for the
// hub's own CA.
var ways = map[string]way{
	"TLS": func(o *azeventhubs.ConsumerClientOptions) { o.TLSConfig = hub.TLS() },
	"WebSocket": func(o *azeventhubs.ConsumerClientOptions) {
		o.NewWebSocketConn = func(ctx context.Context, args azeventhubs.WebSocketConnParams) (net.Conn, error) {
			ws, answer, err := websocket.Dial(ctx, args.Host, &websocket.DialOptions{
				Subprotocols: []string{"amqp"},
				HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: hub.TLS()}},
			})
			if err != nil {
				return nil, err
			}
			if answer.Body != nil {
				_ = answer.Body.Close()
			}
			// The context of the dial ends before the connection does.
			return websocket.NetConn(context.Background(), ws, websocket.MessageBinary), nil
		}
	},
}

// overEachWay runs a test once for each way.
func overEachWay(t *testing.T, test func(t *testing.T, w way)) {
	t.Parallel()
	for name, w := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

// soon is a context in which everything has to happen.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), harness.Deadline)
	t.Cleanup(cancel)
	return ctx
}

// consumer is a client that does not retry.
func consumer(t *testing.T, w way, connectionString, group string) *azeventhubs.ConsumerClient {
	t.Helper()
	options := &azeventhubs.ConsumerClientOptions{RetryOptions: azeventhubs.RetryOptions{MaxRetries: -1}}
	w(options)
	client, err := azeventhubs.NewConsumerClientFromConnectionString(connectionString, "", group, options)
	require.NoError(t, err)
	// A WebSocket may be closed from the other end by then.
	t.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// reader reads a partition.
func reader(
	t *testing.T, client *azeventhubs.ConsumerClient, partition string, options *azeventhubs.PartitionClientOptions,
) *azeventhubs.PartitionClient {
	t.Helper()
	r, err := client.NewPartitionClient(partition, options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	return r
}

// earliest reads from the beginning.
func earliest() *azeventhubs.PartitionClientOptions {
	yes := true
	return &azeventhubs.PartitionClientOptions{StartPosition: azeventhubs.StartPosition{Earliest: &yes}}
}

// partitionReader reads one partition.
type partitionReader interface {
	ReceiveEvents(ctx context.Context, count int, options *azeventhubs.ReceiveEventsOptions) ([]*azeventhubs.ReceivedEventData, error)
}

// take reads the next count events of a device.
func take(t *testing.T, r partitionReader, device string, count int) []*azeventhubs.ReceivedEventData {
	t.Helper()
	ctx := soon(t)
	var taken []*azeventhubs.ReceivedEventData
	for len(taken) < count {
		came, err := r.ReceiveEvents(ctx, 1, nil)
		require.NoError(t, err, "%d of %d events came", len(taken), count)
		for _, e := range came {
			if e.SystemProperties["iothub-connection-device-id"] == device {
				taken = append(taken, e)
			}
		}
	}
	return taken
}

// bodies are the events' bodies as text.
func bodies(events []*azeventhubs.ReceivedEventData) []string {
	texts := make([]string, len(events))
	for i, e := range events {
		texts[i] = string(e.Body)
	}
	return texts
}
