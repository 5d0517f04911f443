package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"virga/core/api"
	"virga/core/api/events"
	"virga/core/db"
	"virga/core/feed"
)

// eventful is a part that tells of changes.
type eventful interface{ Events() *events.Desk }

const (
	// aliveEvery is how often a quiet merged stream says that it is alive, slowReader how long
	// its reader may take to read.
	aliveEvery = 15 * time.Second
	slowReader = 20 * time.Second
)

// endEvents has the streams of a service end with the process, which would wait for them.
func (cl *cloud) endEvents(p part) {
	told, ok := p.(eventful)
	if !ok {
		return
	}
	cl.onRun(func(ctx context.Context) error {
		<-ctx.Done()
		told.Events().Close()
		return nil
	})
}

// numberEvery is how often changes get their numbers when nobody reads them, so that whoever
// begins to read does not wait for the numbers of an hour's changes.
const numberEvery = 10 * time.Second

// numberChanges gives the changes of a service their numbers.
func (cl *cloud) numberChanges(service string, d *db.DB) {
	cl.onRun(func(ctx context.Context) error {
		ticker := time.NewTicker(numberEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
			}
			if _, err := feed.Latest(ctx, d); err != nil && ctx.Err() == nil {
				cl.log.Warn("number changes", "service", service, "error", err)
			}
		}
	})
}

// allEvents is the stream of all services, those of other processes included; its positions
// name a number for each: "compute:12,network:40". Each service decides by itself what the
// caller may hear.
func (cl *cloud) allEvents() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var names []string
		for _, p := range cl.parts {
			told, ok := p.(eventful)
			if !ok {
				continue
			}
			if name := told.Events().Service(); cl.serves(name) {
				names = append(names, name)
			}
		}
		if cl.others != nil {
			names = append(names, cl.others.serving(r.Context(), cl.serves)...)
		}
		slices.Sort(names)
		ctx, cancel := context.WithCancel(r.Context())
		m := &merged{edge: cl.edge, request: r.WithContext(ctx), positions: map[string]string{}, incoming: make(chan incoming)}
		defer m.wait.Wait()
		defer cancel()
		m.serve(w, names)
	})
}

// merged is one stream made of those of several services.
type merged struct {
	edge    http.Handler
	request *http.Request
	// positions are what the reader has of each service.
	positions map[string]string
	incoming  chan incoming
	wait      sync.WaitGroup
	open      int
}

// incoming is a block, or the end, of one service's stream.
type incoming struct {
	service string
	message events.Message
	err     error
}

// refused is an answer without a stream.
type refused struct {
	status int
	header http.Header
	body   []byte
}

// Error implements error.
func (r *refused) Error() string { return fmt.Sprintf("%d: %s", r.status, r.body) }

func refuse(status int, format string, args ...any) *refused {
	body, err := json.Marshal(map[string]any{"error": map[string]any{"code": status, "message": fmt.Sprintf(format, args...)}})
	if err != nil {
		panic("a text is JSON: " + err.Error())
	}
	return &refused{status, http.Header{"Content-Type": {"application/json"}}, body}
}

var mergedPosition = regexp.MustCompile(`^[a-z]{1,32}:[0-9]{1,18}$`)

// readPositions reads "compute:12,network:40"; a service that is not named begins now.
func readPositions(text string, names []string) (map[string]string, error) {
	positions := map[string]string{}
	switch text {
	case "":
		return positions, nil
	case "oldest":
		for _, name := range names {
			positions[name] = text
		}
		return positions, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		if !mergedPosition.MatchString(part) || len(positions) > len(names) {
			return nil, refuse(http.StatusBadRequest, "The position must be oldest, or have the form compute:12,network:40.")
		}
		name, number, _ := strings.Cut(part, ":")
		positions[name] = number
	}
	return positions, nil
}

