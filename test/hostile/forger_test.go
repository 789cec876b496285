package hostile_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
)

// forger is the connection below a TLS client. It listens in, learns the client's
// key from crypto/tls's key log, and can then send records that crypto/tls never
// would. It knows the one suite of AES-128 in TLS 1.2 and 1.3.
type forger struct {
	net.Conn
	log  bytes.Buffer // of keys, for tls.Config
	read []byte       // from the hub; its ServerHello is in the beginning

	version uint16
	secret  []byte // TLS 1.3: the client's traffic secret
	aead    cipher.AEAD
	iv      []byte // TLS 1.2: 4 bytes; TLS 1.3: 12
	number  uint64 // of the next record
}

// Read listens in on what the hub says.
func (f *forger) Read(b []byte) (int, error) {
	n, err := f.Conn.Read(b)
	if len(f.read) < 128 {
		f.read = append(f.read, b[:n]...)
	}
	return n, err
}

// ready works out the keys once the handshake is done.
func (f *forger) ready(state tls.ConnectionState) error {
	f.version = state.Version
	if f.version == tls.VersionTLS13 {
		if state.CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			return fmt.Errorf("the suite is %s", tls.CipherSuiteName(state.CipherSuite))
		}
		_, secret := f.logged("CLIENT_TRAFFIC_SECRET_0")
		return f.follow(secret)
	}
	client, master := f.logged("CLIENT_RANDOM")
	server := f.read[5+4+2 : 5+4+2+32] // record, handshake, version; then the random bytes
	block := prf(master, "key expansion", bytesOf(server, client), 2*16+2*4)
	f.iv, f.number = block[32:36], 1 // the client has sent its Finished
	return f.use(block[:16])
}

// logged is a line of the key log: the client's random bytes and a secret.
func (f *forger) logged(label string) (random, secret []byte) {
	for line := range bytes.Lines(f.log.Bytes()) {
		fields := bytes.Fields(line)
		if string(fields[0]) == label {
			random, _ = hex.DecodeString(string(fields[1]))
			secret, _ = hex.DecodeString(string(fields[2]))
		}
	}
	return random, secret
}

func (f *forger) use(key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	f.aead, err = cipher.NewGCM(block)
	return err
}

// follow takes the keys of TLS 1.3 from a traffic secret.
func (f *forger) follow(secret []byte) error {
	f.secret, f.number = secret, 0
	key, err := expand(secret, "key", 16)
	if err != nil {
		return err
	}
	if f.iv, err = expand(secret, "iv", 12); err != nil {
		return err
	}
	return f.use(key)
}

// expand is HKDF-Expand-Label of RFC 8446 with an empty context.
func expand(secret []byte, label string, length int) ([]byte, error) {
	label = "tls13 " + label
	info := bytesOf(uint16(length), len(label), label, 0)
	return hkdf.Expand(sha256.New, secret, string(info), length)
}

// prf is the function of that name of RFC 5246.
func prf(secret []byte, label string, seed []byte, length int) []byte {
	seed = bytesOf(label, seed)
	sum := func(b []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(b)
		return mac.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < length; a = sum(a) {
		out = append(out, sum(bytesOf(a, seed))...)
	}
	return out[:length]
}

// forge sends an encrypted record.
func (f *forger) forge(kind byte, content []byte) error {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], f.number)
	f.number++
	if f.version == tls.VersionTLS12 {
		sealed := f.aead.Seal(nil, bytesOf(f.iv, number[:]), content, bytesOf(number[:], kind, uint16(tls.VersionTLS12), uint16(len(content))))
		_, err := f.Conn.Write(record(kind, tls.VersionTLS12, number[:], sealed))
		return err
	}
	nonce := bytes.Clone(f.iv)
	for i := range number {
		nonce[4+i] ^= number[i]
	}
	content = bytesOf(content, kind)
	head := bytesOf(tlsData, uint16(tls.VersionTLS12), uint16(len(content)+16))
	_, err := f.Conn.Write(f.aead.Seal(head, nonce, content, head))
	return err
}

// renegotiate begins another handshake inside the first.
func (f *forger) renegotiate() error {
	return f.forge(tlsHandshake, clientHello([]byte{0xC0, 0x2B}, nil))
}

// updateKeys asks for new keys, a thousand times over.
func (f *forger) updateKeys() error {
	for range 1000 {
		if f.forge(tlsHandshake, []byte{24, 0, 0, 1, 1}) != nil {
			return nil // the hub has had enough
		}
		next, err := expand(f.secret, "traffic upd", 32)
		if err != nil {
			return err
		}
		if err := f.follow(next); err != nil {
			return err
		}
	}
	return nil
}

// sayNothing sends a thousand records with nothing in them.
func (f *forger) sayNothing() error {
	for range 1000 {
		if f.forge(tlsData, nil) != nil {
			return nil // the hub has had enough
		}
	}
	return nil
}
