package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"

	"virga/core/db"
)

// Local is a transport that hands requests to a handler of the same process, so that
// services call each other by their public APIs without a socket. Bodies stream in both
// directions. The context goes along: an identity that the caller put into it (with
// token.WithIdentity) is the caller's identity on the other side, no token is needed.
//
// As with a socket, the handler's context ends with the handler, with the caller's context,
// and when the caller closes the answer's body before its end.
type Local struct{ Handler http.Handler }

// RoundTrip implements http.RoundTripper. It refuses calls from within an open transaction.
func (l Local) RoundTrip(r *http.Request) (*http.Response, error) {
	if db.InTx(r.Context()) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errors.New("call " + r.URL.Path + ": a database transaction is open")
	}
	ctx, cancel := context.WithCancel(r.Context())
	inner := r.Clone(ctx)
	inner.RequestURI = inner.URL.RequestURI()
	inner.RemoteAddr = "in-process"
	if inner.Body == nil {
		inner.Body = http.NoBody
	}
	reader, writer := io.Pipe()
	w := &localWriter{ctx: ctx, head: r.Method == http.MethodHead, header: http.Header{}, ready: make(chan struct{}), body: writer}
	stop := context.AfterFunc(ctx, func() { // neither side waits for one that is gone
		_ = writer.CloseWithError(ctx.Err())
		_ = inner.Body.Close()
	})
	go func() {
		defer cancel()
		defer stop()
		defer func() { _ = inner.Body.Close() }()
		l.serve(w, inner)
	}()
	select {
	case <-w.ready:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &localBody{reader, cancel}, ContentLength: w.announced, Request: r,
	}
	return resp, nil
}

// serve calls the handler and ends the answer: well, or broken off when the handler did so
// or has written less than it announced.
func (l Local) serve(w *localWriter, r *http.Request) {
	defer func() {
		if cause := recover(); cause != nil {
			w.WriteHeader(http.StatusInternalServerError)
			_ = w.body.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		w.WriteHeader(http.StatusOK)
		if !w.head && w.announced > w.written {
			_ = w.body.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		_ = w.body.Close()
	}()
	l.Handler.ServeHTTP(w, r)
}

// localBody is the caller's end of an answer.
type localBody struct {
	*io.PipeReader
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b *localBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}

// localWriter passes an answer to the waiting caller.
type localWriter struct {
	ctx          context.Context
	head         bool
	header, sent http.Header
	status       int
	// announced is the Content-Length, -1 without one; written counts the bytes so far.
	announced, written int64
	once               sync.Once
	ready              chan struct{}
	body               *io.PipeWriter
}

// Header implements http.ResponseWriter.
func (w *localWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *localWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		return // an informational answer; the final one is still to come
	}
	w.once.Do(func() {
		w.status, w.sent, w.announced = status, w.header.Clone(), -1
		if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil && n >= 0 {
			w.announced = n
		}
		close(w.ready)
	})
}

// Write implements http.ResponseWriter.
func (w *localWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head {
		return len(p), nil
	}
	if w.announced >= 0 && w.written+int64(len(p)) > w.announced {
		return 0, http.ErrContentLength
	}
	n, err := w.body.Write(p)
	w.written += int64(n)
	if err != nil && w.ctx.Err() != nil {
		err = w.ctx.Err()
	}
	return n, err
}
