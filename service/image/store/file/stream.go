package file

import (
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"virga/service/image/store"
)

// writeback is how many bytes gather before the kernel is told to begin writing them, so that the final sync has
// little left to wait for.
const writeback = 32 << 20

// sink writes to a file until the context ends or the limit is passed.
type sink struct {
	ctx     context.Context
	f       *os.File
	limit   int64
	written int64
	flushed int64
}

// copyInto moves all of r into the file; a reader with a WriteTo of its own hands over its buffers without a copy.
func copyInto(ctx context.Context, f *os.File, r io.Reader, limit int64) (int64, error) {
	w := &sink{ctx: ctx, f: f, limit: limit}
	if _, err := io.CopyBuffer(w, r, make([]byte, 256<<10)); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return w.written, nil
}

// Write implements io.Writer.
func (w *sink) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.limit >= 0 && int64(len(p)) > w.limit-w.written {
		return 0, fmt.Errorf("%w of %d bytes", store.ErrTooLarge, w.limit)
	}
	n, err := w.f.Write(p)
	w.written += int64(n)
	if err == nil && w.written-w.flushed >= writeback {
		// Only a hint: a file system without it loses speed at the end and nothing else.
		_ = unix.SyncFileRange(int(w.f.Fd()), w.flushed, w.written-w.flushed, unix.SYNC_FILE_RANGE_WRITE)
		w.flushed = w.written
	}
	return n, err
}

// stream is a part of a content file.
type stream struct {
	f    *os.File
	left int64
}

// Read implements io.Reader.
func (s *stream) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.f.Read(p)
	s.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// WriteTo implements io.WriterTo. A destination that can read from a limited file, such as a TCP connection or the
// response of an HTTP/1 server, gets it handed over and has the kernel move the bytes.
func (s *stream) WriteTo(w io.Writer) (int64, error) {
	part := &io.LimitedReader{R: s.f, N: s.left}
	n, err := io.Copy(w, part)
	s.left -= n
	if err == nil && s.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer.
func (s *stream) Close() error { return s.f.Close() }
