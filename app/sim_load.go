package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"golang.org/x/sync/errgroup"

	"virga/core/api"
)

// simClient is a client of the cloud's public APIs: it comes over HTTP with a token, as
// everybody else.
type simClient struct {
	base, project string
	header        http.Header
	http          *http.Client
}

// simVersion is the microversion of the measured requests.
const simVersion = "compute 2.96, placement 1.36"

func (x *experiment) login(ctx context.Context) (*simClient, error) {
	password, err := x.cloud.adminPassword(ctx)
	if err != nil {
		return nil, err
	}
	c := &simClient{base: x.cloud.conf.Endpoint, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}}
	if err := x.untilServed(ctx, c); err != nil {
		return nil, err
	}
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":%q}}},`+
		`"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`, password.Reveal())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+"/identity/v3/auth/tokens", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusCreated {
		return nil, fmt.Errorf("log in: status %d", answer.StatusCode)
	}
	c.header = http.Header{"X-Auth-Token": {answer.Header.Get("X-Subject-Token")}, "Openstack-Api-Version": {simVersion}}
	c.project, err = x.cloud.adminProject(ctx)
	return c, err
}

// untilServed waits until the cloud listens to clients.
func (x *experiment) untilServed(ctx context.Context, c *simClient) error {
	for {
		answer, err := c.http.Get(c.base + "/healthz")
		if err == nil {
			return answer.Body.Close()
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (c *simClient) do(ctx context.Context, method, path string, in, out any) error {
	client := api.Client{HTTP: c.http, Base: c.base, Header: c.header, Timeout: time.Minute}
	return client.Do(ctx, method, path, in, out)
}

// prepare makes what servers need: quota, a network with addresses for all, an image.
func (x *experiment) prepare(ctx context.Context) (network, image string, err error) {
	c := x.client
	unlimited := map[string]int{"instances": -1, "cores": -1, "ram": -1}
	if err := c.do(ctx, http.MethodPut, "/compute/v2.1/os-quota-sets/"+c.project, map[string]any{"quota_set": unlimited}, nil); err != nil {
		return "", "", err
	}
	if err := c.do(ctx, http.MethodPut, "/network/v2.0/quotas/"+c.project, map[string]any{"quota": map[string]int{"port": -1}}, nil); err != nil {
		return "", "", err
	}
	var made struct {
		Network struct{ ID string }
		ID      string
	}
	if err := c.do(ctx, http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "simulated"}}, &made); err != nil {
		return "", "", err
	}
	network = made.Network.ID
	subnet := map[string]any{"network_id": network, "ip_version": 4, "cidr": "10.64.0.0/10"}
	if err := c.do(ctx, http.MethodPost, "/network/v2.0/subnets", map[string]any{"subnet": subnet}, nil); err != nil {
		return "", "", err
	}
	body := map[string]any{"name": "simulated", "disk_format": "raw", "container_format": "bare"}
	if err := c.do(ctx, http.MethodPost, "/image/v2/images", body, &made); err != nil {
		return "", "", err
	}
	upload, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+"/image/v2/images/"+made.ID+"/file", strings.NewReader(strings.Repeat("disk", 16<<10)))
	if err != nil {
		return "", "", err
	}
	upload.Header = c.header.Clone()
	upload.Header.Set("Content-Type", "application/octet-stream")
	answer, err := c.http.Do(upload)
	if err != nil {
		return "", "", err
	}
	return network, made.ID, answer.Body.Close()
}

// simServer is the name of a simulated server.
func simServer(i int) string { return fmt.Sprintf("simulated-%06d", i) }

// birth is when a server was asked for, and how long it took to become ACTIVE.
type birth struct {
	asked time.Time
	took  time.Duration
}

