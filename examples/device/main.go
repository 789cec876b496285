// Command device is a device in plain Go: Azure has no device SDK for Go, so it
// speaks MQTT by itself. It sends a message each second, prints what it is sent,
// answers every direct method and reports what is desired of it.
//
//	IOTHUB_DEVICE_CONNECTION_STRING='HostName=…;DeviceId=…;SharedAccessKey=…' \
//	IOTHUB_CA_FILE=ca.pem go run .
package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	interval   = time.Second
	tokenLife  = time.Hour
	apiVersion = "2021-04-12"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	roots, err := trusted(os.Getenv("IOTHUB_CA_FILE"))
	if err != nil {
		return err
	}
	d, err := newDevice(os.Getenv("IOTHUB_DEVICE_CONNECTION_STRING"), roots)
	if err != nil {
		return err
	}
	return d.run(ctx)
}

// device is who connects.
type device struct {
	host, id string
	key      []byte
	address  string // of the hub: host:port
	roots    *x509.CertPool
}

// newDevice takes a connection string apart. Without roots, the system's are
// trusted.
func newDevice(connectionString string, roots *x509.CertPool) (*device, error) {
	parts := map[string]string{}
	for part := range strings.SplitSeq(connectionString, ";") {
		name, value, _ := strings.Cut(part, "=")
		parts[name] = value
	}
	host, id := parts["HostName"], parts["DeviceId"]
	key, err := base64.StdEncoding.DecodeString(parts["SharedAccessKey"])
	if host == "" || id == "" || err != nil || len(key) == 0 {
		return nil, errors.New("IOTHUB_DEVICE_CONNECTION_STRING must be HostName=…;DeviceId=…;SharedAccessKey=…")
	}
	return &device{host, id, key, host + ":8883", roots}, nil
}

// run connects and sends until ctx ends.
func (d *device) run(ctx context.Context) error {
	client := mqtt.NewClient(d.options())
	if err := wait(client.Connect()); err != nil {
		return fmt.Errorf("connect to %s: %w", d.host, err)
	}
	defer client.Disconnect(1000)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 1; ; n++ {
		body := fmt.Sprintf(`{"number":%d,"temperature":%.1f}`, n, 20+float64(n%50)/10)
		if err := wait(client.Publish(d.telemetry(), 1, false, body)); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		log.Println("sent", body)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// wait is the error of an MQTT operation once it is over.
func wait(t mqtt.Token) error {
	t.Wait()
	return t.Error()
}

// options are how to connect. A token is signed for each connection, since the
// hub ends it when its token has expired.
func (d *device) options() *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker("ssl://" + d.address).
		SetTLSConfig(&tls.Config{RootCAs: d.roots, ServerName: d.host, MinVersion: tls.VersionTLS12}).
		SetProtocolVersion(4).
		SetClientID(d.id).
		SetCleanSession(false).
		SetCredentialsProvider(func() (username, password string) {
			return d.host + "/" + d.id + "/?api-version=" + apiVersion, d.token(time.Now().Add(tokenLife))
		}).
		SetDefaultPublishHandler(d.receive).
		SetOnConnectHandler(func(client mqtt.Client) {
			log.Println("connected")
			d.listen(client)
		}).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { log.Println("connection lost:", err) })
}

// trusted are the CAs to trust: those in a file, or the system's.
func trusted(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile) //nolint:gosec // whoever runs the program says which file
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return roots, nil
}

// token is a SAS token for the device's own resource.
func (d *device) token(expires time.Time) string {
	resource := url.QueryEscape(d.host + "/devices/" + d.id)
	mac := hmac.New(sha256.New, d.key)
	fmt.Fprintf(mac, "%s\n%d", resource, expires.Unix())
	signature := url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%d", resource, signature, expires.Unix())
}

// telemetry is the topic of messages, with one application property.
func (d *device) telemetry() string {
	return "devices/" + d.id + "/messages/events/$.ct=application%2Fjson&$.ce=utf-8&example=device"
}

// listen subscribes to all that a hub may send and asks for the twin.
func (d *device) listen(client mqtt.Client) {
	err := wait(client.SubscribeMultiple(map[string]byte{
		"devices/" + d.id + "/messages/devicebound/#": 1,
		"$iothub/methods/POST/#":                      0,
		"$iothub/twin/res/#":                          0,
		"$iothub/twin/PATCH/properties/desired/#":     0,
	}, nil))
	if err == nil {
		err = wait(client.Publish("$iothub/twin/GET/?$rid=twin", 0, false, ""))
	}
	if err != nil {
		log.Println("listen:", err)
	}
}

// receive deals with what the hub sends. It must not wait for an answer itself.
func (d *device) receive(client mqtt.Client, m mqtt.Message) {
	topic, query, _ := strings.Cut(m.Topic(), "/?")
	switch {
	case strings.HasPrefix(topic, "$iothub/methods/POST/"):
		rid := strings.TrimPrefix(query, "$rid=")
		log.Printf("method %s %s", strings.TrimPrefix(topic, "$iothub/methods/POST/"), m.Payload())
		client.Publish("$iothub/methods/res/200/?$rid="+rid, 0, false, `{"done":true}`)
	case topic == "$iothub/twin/PATCH/properties/desired":
		d.report(client, m.Payload())
	case topic == "$iothub/twin/res/200":
		var twin struct{ Desired json.RawMessage }
		if json.Unmarshal(m.Payload(), &twin) == nil {
			d.report(client, twin.Desired)
		}
	case strings.HasPrefix(topic, "$iothub/twin/res/"):
		log.Printf("the twin's answer: %s %s", strings.TrimPrefix(topic, "$iothub/twin/res/"), m.Payload())
	default:
		log.Printf("message %s", m.Payload())
	}
}

// report says that what is desired is so.
func (d *device) report(client mqtt.Client, desired []byte) {
	log.Printf("desired %s", desired)
	var properties map[string]any
	if json.Unmarshal(desired, &properties) != nil || len(properties) <= 1 { // $version is always there
		return
	}
	delete(properties, "$version")
	if body, err := json.Marshal(properties); err == nil {
		client.Publish("$iothub/twin/PATCH/properties/reported/?$rid=reported", 0, false, body)
	}
}
