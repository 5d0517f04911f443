package compute_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"virga/core/db"
	"virga/core/db/dbtest"
	"virga/service/compute/orders"
)

func TestDecisionsAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	big, _ := r.startNode("big", 8600), r.startNode("small", 8192)
	big.setFail(func(o orders.GuestOrder) *orders.Error {
		if o.Desired == orders.Running {
			return &orders.Error{Class: orders.Elsewhere, Message: "no space left on host"}
		}
		return nil
	})
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	path := "/internal/servers/" + id + "/placements"
	r.do(member(projectID), latest, "GET", path, "").want(403, "")
	r.do(admin(), latest, "GET", "/internal/servers/"+groupID+"/placements", "").want(404, "could not be found")
	a := r.do(admin(), latest, "GET", path, "").want(200, `"it failed before: no space left on host"`)
	if got := fmt.Sprint(a.at("placements", 0, "attempt"), a.at("placements", 0, "decision", "chosen"), a.at("placements", 1, "attempt"), a.at("placements", 1, "decision", "chosen")); got != "2small1big" {
		t.Errorf("attempts and choices: %s in %s", got, a.text)
	}
	for _, want := range []string{`"action":"create"`, `"refused":false`, `"user_id":"user-0123"`, `"MEMORY_MB":512`, `"failed_hosts":{"big":"no space left on host"}`} {
		a.want(200, want)
	}
	first := r.do(admin(), latest, "GET", path+"?limit=1", "").want(200, `placements_links`)
	r.do(admin(), latest, "GET", path+"?limit=1&marker="+first.str("placements", 0, "id"), "").want(200, `"attempt":1`)
	r.do(admin(), latest, "GET", path+"?marker="+id, "").want(400, "marker")
	r.do(member(projectID), latest, "POST", "/v2.1/servers/"+id+"/action", `{"resize":{"flavorRef":"4"}}`).want(400, "No valid host was found. 1 host:")
	refusal := r.do(admin(), latest, "GET", path, "").want(200, `"refused":true`)
	for _, want := range []string{`"action":"resize"`, `"the server is to leave it"`, `"smallest_change":{"host":"big"`} {
		refusal.want(200, want)
	}
	r.delete(id)
	r.waitGone(id)
	r.do(admin(), latest, "GET", path, "").want(200, `"attempt":2`)
}

// contents are all rows of all tables as texts, but for what changes by itself: signs of life.
func contents(t *testing.T, d *db.DB) (all []string) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		all = nil
		var tables []struct {
			Name string `db:"name"`
			SQL  string `db:"sql"`
		}
		if err := tx.Select(&tables, "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"); err != nil {
			return err
		}
		for _, table := range tables {
			if table.Name == "operation_carriers" {
				continue
			}
			var columns []struct {
				Name string `db:"name"`
			}
			if err := tx.Select(&columns, "SELECT name FROM pragma_table_info(?)", table.Name); err != nil {
				return err
			}
			names := []string{}
			for _, c := range columns {
				if c.Name != "last_seen" && c.Name != "down_at" {
					names = append(names, `quote("`+c.Name+`")`)
				}
			}
			var rows []struct {
				Text string `db:"text"`
			}
			if err := tx.Select(&rows, "SELECT "+strings.Join(names, " || ',' || ")+" AS text FROM "+table.Name); err != nil {
				return err
			}
			for _, row := range rows {
				all = append(all, table.Name+": "+row.Text)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Setenv(dbtest.EnginesVariable, "sqlite") // whose tables it lists
	r := newRig(t)
	r.startNode("host1", 4096)
	r.startNode("host2", 9000)
	group := r.do(member(projectID), latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"anti-affinity"}}`).want(200, "").str("server_group", "id")
	id := r.create("")
	r.waitStatus(id, "ACTIVE")
	r.do(admin(), latest, "POST", "/v2.1/servers/"+id+"/action", `{"os-stop":null}`).want(202, "")
	r.waitStatus(id, "SHUTOFF")
	body := func(text string) string {
		return `{"dry_run":{"imageRef":"` + imageID + `",` + text + `}}`
	}
	dry := func(text string) answer {
		return r.do(admin(), latest, "POST", "/internal/placements/dry-run", text)
	}
	before, world := contents(t, r.db), r.world.list()
	dry(body(`"flavorRef":"1"`)).want(200, `"placed":["host2"]`)
	r.do(member(projectID), latest, "POST", "/internal/placements/dry-run", body(`"flavorRef":"1"`)).want(403, "")
	a := dry(body(`"flavorRef":"4"`)).want(200, `"placed":[]`)
	for _, want := range []string{`"fitting":0`, `"smallest_change":{"host":"host2"`, `"kind":"free"`, `8192 MB of memory needed`, `"allocation_ratio"`} {
		a.want(200, want)
	}
	dry(body(`"flavorRef":"1","count":100`)).want(200, `"it has too few MB of memory"`)
	dry(body(`"flavorRef":"1","count":3,"scheduler_hints":{"group":"`+group+`"}`)).want(200, `"placed":["host2","host1"]`).want(200, `max_server_per_host`)
	one := r.do(admin(), latest, "POST", "/internal/placements/dry-run?limit=1", body(`"flavorRef":"1"`)).want(200, "dry_run_links")
	if one.str("dry_run", "hosts", 0, "host") != "host1" {
		t.Errorf("the first page: %s", one.text)
	}
	two := r.do(admin(), latest, "POST", "/internal/placements/dry-run?limit=1&marker=host1", body(`"flavorRef":"1"`)).want(200, `"host":"host2"`)
	if strings.Contains(two.text, "dry_run_links") {
		t.Errorf("the last page: %s", two.text)
	}
	dry(`{"dry_run":{"server_id":"`+id+`"}}`).want(200, `"the server is to leave it"`)
	dry(`{"dry_run":{"server_id":"`+id+`","flavorRef":"2"}}`).want(200, `"placed":["host1"]`)
	for text, why := range map[string]string{
		body(`"flavorRef":"nothing"`):                                           "Flavor nothing could not be found.",
		body(`"flavorRef":"1","availability_zone":"mars"`):                      "The requested availability zone is not available",
		body(`"flavorRef":"1","host":"mars"`):                                   "could not be found",
		body(`"flavorRef":"1","count":101`):                                     "count",
		body(`"flavorRef":"1","colour":"red"`):                                  "colour",
		body(`"flavorRef":"1","scheduler_hints":{"group":"` + networkID + `"}`): "Instance group",
		body(`"flavorRef":"1","scheduler_hints":{"query":"x"}`):                 "query",
		`{"dry_run":{"flavorRef":"1"}}`:                                         "",
		`{"dry_run":{"server_id":"` + id + `","count":2}}`:                      "nothing else",
		`{"dry_run":{"server_id":"` + id + `","flavorRef":"1"}}`:                "must change flavor",
	} {
		dry(text).want(400, why)
	}
	dry(`{"dry_run":{"server_id":"`+networkID+`"}}`).want(404, "could not be found")
	if after := contents(t, r.db); !slices.Equal(after, before) || !reflect.DeepEqual(r.world.list(), world) {
		t.Errorf("before:\n%s\nafter:\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	if len(before) < 20 {
		t.Errorf("only %d rows were compared", len(before))
	}
}
