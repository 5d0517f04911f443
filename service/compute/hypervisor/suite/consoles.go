package suite

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"virga/service/compute/hypervisor"
)

// readUntil reads from a console until a text was there; it fails the test when the console
// ends or is silent for too long.
func readUntil(t *testing.T, console io.Reader, text string) string {
	t.Helper()
	type result struct {
		text string
		err  error
	}
	found := make(chan result, 1)
	go func() {
		var all bytes.Buffer
		buffer := make([]byte, 512)
		for {
			n, err := console.Read(buffer)
			all.Write(buffer[:n])
			if strings.Contains(all.String(), text) {
				err = nil
			} else if err == nil {
				continue
			}
			found <- result{all.String(), err}
			return
		}
	}()
	select {
	case r := <-found:
		if r.err != nil {
			t.Fatalf("the console ended after %q, before %q: %v", r.text, text, r.err)
		}
		return r.text
	case <-time.After(patience):
		t.Fatalf("the console never said %q", text)
	}
	return ""
}

// drain reads a console; what it returns is closed when there is nothing to read any more.
func drain(console io.Reader) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, console)
		close(ended)
	}()
	return ended
}

func awaitEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("the console does not end")
	}
}

func displaySpeaksRFB(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	first, err := e.driver.OpenDisplay(t.Context(), guest.ID)
	must(t, err)
	defer first.Close()
	readUntil(t, first, "RFB 003.008\n")
	second, err := e.driver.OpenDisplay(t.Context(), guest.ID) // beside the first
	must(t, err)
	defer second.Close()
	readUntil(t, second, "RFB 003.008\n")
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation+1))
	awaitEnd(t, drain(first))
	if _, err := e.driver.OpenDisplay(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("the display of a guest that is gone: %v", err)
	}
}

func serialPortBelongsToOne(t *testing.T, e *env) {
	guest := e.guest(t, 1)
	e.run(t, guest)
	first, err := e.driver.OpenSerial(t.Context(), guest.ID)
	must(t, err)
	defer first.Close()
	second, err := e.driver.OpenSerial(t.Context(), guest.ID)
	must(t, err)
	defer second.Close()
	awaitEnd(t, drain(first))
	ended := drain(second)
	if _, err := second.Write([]byte("hello\r")); err != nil {
		t.Fatalf("write to the serial port: %v", err)
	}
	must(t, e.driver.RemoveGuest(t.Context(), guest.ID, guest.Generation+1))
	awaitEnd(t, ended)
	if _, err := e.driver.OpenSerial(t.Context(), guest.ID); !errors.Is(err, hypervisor.ErrNotFound) {
		t.Fatalf("the serial port of a guest that is gone: %v", err)
	}
}
