package api

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"virga/core/db"
)

// Local is a transport that hands requests to a handler of the same process, so that
// services call each other by their public APIs without a socket. Bodies stream in both
// directions. The context goes along: an identity that the caller put into it (with
// token.WithIdentity) is the caller's identity on the other side, no token is needed.
type Local struct{ Handler http.Handler }

// RoundTrip implements http.RoundTripper. It refuses calls from within an open transaction.
func (l Local) RoundTrip(r *http.Request) (*http.Response, error) {
	if db.InTx(r.Context()) {
		return nil, errors.New("call " + r.URL.Path + ": a database transaction is open")
	}
	inner := r.Clone(r.Context())
	inner.RequestURI = inner.URL.RequestURI()
	inner.RemoteAddr = "in-process"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &localWriter{header: http.Header{}, ready: make(chan struct{}), body: writer}
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				w.WriteHeader(http.StatusInternalServerError)
				_ = writer.CloseWithError(io.ErrUnexpectedEOF)
				return
			}
			w.WriteHeader(http.StatusOK)
			_ = writer.Close()
		}()
		l.Handler.ServeHTTP(w, inner)
	}()
	select {
	case <-w.ready:
	case <-r.Context().Done():
		_ = reader.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: reader, ContentLength: -1, Request: r,
	}, nil
}

// localWriter passes an answer to the waiting caller.
type localWriter struct {
	header, sent http.Header
	status       int
	once         sync.Once
	ready        chan struct{}
	body         *io.PipeWriter
}

// Header implements http.ResponseWriter.
func (w *localWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *localWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

// Write implements http.ResponseWriter.
func (w *localWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}
