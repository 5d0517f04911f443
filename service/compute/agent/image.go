package agent

import (
	"context"
	"io"
	"time"
)

// imageTimeout is how long the next bytes of an image may take to come. An image as a whole may take hours.
const imageTimeout = time.Minute

// openImage opens an image; its reader ends with an error when the other side falls silent.
func (a *Agent) openImage(ctx context.Context, id string) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancel(ctx)
	alive := time.AfterFunc(imageTimeout, cancel)
	content, err := a.cfg.Images.Open(ctx, id)
	alive.Stop()
	if err != nil {
		cancel()
		return nil, err
	}
	return &watched{content, alive, cancel}, nil
}

// watched gives up when a read takes too long; time between reads does not count.
type watched struct {
	io.ReadCloser
	alive  *time.Timer
	giveUp context.CancelFunc
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	w.alive.Reset(imageTimeout)
	defer w.alive.Stop()
	return w.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (w *watched) Close() error {
	w.alive.Stop()
	w.giveUp()
	return w.ReadCloser.Close()
}
