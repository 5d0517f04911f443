package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/bus"
	"virga/core/bus/stream"
	"virga/core/clock"
	"virga/service/compute/agent"
	"virga/service/compute/hypervisor/fake"
	"virga/service/compute/orders"
)

// signEvery is how often the remote agent comes with its sign of life.
const signEvery = 3 * time.Second

// remote is a rig whose agent is connected by nothing but HTTP: a controller's routes and
// the stream that carries the controller's bus.
type remote struct {
	*rig
	server *stream.Server
	http   *httptest.Server
	// cut has the stream refused; the routes go on.
	cut atomic.Bool
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	r := &remote{rig: &rig{t: t, name: host, exchange: &agent.Exchange{}, bus: bus.NewLocal(), images: &images{},
		controller: &controller{orders: map[string]orders.GuestOrder{}, changed: map[string]int64{}, came: make(chan struct{}, 1),
			alive: make(chan struct{}, 1), refusals: make(chan struct{}, 1000)}}}
	log := slog.New(slog.DiscardHandler)
	r.server = stream.NewServer(stream.Config{Bus: r.bus, Clock: clock.System{}, Log: log, Allowed: func(_ context.Context, topic string) error {
		if topic != orders.Topic(host) {
			return errors.New("not the node's own")
		}
		return nil
	}})
	r.http = httptest.NewServer(r.routes())
	driver, err := fake.New(fake.Options{Clock: clock.System{}, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r.driver = driver
	client := stream.NewClient(stream.ClientConfig{HTTP: r.http.Client(), Base: r.http.URL + "/bus", Log: log})
	a := agent.New(agent.Config{Host: host, Driver: driver, Controller: overHTTP{r.http.URL, r.http.Client()}, Images: r.images, Bus: client, Log: log})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- client.Run(ctx) }()
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended, driver.Close(), r.server.Close()); err != nil {
			t.Error(err)
		}
		r.http.Close()
	})
	return r
}

// routes are those of a controller that an agent needs.
func (r *remote) routes() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(value) // who asked may have gone
	}
	mux.HandleFunc("GET /bus", func(w http.ResponseWriter, request *http.Request) {
		if r.cut.Load() {
			http.Error(w, "cut", http.StatusServiceUnavailable)
			return
		}
		r.server.ServeHTTP(w, request)
	})
	mux.HandleFunc("PUT /hosts/{host}", func(w http.ResponseWriter, request *http.Request) {
		answer(w, nil, r.controller.ReportHost(request.Context(), request.PathValue("host"), orders.Host{}))
	})
	mux.HandleFunc("PUT /hosts/{host}/alive", func(w http.ResponseWriter, request *http.Request) {
		said, err := r.controller.Alive(request.Context(), request.PathValue("host"), orders.Alive{})
		said.NextMilliseconds = signEvery.Milliseconds()
		answer(w, said, err)
	})
	mux.HandleFunc("GET /hosts/{host}/guests", func(w http.ResponseWriter, request *http.Request) {
		since, err := strconv.ParseInt(request.FormValue("since"), 10, 64)
		if err != nil {
			answer(w, nil, err)
			return
		}
		list, err := r.controller.Guests(request.Context(), request.PathValue("host"), since)
		answer(w, list, err)
	})
	mux.HandleFunc("PUT /hosts/{host}/guests/{id}", func(w http.ResponseWriter, request *http.Request) {
		var report orders.Report
		err := json.NewDecoder(request.Body).Decode(&report)
		if err == nil {
			err = r.controller.ReportGuest(request.Context(), request.PathValue("host"), request.PathValue("id"), report)
		}
		answer(w, nil, err)
	})
	return mux
}

// overHTTP is the controller as the remote agent has it.
type overHTTP struct {
	base   string
	client *http.Client
}

func (c overHTTP) do(ctx context.Context, method, path string, body, result any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(result)
}

func (c overHTTP) ReportHost(ctx context.Context, host string, report orders.Host) error {
	return c.do(ctx, http.MethodPut, "/hosts/"+host, report, new(any))
}

func (c overHTTP) Alive(ctx context.Context, host string, sign orders.Alive) (said orders.AliveAnswer, err error) {
	err = c.do(ctx, http.MethodPut, "/hosts/"+host+"/alive", sign, &said)
	return said, err
}

func (c overHTTP) Guests(ctx context.Context, host string, since int64) (list orders.GuestList, err error) {
	err = c.do(ctx, http.MethodGet, fmt.Sprintf("/hosts/%s/guests?since=%d", host, since), nil, &list)
	return list, err
}

func (c overHTTP) ReportCache(ctx context.Context, host, id string, report orders.CacheReport) error {
	return c.do(ctx, http.MethodPut, "/hosts/"+host+"/caches/"+id, report, new(any))
}

func (c overHTTP) ReportGuest(ctx context.Context, host, id string, report orders.Report) error {
	return c.do(ctx, http.MethodPut, "/hosts/"+host+"/guests/"+id, report, new(any))
}

// TestRemoteAgent has an agent on another machine: the bell of the stream brings it to its
// orders at once, its sign of life does while the stream is down.
func TestRemoteAgent(t *testing.T) {
	r := newRemote(t)
	<-r.controller.alive
	topic := orders.Topic(host)
	question, err := json.Marshal(orders.ConsoleQuestion{ServerID: server, Length: 100})
	if err != nil {
		t.Fatal(err)
	}
	console := func() error {
		_, err := r.bus.Call(t.Context(), topic, orders.QuestionConsole, question)
		return err
	}
	eventually := func(what string, met func() bool) {
		t.Helper()
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for limit := time.Now().Add(waitTime); !met(); <-ticker.C {
			if time.Now().After(limit) {
				t.Fatalf("it takes too long until %s", what)
			}
		}
	}
	connected := func() {
		t.Helper()
		eventually("the agent serves its address", func() bool { return !errors.Is(console(), bus.ErrNobody) })
	}
	connected()
	began := time.Now()
	wishes := []orders.Desired{orders.Running, orders.Stopped, orders.Running, orders.Stopped, orders.Running}
	states := map[orders.Desired]orders.State{orders.Running: orders.StateRunning, orders.Stopped: orders.StateStopped}
	for i, wish := range wishes {
		r.order(func(o *orders.GuestOrder) { o.Desired = wish })
		r.until(string(wish), state(int64(i+1), states[wish]))
	}
	if took := time.Since(began); took > 2*signEvery { // without bells it would take five signs of life
		t.Errorf("%d orders took %v", len(wishes), took)
	}
	if err := console(); err != nil {
		t.Errorf("console log: %v", err)
	}

	r.cut.Store(true)
	r.server.Disconnect(func(context.Context) bool { return true })
	eventually("the stream has ended", func() bool { return r.server.Connected() == 0 })
	began = time.Now()
	r.order(func(o *orders.GuestOrder) { o.Desired = orders.Stopped })
	r.until("stopped without the stream", state(6, orders.StateStopped))
	if took := time.Since(began); took > 2*signEvery {
		t.Errorf("without the stream an order took %v", took)
	}
	if err := console(); !errors.Is(err, bus.ErrNobody) {
		t.Errorf("console log without the stream: %v", err)
	}

	r.cut.Store(false)
	connected()
	if err := console(); err != nil {
		t.Errorf("console log afterwards: %v", err)
	}
}
