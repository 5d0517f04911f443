package stream_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"virga/core/bus"
	"virga/core/bus/suite"
)

// wireFrame is a frame as it is on the wire.
type wireFrame struct {
	Kind   uint8  `msgpack:"k"`
	ID     uint64 `msgpack:"i,omitempty"`
	Topic  string `msgpack:"t,omitempty"`
	Name   string `msgpack:"n,omitempty"`
	Text   string `msgpack:"e,omitempty"`
	Millis int64  `msgpack:"d,omitempty"`
	Body   []byte `msgpack:"b,omitempty"`
	More   bool   `msgpack:"m,omitempty"`
	Novel  string `msgpack:"z,omitempty"`
}

// stranger is the other side without our code.
type stranger struct {
	t  *testing.T
	ws *websocket.Conn
}

func (h *hub) stranger(t *testing.T) *stranger {
	t.Helper()
	ws, _, err := websocket.Dial(t.Context(), h.http.URL, &websocket.DialOptions{Subprotocols: []string{"virga.bus.1"}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &stranger{t, ws}
}

// send sends a frame; false when the server has closed.
func (s *stranger) send(f wireFrame) bool {
	data, err := msgpack.Marshal(f)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.ws.Write(s.t.Context(), websocket.MessageBinary, data) == nil
}

// next is the next frame that is not a sign of life.
func (s *stranger) next() (wireFrame, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	for {
		_, data, err := s.ws.Read(ctx)
		if err != nil {
			return wireFrame{}, err
		}
		var f wireFrame
		if err := msgpack.Unmarshal(data, &f); err != nil {
			s.t.Fatal(err)
		}
		if f.Kind != 1 {
			return f, nil
		}
	}
}

// TestServerEndsWhoGoesTooFar has connections that break the rules: each ends by itself, and
// the server goes on with others.
func TestServerEndsWhoGoesTooFar(t *testing.T) {
	suite.NoLeaks(t)
	h := newHub(t, everything)
	well := h.join(t)
	for what, misbehave := range map[string]func(s *stranger){
		"text": func(s *stranger) { _ = s.ws.Write(t.Context(), websocket.MessageText, []byte("hello")) },
		"no frame": func(s *stranger) {
			_ = s.ws.Write(t.Context(), websocket.MessageBinary, []byte{0xdf, 0xff, 0xff, 0xff, 0xff})
		},
		"a list for a frame": func(s *stranger) { _ = s.ws.Write(t.Context(), websocket.MessageBinary, []byte{0x91, 0x01}) },
		"a body said to be 4 GiB": func(s *stranger) {
			_ = s.ws.Write(t.Context(), websocket.MessageBinary, []byte{0x81, 0xa1, 'b', 0xc6, 0xff, 0xff, 0xff, 0xff})
		},
		"a long frame": func(s *stranger) { s.send(wireFrame{Kind: 8, ID: 1, Body: make([]byte, 100<<10)}) },
		"a body without end": func(s *stranger) {
			for s.send(wireFrame{Kind: 8, ID: 1, Body: make([]byte, 64<<10), More: true}) {
			}
		},
		"many bodies without end": func(s *stranger) {
			for i := uint64(1); s.send(wireFrame{Kind: 8, ID: i, Body: make([]byte, 1), More: true}); i++ {
			}
		},
	} {
		s := h.stranger(t)
		misbehave(s)
		if _, err := s.next(); err == nil || strings.Contains(err.Error(), "deadline") {
			t.Errorf("%s: the connection goes on: %v", what, err)
		}
	}
	suite.Eventually(t, "only the good node is left", func() bool { return h.server.Connected() == 1 })
	if err := well.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestServerPassesOverWhatItDoesNotKnow speaks a newer version's frames.
func TestServerPassesOverWhatItDoesNotKnow(t *testing.T) {
	h := newHub(t, everything)
	s := h.stranger(t)
	s.send(wireFrame{Kind: 200, Topic: "x", Novel: "yes"})
	s.send(wireFrame{Kind: 9, ID: 77, Body: []byte("nobody has asked")})
	s.send(wireFrame{Kind: 10, ID: 77})
	s.send(wireFrame{Kind: 4, Topic: "never listened to"})
	s.send(wireFrame{Kind: 6, Topic: "never served"})
	s.send(wireFrame{Kind: 8, ID: 5, Topic: "nobody.is.here", Name: "q", Millis: -1, Novel: "yes"})
	f, err := s.next()
	if err != nil || f.Kind != 9 || f.ID != 5 || f.Name != "nobody" {
		t.Errorf("answer %+v, %v", f, err)
	}
}

func TestListeningIsBounded(t *testing.T) {
	h := newHub(t, everything)
	s := h.stranger(t)
	go func() {
		for i := range 1025 {
			s.send(wireFrame{Kind: 3, Topic: fmt.Sprintf("topic.%d", i)})
		}
		s.send(wireFrame{Kind: 5, Topic: strings.Repeat("x", 300)})
	}()
	rings, refused := 0, 0
	for refused < 2 {
		f, err := s.next()
		if err != nil {
			t.Fatalf("after %d rings and %d refusals: %v", rings, refused, err)
		}
		switch f.Kind {
		case 2:
			rings++
		case 7:
			refused++
		}
	}
	if rings > 1024 {
		t.Errorf("%d topics are listened to", rings)
	}
}

// TestNodeThatAsksTooMuch puts more questions than may be under way.
func TestNodeThatAsksTooMuch(t *testing.T) {
	h := newHub(t, everything)
	release := make(chan struct{})
	h.bus.Serve("slow", func(context.Context, string, []byte) ([]byte, error) { <-release; return nil, nil })
	s := h.stranger(t)
	const asked = 200
	for i := range uint64(asked) {
		s.send(wireFrame{Kind: 8, ID: i + 1, Topic: "slow", Name: "q", Millis: 60_000})
	}
	f, err := s.next()
	if err != nil || f.Kind != 9 || f.Name != bus.CodeOf(bus.ErrUnavailable) {
		t.Errorf("the question too many: %+v, %v", f, err)
	}
	close(release)
	answered := 0
	for range asked - 1 {
		if f, err = s.next(); err != nil {
			t.Fatal(err)
		}
		if f.Name == "" {
			answered++
		}
	}
	if answered < 64 {
		t.Errorf("%d questions were answered", answered)
	}
}
