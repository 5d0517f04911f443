package image

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// uploads are the uploads that run in this process, by the id of their content.
type uploads struct {
	mu      sync.Mutex
	running map[string]context.CancelCauseFunc
	// ended has the sweeper look again when an upload is over.
	ended chan struct{}
}

func newUploads() *uploads {
	return &uploads{running: map[string]context.CancelCauseFunc{}, ended: make(chan struct{}, 1)}
}

// begin registers an upload; end is called when its outcome is written down.
func (u *uploads) begin(ctx context.Context, contentID string) (running context.Context, end func()) {
	running, cancel := context.WithCancelCause(ctx)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.running[contentID] = cancel
	return running, func() {
		cancel(nil)
		u.mu.Lock()
		delete(u.running, contentID)
		u.mu.Unlock()
		select {
		case u.ended <- struct{}{}:
		default:
		}
	}
}

// expect has an upload count as running before it begins, so that nobody takes its row for
// that of a dead one; forget takes that back.
func (u *uploads) expect(contentID string) (forget func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.running[contentID] = func(error) {}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.running, contentID)
	}
}

// stop ends the upload of a content whose image was deleted, if it runs here.
func (u *uploads) stop(contentID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if cancel := u.running[contentID]; cancel != nil {
		cancel(errDeleted)
	}
}

// runs tells whether the upload of a content runs here.
func (u *uploads) runs(contentID string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.running[contentID] != nil
}

const (
	// drainBytes and drainTime bound how much of a refused upload is still read.
	drainBytes = 256 << 20
	drainTime  = 5 * time.Second
)

// draining reads on a while after an upload was refused. Many clients send their whole
// body before they look at the answer; a connection that is cut meanwhile hides it.
type draining struct {
	inner http.Handler
	// idle is how long the next byte of a body may take.
	idle time.Duration
}

// defaultIdleTime is how long a client may send, or take, nothing in the middle of its data,
// where no other time is configured.
const defaultIdleTime = 2 * time.Minute

// ServeHTTP implements http.Handler.
func (d draining) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/file") {
		d.download(w, r)
		return
	}
	if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, "/file") && !strings.HasSuffix(r.URL.Path, "/stage") {
		d.inner.ServeHTTP(w, r)
		return
	}
	control := http.NewResponseController(w)
	// Without this the server itself reads a part of the body before it sends the answer.
	_ = control.EnableFullDuplex()
	if r.Body != http.NoBody && control.SetReadDeadline(time.Now().Add(d.idle)) == nil { // a connection, not a call of the same process
		r.Body = &idling{ReadCloser: r.Body, control: control, idle: d.idle}
		defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	}
	answer := &answerWriter{ResponseWriter: w}
	d.inner.ServeHTTP(answer, r)
	// A client that waits for "100 Continue" has held its body back.
	if answer.status < 400 || r.Header.Get("Expect") != "" || control.Flush() != nil {
		return
	}
	if control.SetReadDeadline(time.Now().Add(drainTime)) != nil {
		return // not a connection: nothing can be cut
	}
	_, _ = io.CopyN(io.Discard, r.Body, drainBytes)
	_ = control.SetReadDeadline(time.Time{})
}

// idling is a body whose every byte has to come in time: a client that has gone without a
// word would hold its upload for ever.
type idling struct {
	io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
}

// Read implements io.Reader.
func (i *idling) Read(p []byte) (int, error) {
	if err := i.control.SetReadDeadline(time.Now().Add(i.idle)); err != nil {
		return 0, err
	}
	return i.ReadCloser.Read(p)
}

// download has a client that takes nothing any more be cut off.
func (d draining) download(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	if control.SetWriteDeadline(time.Now().Add(d.idle)) != nil { // a call of the same process
		d.inner.ServeHTTP(w, r)
		return
	}
	defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
	d.inner.ServeHTTP(&idlingWriter{ResponseWriter: w, control: control, idle: d.idle}, r)
}

// idlePiece is how many bytes a client has to take in the time that it may idle.
const idlePiece = 1 << 20

// idlingWriter is an answer whose every piece has to be taken in time.
type idlingWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
}

// Unwrap lets http.ResponseController reach the connection.
func (i *idlingWriter) Unwrap() http.ResponseWriter { return i.ResponseWriter }

// Write implements io.Writer.
func (i *idlingWriter) Write(p []byte) (int, error) {
	if err := i.control.SetWriteDeadline(time.Now().Add(i.idle)); err != nil {
		return 0, err
	}
	return i.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom: each piece goes the way that the answer has for it, which
// is the kernel's for a file.
func (i *idlingWriter) ReadFrom(from io.Reader) (sum int64, err error) {
	whole, limited := from.(*io.LimitedReader)
	for {
		if err := i.control.SetWriteDeadline(time.Now().Add(i.idle)); err != nil {
			return sum, err
		}
		piece := &io.LimitedReader{R: from, N: idlePiece}
		if limited {
			piece.R, piece.N = whole.R, min(idlePiece, whole.N)
		}
		n, err := io.Copy(i.ResponseWriter, piece)
		sum += n
		if limited {
			whole.N -= n
		}
		if err != nil || n == 0 || piece.N > 0 || limited && whole.N == 0 {
			return sum, err
		}
	}
}

// answerWriter remembers the status.
type answerWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answerWriter) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answerWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }
