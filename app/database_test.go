package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/app/folder"
	"virga/core/conf"
	"virga/core/db/dbtest"
)

// outage is a cloud on simulated guests whose database server is taken away.
type outage struct {
	t       *testing.T
	base    string
	token   string
	project string
	// refused counts answers with 503.
	refused atomic.Int64
	log     *journal
}

// journal keeps what several goroutines log.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// startOn runs a cloud on a database server until the test ends. It has to end without an error.
func startOn(t *testing.T, database string) *outage {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	o := &outage{t: t, base: "http://" + address, log: &journal{}}
	settings := &conf.Config{DataDir: t.TempDir(), Database: conf.Secret(database), Listen: address, Region: "RegionOne", Host: "here", Virt: "fake",
		ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", AdminPassword: "right", LogLevel: "info", LogFormat: "text"}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Up(ctx, settings, "test", io.Discard, o.log) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the cloud ended with %v", err)
		}
		if t.Failed() {
			t.Log(o.log.String())
		}
	})
	o.await("the cloud is ready", func() bool {
		status, _, _ := o.ask("GET", "/readyz", nil)
		return status == http.StatusOK
	})
	return o
}

func (o *outage) await(what string, is func() bool) {
	o.t.Helper()
	deadline, tick := time.NewTimer(time.Minute), time.NewTicker(20*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for !is() {
		select {
		case <-deadline.C:
			o.t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// ask makes a request; a status of 0 is a connection that failed.
func (o *outage) ask(method, path string, body any) (int, http.Header, map[string]any) {
	var text io.Reader
	contentType := "application/json"
	switch body := body.(type) {
	case nil:
	case []byte:
		text, contentType = bytes.NewReader(body), "application/octet-stream"
	default:
		encoded, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		text = bytes.NewReader(encoded)
	}
	r, err := http.NewRequest(method, o.base+path, text)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Auth-Token", o.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, nil
	}
	defer func() { _ = answer.Body.Close() }()
	var decoded map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&decoded); err != nil && !errors.Is(err, io.EOF) {
		decoded = map[string]any{"undecoded": err.Error()}
	}
	return answer.StatusCode, answer.Header, decoded
}

// must makes a request that has to succeed.
func (o *outage) must(method, path string, body any) map[string]any {
	o.t.Helper()
	status, _, decoded := o.ask(method, path, body)
	if status < 200 || status > 299 {
		o.t.Fatalf("%s %s: %d %v", method, path, status, decoded)
	}
	return decoded
}

type fields = map[string]any

// logIn gets a token for the administrator and lifts the quotas of the project admin.
func (o *outage) logIn() {
	o.t.Helper()
	login := fields{"auth": fields{
		"identity": fields{"methods": []string{"password"}, "password": fields{"user": fields{"name": "admin", "domain": fields{"id": "default"}, "password": "right"}}},
		"scope":    fields{"project": fields{"name": "admin", "domain": fields{"id": "default"}}}}}
	status, header, body := o.ask("POST", "/identity/v3/auth/tokens", login)
	if status != http.StatusCreated {
		o.t.Fatalf("log in: %d %v", status, body)
	}
	o.token = header.Get("X-Subject-Token")
	o.project = body["token"].(fields)["project"].(fields)["id"].(string)
	o.must("PUT", "/compute/v2.1/os-quota-sets/"+o.project, fields{"quota_set": fields{"instances": -1, "cores": -1, "ram": -1}})
	o.must("PUT", "/network/v2.0/quotas/"+o.project, fields{"quota": fields{"network": -1, "port": -1}})
}

// serverBody makes what a server is made of and returns how servers are ordered.
func (o *outage) serverBody() func(name string) any {
	o.t.Helper()
	picture := o.must("POST", "/image/v2/images", fields{"name": "x", "disk_format": "raw", "container_format": "bare"})["id"].(string)
	o.must("PUT", "/image/v2/images/"+picture+"/file", make([]byte, 1<<20))
	flavor := o.must("GET", "/compute/v2.1/flavors", nil)["flavors"].([]any)[0].(fields)["id"].(string)
	network := o.must("GET", "/network/v2.0/networks?name=private", nil)["networks"].([]any)[0].(fields)["id"].(string)
	return func(name string) any {
		return fields{"server": fields{"name": name, "imageRef": picture, "flavorRef": flavor, "networks": []any{fields{"uuid": network}}}}
	}
}

// load makes one thing after the other until ctx ends and returns the ids of all that were
// acknowledged.
func (o *outage) load(ctx context.Context, path, wrapper string, body func(i int) any) (ids []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ctx.Err() == nil; i++ {
		status, header, decoded := o.ask("POST", path, body(i))
		switch {
		case status >= 200 && status < 300:
			ids = append(ids, decoded[wrapper].(fields)["id"].(string))
		case status == http.StatusServiceUnavailable && header.Get("Retry-After") != "":
			o.refused.Add(1)
		default:
			o.t.Errorf("POST %s: %d %v", path, status, decoded)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return ids
}

// TestDatabaseAndDataFolderBelongTogether has folders without, with their own and with
// another's database meet a server.
func TestDatabaseAndDataFolderBelongTogether(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		address := dbtest.ServerURL(t, engine)
		claim := func(folder, database string) error {
			cl, err := newCloud(&conf.Config{DataDir: folder, Database: conf.Secret(database)}, "test", slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			return errors.Join(cl.openCluster(t.Context()), cl.close())
		}
		refuse := func(what string, err error, wants string) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), wants) {
				t.Errorf("%s: %v", what, err)
			}
		}
		mine, other, files := t.TempDir(), t.TempDir(), t.TempDir()
		if err := os.Mkdir(filepath.Join(files, "db"), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := claim(mine, address); err != nil {
				t.Fatal(err)
			}
		}
		refuse("another folder", claim(other, address), "virga join --role controller")
		refuse("the folder without its database", claim(mine, ""), "must name it")
		refuse("the folder with an empty database", claim(mine, dbtest.ServerURL(t, engine)), "an empty database")
		refuse("a folder with files", claim(files, address), "a data folder of its own")
		if err := claim(other, dbtest.ServerURL(t, engine)); err != nil {
			t.Errorf("a refused folder is not free for another database: %v", err)
		}
		key, err := os.ReadFile(filepath.Join(mine, "secrets", "cluster-key"))
		if err != nil {
			t.Fatal(err)
		}
		second := t.TempDir()
		if err := folder.Write(filepath.Join(second, "secrets", "cluster-key"), key); err != nil {
			t.Fatal(err)
		}
		if err := claim(second, address); err != nil {
			t.Errorf("a second folder with the key: %v", err)
		}
	})
}

