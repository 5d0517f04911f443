package suite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/bus"
)

// echo answers with the question and its body.
func echo(_ context.Context, question string, body []byte) ([]byte, error) {
	return append([]byte(question+":"), body...), nil
}

func testAnswer(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("echo")
		e.serve(from, to, address, echo)
		for _, body := range []string{"", "text", "\x00\xff\n\x80"} {
			got, err := e.ask(from, address, "wörd", []byte(body))
			if err != nil || string(got) != "wörd:"+body {
				t.Errorf("answer %q, %v", got, err)
			}
		}
		e.serve(to, to, address+"-own", echo)
		if got, err := e.ask(to, address+"-own", "q", nil); err != nil || string(got) != "q:" {
			t.Errorf("answer at one's own end %q, %v", got, err)
		}
	})
}

func testError(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("error")
		const text = "guest 7 is not here"
		e.serve(from, to, address, func(context.Context, string, []byte) ([]byte, error) { return []byte("ignored"), errors.New(text) })
		got, err := e.ask(from, address, "log", nil)
		if got != nil || err == nil {
			t.Fatalf("answer %q, %v", got, err)
		}
		for _, part := range []string{text, address, "log"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("the error does not name %q: %v", part, err)
			}
		}
		for _, not := range []error{bus.ErrNobody, bus.ErrUnavailable, bus.ErrTooBig, context.DeadlineExceeded, context.Canceled} {
			if errors.Is(err, not) {
				t.Errorf("the party's own error became %v", not)
			}
		}
	})
}

func testMeaning(t *testing.T, e *ends) {
	own := errors.New("of the party alone")
	e.both(func(from, to bus.Bus) {
		address := name("meaning")
		means := []error{bus.ErrNobody, bus.ErrUnavailable, bus.ErrTooBig, context.DeadlineExceeded, context.Canceled, own}
		e.serve(from, to, address, func(_ context.Context, question string, _ []byte) ([]byte, error) {
			for _, mean := range means {
				if mean.Error() == question {
					return nil, fmt.Errorf("on the way: %w", mean)
				}
			}
			return nil, nil
		})
		for _, mean := range means {
			_, err := e.ask(from, address, mean.Error(), nil)
			if errors.Is(err, mean) != (mean != own) || err == nil {
				t.Errorf("%v arrived as %v", mean, err)
			}
		}
	})
}

func testPanic(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("panic")
		e.serve(from, to, address, func(ctx context.Context, question string, body []byte) ([]byte, error) {
			if question == "break" {
				panic("a bug")
			}
			return echo(ctx, question, body)
		})
		if _, err := e.ask(from, address, "break", nil); err == nil || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "panic") {
			t.Errorf("a party that panicked: %v", err)
		}
		if got, err := e.ask(from, address, "go on", nil); err != nil || string(got) != "go on:" {
			t.Errorf("after a panic: %q, %v", got, err)
		}
	})
}

func testDeadline(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("deadline")
		ended := make(chan error, 1)
		e.serve(from, to, address, func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
			<-ctx.Done()
			ended <- ctx.Err()
			return nil, ctx.Err()
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if _, err := from.Call(ctx, address, "q", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("call without an answer: %v", err)
		}
		select {
		case <-ended:
		case <-time.After(limit):
			t.Error("the party's context has not ended with the question's deadline")
		}
	})
}

func testCancel(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("cancel")
		asked, release := make(chan struct{}), make(chan struct{})
		e.serve(from, to, address, func(context.Context, string, []byte) ([]byte, error) {
			close(asked)
			<-release
			return nil, nil
		})
		ctx, cancel := context.WithCancel(t.Context())
		back := make(chan error, 1)
		go func() {
			_, err := from.Call(ctx, address, "q", nil)
			back <- err
		}()
		<-asked
		cancel()
		if err := <-back; !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was given up: %v", err)
		}
		close(release)
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		if _, err := from.Call(ctx, address, probe, nil); err == nil {
			t.Error("a call whose context had ended was answered")
		}
	})
}

func testNobody(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("nobody")
		if _, err := e.ask(from, address, "q", nil); !errors.Is(err, bus.ErrNobody) {
			t.Errorf("call to nobody: %v", err)
		}
		if _, err := e.ask(from, address, "q", make([]byte, 1<<20)); !errors.Is(err, bus.ErrNobody) {
			t.Errorf("long call to nobody: %v", err)
		}
		stop := e.serve(from, to, address, echo)
		stop()
		stop()
		Eventually(t, "the party is gone", func() bool { return e.nobody(from, address) })
		e.serve(from, to, address, echo) // it can come back
	})
}

