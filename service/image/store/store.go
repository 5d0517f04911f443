package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// The errors of all stores; drivers wrap them.
var (
	ErrNotFound = errors.New("no such image content")
	ErrExists   = errors.New("image content exists already")
	ErrBadID    = errors.New("image content id is not valid")
	ErrTooLarge = errors.New("image content is over its size limit")
	ErrNoSpace  = errors.New("image store is full")
	ErrRange    = errors.New("byte range lies outside the image content")
)

// NoLimit as the limit of a Put lets content of any size in; as the length of a Get it means up to the end.
const NoLimit = -1

// Stored is what a store knows of one complete content.
type Stored struct {
	ID       string
	Size     int64  // bytes
	Location string // URL that names the content for operators; never accepted from outside
}

// Entry is one row of a List.
type Entry struct {
	ID       string
	Size     int64     // bytes
	Modified time.Time // when the content became complete
}

// Usage is how full a store is.
type Usage struct {
	Used     int64 // bytes of complete content
	Free     int64 // bytes that can still be put; -1 when the store has no bound
	Capacity int64 // bytes of the medium under the store, shared or not; -1 when the store has no bound
}

// Reader is the reading half of a store, all that a read-only source offers.
type Reader interface {
	// Get opens length bytes of the content from offset on, and tells the content's whole size. NoLimit as length
	// reads to the end; a longer length than there is ends there too. An offset equal to the size gives an empty
	// stream, a larger one or a negative one ErrRange; an unknown id gives ErrNotFound. A stream that was opened stays
	// readable when the content is deleted meanwhile, where the medium allows that; otherwise it fails, and never
	// yields other bytes. A stream that ends early fails with io.ErrUnexpectedEOF. The caller closes it; io.Copy from
	// it is the fastest way to move the bytes.
	Get(ctx context.Context, id string, offset, length int64) (io.ReadCloser, int64, error)

	// Size tells the size of the content in bytes, or ErrNotFound.
	Size(ctx context.Context, id string) (int64, error)
}

// Store keeps image content. All methods may be called at once from many goroutines and processes.
type Store interface {
	Reader

	// Put takes everything that r yields, at most limit bytes, under a new id. It is atomic and durable: the content
	// appears whole when Put returns, survives a power cut from then on, and is visible to nobody before. On any error
	// (of r, of the context, of the medium) nothing is left; what a killed process leaves is invisible and ends with
	// the next Sweep. An error of r is returned wrapped. Over the limit it is ErrTooLarge, with a full medium
	// ErrNoSpace. Content is never replaced: for an id that has some, or got some meanwhile, it is ErrExists.
	Put(ctx context.Context, id string, r io.Reader, limit int64) (Stored, error)

	// Delete removes the content for good; it is no error when there is none.
	Delete(ctx context.Context, id string) error

	// List returns at most limit entries of complete content with ids greater than after, in the order of their bytes.
	// It serves scrubbing: what is stored but belongs to no image. An entry may be gone again when it is looked at.
	List(ctx context.Context, after string, limit int) ([]Entry, error)

	// Usage tells how full the store is.
	Usage(ctx context.Context) (Usage, error)

	// Sweep removes what Puts of dead processes left before the given time, and tells how many leftovers that were.
	// A Put that is still running loses nothing, whenever it began.
	Sweep(ctx context.Context, before time.Time) (int, error)
}

// CheckID returns ErrBadID unless the id has 1 to 64 characters of A-Z, a-z, 0-9 and -.
func CheckID(id string) error {
	if len(id) < 1 || len(id) > 64 {
		return fmt.Errorf("%w: it has %d characters, not 1 to 64", ErrBadID, len(id))
	}
	for i := range len(id) {
		c := id[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return fmt.Errorf("%w: %q", ErrBadID, id)
		}
	}
	return nil
}
