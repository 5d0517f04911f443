package ingest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"
	"time"

	"virga/core/clock"
	"virga/service/image/inspect"
	"virga/service/image/store"
	"virga/service/image/store/file"
	"virga/service/image/store/suite"
)

func open(t testing.TB) *file.Store {
	t.Helper()
	s, err := file.Open(t.TempDir(), clock.System{}.ID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func request(content []byte, declared string) Request {
	return Request{ID: "image", DiskFormat: declared, Body: bytes.NewReader(content), Length: -1, Limit: store.NoLimit}
}

// qcow2 is a valid image of a disk of 64 MiB, followed by n bytes that belong to no cluster.
func qcow2(n int, backing bool) []byte {
	b := make([]byte, 4<<16+n)
	copy(b, "QFI\xfb")
	for at, v := range map[int]uint32{4: 3, 20: 16, 28: 64 << 20, 36: 1, 44: 3 << 16, 52: 1 << 16, 56: 1, 96: 4, 100: 112} {
		binary.BigEndian.PutUint32(b[at:], v)
	}
	if backing {
		b[15], b[19] = 200, 11
		copy(b[200:], "/etc/shadow")
	}
	return b
}

func wantNothing(t *testing.T, s store.Store) {
	t.Helper()
	entries, err := s.List(t.Context(), "", 10)
	if err != nil || len(entries) != 0 {
		t.Errorf("the store holds %v, %v", entries, err)
	}
	if n, err := s.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || n != 0 {
		t.Errorf("the store has %d leftovers, %v", n, err)
	}
}

func TestContentIsStoredWithWhatIsKnownOfIt(t *testing.T) {
	for declared, content := range map[string][]byte{"raw": suite.Content(3_000_001, 1), "qcow2": qcow2(2_000_000, false), "ami": {}} {
		s := open(t)
		req := request(content, declared)
		req.Length = int64(len(content))
		req.Limit = req.Length
		res, err := Take(t.Context(), s, req)
		if err != nil {
			t.Errorf("%s: %v", declared, err)
			continue
		}
		m, h := md5.Sum(content), sha512.Sum512(content)
		if res.Size != int64(len(content)) || res.MD5 != hex.EncodeToString(m[:]) || res.SHA512 != hex.EncodeToString(h[:]) || res.Location == "" {
			t.Errorf("%s: %+v", declared, res)
		}
		if wantSize := map[string]int64{"raw": 3_000_001, "qcow2": 64 << 20}[declared]; res.VirtualSize != wantSize {
			t.Errorf("%s: disk of %d bytes, want %d", declared, res.VirtualSize, wantSize)
		}
		rc, _, err := s.Get(t.Context(), "image", 0, store.NoLimit)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s: stored %d bytes, %v", declared, len(got), err)
		}
		_ = rc.Close()
	}
}

func TestNothingRemainsOfRefusedContent(t *testing.T) {
	broken, refused := errors.New("line is broken"), errors.New("refused")
	with := func(r Request, change func(*Request)) Request { change(&r); return r }
	raw := suite.Content(1_000_000, 1)
	for name, c := range map[string]struct {
		req  Request
		want error
	}{
		"OSSA-2015-014 backing file":   {request(qcow2(0, true), "qcow2"), inspect.ErrUnsafe},
		"long with a backing file":     {request(qcow2(5_000_000, true), "qcow2"), inspect.ErrUnsafe},
		"OSSA-2026-002 qcow2 as raw":   {request(qcow2(0, false), "raw"), inspect.ErrMismatch},
		"raw as qcow2":                 {request(raw, "qcow2"), inspect.ErrMismatch},
		"unknown format":               {request(raw, "floppy"), inspect.ErrUnknownFormat},
		"disk over its limit":          {with(request(qcow2(0, false), "qcow2"), func(r *Request) { r.MaxVirtualSize = 1 << 20 }), inspect.ErrUnsafe},
		"OSSA-2014-028 over the limit": {with(request(raw, "raw"), func(r *Request) { r.Limit = 999_999 }), store.ErrTooLarge},
		"announced over the limit":     {with(request(raw, "raw"), func(r *Request) { r.Length, r.Limit = 1_000_000, 10 }), store.ErrTooLarge},
		"shorter than announced":       {with(request(raw, "raw"), func(r *Request) { r.Length = 1_000_001 }), ErrShort},
		"longer than announced":        {with(request(raw, "raw"), func(r *Request) { r.Length = 999_999 }), ErrShort},
		"not accepted":                 {with(request(raw, "raw"), func(r *Request) { r.Accept = func(Result) error { return refused } }), refused},
		"broken off": {with(request(raw, "raw"), func(r *Request) {
			r.Body = io.MultiReader(r.Body, iotest.ErrReader(broken))
		}), broken},
		"connection closed": {with(request(raw, "raw"), func(r *Request) {
			r.Body = io.MultiReader(r.Body, iotest.ErrReader(io.ErrUnexpectedEOF))
		}), io.ErrUnexpectedEOF},
		"bad id": {with(request(raw, "raw"), func(r *Request) { r.ID = "../x" }), store.ErrBadID},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if res, err := Take(t.Context(), s, c.req); !errors.Is(err, c.want) || res.Location != "" {
				t.Errorf("got %+v, %v; want %v", res, err, c.want)
			}
			wantNothing(t, s)
		})
	}
}

