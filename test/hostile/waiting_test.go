package hostile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/linarite/linarite/test/harness"
)

// opening is how an attacker gets a connection.
type opening func(a *attacker) (*peer, error)

func dials(port string) opening { return func(a *attacker) (*peer, error) { return a.tcp(port) } }

func shakesHands(port string) opening {
	return func(a *attacker) (*peer, error) { return a.tls(port) }
}

// reaches is the way to a port that has HTTP behind it.
func reaches(port string) opening {
	if port == harness.ControlPort {
		return dials(port)
	}
	return shakesHands(port)
}

// asks opens a connection and sends the beginning of a request.
func asks(port, request string) opening {
	return func(a *attacker) (*peer, error) {
		p, err := reaches(port)(a)
		if err == nil {
			p.send([]byte(a.fill(request)))
		}
		return p, err
	}
}

// ends waits for the hub to end the connection, for as long as it may take.
func (p *peer) ends(patience time.Duration) error {
	_ = p.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 4096)
	for {
		if _, err := p.in.Read(b); isTimeout(err) {
			return errors.New("the hub does not close the connection")
		} else if err != nil {
			return nil
		}
	}
}

// waits sends something that is not all and waits.
func waits(open opening, sent []byte) input {
	return func(a *attacker) error {
		p, err := open(a)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(sent)
		return p.ends(a.patience())
	}
}

// stalls sends a request that is not all and waits.
func stalls(port, request string) input { return waits(asks(port, request), nil) }

// dribbles sends a beginning, and then a little more every half second.
func dribbles(open opening, beginning, more []byte) input {
	return func(a *attacker) error {
		p, err := open(a)
		if err != nil {
			return err
		}
		defer p.Close()
		p.send(beginning)
		ended := make(chan struct{})
		var sending sync.WaitGroup
		sending.Go(func() {
			tick := time.NewTicker(500 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					p.send(more)
				case <-ended:
					return
				}
			}
		})
		err = p.ends(a.patience())
		close(ended)
		sending.Wait()
		return err
	}
}

// fallsSilent connects a device that is silent for longer than it said.
func fallsSilent(a *attacker) error {
	hello := a.hello()
	hello.keepAlive = 1
	return waits(shakesHands(harness.MQTTPort), hello.bytes())(a)
}

// deaf connects a device that subscribes to everything and reads nothing, and
// gives the hub reason to send it something, until the hub has cut it off.
func deaf(provoke func(a *attacker, p *peer) error) input {
	return func(a *attacker) error {
		p, err := a.tls(harness.MQTTPort)
		if err != nil {
			return err
		}
		defer p.Close()
		if err := p.enter(a.hello().bytes()); err != nil {
			return err
		}
		p.send(subscribe(1, twinAnswers, desired, methods, a.deviceBound()))
		if _, err := p.packet(); err != nil {
			return err
		}
		if err := provoke(a, p); err != nil {
			return err
		}
		return a.cutOff()
	}
}

// cutOff waits until the hub says that the device is gone.
func (a *attacker) cutOff() error {
	tick, deadline := time.NewTicker(100*time.Millisecond), time.After(a.patience())
	defer tick.Stop()
	for {
		gone, err := a.gone()
		if gone || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline:
			return errors.New("the hub does not cut the device off")
		}
	}
}

// gone asks the hub whether the device is there.
func (a *attacker) gone() (bool, error) {
	response, err := a.Service("GET", "/devices/"+a.device.DeviceID, nil)
	if err != nil {
		return false, err
	}
	var device struct{ ConnectionState string }
	err = json.Unmarshal(response.Body, &device)
	return device.ConnectionState == "Disconnected", err
}

// sendMessages sends as many messages as a device may have at once.
func sendMessages(a *attacker, _ *peer) error {
	body, err := json.Marshal(harness.CloudMessage{Body: long(60 << 10)})
	if err != nil {
		return err
	}
	for range 16 {
		response, err := http.Post("http://"+a.Addr(harness.ControlPort)+"/v1/devices/"+a.device.DeviceID+"/messages",
			"application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusAccepted {
			return errors.New(response.Status)
		}
	}
	return nil
}

// changeDesired changes desired properties until the device is gone.
func changeDesired(a *attacker, _ *peer) error {
	for i := 0; ; i++ {
		response, err := a.Service("PATCH", "/twins/"+a.device.DeviceID,
			fmt.Sprintf(`{"properties":{"desired":{"n":%d,"a":%q,"b":%[2]q,"c":%[2]q}}}`, i, long(4000)))
		if err != nil || response.Status != http.StatusOK {
			return fmt.Errorf("%d %s (%w)", response.Status, response.Body, err)
		}
		if gone, err := a.gone(); gone || err != nil {
			return err
		}
	}
}

// callMethods calls methods with large payloads, and has them end with the
// connection.
func callMethods(a *attacker, _ *peer) error {
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, _ = a.Service("POST", "/twins/"+a.device.DeviceID+"/methods",
				`{"methodName":"m","responseTimeoutInSeconds":30,"payload":"`+long(100<<10)+`"}`)
		})
	}
	all.Wait()
	return nil
}

// askForTwin asks for the twin a hundred times.
func askForTwin(_ *attacker, p *peer) error {
	p.send([]byte(times(100, publish(1, twinGet, ""))))
	return nil
}

// pingOn sends PINGREQ until the hub has cut the device off.
func pingOn(a *attacker, p *peer) error {
	many := []byte(times(10000, pingreq))
	for deadline := time.Now().Add(a.patience()); ; {
		_ = p.SetWriteDeadline(deadline)
		if _, err := p.Write(many); isTimeout(err) {
			return errors.New("the hub does not cut the device off")
		} else if err != nil {
			return nil
		}
	}
}

// deafSurfer is a device over WebSocket that pings and does not read.
func deafSurfer(a *attacker) error {
	p, err := a.upgraded()
	if err != nil {
		return err
	}
	defer p.Close()
	hello := a.hello()
	hello.keepAlive = 5
	p.send(frame(wsFinal|wsBinary, hello.bytes()))
	if err := p.frameOf(accepted); err != nil {
		return err
	}
	many := []byte(times(1000, frame(wsFinal|wsPing, long(125))))
	for range 20 {
		_ = p.SetWriteDeadline(time.Now().Add(a.patience()))
		if _, err := p.Write(many); err != nil {
			return nil
		}
	}
	return a.cutOff()
}

// unread sends one request after another and reads no answer.
func unread(port, request string) input {
	return func(a *attacker) error {
		p, err := reaches(port)(a)
		if err != nil {
			return err
		}
		defer p.Close()
		many := []byte(times(100, []byte(a.fill(request))))
		for deadline := time.Now().Add(a.patience()); ; {
			_ = p.SetWriteDeadline(deadline)
			if _, err := p.Write(many); isTimeout(err) {
				return errors.New("the hub does not close the connection")
			} else if err != nil {
				return nil
			}
		}
	}
}
