package hostile_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// below sends bytes where a TLS handshake should begin.
func below(port string, sent []byte, then outcome) input {
	return func(a *attacker) error {
		p, err := a.tcp(port)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(sent)
		return then(p)
	}
}

// record is a TLS record: its type, version and content.
func record(kind byte, version uint16, content ...any) []byte {
	inside := bytesOf(content...)
	return bytesOf(kind, version, uint16(len(inside)), inside)
}

// clientHello is a ClientHello of TLS 1.2 with suites and, behind its fixed
// fields, extensions.
func clientHello(suites []byte, extensions []byte) []byte {
	hello := bytesOf(uint16(tls.VersionTLS12), long(32), 0, uint16(len(suites)), suites, 1, 0,
		uint16(len(extensions)), extensions)
	return bytesOf(1, 0, uint16(len(hello)), hello)
}

// Types of TLS records.
const (
	tlsAlert     = 21
	tlsHandshake = 22
	tlsData      = 23
	tlsHeartbeat = 24
)

// shakes does a handshake that must fail.
func shakes(port string, change func(cfg *tls.Config)) input {
	return func(a *attacker) error {
		cfg := a.TLS()
		change(cfg)
		p, err := a.tlsWith(port, cfg)
		if err == nil {
			_ = p.Close()
			return errors.New("the handshake succeeds")
		}
		return nil
	}
}

// tolerates does a handshake that is odd, and connects a device.
func tolerates(change func(cfg *tls.Config)) input {
	return func(a *attacker) error {
		cfg := a.TLS()
		change(cfg)
		p, err := a.tlsWith(harness.MQTTPort, cfg)
		if err != nil {
			return err
		}
		defer p.Close()
		return p.enter(a.hello().bytes())
	}
}

// after does a handshake, and then sends bytes below it.
func after(port string, sent ...any) input {
	return func(a *attacker) error {
		p, err := a.tls(port)
		if err != nil {
			return err
		}
		defer p.Close()
		if _, err := p.raw().Write(bytesOf(sent...)); err != nil {
			return err
		}
		return closed(p)
	}
}

// forges does a handshake, and then sends records that are encrypted as they
// should be and out of place.
func forges(port string, version uint16, forge func(f *forger) error) input {
	return func(a *attacker) error {
		f, cfg := &forger{}, a.TLS()
		cfg.MinVersion, cfg.MaxVersion = version, version
		cfg.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		cfg.KeyLogWriter = &f.log
		p, err := a.tcp(port)
		if err != nil {
			return err
		}
		defer p.Close()
		f.Conn = p.Conn
		conn := tls.Client(f, cfg)
		if err := conn.Handshake(); err != nil {
			return err
		}
		if err := f.ready(conn.ConnectionState()); err != nil {
			return err
		}
		if err := forge(f); err != nil {
			return err
		}
		return closed(newPeer(conn))
	}
}