func (m *merged) serve(w http.ResponseWriter, names []string) {
	last := m.request.Header.Get("Last-Event-ID")
	if last == "" {
		last = m.request.URL.Query().Get("after")
	}
	after, err := readPositions(last, names)
	for _, name := range names {
		if err == nil {
			err = m.join(name, after[name])
		}
	}
	if err == nil && m.open == 0 {
		err = refuse(http.StatusForbidden, "You may not hear of the changes of any service here.")
	}
	var no *refused
	if errors.As(err, &no) {
		for key, values := range no.header {
			w.Header()[key] = values
		}
		w.WriteHeader(no.status)
		_, _ = w.Write(no.body)
		return
	}
	if err != nil {
		w.Header().Set("Retry-After", "2")
		http.Error(w, "a service does not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if m.request.Method != http.MethodHead {
		m.run(events.NewWriter(w, slowReader))
	}
}

// join opens a service's stream; one that the caller may not hear is left out.
func (m *merged) join(name, after string) error {
	query := maps.Clone(m.request.URL.Query())
	query.Del("after")
	if after != "" {
		query.Set("after", after)
	}
	r := m.request.Clone(m.request.Context())
	r.URL = &url.URL{Scheme: "http", Host: "virga.internal", Path: "/" + name + events.Path, RawQuery: query.Encode()}
	r.RequestURI, r.Method, r.Body, r.ContentLength = "", http.MethodGet, http.NoBody, 0
	r.Header.Del("Last-Event-ID")
	answer, err := (api.Local{Handler: m.edge}).RoundTrip(r)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		defer func() { _ = answer.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
		if err != nil {
			return err
		}
		if answer.StatusCode == http.StatusForbidden {
			return nil
		}
		header := http.Header{}
		for _, key := range []string{"Content-Type", "Www-Authenticate", "Retry-After"} {
			if values := answer.Header.Values(key); len(values) > 0 {
				header[key] = values
			}
		}
		return &refused{answer.StatusCode, header, body}
	}
	reader := events.NewReader(answer.Body)
	first, err := reader.Next()
	if err != nil {
		_ = answer.Body.Close()
		return err
	}
	m.positions[name] = first.ID
	m.open++
	m.wait.Go(func() {
		defer func() { _ = answer.Body.Close() }()
		m.forward(name, reader)
	})
	return nil
}

// forward passes the blocks of one stream on until it ends or nobody takes them.
func (m *merged) forward(name string, reader *events.Reader) {
	for {
		message, err := reader.Next()
		select {
		case m.incoming <- incoming{name, message, err}:
		case <-m.request.Context().Done():
			return
		}
		if err != nil || message.Name == events.EndName {
			return
		}
	}
}

// position is the reader's in all services.
func (m *merged) position() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m.positions)) {
		parts = append(parts, name+":"+m.positions[name])
	}
	return strings.Join(parts, ",")
}

// run writes until the reader is gone or one of the streams ends; one that has told all
// there is waits for the others.
func (m *merged) run(out *events.Writer) {
	out.Line("retry: 2000", m.position())
	pulse := time.NewTicker(aliveEvery)
	defer pulse.Stop()
	for out.Send() == nil {
		select {
		case <-m.request.Context().Done():
			return
		case <-pulse.C:
			out.Line(": alive", m.position())
		case got := <-m.incoming:
			if got.message.ID != "" {
				m.positions[got.service] = got.message.ID
			}
			why := ""
			switch {
			case got.err != nil:
				why = "the stream of " + got.service + " broke off"
			case got.message.Name == events.EndName:
				why = m.ended(got.message.Data)
			case got.message.Data != nil:
				out.Event(m.position(), got.message.Name, got.message.Data)
			}
			if why != "" {
				out.End(m.position(), why)
				_ = out.Send() // the stream is over, whether the reader hears or not
				return
			}
		}
	}
}

// ended takes note of one stream's end; the result is why the whole one ends, or empty.
func (m *merged) ended(data []byte) string {
	var end events.End
	if err := json.Unmarshal(data, &end); err != nil {
		return "the stream of a service broke off"
	}
	if m.open--; end.Reason == events.EndDone && m.open > 0 {
		return ""
	}
	return end.Reason
}
