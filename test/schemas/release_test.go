//go:build release

package schemas

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"virga/core/db"
	"virga/core/db/dbtest"
)

// TestWriteRelease writes the tables of a release, RELEASE in the environment, with rows, and its migrations into the list.
func TestWriteRelease(t *testing.T) {
	release, binary := os.Getenv("RELEASE"), os.Getenv("VIRGA_BIN")
	if !regexp.MustCompile(`^v[0-9]+\.[0-9]+(\.[0-9]+)?$`).MatchString(release) || binary == "" {
		t.Fatal("use make release-schemas RELEASE=v0.2")
	}
	for _, engine := range []string{"sqlite", "postgres", "mysql"} {
		t.Run(engine, func(t *testing.T) {
			c := &cloud{T: t, binary: binary, data: t.TempDir(), engine: engine}
			if engine != "sqlite" {
				c.database = dbtest.ServerURL(t, engine)
			}
			c.start()
			c.furnish()
			c.stop()
			folder := filepath.Join(release, engine)
			ok(t, os.MkdirAll(folder, 0o755))
			for _, part := range c.parts() {
				ok(t, os.WriteFile(filepath.Join(folder, part+".sql"), c.dump(part), 0o644))
			}
		})
	}
	if !t.Failed() {
		enlist(t, release)
	}
}

// enlist adds the migrations that belong to no release yet.
func enlist(t *testing.T, release string) {
	t.Helper()
	path := filepath.Join(top, "core/db/releases.txt")
	text, err := os.ReadFile(path)
	ok(t, err)
	known, err := db.Releases()
	ok(t, err)
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range folders() {
			if !yield(name) {
				return
			}
		}
	}) {
		files, err := filepath.Glob(filepath.Join(top, folders()[name], "*.sql"))
		ok(t, err)
		for _, file := range files {
			base := filepath.Base(file)
			if slices.ContainsFunc(known, func(r db.Released) bool { return r.Owner == name && r.File == base }) {
				continue
			}
			content, err := os.ReadFile(file)
			ok(t, err)
			sum := sha256.Sum256(content)
			text = fmt.Appendf(text, "%s %s %s %s\n", release, name, base, hex.EncodeToString(sum[:]))
		}
	}
	ok(t, os.WriteFile(path, text, 0o644))
}

// cloud is a running binary.
type cloud struct {
	*testing.T
	binary, data, engine, database, address, token string
	command                                        *exec.Cmd
}

const password = "only-for-this-dump"

func (c *cloud) start() {
	c.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ok(c, err)
	c.address = "http://" + listener.Addr().String()
	ok(c, listener.Close())
	c.command = exec.Command(c.binary, "up", "--virt", "fake", "--data-dir", c.data, "--listen", listener.Addr().String(), "--host", "host-1")
	c.command.Env = append(os.Environ(), "VIRGA_ADMIN_PASSWORD="+password, "VIRGA_DATABASE="+c.database)
	c.command.Stderr = os.Stderr
	ok(c, c.command.Start())
	c.Cleanup(func() { _ = c.command.Process.Kill() })
	c.await("the cloud is ready", func() bool {
		answer, err := http.Get(c.address + "/readyz")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil && answer.StatusCode == http.StatusOK
	})
}

func (c *cloud) stop() {
	c.Helper()
	ok(c, c.command.Process.Signal(syscall.SIGTERM))
	ok(c, c.command.Wait())
}

func (c *cloud) await(what string, is func() bool) {
	c.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.Fatalf("waited in vain until %s", what)
		}
	}
}

type fields = map[string]any

