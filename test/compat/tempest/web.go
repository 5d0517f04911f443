package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// web is a server with an image for the tests that import by URL.
type web struct {
	server   *http.Server
	listener net.Listener
	done     chan error
}

// startWeb serves an image on loopback.
func startWeb(ctx context.Context) (*web, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serve an image: %w", err)
	}
	picture := bytes.Repeat([]byte("picture "), 8<<10)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "image", time.Time{}, bytes.NewReader(picture))
	})
	w := &web{server: &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}, listener: listener, done: make(chan error, 1)}
	go func() { w.done <- w.server.Serve(listener) }()
	return w, nil
}

// image is the image's address.
func (w *web) image() string { return "http://" + w.listener.Addr().String() + "/image" }

// rules are the arguments of virga that let it read the image, and the ports of the web as ever.
func (w *web) rules() []string {
	_, port, _ := net.SplitHostPort(w.listener.Addr().String())
	return []string{"--import-allow", "127.0.0.1/32", "--import-port", "80,443," + port}
}

// stop ends the server.
func (w *web) stop() error {
	err := w.server.Close()
	if serve := <-w.done; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return err
}