// createServers measures the way from POST to ACTIVE.
func (x *experiment) createServers(ctx context.Context) error {
	network, image, err := x.prepare(ctx)
	if err != nil {
		return err
	}
	before := memory()
	stop, err := x.profile("")
	if err != nil {
		return err
	}
	var mu sync.Mutex
	births := map[string]*birth{}
	group, inner := errgroup.WithContext(ctx)
	began, used := time.Now(), cpuTime()
	group.Go(func() error { return x.watch(inner, began, &mu, births) })
	group.Go(func() error {
		return x.spread(inner, x.Servers, func(ctx context.Context, i int) error {
			body := map[string]any{"name": simServer(i), "flavorRef": "1", "imageRef": image, "networks": []any{map[string]string{"uuid": network}}}
			if i == 0 { // the one that a stock is copied of: copies cannot have its port
				body["networks"] = "none"
			}
			var made struct{ Server struct{ ID string } }
			asked := time.Now()
			if err := x.client.do(ctx, http.MethodPost, "/compute/v2.1/servers", map[string]any{"server": body}, &made); err != nil {
				return err
			}
			mu.Lock()
			births[made.Server.ID] = &birth{asked: asked}
			mu.Unlock()
			return nil
		})
	})
	err = errors.Join(group.Wait(), stop())
	if err != nil {
		return err
	}
	used = cpuTime() - used
	var took []time.Duration
	last := began
	for _, b := range births {
		took = append(took, b.took)
		if end := b.asked.Add(b.took); end.After(last) {
			last = end
		}
	}
	slices.Sort(took)
	x.tellWanted("servers created, POST to the last ACTIVE", "50/s", "%d in %.1f s: %.1f/s", x.Servers, last.Sub(began).Seconds(), float64(x.Servers)/last.Sub(began).Seconds())
	x.tell("POST to ACTIVE, median and 99th percentile", "%s, %s", quantile(took, 0.5), quantile(took, 0.99))
	x.tellWanted("CPU for a server, client and hosts included", "35 ms with the database's", "%.1f ms", float64(used.Microseconds())/1e3/float64(x.Servers))
	x.decisions()
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	after := memory()
	x.tellWanted("memory (PSS) before, after, per server", "linear", "%.1f MB, %.1f MB, %.1f KB", mb(before), mb(after), float64(after-before)/float64(x.Servers)/1e3)
	return nil
}

