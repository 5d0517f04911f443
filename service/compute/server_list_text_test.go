package compute

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/clock"
	"virga/core/token"
	"virga/core/work"
)

// odd are texts that JSON has to do something about.
func odd() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "plain", `a "quoted" one\`, "<b>&amp;</b>", "Zürich 中文 \u2028", "line\nbreak\x01", "a\x1eb"})
}

func anyServer(t *rapid.T, i int) *server {
	text := odd()
	at := func(what string) time.Time {
		return time.UnixMicro(rapid.Int64Range(0, 2e15).Draw(t, what)).UTC()
	}
	row := &server{ID: clock.NewSeeded(uint64(i), time.Time{}).ID(), ProjectID: text.Draw(t, "project"), UserID: text.Draw(t, "user"), Name: text.Draw(t, "name"),
		HostName: text.Draw(t, "hostname"), PowerState: rapid.IntRange(0, 7).Draw(t, "power"), Zone: text.Draw(t, "zone"),
		VMState: rapid.SampledFrom([]string{vmBuilding, vmActive, vmStopped, vmError, vmDeleted}).Draw(t, "state"),
		Host:    rapid.SampledFrom([]string{"", "h1", "h2", "unknown"}).Draw(t, "host"), FlavorID: text.Draw(t, "flavor"), KeyName: text.Draw(t, "key"),
		ConfigDrive: rapid.Bool().Draw(t, "drive"), Locked: rapid.Bool().Draw(t, "locked"), ReservationID: text.Draw(t, "reservation"),
		CreatedAt: at("created"), UpdatedAt: at("updated")}
	if rapid.Bool().Draw(t, "launched") {
		row.LaunchedAt = at("launched")
	}
	if row.VMState == vmDeleted {
		row.DeletedAt = at("deleted")
	}
	if rapid.Bool().Draw(t, "image") {
		row.ImageID = clock.NewSeeded(uint64(i), time.Time{}).ID()
	}
	d := &row.Detail
	d.Flavor = flavorSnapshot{ID: text.Draw(t, "flavor id"), Name: text.Draw(t, "flavor name"), VCPUs: 2, MemoryMiB: 512, RootGiB: 1}
	d.DiskConfig, d.AccessIPv4, d.LaunchIndex, d.LockedReason = "MANUAL", text.Draw(t, "access"), i, text.Draw(t, "reason")
	if rapid.Bool().Draw(t, "described") {
		description := text.Draw(t, "description")
		d.Description = &description
	}
	if rapid.Bool().Draw(t, "more") {
		d.Metadata, d.SecurityGroups = map[string]string{text.Draw(t, "metadata"): text.Draw(t, "value")}, []string{text.Draw(t, "group")}
		d.Flavor.ExtraSpecs = map[string]string{"a": text.Draw(t, "spec")}
		d.Fault = &fault{Code: 500, Message: text.Draw(t, "fault"), Created: at("fault"), Details: text.Draw(t, "details")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "nics") {
		row.NICs = append(row.NICs, nic{PortID: "p", NetworkName: text.Draw(t, "network"), MAC: "fa:16:3e:00:00:01",
			FixedIPs: []nicAddress{{Address: "10.0.0.1", Floating: []string{"192.0.2.1"}}, {Address: "fd00::1"}}, Groups: []groupOfPort{{ID: text.Draw(t, "g"), Name: text.Draw(t, "gn")}}})
	}
	return row
}

// versionsToTest are the oldest microversion, the newest, and those in which the view changes.
func versionsToTest() []api.Version {
	v := microversions()
	return []api.Version{v.Min, v.Max, vExtendedAttributes, vLocked, vHostStatus, vDescription, vTags, vEmbeddedFlavor, vCertificates, vLockedReason,
		vHostname, vPinnedZone}
}

// nobody knows no token.
type nobody struct{}

func (nobody) Authenticate(context.Context, string) (*token.Identity, error) {
	return nil, token.ErrInvalid
}

// TestPagesSayWhatViewsSay draws servers and compares a page with the views of its servers.
func TestPagesSayWhatViewsSay(t *testing.T) {
	s := &Service{clock: clock.NewSeeded(1, noon)}
	var request *api.Request
	policy, err := authz.NewEnforcer(policyRules(), nil)
	if err != nil {
		t.Fatal(err)
	}
	table := &api.Table{Auth: nobody{}, Policy: policy, Service: "compute", Type: "compute", Endpoint: "http://cloud/compute?a=1&b=<2>", Errors: errorStyle, Log: slog.New(slog.DiscardHandler),
		Routes: []api.Route{{Method: http.MethodGet, Path: "/x", Public: true, Doc: "hands out its request",
			Handle: func(_ context.Context, r *api.Request) (any, error) { request = r; return nil, nil }}}}
	handler, err := api.NewHandler(table)
	if err != nil {
		t.Fatal(err)
	}
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/x", nil))
	rapid.Check(t, func(t *rapid.T) {
		r := *request
		r.Version, r.Query = rapid.SampledFrom(versionsToTest()).Draw(t, "version"), url.Values{}
		c := &serverContext{tasks: map[string]task{}, tags: map[string][]string{}, userData: map[string]string{},
			hosts:    map[string]*hostBrief{"h1": {Name: "h1", HostName: "h1.example", Zone: "east", DownAt: noon.Add(time.Second)}, "h2": {Name: "h2", HostName: "h2", Disabled: true}},
			extended: rapid.Bool().Draw(t, "extended"), hostStatus: rapid.Bool().Draw(t, "host status"), flavorSpecs: rapid.Bool().Draw(t, "specs"), admin: rapid.Bool().Draw(t, "admin")}
		var rows []*server
		var cards []card
		views := []serverView{}
		for i := range rapid.IntRange(0, 3).Draw(t, "servers") {
			row := anyServer(t, i)
			switch rapid.IntRange(0, 3).Draw(t, "task") {
			case 0:
				c.tasks[row.ID] = taskOf([]work.Operation{{Kind: opCreate, StepName: "network"}})
			case 1:
				c.tasks[row.ID] = taskOf([]work.Operation{{Kind: opReboot}})
			}
			c.tags[row.ID], c.userData[row.ID] = rapid.SliceOfN(odd(), 0, 2).Draw(t, "tags"), odd().Draw(t, "user data")
			text, err := makeCard(row)
			if err != nil {
				t.Fatal(err)
			}
			pieces := readCard(text)
			if pieces == nil {
				t.Fatalf("card %q cannot be read", text)
			}
			rows, cards, views = append(rows, row), append(cards, pieces), append(views, s.viewServer(&r, row, c, false))
		}
		links := []linkView{{"next", "http://x/?marker=1&limit=2"}}
		got, err := s.newPageText(&r, c, len(rows)).page(rows, cards, links)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(withLinks("servers", views, links))
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatalf("version %v (- views, + page):\n%s", r.Version, diff)
		}
	})
}