// ask makes a request that has to succeed, and returns what is in the answer's wrapper.
func (c *cloud) ask(method, path string, body any) fields {
	c.Helper()
	var content io.Reader = http.NoBody
	kind := "application/json"
	if raw, isRaw := body.([]byte); isRaw {
		content, kind = bytes.NewReader(raw), "application/octet-stream"
	} else if body != nil {
		text, err := json.Marshal(body)
		ok(c, err)
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(c.Context(), method, c.address+path, content)
	ok(c, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Auth-Token", c.token)
	r.Header.Set("OpenStack-API-Version", "compute latest")
	answer, err := http.DefaultClient.Do(r)
	ok(c, err)
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	ok(c, err)
	if answer.StatusCode >= 300 {
		c.Fatalf("%s %s: %d %s", method, path, answer.StatusCode, text)
	}
	if token := answer.Header.Get("X-Subject-Token"); token != "" {
		c.token = token
	}
	var decoded fields
	_ = json.Unmarshal(text, &decoded) // not every answer has a body
	if len(decoded) == 1 {
		for _, inner := range decoded {
			if object, isObject := inner.(fields); isObject {
				return object
			}
		}
	}
	return decoded
}

func (c *cloud) make(path, wrapper string, body fields) string {
	c.Helper()
	id, _ := c.ask("POST", path, fields{wrapper: body})["id"].(string)
	return id
}

// furnish makes something of every kind.
func (c *cloud) furnish() {
	c.Helper()
	c.ask("POST", "/identity/v3/auth/tokens", fields{"auth": fields{
		"identity": fields{"methods": []string{"password"}, "password": fields{"user": fields{"name": "admin", "domain": fields{"id": "default"}, "password": password}}},
		"scope":    fields{"project": fields{"name": "admin", "domain": fields{"id": "default"}}}}})
	project := c.make("/identity/v3/projects", "project", fields{"name": "town", "domain_id": "default", "tags": []string{"a", "b"}})
	user := c.make("/identity/v3/users", "user", fields{"name": "mayor", "domain_id": "default", "password": "a long password", "email": "mayor@town.example"})
	group := c.make("/identity/v3/groups", "group", fields{"name": "council", "domain_id": "default"})
	c.ask("PUT", "/identity/v3/groups/"+group+"/users/"+user, nil)
	role := c.make("/identity/v3/roles", "role", fields{"name": "clerk"})
	c.ask("PUT", "/identity/v3/projects/"+project+"/groups/"+group+"/roles/"+role, nil)

	image, _ := c.ask("POST", "/image/v2/images", fields{"name": "system", "disk_format": "raw", "container_format": "bare", "tags": []string{"x"}, "hw_machine_type": "q35"})["id"].(string)
	c.ask("PUT", "/image/v2/images/"+image+"/file", bytes.Repeat([]byte("a small system\n"), 100))
	c.ask("POST", "/image/v2/images/"+image+"/members", fields{"member": project})

	network := c.make("/network/v2.0/networks", "network", fields{"name": "street"})
	subnet := c.make("/network/v2.0/subnets", "subnet", fields{"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24", "dns_nameservers": []string{"9.9.9.9"}})
	public, _ := c.ask("GET", "/network/v2.0/networks?name=public", nil)["networks"].([]any)[0].(fields)["id"].(string)
	router := c.make("/network/v2.0/routers", "router", fields{"name": "gate", "external_gateway_info": fields{"network_id": public}})
	c.ask("PUT", "/network/v2.0/routers/"+router+"/add_router_interface", fields{"subnet_id": subnet})
	security := c.make("/network/v2.0/security-groups", "security_group", fields{"name": "guards"})
	c.make("/network/v2.0/security-group-rules", "security_group_rule", fields{"security_group_id": security, "direction": "ingress", "protocol": "tcp",
		"port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "0.0.0.0/0"})
	port := c.make("/network/v2.0/ports", "port", fields{"network_id": network, "name": "door", "security_groups": []string{security}})
	c.ask("PUT", "/network/v2.0/ports/"+port+"/tags", fields{"tags": []string{"blue"}})

	flavor := c.make("/compute/v2.1/flavors", "flavor", fields{"name": "hut", "vcpus": 1, "ram": 128, "disk": 1})
	c.ask("POST", "/compute/v2.1/flavors/"+flavor+"/os-extra_specs", fields{"extra_specs": fields{"hw:cpu_policy": "shared"}})
	c.make("/compute/v2.1/os-keypairs", "keypair", fields{"name": "key", "type": "ssh",
		"public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIxvHyLB0j6Ix0dQZ8gPzSMcyLZUTl3gIbPmVKyNKqLB town"})
	serverGroup := c.make("/compute/v2.1/os-server-groups", "server_group", fields{"name": "apart", "policy": "anti-affinity"})
	server := func(name string, nics any, hints fields) string {
		id, _ := c.ask("POST", "/compute/v2.1/servers", fields{"server": fields{"name": name, "imageRef": image, "flavorRef": flavor, "networks": nics,
			"metadata": fields{"k": "v"}, "user_data": "IyEvYmluL3NoCg=="}, "os:scheduler_hints": hints})["id"].(string)
		c.await("server "+name+" is active", func() bool { return c.ask("GET", "/compute/v2.1/servers/"+id, nil)["status"] == "ACTIVE" })
		return id
	}
	first := server("first", []fields{{"port": port}}, fields{"group": serverGroup})
	gone := server("gone", []fields{{"uuid": network}}, fields{})
	c.ask("PUT", "/compute/v2.1/servers/"+first+"/tags", fields{"tags": []string{"old"}})
	c.make("/network/v2.0/floatingips", "floatingip", fields{"floating_network_id": public, "port_id": port})
	c.ask("DELETE", "/compute/v2.1/servers/"+gone, nil)
	c.await("the other server is gone", func() bool {
		found, _ := c.ask("GET", "/compute/v2.1/servers", nil)["servers"].([]any)
		return len(found) == 1
	})
}

// parts are those that the data folder or the server has.
func (c *cloud) parts() (found []string) {
	c.Helper()
	if c.engine == "sqlite" {
		files, err := filepath.Glob(filepath.Join(c.data, "db", "*.sqlite"))
		ok(c, err)
		for _, file := range files {
			found = append(found, strings.TrimSuffix(filepath.Base(file), ".sqlite"))
		}
		return found
	}
	query := "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname NOT IN ('public', 'information_schema')"
	address := c.database
	d, err := db.Open(c.Context(), address)
	ok(c, err)
	defer func() { _ = d.Close() }()
	if c.engine == "mysql" {
		query = "SELECT SUBSTR(schema_name, LENGTH(DATABASE()) + 2) FROM information_schema.schemata WHERE schema_name LIKE CONCAT(DATABASE(), '\\_%')"
	}
	ok(c, d.Read(c.Context(), func(tx *db.Tx) error { return tx.Select(&found, query) }))
	return found
}

// psqlOnly are lines of a dump that are no SQL, or no part of the tables.
var psqlOnly = regexp.MustCompile(`(?m)^(\\.*|--.*|)\n`)

// dump writes a part's tables and rows as SQL.
func (c *cloud) dump(part string) []byte {
	c.Helper()
	var command *exec.Cmd
	switch c.engine {
	case "sqlite":
		command = exec.Command("sqlite3", filepath.Join(c.data, "db", part+".sqlite"), ".dump")
	case "postgres":
		command = exec.Command("pg_dump", "--inserts", "--no-owner", "--no-privileges", "--schema="+part, c.database)
	default:
		u, err := url.Parse(c.database)
		ok(c, err)
		command = exec.Command("mariadb-dump", "--no-defaults", "--socket="+u.Query().Get("socket"), "--user=root", "--skip-comments",
			"--skip-extended-insert", "--skip-add-locks", "--skip-add-drop-table", strings.TrimPrefix(u.Path, "/")+"_"+part)
	}
	text, err := command.Output()
	if failed := new(exec.ExitError); errors.As(err, &failed) {
		c.Fatalf("%s: %s", command, failed.Stderr)
	}
	ok(c, err)
	return psqlOnly.ReplaceAll(text, nil)
}