// tlsInputs are inputs that have to do with TLS.
func tlsInputs() map[string]input {
	all := map[string]input{
		"a name that is not the hub's": tolerates(func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "example.org", true }),
		"no name at all":               tolerates(func(c *tls.Config) { c.ServerName, c.InsecureSkipVerify = "", true }),
		"protocols nobody speaks":      tolerates(func(c *tls.Config) { c.NextProtos = names255() }),
		"a certificate of one's own":   tolerates(func(c *tls.Config) { c.Certificates = []tls.Certificate{selfSigned(0)} }),
		"a certificate of 10 KB":       tolerates(func(c *tls.Config) { c.Certificates = []tls.Certificate{selfSigned(10 << 10)} }),
		"HTTP/2 and nothing else":      shakes(harness.HTTPSPort, func(c *tls.Config) { c.NextProtos = []string{"h2"} }),
		"a ClientHello to the plain control port": below(harness.ControlPort,
			record(tlsHandshake, tls.VersionTLS10, clientHello([]byte{0xC0, 0x2B}, nil)), half),
		"MQTT to the plain control port":      below(harness.ControlPort, packetOf(0x10, text("MQTT"), 4, 2, 0, 60, text("d")), half),
		"a megabyte of zeros to control port": below(harness.ControlPort, make([]byte, 1<<20), closed),
	}
	for port, name := range map[string]string{harness.MQTTPort: "MQTT", harness.HTTPSPort: "HTTPS", harness.AMQPSPort: "AMQPS"} {
		for what, in := range map[string]input{
			"plain HTTP":                below(port, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), closed),
			"plain MQTT":                below(port, packetOf(0x10, text("MQTT"), 4, 2, 0, 60, text("d")), closed),
			"a ClientHello of SSL 2":    below(port, bytesOf(0x80, 0x2E, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10, long(37)), closed),
			"a ClientHello of SSL 3":    below(port, record(tlsHandshake, 0x0300, 1, 0, 0, 43, 3, 0, long(32), 0, 0, 4, 0, 4, 0, 5, 1, 0), closed),
			"TLS 1.0":                   shakes(port, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }),
			"TLS 1.1":                   shakes(port, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }),
			"suites without a secret":   below(port, record(tlsHandshake, tls.VersionTLS10, clientHello([]byte{0, 0, 0, 1, 0, 2}, nil)), closed),
			"suites of RSA alone":       shakes(port, rsaOnly),
			"a record of 65,535 bytes":  below(port, bytesOf(tlsHandshake, 3, 1, 0xFF, 0xFF, long(65535)), closed),
			"a thousand empty records":  below(port, bytesOf(strings.Repeat(string(record(tlsHandshake, tls.VersionTLS10)), 1000)), closed),
			"a handshake of 16 MB":      below(port, bytesOf(record(tlsHandshake, tls.VersionTLS10, 1, 0xFF, 0xFF, 0xFF, long(16000))), closed),
			"a handshake of 60 KB":      below(port, fat(60<<10), closed),
			"extensions that overlap":   below(port, record(tlsHandshake, tls.VersionTLS10, clientHello([]byte{0xC0, 0x2B}, bytesOf(0, 0, 0xFF, 0xFF, "x"))), closed),
			"alerts first":              below(port, bytesOf(strings.Repeat(string(record(tlsAlert, tls.VersionTLS10, 1, 90)), 1000)), closed),
			"data first":                below(port, record(tlsData, tls.VersionTLS10, long(1000)), closed),
			"a heartbeat that bleeds":   below(port, record(tlsHeartbeat, tls.VersionTLS12, 1, 0x40, 0), closed),
			"half a ClientHello":        below(port, record(tlsHandshake, tls.VersionTLS10, clientHello([]byte{0xC0, 0x2B}, nil))[:30], half),
			"one byte":                  below(port, []byte{tlsHandshake}, half),
			"nothing":                   below(port, nil, half),
			"a reset":                   below(port, []byte{tlsHandshake}, func(p *peer) error { p.reset(); return nil }),
			"random bytes afterwards":   after(port, long(100)),
			"a forged record":           after(port, record(tlsData, tls.VersionTLS12, long(100))),
			"a record too long":         after(port, tlsData, uint16(tls.VersionTLS12), uint16(20000), long(20000)),
			"a plain alert afterwards":  after(port, record(tlsAlert, tls.VersionTLS12, 2, 40)),
			"a heartbeat afterwards":    after(port, record(tlsHeartbeat, tls.VersionTLS12, 1, 0x40, 0)),
			"a renegotiation":           forges(port, tls.VersionTLS12, (*forger).renegotiate),
			"a thousand key updates":    forges(port, tls.VersionTLS13, (*forger).updateKeys),
			"a thousand empty records ": forges(port, tls.VersionTLS13, (*forger).sayNothing),
			"a second ClientHello":      forges(port, tls.VersionTLS13, (*forger).renegotiate),
		} {
			all[what+" on the "+name+" port"] = in
		}
	}
	return all
}

// half: the attacker says that it has no more to say, and the hub closes.
func half(p *peer) error {
	p.stop()
	return closed(p)
}

// fat is a ClientHello of so many bytes, in as many records as it takes.
func fat(size int) []byte {
	extension := bytesOf(0x12, 0x34, uint16(size-100), long(size-100))
	hello := clientHello([]byte{0xC0, 0x2B}, extension)
	var all []byte
	for len(hello) > 0 {
		n := min(len(hello), 16000)
		all = append(all, record(tlsHandshake, tls.VersionTLS10, hello[:n])...)
		hello = hello[n:]
	}
	return all
}

// rsaOnly offers suites that the hub's certificate cannot do.
func rsaOnly(c *tls.Config) {
	c.MaxVersion = tls.VersionTLS12
	c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
}

// names255 are protocols as long as there may be.
func names255() []string {
	all := make([]string, 50)
	for i := range all {
		all[i] = fmt.Sprintf("%03d%s", i, long(250))
	}
	return all
}

// selfSigned is a certificate of the attacker's own that is at least so large.
func selfSigned(size int) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "attacker0"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(years),
	}
	if size > 0 {
		template.ExtraExtensions = []pkix.Extension{{Id: []int{1, 2, 3, 4}, Value: make([]byte, size)}}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
