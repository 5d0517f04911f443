package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// Options are the limits of an inspection.
type Options struct {
	MaxVirtualSize int64 // largest disk accepted, in bytes; 0 for no limit but what an int64 holds
}

func (o Options) max() int64 {
	if o.MaxVirtualSize > 0 {
		return o.MaxVirtualSize
	}
	return math.MaxInt64
}

// Inspector looks at content that is written to it in order. It keeps at most some 1.3 MiB, never fails a Write, and
// is for one goroutine.
type Inspector struct {
	opts   Options
	v      view
	farOff int64
	farEnd int64
	tail   []byte // between tailLen and 2*tailLen bytes once that much was written
	early  *Result
	result *Result
}

// New begins the inspection of one content.
func New(opts Options) *Inspector {
	return &Inspector{opts: opts, v: view{head: make([]byte, 0, headLen)}, tail: make([]byte, 0, 2*tailLen)}
}

// Write looks at the next bytes of the content; it takes all of them and returns no error.
func (i *Inspector) Write(p []byte) (int, error) {
	n := min(headLen-len(i.v.head), len(p))
	if n > 0 {
		i.v.head = append(i.v.head, p[:n]...)
	}
	at := i.v.size
	i.v.size += int64(len(p))
	if n > 0 && len(i.v.head) == headLen {
		i.headDone()
	}
	i.keepFar(at, p)
	i.keepTail(p)
	return len(p), nil
}

// headDone judges the head once, and learns which later bytes are needed.
func (i *Inspector) headDone() {
	off, n := farRegion(&i.v)
	i.farOff, i.farEnd = off, off+n
	res := evaluate(&i.v, i.opts.max())
	i.early = &res
}

// keepFar keeps what of p lies in the far region; the region lies behind the head, so none of it has been missed.
func (i *Inspector) keepFar(at int64, p []byte) {
	from, to := max(at, i.farOff), min(at+int64(len(p)), i.farEnd)
	if from < to {
		i.v.far = append(i.v.far, p[from-at:to-at]...)
	}
}

func (i *Inspector) keepTail(p []byte) {
	if len(p) >= tailLen {
		i.tail = append(i.tail[:0], p[len(p)-tailLen:]...)
		return
	}
	if len(i.tail)+len(p) > cap(i.tail) {
		keep := copy(i.tail, i.tail[len(i.tail)-tailLen:])
		i.tail = i.tail[:keep]
	}
	i.tail = append(i.tail, p...)
}

// Refused returns the error with which Check will refuse the content whatever follows, or nil when that is not
// certain yet. It lets an upload end early.
func (i *Inspector) Refused(declared string) error {
	if i.early == nil {
		return nil
	}
	// A fixed VHD shows itself only in its last sector, and until then looks like what its disk contains.
	if declared == VHD && (i.early.Format == Raw || i.early.Format == ISO) {
		return nil
	}
	return Check(declared, *i.early)
}

// Result ends the inspection and judges the content; bytes written later do not change it.
func (i *Inspector) Result() Result {
	if i.result == nil {
		v := i.v
		v.whole = true
		v.tail = i.tail[max(0, len(i.tail)-tailLen):]
		res := evaluate(&v, i.opts.max())
		i.result = &res
	}
	res := *i.result
	res.Problems = slices.Clone(res.Problems)
	return res
}

// InspectFile judges a regular file or block device by reading only the parts that matter; it leaves the file's
// offset alone. The file must not be written meanwhile.
func InspectFile(ctx context.Context, f *os.File, opts Options) (Result, error) {
	info, err := f.Stat()
	if err != nil {
		return Result{}, fmt.Errorf("inspect image file: %w", err)
	}
	size := info.Size()
	if !info.Mode().IsRegular() {
		if info.Mode()&os.ModeDevice == 0 || info.Mode()&os.ModeCharDevice != 0 {
			return Result{}, fmt.Errorf("inspect image file %s: neither a regular file nor a block device", f.Name())
		}
		if size, err = deviceSize(f); err != nil {
			return Result{}, fmt.Errorf("inspect block device %s: %w", f.Name(), err)
		}
	}
	res, err := inspectAt(ctx, f, size, opts)
	if err != nil {
		return Result{}, fmt.Errorf("inspect image file %s: %w", f.Name(), err)
	}
	return res, nil
}

// deviceSize asks by seeking, since a device's Stat tells no size, and seeks back.
func deviceSize(f *os.File) (int64, error) {
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	_, err = f.Seek(at, io.SeekStart)
	return size, err
}

func inspectAt(ctx context.Context, r io.ReaderAt, size int64, opts Options) (Result, error) {
	v := view{size: size, whole: true}
	var err error
	if v.head, err = readRange(ctx, r, 0, min(headLen, size)); err != nil {
		return Result{}, err
	}
	if off, n := farRegion(&v); off < size {
		if v.far, err = readRange(ctx, r, off, min(n, size-off)); err != nil {
			return Result{}, err
		}
	}
	from := max(0, size-tailLen)
	if v.tail, err = readRange(ctx, r, from, size-from); err != nil {
		return Result{}, err
	}
	return evaluate(&v, opts.max()), nil
}

// readRange reads n bytes, at most farLen by its callers.
func readRange(ctx context.Context, r io.ReaderAt, off, n int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if got, err := r.ReadAt(b, off); got < len(b) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
