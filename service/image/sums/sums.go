// Package sums computes the checksums of an image while its bytes pass by.
//
// It owns the pipeline: MD5 (the Image API's checksum) and SHA-512 (its os_hash_value, with os_hash_algo sha512) run in
// goroutines of their own beside the reader, over shared buffers. It knows nothing of stores and formats. The image
// service and hosts that cache images may import it.
package sums

import (
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"sync"
	"sync/atomic"
)

// Algorithm is what the Image API calls os_hash_algo for the strong sum.
const Algorithm = "sha512"

const (
	// bufferSize is small enough for a piece to stay in the processors' caches between its users; larger ones measure
	// slower and unsteadier.
	bufferSize = 64 << 10
	// buffers bounds the memory of one pipeline (1 MiB) and how far the hashes may lag behind the reader.
	buffers = 16
)

// Sums are the checksums of a content in lower-case hexadecimal digits.
type Sums struct {
	Size   int64 // bytes
	MD5    string
	SHA512 string
}

// buffer is a piece of the content; the last of its users gives it back.
type buffer struct {
	data  []byte // bufferSize bytes
	n     int
	users atomic.Int32
}

// Hasher passes a stream on and sums it up on the way. It is for one goroutine; Close must be called.
type Hasher struct {
	src     io.Reader
	free    chan *buffer
	md5     lane
	sha512  lane
	lanes   sync.WaitGroup
	current *buffer // partly read by Read
	at      int
	size    int64
	err     error
	ended   bool
}

// lane is one hash and the goroutine that feeds it.
type lane struct {
	hash  hash.Hash
	queue chan *buffer
}

// NewHasher begins to sum up what is read from src through it.
func NewHasher(src io.Reader) *Hasher {
	h := &Hasher{
		src: src, free: make(chan *buffer, buffers),
		md5:    lane{md5.New(), make(chan *buffer, buffers)},
		sha512: lane{sha512.New(), make(chan *buffer, buffers)},
	}
	for range buffers {
		h.free <- &buffer{}
	}
	for _, l := range []*lane{&h.md5, &h.sha512} {
		h.lanes.Go(func() {
			for b := range l.queue {
				_, _ = l.hash.Write(b.data[:b.n])
				h.release(b)
			}
		})
	}
	return h
}

func (h *Hasher) release(b *buffer) {
	if b.users.Add(-1) == 0 {
		h.free <- b
	}
}

// fill reads the next piece and hands it to both lanes; the caller holds the third share and releases it. The error
// may come with a piece.
func (h *Hasher) fill() (*buffer, error) {
	b := <-h.free
	if b.data == nil {
		b.data = make([]byte, bufferSize)
	}
	b.n = 0
	var err error
	// Network reads are small; a full buffer costs the lanes fewer hand-overs.
	for b.n < bufferSize && err == nil {
		var n int
		n, err = h.src.Read(b.data[b.n:])
		b.n += n
	}
	h.size += int64(b.n)
	b.users.Store(3)
	h.md5.queue <- b
	h.sha512.queue <- b
	return b, err
}

// Read implements io.Reader.
func (h *Hasher) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for h.current == nil {
		if h.err != nil {
			return 0, h.err
		}
		if h.ended {
			return 0, io.ErrClosedPipe
		}
		b, err := h.fill()
		h.err = err
		if b.n == 0 {
			h.release(b)
			continue
		}
		h.current, h.at = b, 0
	}
	n := copy(p, h.current.data[h.at:h.current.n])
	if h.at += n; h.at == h.current.n {
		h.release(h.current)
		h.current = nil
	}
	return n, nil
}

// WriteTo implements io.WriterTo: it hands the buffers themselves to w, without copying them.
func (h *Hasher) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		b, at := h.current, h.at
		h.current = nil
		if b == nil {
			if h.err == io.EOF {
				return total, nil
			}
			if h.err != nil {
				return total, h.err
			}
			if h.ended {
				return total, io.ErrClosedPipe
			}
			b, h.err = h.fill()
			at = 0
		}
		n, err := w.Write(b.data[at:b.n])
		short := err == nil && n < b.n-at
		h.release(b)
		total += int64(n)
		if short {
			err = io.ErrShortWrite
		}
		if err != nil {
			return total, err
		}
	}
}

// Close ends the goroutines and waits for them; what was read is summed up then. Reading on is an error.
func (h *Hasher) Close() error {
	if h.ended {
		return nil
	}
	h.ended = true
	if h.current != nil {
		h.release(h.current)
		h.current = nil
	}
	close(h.md5.queue)
	close(h.sha512.queue)
	h.lanes.Wait()
	return nil
}

// Sums closes the Hasher and returns the sums of all that was read from the source.
func (h *Hasher) Sums() Sums {
	_ = h.Close()
	return Sums{
		Size:   h.size,
		MD5:    hex.EncodeToString(h.md5.hash.Sum(nil)),
		SHA512: hex.EncodeToString(h.sha512.hash.Sum(nil)),
	}
}
