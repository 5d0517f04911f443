package sums

import (
	"bytes"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"pgregory.net/rapid"
)

func want(b []byte) Sums {
	m, s := md5.Sum(b), sha512.Sum512(b)
	return Sums{Size: int64(len(b)), MD5: hex.EncodeToString(m[:]), SHA512: hex.EncodeToString(s[:])}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * 31 >> 4)
	}
	return b
}

func TestSumsOfAllThatPasses(t *testing.T) {
	for _, n := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 40*bufferSize + 7} {
		content := pattern(n)
		for name, pass := range map[string]func(h *Hasher) ([]byte, error){
			"read":  func(h *Hasher) ([]byte, error) { return io.ReadAll(struct{ io.Reader }{h}) },
			"write": func(h *Hasher) ([]byte, error) { var b bytes.Buffer; _, err := io.Copy(&b, h); return b.Bytes(), err },
		} {
			h := NewHasher(bytes.NewReader(content))
			got, err := pass(h)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s of %d bytes: passed %d, %v", name, n, len(got), err)
			}
			if s := h.Sums(); s != want(content) {
				t.Errorf("%s of %d bytes: %+v", name, n, s)
			}
		}
	}
}

func TestAnyMixOfReadsAndWrites(t *testing.T) {
	content := pattern(3*bufferSize + 11)
	rapid.Check(t, func(rt *rapid.T) {
		h := NewHasher(iotest.HalfReader(bytes.NewReader(content)))
		defer h.Close()
		var got bytes.Buffer
		for range rapid.IntRange(0, 6).Draw(rt, "reads") {
			n, err := io.CopyN(&got, struct{ io.Reader }{h}, rapid.Int64Range(0, bufferSize).Draw(rt, "n"))
			if err != nil {
				break
			}
			_ = n
		}
		if _, err := io.Copy(&got, h); err != nil || !bytes.Equal(got.Bytes(), content) || h.Sums() != want(content) {
			rt.Fatalf("passed %d bytes of %d: %v", got.Len(), len(content), err)
		}
	})
}

func TestErrorsOfTheSourcePass(t *testing.T) {
	broken := errors.New("broken")
	h := NewHasher(io.MultiReader(bytes.NewReader(pattern(10)), iotest.ErrReader(broken)))
	defer h.Close()
	var got bytes.Buffer
	if n, err := io.Copy(&got, h); !errors.Is(err, broken) || n != 10 || got.Len() != 10 {
		t.Errorf("copied %d, %v", n, err)
	}
	if _, err := h.Read(make([]byte, 1)); !errors.Is(err, broken) {
		t.Errorf("read on: %v", err)
	}
}

type shortWriter struct{ left int }

func (w *shortWriter) Write(p []byte) (int, error) {
	n := min(w.left, len(p))
	w.left -= n
	return n, nil
}

// TestNothingIsLeftRunning relies on synctest, which fails when a goroutine of the test remains.
func TestNothingIsLeftRunning(t *testing.T) {
	for name, use := range map[string]func(h *Hasher){
		"unused":      func(*Hasher) {},
		"partly read": func(h *Hasher) { _, _ = h.Read(make([]byte, 10)) },
		"short write": func(h *Hasher) {
			if _, err := io.Copy(&shortWriter{5}, h); !errors.Is(err, io.ErrShortWrite) {
				t.Errorf("short write: %v", err)
			}
		},
		"closed twice": func(h *Hasher) { _ = h.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := NewHasher(bytes.NewReader(pattern(20 * bufferSize)))
				use(h)
				if err := h.Close(); err != nil {
					t.Error(err)
				}
				if _, err := h.Read(make([]byte, 1)); err == nil {
					t.Error("a closed Hasher reads on")
				}
			})
		})
	}
}

// endless yields n bytes without work of its own.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	n := min(int64(len(p)), e.left)
	e.left -= n
	if n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

const benchBytes = 64 << 20

func BenchmarkHasher(b *testing.B) {
	b.SetBytes(benchBytes)
	b.ReportAllocs()
	for b.Loop() {
		h := NewHasher(&endless{benchBytes})
		_, _ = io.Copy(io.Discard, h)
		_ = h.Sums()
	}
}

// BenchmarkOneAfterTheOther is the plain way, to compare with.
func BenchmarkOneAfterTheOther(b *testing.B) {
	b.SetBytes(benchBytes)
	buf := make([]byte, bufferSize)
	for b.Loop() {
		m, s := md5.New(), sha512.New()
		_, _ = io.CopyBuffer(io.MultiWriter(m, s), struct{ io.Reader }{&endless{benchBytes}}, buf)
		m.Sum(nil)
		s.Sum(nil)
	}
}

func BenchmarkMD5(b *testing.B)    { benchLane(b, "md5") }
func BenchmarkSHA512(b *testing.B) { benchLane(b, "sha512") }

func benchLane(b *testing.B, name string) {
	buf := make([]byte, bufferSize)
	m, s := md5.New(), sha512.New()
	b.SetBytes(bufferSize)
	for b.Loop() {
		if name == "md5" {
			_, _ = m.Write(buf)
		} else {
			_, _ = s.Write(buf)
		}
	}
}