// TestCloudOutlivesItsDatabase stops the database server under load and starts it again:
// requests are answered 503 meanwhile, and what was acknowledged is there and gets done.
func TestCloudOutlivesItsDatabase(t *testing.T) {
	dbtest.EachServer(t, func(t *testing.T, engine string) {
		server := dbtest.Own(t, engine)
		o := startOn(t, server.URL(t))
		o.logIn()
		order := o.serverBody()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var networks, servers []string
		var workers sync.WaitGroup
		workers.Go(func() {
			networks = o.load(ctx, "/network/v2.0/networks", "network", func(i int) any { return fields{"network": fields{"name": fmt.Sprint("n", i)}} })
		})
		workers.Go(func() {
			servers = o.load(ctx, "/compute/v2.1/servers", "server", func(i int) any { return order(fmt.Sprint("s", i)) })
		})
		o.listed("/network/v2.0/networks", "networks", 5)
		server.Stop(t)
		long := time.NewTimer(3 * time.Second) // long enough for everything that looks at the database at times
		defer long.Stop()
		o.await("20 requests were refused", func() bool { return o.refused.Load() >= 20 })
		if status, _, _ := o.ask("GET", "/readyz", nil); status != http.StatusServiceUnavailable {
			t.Errorf("readyz answers %d without a database", status)
		}
		<-long.C
		server.Start(t)
		refused := o.refused.Load()
		o.await("the cloud is ready again", func() bool { status, _, _ := o.ask("GET", "/readyz", nil); return status == http.StatusOK })
		before := len(o.list("/network/v2.0/networks", "networks"))
		o.listed("/network/v2.0/networks", "networks", before+5)
		cancel()
		workers.Wait()
		t.Logf("%d networks and %d servers were acknowledged, %d requests refused, %d of them after the server was back",
			len(networks), len(servers), o.refused.Load(), o.refused.Load()-refused)
		found := o.list("/network/v2.0/networks", "networks")
		for _, id := range networks {
			if !slices.Contains(found, id) {
				t.Errorf("network %s was acknowledged and is lost", id)
			}
		}
		for _, id := range servers {
			o.await("server "+id+" is active", func() bool {
				return o.must("GET", "/compute/v2.1/servers/"+id, nil)["server"].(fields)["status"] == "ACTIVE"
			})
		}
	})
}

func (o *outage) list(path, wrapper string) (ids []string) {
	o.t.Helper()
	for _, item := range o.must("GET", path, nil)[wrapper].([]any) {
		ids = append(ids, item.(fields)["id"].(string))
	}
	return ids
}

// listed waits until a list has so many items.
func (o *outage) listed(path, wrapper string, count int) {
	o.t.Helper()
	o.await(fmt.Sprintf("there are %d %s", count, wrapper), func() bool { return len(o.list(path, wrapper)) >= count })
}