// nobody tells whether an address is empty. A question that meets the end of a party may get
// no answer at all.
func (e *ends) nobody(from bus.Bus, address string) bool {
	ctx, cancel := context.WithTimeout(e.t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := from.Call(ctx, address, probe, nil)
	return errors.Is(err, bus.ErrNobody)
}

func testReplace(t *testing.T, e *ends) {
	says := func(text string) bus.Answer {
		return func(context.Context, string, []byte) ([]byte, error) { return []byte(text), nil }
	}
	e.both(func(from, to bus.Bus) {
		address := name("replace")
		asks := func(caller bus.Bus, want string) {
			t.Helper()
			Eventually(t, want+" is asked", func() bool {
				ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
				got, err := caller.Call(ctx, address, "who", nil)
				return err == nil && string(got) == want
			})
		}
		stopFirst := e.serve(from, to, address, says("first"))
		stopSecond := e.serve(from, from, address, says("second")) // at the other end
		asks(from, "second")
		asks(to, "second")
		stopThird := e.serve(from, to, address, says("third")) // beside the first
		asks(from, "third")
		asks(to, "third")
		stopFirst() // takes nobody's place away
		asks(from, "third")
		stopThird()
		asks(from, "second")
		asks(to, "second")
		stopSecond()
		Eventually(t, "nobody is left", func() bool { return e.nobody(to, address) })
	})
}

func testStop(t *testing.T, e *ends) {
	e.both(func(from, to bus.Bus) {
		address := name("stop")
		asked, release := make(chan struct{}), make(chan struct{})
		stop := e.serve(from, to, address, func(context.Context, string, []byte) ([]byte, error) {
			close(asked)
			<-release
			return []byte("late"), nil
		})
		back := make(chan string, 1)
		go func() {
			got, err := e.ask(from, address, "q", nil)
			back <- fmt.Sprint(string(got), err)
		}()
		<-asked
		stop() // must not wait for the answer, which waits for us
		close(release)
		if got := <-back; got != "late<nil>" {
			t.Errorf("the answer that was under way: %s", got)
		}
	})
}

// pattern is a body that shows when its pieces are confused.
func pattern(size int, seed byte) []byte {
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(i>>16) ^ byte(i>>8) ^ byte(i)*31 ^ seed
	}
	return body
}

func testBig(t *testing.T, e *ends) {
	address := name("big")
	e.serve(e.a, e.b, address, func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	for _, size := range []int{64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, bus.MaxBody} {
		body := pattern(size, 0)
		got, err := e.ask(e.a, address, "q", body)
		if err != nil || sha256.Sum256(got) != sha256.Sum256(body) {
			t.Errorf("a body of %d bytes came back with %d, %v", size, len(got), err)
		}
	}
}

func testTooBig(t *testing.T, e *ends) {
	address := name("too-big")
	e.serve(e.a, e.b, address, func(context.Context, string, []byte) ([]byte, error) { return make([]byte, bus.MaxBody+1), nil })
	if _, err := e.ask(e.a, address, probe, make([]byte, bus.MaxBody+1)); !errors.Is(err, bus.ErrTooBig) {
		t.Errorf("a question that is too big: %v", err)
	}
	if _, err := e.ask(e.a, address, "q", nil); !errors.Is(err, bus.ErrTooBig) {
		t.Errorf("an answer that is too big: %v", err)
	}
	if _, err := e.ask(e.a, address, probe, nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func testLongNames(t *testing.T, e *ends) {
	long := name("long") + strings.Repeat("x", 255)
	long = long[:255]
	e.serve(e.a, e.b, long, echo)
	question := strings.Repeat("q", 255)
	if got, err := e.ask(e.a, long, question, nil); err != nil || string(got) != question+":" {
		t.Errorf("names of 255 bytes: %q, %v", got, err)
	}
	bell := e.b.Listen(long)
	defer bell.Close()
	e.heard(first(bell, e.a, long))
	e.a.Ring(long)
	e.heard(bell)
	for _, names := range [][2]string{{long + "x", "q"}, {long, question + "x"}} {
		if _, err := e.ask(e.a, names[0], names[1], nil); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("names of %d and %d bytes: %v", len(names[0]), len(names[1]), err)
		}
	}
	e.a.Ring(long + strings.Repeat("x", 10_000)) // nobody can listen to it
	e.fence(e.a, e.b)
}

func testConcurrent(t *testing.T, e *ends) {
	address := name("concurrent")
	e.serve(e.a, e.b, address+"-b", echo)
	e.serve(e.b, e.a, address+"-a", echo)
	var callers sync.WaitGroup
	for i := range 200 {
		callers.Go(func() {
			from, to := e.a, address+"-b"
			if i%2 == 0 {
				from, to = e.b, address+"-a"
			}
			size := 100
			if i%20 == 0 {
				size = 300_000
			}
			body := pattern(size, byte(i))
			got, err := e.ask(from, to, "q", body)
			if err != nil || !bytes.Equal(got, append([]byte("q:"), body...)) {
				t.Errorf("call %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	callers.Wait()
}

// testSlow has one party keep its questions while another is asked.
func testSlow(t *testing.T, e *ends) {
	slow, quick := name("slow"), name("quick")
	release := make(chan struct{})
	e.serve(e.a, e.b, slow, func(context.Context, string, []byte) ([]byte, error) { <-release; return nil, nil })
	e.serve(e.a, e.b, quick, echo)
	var waiting sync.WaitGroup
	for range 30 {
		waiting.Go(func() {
			if _, err := e.ask(e.a, slow, "q", nil); err != nil {
				t.Error(err)
			}
		})
	}
	for range 30 {
		if _, err := e.ask(e.a, quick, "q", nil); err != nil {
			t.Error(err)
		}
	}
	close(release)
	waiting.Wait()
}
