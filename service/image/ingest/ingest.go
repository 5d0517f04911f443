// Package ingest takes an image's content in: one pass that limits, inspects, sums up and stores it.
//
// It owns the order of these and the promise that refused or broken content never becomes visible in a store. It does
// not own image records or their states, nor what an API answers. The image service imports it.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"virga/service/image/inspect"
	"virga/service/image/store"
	"virga/service/image/sums"
)

// ErrShort is wrapped when the content ends before or after the length that was announced for it.
var ErrShort = errors.New("image content has not its announced length")

// Request describes one content to take in.
type Request struct {
	ID             string    // under which it is stored; see store.CheckID
	DiskFormat     string    // as declared by the user
	Body           io.Reader // read to its end, or until it is refused
	Length         int64     // announced bytes; negative when not announced
	Limit          int64     // most bytes accepted; store.NoLimit for no limit
	MaxVirtualSize int64     // largest disk accepted, in bytes; 0 for no limit
	// Accept decides on the complete, safe content before it becomes visible (min_disk, an expected sum); its error
	// refuses the content. May be nil.
	Accept func(Result) error
}

// Result is what became known of the content in the pass.
type Result struct {
	Size        int64 // bytes
	MD5         string
	SHA512      string
	Format      string // as inspected
	VirtualSize int64  // bytes of the disk in it
	Problems    []inspect.Problem
	Location    string // where the store has it; empty unless it is stored
}

// Take stores the content of the request if it is what it was declared to be, safe, and within the limits. On any error
// the store holds nothing of it; then the Result holds what was found up to there, for logs. The errors wrap
// inspect.ErrUnknownFormat, ErrMismatch and ErrUnsafe, store.ErrTooLarge, ErrExists and ErrNoSpace, ErrShort, those of
// Accept, and those of reading the body. Content that its first bytes already condemn is not read to its end.
func Take(ctx context.Context, s store.Store, req Request) (Result, error) {
	if req.Limit >= 0 && req.Length > req.Limit {
		return Result{}, fmt.Errorf("take image %s of %d bytes: %w of %d bytes", req.ID, req.Length, store.ErrTooLarge, req.Limit)
	}
	// A declaration that nothing can satisfy is told before the first byte is read.
	if err := inspect.Check(req.DiskFormat, inspect.Result{}); errors.Is(err, inspect.ErrUnknownFormat) {
		return Result{}, fmt.Errorf("take image %s: %w", req.ID, err)
	}
	p := &pass{req: req, inspector: inspect.New(inspect.Options{MaxVirtualSize: req.MaxVirtualSize})}
	p.hasher = sums.NewHasher(&p.body)
	p.body.pass = p
	defer p.hasher.Close()
	stored, err := s.Put(ctx, req.ID, p, req.Limit)
	if err != nil {
		return p.found(), fmt.Errorf("take image: %w", err)
	}
	res := p.result
	res.Location = stored.Location
	return res, nil
}

// pass is the stream that the store reads: it ends with io.EOF only when the whole content is accepted, so that a store
// that keeps its contract never shows any other.
type pass struct {
	req       Request
	body      body
	inspector *inspect.Inspector
	hasher    *sums.Hasher
	result    Result
	settled   bool
	err       error
}

// Read implements io.Reader.
func (p *pass) Read(b []byte) (int, error) {
	n, err := p.hasher.Read(b)
	if err == io.EOF {
		if err := p.settle(); err != nil {
			return n, err
		}
	}
	return n, err
}

// WriteTo implements io.WriterTo, for stores that take the buffers as they are.
func (p *pass) WriteTo(w io.Writer) (int64, error) {
	n, err := p.hasher.WriteTo(w)
	if err == nil {
		err = p.settle()
	}
	return n, err
}

// settle decides at the end of the content, once.
func (p *pass) settle() error {
	if p.settled {
		return p.err
	}
	p.settled = true
	p.result, p.err = p.judge()
	return p.err
}

func (p *pass) judge() (Result, error) {
	res := p.found()
	if p.req.Length >= 0 && res.Size != p.req.Length {
		return res, fmt.Errorf("%w: it has %d bytes, not %d", ErrShort, res.Size, p.req.Length)
	}
	if err := inspect.Check(p.req.DiskFormat, p.inspector.Result()); err != nil {
		return res, err
	}
	if p.req.Accept != nil {
		return res, p.req.Accept(res)
	}
	return res, nil
}

// found tells what is known of the content that has passed.
func (p *pass) found() Result {
	s, r := p.hasher.Sums(), p.inspector.Result()
	return Result{Size: s.Size, MD5: s.MD5, SHA512: s.SHA512, Format: r.Format, VirtualSize: r.VirtualSize, Problems: r.Problems}
}

// body reads the request's body, shows it to the inspector and ends early what can only be refused.
type body struct {
	pass *pass
	size int64
}

// Read implements io.Reader.
func (b *body) Read(buf []byte) (int, error) {
	n, err := b.pass.req.Body.Read(buf)
	b.size += int64(n)
	_, _ = b.pass.inspector.Write(buf[:n])
	if limit := b.pass.req.Limit; limit >= 0 && b.size > limit {
		return n, fmt.Errorf("%w of %d bytes", store.ErrTooLarge, limit)
	}
	if length := b.pass.req.Length; length >= 0 && b.size > length {
		return n, fmt.Errorf("%w: it has more than %d bytes", ErrShort, length)
	}
	if err != nil {
		return n, err
	}
	return n, b.pass.inspector.Refused(b.pass.req.DiskFormat)
}
