package stream_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"virga/core/bus"
	"virga/core/bus/stream"
	"virga/core/clock"
)

// benchNodes is how many nodes BenchmarkConnectedNodes connects; the environment's
// BUS_NODES says otherwise. Each takes two file descriptors.
const benchNodes = 1000

func benchHub(b *testing.B) (*bus.Local, *stream.Server, *httptest.Server) {
	local := bus.NewLocal()
	server := stream.NewServer(stream.Config{Bus: local, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Allowed: everything})
	listener := httptest.NewServer(server)
	b.Cleanup(func() {
		_ = server.Close()
		listener.Close()
	})
	return local, server, listener
}

func benchNode(b *testing.B, listener *httptest.Server) *stream.Client {
	c := stream.NewClient(stream.ClientConfig{HTTP: listener.Client(), Base: listener.URL, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-done })
	return c
}

// BenchmarkCalls asks one node, 32 questions side by side.
func BenchmarkCalls(b *testing.B) {
	local, _, listener := benchHub(b)
	c := benchNode(b, listener)
	bell := c.Listen("x.node.h1")
	c.Serve("x.node.h1", func(_ context.Context, _ string, body []byte) ([]byte, error) { return body, nil })
	<-bell.C
	for {
		if _, err := local.Call(b.Context(), "x.node.h1", "q", nil); err == nil {
			break
		}
	}
	body := make([]byte, 200)
	b.SetParallelism(16)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := local.Call(context.Background(), "x.node.h1", "q", body); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkRings rings one node and hears it, one after the other.
func BenchmarkRings(b *testing.B) {
	local, _, listener := benchHub(b)
	bell := benchNode(b, listener).Listen("x.node.h1")
	<-bell.C
	for b.Loop() {
		local.Ring("x.node.h1")
		<-bell.C
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rings/s")
}

// BenchmarkConnectedNodes tells what a connected node costs its controller in memory, with
// two topics and one address: its other end is a bare socket.
func BenchmarkConnectedNodes(b *testing.B) {
	nodes := benchNodes
	if given, err := strconv.Atoi(os.Getenv("BUS_NODES")); err == nil {
		nodes = given
	}
	for range b.N {
		local, server, listener := benchHub(b)
		before := inUse()
		crowd := &crowd{b: b, address: listener.Listener.Addr().String()}
		began := time.Now()
		crowd.join(nodes)
		if b.Failed() {
			crowd.leave()
			b.FailNow()
		}
		for server.Connected() < nodes {
			runtime.Gosched()
		}
		b.ReportMetric(float64(nodes)/time.Since(began).Seconds(), "connections/s")
		for i := range nodes {
			for {
				ctx, cancel := context.WithTimeout(b.Context(), time.Millisecond)
				_, err := local.Call(ctx, fmt.Sprintf("compute.node.h%d", i), "q", nil)
				cancel()
				if err != nil && ctx.Err() != nil { // it serves, and a bare socket gives no answer
					break
				}
			}
		}
		used := inUse() - before
		b.ReportMetric(float64(used)/float64(nodes), "B/node")
		b.ReportMetric(float64(runtime.NumGoroutine())/float64(nodes), "goroutines/node")
		crowd.leave()
	}
}

// inUse is the memory of heap and stacks.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// crowd is many nodes without our client.
type crowd struct {
	b       *testing.B
	address string
	mu      sync.Mutex
	conns   []net.Conn
}

// join connects nodes that listen and serve and say that they are alive.
func (c *crowd) join(count int) {
	var joining sync.WaitGroup
	for part := range 8 {
		joining.Go(func() {
			for i := part; i < count; i += 8 {
				conn, err := net.Dial("tcp", c.address)
				if err != nil {
					c.b.Error(err)
					return
				}
				fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
					"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: virga.bus.1\r\n\r\n")
				answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
					c.b.Error(err)
					return
				}
				for _, f := range []wireFrame{{Kind: 3, Topic: fmt.Sprintf("compute.node.h%d", i)}, {Kind: 3, Topic: fmt.Sprintf("network.node.h%d", i)},
					{Kind: 5, Topic: fmt.Sprintf("compute.node.h%d", i)}} {
					if _, err := conn.Write(masked(f)); err != nil {
						c.b.Error(err)
					}
				}
				c.mu.Lock()
				c.conns = append(c.conns, conn)
				c.mu.Unlock()
			}
		})
	}
	go c.live()
	joining.Wait()
}

// live has all say that they are alive, until they leave.
func (c *crowd) live() {
	ticker := time.NewTicker(3 * time.Second)
	defer ticker.Stop()
	for range ticker.C {
		c.mu.Lock()
		conns := c.conns
		c.mu.Unlock()
		if conns == nil {
			return
		}
		for _, conn := range conns {
			_, _ = conn.Write(masked(wireFrame{Kind: 1}))
		}
	}
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.conns = nil
}

// masked is a client's WebSocket frame (RFC 6455 5.2) with a mask of zeros.
func masked(f wireFrame) []byte {
	data, err := msgpack.Marshal(f)
	if err != nil || len(data) > 125 {
		panic(fmt.Sprint(len(data), err))
	}
	return append([]byte{0x82, 0x80 | byte(len(data)), 0, 0, 0, 0}, data...)
}
