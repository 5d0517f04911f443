package agent

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// silent is an image of which the second half never comes.
type silent struct{}

func (silent) Open(ctx context.Context, _ string) (io.ReadCloser, error) {
	reader, writer := io.Pipe()
	go func() {
		_, _ = writer.Write([]byte("half"))
		<-ctx.Done()
		_ = writer.CloseWithError(ctx.Err())
	}()
	return reader, nil
}

func TestAnImageThatStopsComingIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Agent{cfg: Config{Images: silent{}}}
		content, err := a.openImage(t.Context(), "image")
		if err != nil {
			t.Fatal(err)
		}
		defer content.Close()
		if _, err := io.ReadFull(content, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // whoever writes it down may be slow
		began := time.Now()
		if _, err := content.Read(make([]byte, 4)); err == nil || time.Since(began) != imageTimeout {
			t.Errorf("read: %v after %s", err, time.Since(began))
		}
	})
}
