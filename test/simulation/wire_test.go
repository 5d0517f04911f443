package simulation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"virga/core/api"
	"virga/core/bus"
	"virga/core/token"
)

// wire carries calls from one process to another.
type wire struct {
	sim  *sim
	from *life
	// host is the one whose cable the calls go through, if any.
	host *host
	to   *process
	// identity makes the calls; nil: the one in their context.
	identity *token.Identity
}

func (w *wire) client() api.Client {
	return api.Client{HTTP: &http.Client{Transport: w}, Base: "http://" + w.to.name + "/" + w.to.name}
}

var errLost = errors.New("the connection was lost")

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if w.identity != nil {
		r = r.WithContext(token.WithIdentity(r.Context(), w.identity))
	}
	director, label := w.sim.director, fmt.Sprintf("%s calls %s %s %s for %s", w.from.process.name, r.Method, w.to.name, r.URL.RequestURI(), errandOf(r.Context()))
	v := director.ask(w.from, matterCall, label)
	if v.dead || !director.askAfter(r.Context(), w.from, v.pause, label) {
		return nil, w.from.broken(r.Context())
	}
	if v.lost || w.cut() {
		return nil, errLost
	}
	if v.stray > 0 {
		w.stray(r, body, label, v.stray)
		return nil, errLost
	}
	resp, err := w.deliver(r, body, label)
	if v.doubled && r.Method != http.MethodPost { // nothing on the way repeats what is not repeatable
		resp, err = w.deliver(r, body, label)
	}
	if err != nil {
		return nil, err
	}
	if !director.askAfter(r.Context(), w.from, v.answerPause, label+" answer") || w.from.isDead() {
		return nil, w.from.broken(r.Context())
	}
	if v.answerLost || w.cut() {
		return nil, errLost
	}
	return resp, nil
}

// stray has a request arrive when its sender has long given it up, or died.
func (w *wire) stray(r *http.Request, body []byte, label string, after time.Duration) {
	s := w.sim
	ctx := context.WithoutCancel(r.Context())
	s.strays.Add(1)
	s.all.Go(func() {
		defer s.strays.Add(-1)
		if !s.director.askAfter(ctx, s.sky, after, label) || w.cut() {
			return
		}
		_, _ = w.deliver(r.WithContext(ctx), body, label)
	})
}

func (w *wire) cut() bool { return w.host != nil && w.host.cut.Load() }

// deliver has the other process answer, wholly or not at all.
func (w *wire) deliver(r *http.Request, body []byte, label string) (*http.Response, error) {
	l := w.to.now.Load()
	if l == nil {
		return nil, errors.New("connection refused")
	}
	handler := l.handler.Load()
	if handler == nil {
		return nil, errors.New("connection refused")
	}
	inner := r.Clone(context.WithValue(r.Context(), errandKey{}, label))
	inner.Body, inner.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := api.Local{Handler: *handler}.RoundTrip(inner)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || l.isDead() {
		return nil, errors.Join(err, errLost)
	}
	if resp.StatusCode == http.StatusInternalServerError {
		w.sim.complain("%s: %s", label, text)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// bells is a process's end of the bus: what it rings may be lost, late or doubled.
type bells struct {
	bus.Bus
	life *life
}

// Ring implements bus.Bus.
func (b bells) Ring(topic string) {
	if b.life.isDead() {
		return
	}
	s := b.life.process.sim
	s.all.Go(func() {
		label := b.life.process.name + " rings " + topic
		v := s.director.ask(b.life, matterBell, label)
		if v.dead || v.lost || !s.director.askAfter(b.life.ctx, b.life, v.pause, label) {
			return
		}
		b.Bus.Ring(topic)
		if v.doubled && s.director.askAfter(b.life.ctx, b.life, v.pause+1, label) {
			b.Bus.Ring(topic)
		}
	})
}