func TestEndedContext(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	req := request(nil, "raw")
	req.Body = iotest.OneByteReader(readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }))
	if _, err := Take(ctx, s, req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantNothing(t, s)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestCondemnedContentIsNotReadToItsEnd(t *testing.T) {
	content := qcow2(50<<20, true)
	body := bytes.NewReader(content)
	req := request(nil, "qcow2")
	req.Body = body
	res, err := Take(t.Context(), open(t), req)
	if !errors.Is(err, inspect.ErrUnsafe) || body.Len() < 45<<20 || len(res.Problems) == 0 {
		t.Errorf("%d bytes unread, %+v, %v", body.Len(), res.Problems, err)
	}
}

// plainStore reads without WriteTo, as a store does that sends the content elsewhere.
type plainStore struct{ store.Store }

func (p plainStore) Put(ctx context.Context, id string, r io.Reader, limit int64) (store.Stored, error) {
	return p.Store.Put(ctx, id, struct{ io.Reader }{r}, limit)
}

func TestStoresThatOnlyRead(t *testing.T) {
	s := plainStore{open(t)}
	if _, err := Take(t.Context(), s, request(qcow2(0, true), "qcow2")); !errors.Is(err, inspect.ErrUnsafe) {
		t.Errorf("unsafe content: %v", err)
	}
	wantNothing(t, s)
	content := suite.Content(700_000, 1)
	if res, err := Take(t.Context(), s, request(content, "raw")); err != nil || res.Size != 700_000 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestTakenOnlyOnce(t *testing.T) {
	s := open(t)
	if _, err := Take(t.Context(), s, request([]byte("first"), "raw")); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), s, request([]byte("second"), "raw")); !errors.Is(err, store.ErrExists) {
		t.Errorf("OSSA-2016-006 content replaced: %v", err)
	}
}

const benchBytes = 256 << 20

// BenchmarkTake and BenchmarkPlainFile differ by inspection, sums and durability.
func BenchmarkTake(b *testing.B) {
	s, content := open(b), suite.Content(1<<20, 1)
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	for b.Loop() {
		req := request(nil, "raw")
		req.Body = repeat(content)
		if _, err := Take(b.Context(), s, req); err != nil {
			b.Fatal(err)
		}
		_ = s.Delete(b.Context(), "image")
	}
}

func BenchmarkPlainFile(b *testing.B) {
	path, content := filepath.Join(b.TempDir(), "x"), suite.Content(1<<20, 1)
	b.SetBytes(benchBytes)
	for b.Loop() {
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(f, repeat(content)); err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close(), os.Remove(path)); err != nil {
			b.Fatal(err)
		}
	}
}

func repeat(content []byte) io.Reader {
	left, at := benchBytes, 0
	return readerFunc(func(p []byte) (int, error) {
		if left == 0 {
			return 0, io.EOF
		}
		n := copy(p[:min(len(p), left)], content[at:])
		left, at = left-n, (at+n)%len(content)
		return n, nil
	})
}