// profile begins a CPU profile if one is wanted, and returns what ends it.
func (x *experiment) profile(behind string) (stop func() error, err error) {
	if x.Profile == "" {
		return func() error { return nil }, nil
	}
	file, err := os.Create(x.Profile + behind)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// spread has the clients do something n times, at most Rate times a second.
func (x *experiment) spread(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	for range max(x.Clients, 1) {
		group.Go(func() error {
			for i := range next {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		began := time.Now()
		for i := range n {
			if x.Rate > 0 {
				due := began.Add(time.Duration(float64(i) / x.Rate * float64(time.Second)))
				if err := sleep(ctx, time.Until(due)); err != nil {
					return err
				}
			}
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// seenServer is what a list tells of a server's birth.
type seenServer struct {
	ID       string
	Status   string
	Launched string `json:"OS-SRV-USG:launched_at"`
	Fault    struct{ Message string }
}

// watch follows the servers by lists of those that changed until all are ACTIVE.
func (x *experiment) watch(ctx context.Context, since time.Time, mu *sync.Mutex, births map[string]*birth) error {
	active := map[string]bool{}
	shown := time.Now()
	for len(active) < x.Servers {
		asked := time.Now()
		for marker := ""; ; {
			path := "/compute/v2.1/servers/detail?status=ACTIVE&status=ERROR&changes-since=" + since.UTC().Add(-2*time.Second).Format("2006-01-02T15:04:05Z")
			if marker != "" {
				path += "&marker=" + marker
			}
			var page struct{ Servers []seenServer }
			if err := x.client.do(ctx, http.MethodGet, path, nil, &page); err != nil {
				return err
			}
			for _, server := range page.Servers {
				if err := note(server, mu, births, active); err != nil {
					return err
				}
			}
			if len(page.Servers) < 1000 {
				break
			}
			marker = page.Servers[len(page.Servers)-1].ID
		}
		since = asked
		if time.Since(shown) > 10*time.Second {
			shown = time.Now()
			x.tell("servers so far", "%d", len(active))
		}
		if err := sleep(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// note takes what a list tells of one server.
func note(server seenServer, mu *sync.Mutex, births map[string]*birth, active map[string]bool) error {
	if server.Status == "ERROR" {
		return fmt.Errorf("server %s: %s", server.ID, server.Fault.Message)
	}
	mu.Lock()
	defer mu.Unlock()
	b := births[server.ID]
	if b == nil || active[server.ID] {
		return nil
	}
	launched, err := time.Parse("2006-01-02T15:04:05.000000", server.Launched)
	if err != nil {
		return fmt.Errorf("server %s: launched at %q: %w", server.ID, server.Launched, err)
	}
	active[server.ID] = true
	b.took = launched.Sub(b.asked)
	return nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)].Round(time.Millisecond)
}

// decisions tells how long the scheduler took, from its own metric.
func (x *experiment) decisions() {
	families, err := x.cloud.metrics.Gather()
	if err != nil {
		return
	}
	for _, family := range families {
		if family.GetName() == "virga_scheduler_decision_seconds" {
			h := family.GetMetric()[0].GetHistogram()
			x.tellWanted("decisions, median and 99th percentile (bucket's bound)", "median under 5 ms", "%d: under %.2f ms, under %.2f ms",
				h.GetSampleCount(), 1e3*bucketOf(h, 0.5), 1e3*bucketOf(h, 0.99))
		}
	}
}

// bucketOf is the upper bound of the bucket that a quantile is in.
func bucketOf(h *dto.Histogram, q float64) float64 {
	for _, bucket := range h.GetBucket() {
		if float64(bucket.GetCumulativeCount()) >= q*float64(h.GetSampleCount()) {
			return bucket.GetUpperBound()
		}
	}
	return 0
}

// lists measures first pages.
func (x *experiment) lists(ctx context.Context) error {
	for _, l := range []struct{ what, path, wanted string }{
		{"first page of all projects' servers", "/compute/v2.1/servers?all_tenants=1", "20 ms"},
		{"the same with details, 1000 servers", "/compute/v2.1/servers/detail?all_tenants=1", "30 ms"},
		{"the same with details, 100 servers", "/compute/v2.1/servers/detail?all_tenants=1&limit=100", "20 ms"},
		{"first page of a project's servers", "/compute/v2.1/servers", "20 ms"},
		{"the same with details, 1000 servers", "/compute/v2.1/servers/detail", "30 ms"},
		{"the same by name", "/compute/v2.1/servers?sort_key=display_name&sort_dir=asc", "20 ms"},
		{"the same by time of update", "/compute/v2.1/servers?sort_key=updated_at&sort_dir=desc", "20 ms"},
		{"allocation candidates of all hosts, at most 1000", "/placement/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1&limit=1000", "20 ms"},
	} {
		if err := x.fetch(ctx, l.what, l.path, l.wanted); err != nil {
			return err
		}
	}
	return nil
}

// fetches is how often a path is fetched for one figure.
const fetches = 15

// fetch measures the fetching of a path.
func (x *experiment) fetch(ctx context.Context, what, path, wanted string) error {
	var took []time.Duration
	used := cpuTime()
	for range fetches {
		began := time.Now()
		if err := x.client.read(ctx, path); err != nil {
			return err
		}
		took = append(took, time.Since(began))
	}
	used = (cpuTime() - used) / fetches
	slices.Sort(took)
	x.tellWanted(what, wanted, "%s (CPU %s)", took[len(took)/2].Round(100*time.Microsecond), used.Round(100*time.Microsecond))
	return nil
}

// read fetches a path to its end.
func (c *simClient) read(ctx context.Context, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	request.Header = c.header.Clone()
	answer, err := c.http.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("GET %s: status %d", path, answer.StatusCode))
	}
	return errors.Join(err, answer.Body.Close())
}

// deleteServers measures the way from DELETE to gone, of all servers but the first.
func (x *experiment) deleteServers(ctx context.Context) error {
	var ids []string
	for marker := ""; ; {
		var page struct{ Servers []struct{ ID, Name string } }
		if err := x.client.do(ctx, http.MethodGet, "/compute/v2.1/servers?marker="+marker, nil, &page); err != nil {
			return err
		}
		for _, server := range page.Servers {
			if marker = server.ID; server.Name != simServer(0) {
				ids = append(ids, server.ID)
			}
		}
		if len(page.Servers) < 1000 {
			break
		}
	}
	stop, err := x.profile(".delete")
	if err != nil {
		return err
	}
	began, used := time.Now(), cpuTime()
	err = x.spread(ctx, len(ids), func(ctx context.Context, i int) error {
		return x.client.do(ctx, http.MethodDelete, "/compute/v2.1/servers/"+ids[i], nil, nil)
	})
	for err == nil {
		var left struct{ Servers []struct{ ID string } }
		if err = x.client.do(ctx, http.MethodGet, "/compute/v2.1/servers?limit=2", nil, &left); err != nil || len(left.Servers) < 2 {
			break
		}
		err = sleep(ctx, 50*time.Millisecond)
	}
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	n := float64(max(len(ids), 1))
	x.tellWanted("servers deleted, DELETE to the last one gone", "100/s", "%d: %.1f/s", len(ids), n/time.Since(began).Seconds())
	x.tell("CPU for a delete, client and hosts included", "%.1f ms", float64((cpuTime()-used).Microseconds())/1e3/n)
	return nil
}
