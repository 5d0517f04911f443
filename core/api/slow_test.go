package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"virga/core/authz"
	"virga/core/token"
)

type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// TestSlowBodiesAreCutOff sends the beginning of a body and then nothing.
func TestSlowBodiesAreCutOff(t *testing.T) {
	policy, err := authz.NewEnforcer([]authz.Rule{{Name: "x", Check: "@"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	good := func(context.Context, *Request) (any, error) { return nil, nil }
	tab := &Table{
		Policy: policy, Auth: nobody{}, Log: slog.New(slog.DiscardHandler), Schemas: fstest.MapFS{"x.json": {Data: []byte(`{}`)}},
		Errors: func(e *Error, _ *Request) (string, []byte) { return "text/plain", []byte(e.Message) },
		Routes: []Route{
			{Method: "POST", Path: "/json", Public: true, Body: "x", Handle: good},
			{Method: "POST", Path: "/none", Public: true, Handle: good},
			{Method: "POST", Path: "/raw", Public: true, Raw: true, Handle: good},
			{Method: "POST", Path: "/refused", Policy: "x", Raw: true, Handle: good},
		},
	}
	h, err := NewHandler(tab)
	if err != nil {
		t.Fatal(err)
	}
	h.(*server).bodyTimeout = 50 * time.Millisecond
	outer := httptest.NewServer(h)
	defer outer.Close()
	for path, status := range map[string]int{"/json": 408, "/none": 204, "/raw": 204, "/refused": 401, "/nothing": 404} {
		connection, err := net.Dial("tcp", outer.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", path)
		if err := connection.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(connection)
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: status %d", path, resp.StatusCode)
		}
		for err == nil { // the connection ends
			_, err = in.ReadByte()
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays", path)
		}
		_ = connection.Close()
	}
}
