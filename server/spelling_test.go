package server_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/linarite/linarite/auth"
	"github.com/linarite/linarite/internal/clock"
	"github.com/linarite/linarite/iot"
	"github.com/linarite/linarite/registry"
	"github.com/linarite/linarite/server"
)

// sender is a device that speaks HTTPS, byte by byte.
type sender struct {
	*site
	conn  *tls.Conn
	in    *bufio.Reader
	token string
}

func newSender(t *testing.T) *sender {
	t.Helper()
	s := open(t, server.Options{})
	_, err := s.Hub().CreateDevice(registry.Device{ID: "d", Authentication: iot.Authentication{
		Type: iot.AuthenticationSAS, PrimaryKey: auth.WellKnownKey, SecondaryKey: auth.WellKnownKey,
	}})
	require.NoError(t, err)
	token, err := auth.Sign("127.0.0.1/devices/d", auth.WellKnownKey, "", clock.Wall().Add(time.Hour))
	require.NoError(t, err)
	conn, err := tls.Dial("tcp", s.HTTPSAddr(), trusting(t, s.CA()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(clock.Wall().Add(20*time.Second)))
	return &sender{site: s, conn: conn, in: bufio.NewReader(conn), token: token}
}

// post is the text of a request with a message.
func (s *sender) post(body string, headers ...string) string {
	return fmt.Sprintf("POST /devices/d/messages/events?api-version=2021-04-12 HTTP/1.1\r\nHost: x\r\nAuthorization: %s\r\n"+
		"Content-Length: %d\r\n%s\r\n%s", s.token, len(body), strings.Join(append(headers, ""), "\r\n"), body)
}

// write sends text in pieces of a size.
func (s *sender) write(text string, size int) {
	s.t.Helper()
	for len(text) > 0 {
		n := min(size, len(text))
		_, err := s.conn.Write([]byte(text[:n]))
		require.NoError(s.t, err)
		text = text[n:]
	}
}

// accepted reads an answer, which must be 204.
func (s *sender) accepted() {
	s.t.Helper()
	resp, err := http.ReadResponse(s.in, nil)
	require.NoError(s.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	require.NoError(s.t, resp.Body.Close())
	require.Equal(s.t, http.StatusNoContent, resp.StatusCode, string(body))
}

// properties are those of the messages so far.
func (s *sender) properties() []iot.Properties {
	s.t.Helper()
	all, _ := s.Hub().Events().ReadAll(nil, 0)
	var properties []iot.Properties
	for _, e := range all {
		properties = append(properties, e.Message.Properties)
	}
	return properties
}

func property(name, value string) iot.Properties {
	return iot.Properties{{Name: name, Value: value}}
}

func TestPropertiesOfMessagesKeepTheirSpelling(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	long := strings.Repeat("x", 200<<10)
	for i, c := range []struct {
		text string
		size int
		want iot.Properties
	}{
		{s.post("a", "iothub-app-temperatureAlert: true"), 1 << 20, property("temperatureAlert", "true")},
		{s.post("a", "IoTHub-App-TEMPERATUREalert: true"), 1, property("TEMPERATUREalert", "true")},
		{s.post("a", "iothub-app-temperaturealert:true"), 7, property("temperaturealert", "true")},
		{s.post(long, "iothub-app-afterALot: 1"), 1 << 20, property("afterALot", "1")},
		{s.post("a", "X-Long: "+strings.Repeat("y", 25<<10), "iothub-app-atTheEnd: 1"), 4000, property("atTheEnd", "1")},
		{s.post("iothub-app-temperatureALERT: x\r\n", "iothub-app-TemperatureAlert: 1"), 11, property("TemperatureAlert", "1")},
		{s.post("a", "iothub-messageid: 1"), 1 << 20, nil},
	} {
		s.write(c.text, c.size)
		s.accepted()
		all := s.properties()
		require.Len(t, all, i+1)
		assert.Equal(t, c.want, all[i])
	}
}

func TestPropertiesOfMessagesSentBehindOneAnother(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	s.write(s.post("a", "iothub-app-theFirst: 1")+s.post("b", "iothub-app-theSECOND: 2")+s.post("c", "iothub-app-THEthird: 3"), 1<<20)
	for range 3 {
		s.accepted()
	}
	assert.Equal(t, []iot.Properties{property("theFirst", "1"), property("theSECOND", "2"), property("THEthird", "3")}, s.properties())
}

func TestPropertiesAreRespelledFromTheirHead(t *testing.T) {
	t.Parallel()
	const head = "POST /x HTTP/1.1\r\nHost: h\r\nIOTHUB-APP-aB: 1\r\niothub-app-AB: 2\r\nother-Header: 3\r\n\r\niothub-app-cD: 4\r\n"
	for name, read := range map[string]string{
		"alone":             head,
		"before others":     head + "POST /x HTTP/1.1\r\niothub-app-ab: 0\r\niothub-app-Cd: 0\r\n\r\n",
		"behind another":    "POST /y HTTP/1.1\r\niothub-app-ab: 0\r\niothub-app-Cd: 0\r\n\r\n" + head,
		"cut off in front":  strings.Repeat("iothub-app-Ab: 9\r\n", 100) + head,
		"with bare newline": strings.ReplaceAll(head, "\r\n", "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{Method: http.MethodPost, RequestURI: "/x", Proto: "HTTP/1.1", Header: http.Header{
				"Iothub-App-Ab": {"1", "2"}, "Iothub-App-Cd": {"4"}, "Other-Header": {"3"},
			}}
			server.Respell(r, []byte(read))
			assert.Equal(t, http.Header{"IOTHUB-APP-aB": {"1", "2"}, "Iothub-App-Cd": {"4"}, "Other-Header": {"3"}}, r.Header)
		})
	}
}

// FuzzSpelling: whatever was read, a request's header keeps its values, and its
// names but for their case.
func FuzzSpelling(f *testing.F) {
	f.Add("POST /x HTTP/1.1\r\niothub-app-aB: 1\r\n\r\n")
	f.Add("POST /x HTTP/1.1")
	f.Add("POST /x HTTP/1.1\niothub-app-Ab\niothub-app-Ab:\n:\n\n")
	f.Fuzz(func(t *testing.T, read string) {
		r := &http.Request{Method: http.MethodPost, RequestURI: "/x", Proto: "HTTP/1.1", Header: http.Header{
			"Iothub-App-Ab": {"1"}, "Iothub-App-C": {"2"}, "Host": {"h"},
		}}
		server.Respell(r, []byte(read))
		again := http.Header{}
		for name, values := range r.Header {
			for _, value := range values {
				again.Add(name, value)
			}
		}
		require.Equal(t, http.Header{"Iothub-App-Ab": {"1"}, "Iothub-App-C": {"2"}, "Host": {"h"}}, again)
		require.Len(t, r.Header, 3)
	})
}

// What a server reads from a client that is slow is remembered whole.
func TestAHeadThatComesSlowly(t *testing.T) {
	t.Parallel()
	s := newSender(t)
	text := s.post("a", "iothub-app-SLOWly: 1")
	for _, part := range bytes.SplitAfter([]byte(text), []byte("\n")) {
		s.write(string(part), 3)
	}
	s.accepted()
	assert.Equal(t, []iot.Properties{property("SLOWly", "1")}, s.properties())
}
