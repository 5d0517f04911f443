package hypervisor

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Join carries bytes both ways between two connections until both directions have ended, one has failed, or ctx ends.
func Join(ctx context.Context, a, b io.ReadWriteCloser) {
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(a.Close(), b.Close()) })
	defer stop()
	var both sync.WaitGroup
	carry := func(to, from io.ReadWriteCloser) {
		_, err := io.Copy(to, from)
		if half, can := to.(interface{ CloseWrite() error }); can && err == nil && half.CloseWrite() == nil {
			return
		}
		_ = to.Close() // whoever reads there sees the end
	}
	both.Go(func() { carry(a, b) })
	both.Go(func() { carry(b, a) })
	both.Wait()
}
