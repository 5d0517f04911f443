// Package notifytest gives tests OpenStack's own listener of notifications: a Python
// program with oslo.messaging (Debian's python3-oslo.messaging), which is not changed in
// any way. Only tests import it.
package notifytest

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"
)

//go:embed listen.py
var program string

// python is the interpreter that Debian's packages are for.
const python = "/usr/bin/python3"

// Heard is a notification as oslo.messaging hands it to an endpoint.
type Heard struct {
	Priority  string
	Topic     string
	Context   map[string]any
	Publisher string `json:"publisher_id"`
	EventType string `json:"event_type"`
	// Payload is an object, but for some errors, which are a text.
	Payload  any
	Metadata map[string]any
}

// Listen listens on pairs EXCHANGE:TOPIC of a broker until the test ends. Queues that are
// missing are made in the listener's own way.
func Listen(t testing.TB, url string, pairs ...string) <-chan Heard {
	t.Helper()
	if err := exec.Command(python, "-c", "import oslo_messaging").Run(); err != nil {
		t.Fatalf("python3-oslo.messaging is not installed: %v", err)
	}
	cmd := exec.Command(python, append([]string{"-c", program, strings.Replace(url, "amqp://", "rabbit://", 1)}, pairs...)...)
	cmd.Stderr = t.Output()
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	all, read := make(chan Heard, 10_000), make(chan struct{})
	go func() {
		defer close(read)
		scanner := bufio.NewScanner(lines)
		scanner.Buffer(nil, 4<<20)
		for scanner.Scan() {
			var one Heard
			if err := json.Unmarshal(scanner.Bytes(), &one); err != nil {
				t.Errorf("the listener says %s: %v", scanner.Text(), err)
			}
			all <- one
		}
	}()
	t.Cleanup(func() {
		_ = orders.Close() // it ends with its input
		<-read
		_ = cmd.Wait()
	})
	return all
}

// Next waits for a notification.
func Next(t testing.TB, all <-chan Heard) Heard {
	t.Helper()
	select {
	case one := <-all:
		return one
	case <-time.After(time.Minute):
		t.Fatal("nothing more is heard")
		return Heard{}
	}
}
