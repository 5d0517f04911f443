package ingest

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"virga/service/image/inspect"
	"virga/service/image/sums"
)

// ErrChanged is wrapped when content is not what was known of it.
var ErrChanged = errors.New("image content is not what it was")

// Expected is what is known of content that is read where it stays.
type Expected struct {
	DiskFormat     string // as declared
	Size           int64  // bytes
	MD5, SHA512    string // hexadecimal; empty: not known
	MaxVirtualSize int64  // see Request
}

// Watch looks at content while it is read to its end. Its last bytes are given only when the whole is of the declared
// format, safe, and what was expected; what its first bytes condemn ends there. Closing it closes body.
func Watch(body io.ReadCloser, want Expected) io.ReadCloser {
	return &watched{body: body, want: want, inspector: inspect.New(inspect.Options{MaxVirtualSize: want.MaxVirtualSize}), md5: md5.New(), sha512: sha512.New()}
}

type watched struct {
	body        io.ReadCloser
	want        Expected
	inspector   *inspect.Inspector
	md5, sha512 hash.Hash
	seen        int64
	err         error
}

// Read implements io.Reader.
func (w *watched) Read(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.body.Read(b)
	w.seen += int64(n)
	for _, to := range []io.Writer{w.inspector, w.md5, w.sha512} {
		_, _ = to.Write(b[:n])
	}
	if refused := w.judge(); refused != nil {
		w.err = refused
		return 0, refused
	}
	if err == io.EOF && w.seen < w.want.Size {
		err = io.ErrUnexpectedEOF
	}
	w.err = err
	return n, err
}

// judge refuses what was read up to now.
func (w *watched) judge() error {
	if err := w.inspector.Refused(w.want.DiskFormat); err != nil {
		return err
	}
	switch {
	case w.seen < w.want.Size:
		return nil
	case w.seen > w.want.Size:
		return fmt.Errorf("%w: it has more than %d bytes", ErrChanged, w.want.Size)
	}
	if err := inspect.Check(w.want.DiskFormat, w.inspector.Result()); err != nil {
		return err
	}
	if sum := hex.EncodeToString(w.md5.Sum(nil)); w.want.MD5 != "" && sum != w.want.MD5 {
		return fmt.Errorf("%w: its MD5 is %s, not %s", ErrChanged, sum, w.want.MD5)
	}
	if sum := hex.EncodeToString(w.sha512.Sum(nil)); w.want.SHA512 != "" && sum != w.want.SHA512 {
		return fmt.Errorf("%w: its SHA-512 is %s, not %s", ErrChanged, sum, w.want.SHA512)
	}
	return nil
}

// Close implements io.Closer.
func (w *watched) Close() error { return w.body.Close() }

// Examine looks at content as Take does, but stores it nowhere.
func Examine(ctx context.Context, req Request) (Result, error) {
	p := &pass{req: req, inspector: inspect.New(inspect.Options{MaxVirtualSize: req.MaxVirtualSize})}
	p.hasher = sums.NewHasher(&p.body)
	p.body.pass = p
	defer p.hasher.Close()
	if _, err := io.Copy(examined{ctx}, p); err != nil {
		return p.found(), fmt.Errorf("examine image content: %w", err)
	}
	return p.result, nil
}

// examined drops what is written to it until ctx ends.
type examined struct{ ctx context.Context }

// Write implements io.Writer.
func (e examined) Write(b []byte) (int, error) { return len(b), context.Cause(e.ctx) }
