package image

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"virga/core/api"
	"virga/core/api/apitest"
	"virga/core/feed"
	"virga/core/token"
	"virga/service/image/inspect"
)

func TestDerived(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), `"tags":["blue"]`)
	c.must(200, alice(), "POST", "/v2/images/"+id+"/members", `{"member":"carol"}`)
	(&apitest.Subject{
		Table: c.s.Table(), Handler: c.s.Handler(), Owner: alice(), Stranger: bob(),
		Params: func(api.Route) map[string]string {
			return map[string]string{"image_id": id, "member_id": "carol", "tag": "blue"}
		},
	}).Run(t)
	if c.status(id) != statusQueued {
		t.Error("the derived tests changed the image")
	}
}

func TestCreateShowsEveryAttribute(t *testing.T) {
	c := newCloud(t)
	const id = "5f1e3e0a-2b1c-4f6e-9a55-0d6a3c1f9b42"
	w := c.do(alice(), "POST", "/v2/images", strings.NewReader(`{"id":"`+id+`","name":"tiny","disk_format":"qcow2","container_format":"bare",
		"min_disk":2,"min_ram":64,"protected":true,"os_hidden":true,"visibility":"private","tags":["b","a","b"],"architecture":"x86_64"}`))
	if w.Code != 201 || w.Header().Get("Location") != "http://cloud/image/v2/images/"+id {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	for name, want := range map[string]any{
		"id": id, "name": "tiny", "disk_format": "qcow2", "container_format": "bare", "min_disk": 2.0, "min_ram": 64.0,
		"protected": true, "os_hidden": true, "visibility": "private", "tags": []any{"a", "b"}, "architecture": "x86_64",
		"status": "queued", "size": nil, "virtual_size": nil, "checksum": nil, "os_hash_algo": nil, "os_hash_value": nil,
		"owner": "a11ce", "self": "/v2/images/" + id, "file": "/v2/images/" + id + "/file", "schema": "/v2/schemas/image",
	} {
		if got, there := img[name]; !there || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if _, err := time.Parse("2006-01-02T15:04:05Z", img["created_at"].(string)); err != nil {
		t.Error(err)
	}
	c.must(409, bob(), "POST", "/v2/images", `{"id":"`+id+`"}`)
	changes, err := feed.After(t.Context(), c.db, 0, 10)
	if err != nil || len(changes) != 1 || changes[0].ID != id || changes[0].Action != "create" {
		t.Errorf("feed: %v %v", changes, err)
	}
}

func TestIDsOfDeletedImagesAreNotUsedAgain(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), "")
	c.must(204, alice(), "DELETE", "/v2/images/"+id, "")
	c.must(404, alice(), "GET", "/v2/images/"+id, "")
	c.must(404, alice(), "DELETE", "/v2/images/"+id, "")
	c.must(409, bob(), "POST", "/v2/images", `{"id":"`+id+`"}`)
}

func many(n int, format string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(parts, ",")
}

func TestBadCreatesAreRefused(t *testing.T) {
	c := newCloud(t)
	for body, want := range map[string]string{
		`{"name":7}`: "400 name",
		`{"name":"` + many(1, strings.Repeat("x", 256)+"%.0d") + `"}`: "400 name",
		`{"name":"a\u0000b"}`:                      "400 NUL",
		`{"id":"../../etc/passwd"}`:                "400 id",
		`{"id":null}`:                              "400 id",
		`{"disk_format":"qed"}`:                    "400 disk_format",
		`{"container_format":"box"}`:               "400 container_format",
		`{"min_disk":-1}`:                          "400 min_disk",
		`{"min_ram":2147483648}`:                   "400 min_ram",
		`{"min_ram":1.5}`:                          "400 min_ram",
		`{"min_ram":"1"}`:                          "400 min_ram",
		`{"protected":"yes"}`:                      "400 protected",
		`{"visibility":"secret"}`:                  "400 visibility",
		`{"tags":"x"}`:                             "400 tags",
		`{"tags":[null]}`:                          "400 tags",
		`{"hw_disk_bus":null}`:                     "400 hw_disk_bus",
		`{"hw_disk_bus":{"a":1}}`:                  "400 hw_disk_bus",
		`{"":"x"}`:                                 "400 name",
		`{"` + strings.Repeat("k", 256) + `":"x"}`: "400 255",
		`{"status":"active"}`:                      "403 status",
		`{"checksum":"x"}`:                         "403 checksum",
		`{"size":1}`:                               "403 size",
		`{"self":"x"}`:                             "403 self",
		`{"stores":"x"}`:                           "403 stores",
		// Attack 8: content by a place that the client names (OSSA-2014-041).
		`{"location":"file:///etc/shadow"}`:                          "403 location",
		`{"locations":[{"url":"file:///etc/shadow","metadata":{}}]}`: "403 locations",
		`{"direct_url":"filesystem:///etc/shadow"}`:                  "403 direct_url",
		`{"os_glance_import_task":"x"}`:                              "403 os_glance",
		`{"deleted":"true"}`:                                         "403 deleted",
		`{"visibility":"public"}`:                                    "403 publicize_image",
		`{"owner":"b0b"}`:                                            "403 owned by 'b0b'",
		`{` + many(129, `"p%d":"x"`) + `}`:                           "413 Attempted: 129, Maximum: 128",
		`{"tags":[` + many(129, `"t%d"`) + `]}`:                      "413 Attempted: 129",
		`{"name":"` + strings.Repeat("x", 2<<20) + `"}`:              "413 large",
	} {
		w := c.do(alice(), "POST", "/v2/images", strings.NewReader(body))
		code, message, _ := strings.Cut(want, " ")
		if fmt.Sprint(w.Code) != code || !strings.Contains(w.Body.String(), message) {
			t.Errorf("%.80s: %d %s, want %s", body, w.Code, w.Body, want)
		}
	}
	if list := c.must(200, root(), "GET", "/v2/images", ""); names(list) != "" {
		t.Errorf("something was made: %v", list)
	}
	c.must(201, alice(), "POST", "/v2/images", `{"name":null,"disk_format":null,`+many(128, `"p%d":"x"`)+`}`)
	c.must(201, root(), "POST", "/v2/images", `{"owner":"b0b","visibility":"public"}`)
}

func TestPatch(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), `"colour":"red"`)
	for _, step := range []struct {
		operation string
		want      string // "attribute value", or "status text"
	}{
		{`{"op":"replace","path":"/name","value":"new"}`, "name new"},
		{`{"op":"add","path":"/name","value":"newer"}`, "name newer"},
		{`{"op":"replace","path":"/colour","value":"blue"}`, "colour blue"},
		{`{"op":"add","path":"/a~1b~0c","value":"v"}`, "a/b~c v"},
		{`{"op":"remove","path":"/colour"}`, "colour <nil>"},
		{`{"op":"remove","path":"/colour"}`, "409 does not exist"},
		{`{"op":"replace","path":"/colour","value":"x"}`, "409 does not exist"},
		{`{"op":"remove","path":"/name"}`, "403 may not be removed"},
		{`{"op":"replace","path":"/tags","value":["z","y"]}`, "tags [y z]"},
		{`{"op":"add","path":"/tags/-","value":"x"}`, "400 JSON pointer"},
		{`{"op":"replace","path":"/protected","value":true}`, "protected true"},
		{`{"op":"replace","path":"/visibility","value":"private"}`, "visibility private"},
		{`{"op":"replace","path":"/visibility","value":"public"}`, "403 publicize_image"},
		{`{"op":"replace","path":"/visibility","value":"community"}`, "visibility community"},
		{`{"op":"replace","path":"/owner","value":"b0b"}`, "403 non admin"},
		{`{"op":"replace","path":"/status","value":"active"}`, "403 read-only"},
		{`{"op":"replace","path":"/id","value":"x"}`, "403 read-only"},
		{`{"op":"replace","path":"/size","value":1}`, "403 read-only"},
		{`{"op":"add","path":"/os_glance_x","value":"1"}`, "403 reserved"},
		{`{"op":"add","path":"/locations/-","value":{"url":"file:///etc/shadow","metadata":{}}}`, "403 locations"},
		{`{"op":"replace","path":"/locations","value":[]}`, "403 locations"},
		{`{"op":"replace","path":"/min_ram","value":-1}`, "400 min_ram"},
		{`{"op":"replace","path":"/min_ram","value":null}`, "400 min_ram"},
		{`{"op":"add","path":"/colour","value":7}`, "400 string"},
		{`{"op":"replace","path":"name","value":"x"}`, "400 does not start"},
		{`{"op":"replace","path":"/a~2","value":"x"}`, "400 escape"},
		{`{"op":"replace","path":"/","value":"x"}`, "400 pointer"},
		{`{"op":"replace","path":"/name"}`, "400 value"},
		{`{"op":"test","path":"/name","value":"x"}`, "400 Invalid operation"},
		{`{"path":"/name","value":"x"}`, "400 op"},
		{`{"op":"replace","value":"x"}`, "400 path"},
		{`7`, "400 "},
		// All operations or none.
		{`{"op":"replace","path":"/name","value":"lost"},{"op":"remove","path":"/nothing"}`, "409 nothing"},
	} {
		w := c.do(alice(), "PATCH", "/v2/images/"+id, strings.NewReader("["+step.operation+"]"), "Content-Type", patchRFC)
		name, want, _ := strings.Cut(step.want, " ")
		if w.Code != 200 {
			if fmt.Sprint(w.Code) != name || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s", step.operation, w.Code, w.Body)
			}
			continue
		}
		if got := c.must(200, alice(), "GET", "/v2/images/"+id, "")[name]; fmt.Sprint(got) != want {
			t.Errorf("%s: %s is %v, want %s", step.operation, name, got, want)
		}
	}
	if name := c.must(200, alice(), "GET", "/v2/images/"+id, "")["name"]; name != "newer" {
		t.Errorf("half a patch was applied: %v", name)
	}
	c.must(403, alice(), "DELETE", "/v2/images/"+id, "")
	c.patch(200, root(), id, `[{"op":"replace","path":"/owner","value":"b0b"},{"op":"replace","path":"/protected","value":false}]`)
	c.must(204, bob(), "DELETE", "/v2/images/"+id, "")
}

func TestPatchInTheDraftsForm(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), "")
	draft := func(status int, operation string) {
		t.Helper()
		c.must(status, alice(), "PATCH", "/v2/images/"+id, "["+operation+"]", "Content-Type", patchDraft)
	}
	draft(200, `{"replace":"/name","value":"old style"}`)
	draft(200, `{"add":"/colour","value":"red"}`)
	draft(409, `{"add":"/colour","value":"red"}`)
	draft(200, `{"remove":"/colour"}`)
	draft(400, `{"add":"/a","remove":"/b","value":"x"}`)
	draft(400, `{"value":"x"}`)
	w := c.do(alice(), "PATCH", "/v2/images/"+id, strings.NewReader(`[]`))
	if w.Code != 415 || !strings.Contains(w.Header().Get("Accept-Patch"), patchRFC) {
		t.Errorf("wrong media type: %d %v", w.Code, w.Header())
	}
}

func TestListFiltersSortsAndPages(t *testing.T) {
	c := newCloud(t)
	for i, attributes := range []string{
		`"name":"one","disk_format":"raw","tags":["t1","t2"],"os":"debian"`,
		`"name":"two","disk_format":"qcow2","container_format":"bare","tags":["t1"],"os":"debian","min_ram":5`,
		`"name":"three","disk_format":"iso","protected":true,"visibility":"private"`,
		`"name":"four, or so","os_hidden":true`,
	} {
		img := c.must(201, alice(), "POST", "/v2/images", "{"+attributes+"}")
		if i < 2 {
			c.patch(200, alice(), img["id"].(string), `[{"op":"add","path":"/container_format","value":"bare"}]`)
			if w := c.upload(alice(), img["id"].(string), strings.NewReader(string(qcow2(nil)[:i*4<<16])+strings.Repeat("x", 10*(1-i)))); w.Code != 204 {
				t.Fatal(w.Body)
			}
		}
	}
	tomorrow := time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
	for query, want := range map[string]string{
		"":                            "three two one",
		"sort=name:asc":               "one three two",
		"sort_key=name&sort_dir=desc": "two three one",
		"sort_key=disk_format&sort_key=name&sort_dir=asc": "three two one",
		"sort=size:desc,id": "two one three",
		"name=two":          "two",
		"name=in:one,two":   "two one",
		`name=in:"four, or so",one&os_hidden=true`: "four, or so",
		"name=eq:one":                         "one",
		"disk_format=in:raw,iso":              "three one",
		"container_format=bare":               "two one",
		"status=queued":                       "three",
		"status=in:active,queued":             "three two one",
		"tag=t1":                              "two one",
		"tag=t1&tag=t2":                       "one",
		"os=debian":                           "two one",
		"os=debian&name=one":                  "one",
		"os=windows":                          "",
		"min_ram=5":                           "two",
		"min_ram_min=1":                       "two",
		"size_max=100":                        "one",
		"size_min=11":                         "two",
		"virtual_size_min=67108864":           "two",
		"protected=true":                      "three",
		"protected=False":                     "two one",
		"os_hidden=True":                      "four, or so",
		"visibility=private":                  "three",
		"visibility=all":                      "three two one",
		"owner=a11ce":                         "three two one",
		"owner=b0b":                           "",
		"checksum=none":                       "",
		"created_at=lt:" + tomorrow:           "three two one",
		"created_at=gt:" + tomorrow:           "",
		"updated_at=gte:2020-01-01T00:00:00":  "three two one",
		"created_at=neq:2020-01-01T00:00:00Z": "three two one",
		"created_at=2020-01-01T00:00:00Z":     "",
		"limit=2":                             "three two",
		"limit=99999999999999999999":          "three two one",
		"id=in:x,y":                           "",
		"%27%20OR%201=1":                      "",
	} {
		list := c.must(200, alice(), "GET", "/v2/images?"+strings.ReplaceAll(strings.ReplaceAll(query, " ", "%20"), `"`, "%22"), "")
		if names(list) != want {
			t.Errorf("%s: %q, want %q", query, names(list), want)
		}
	}
	for _, query := range []string{"limit=-1", "limit=x", "sort_key=password", "sort=name:up", "sort=name&sort_key=name", "marker=nothing",
		"marker=5f1e3e0a-2b1c-4f6e-9a55-0d6a3c1f9b42", "size_min=x", "created_at=yesterday", "created_at=near:2020-01-01T00:00:00Z",
		"visibility=secret", "member_status=maybe", "os_hidden=7", "name=like:x", `name=in:"open`, `name=in:a"b`, "changes-since=x", "a=%00", "a=%ff",
		"sort_key=name&sort_key=id&sort_dir=asc&sort_dir=asc&sort_dir=asc", "name=in:" + strings.Repeat("x,", 1001),
		"tag=" + strings.Repeat("x&tag=", 200)} {
		if w := c.do(alice(), "GET", "/v2/images?"+strings.ReplaceAll(query, `"`, "%22"), nil); w.Code != 400 {
			t.Errorf("%.60s: %d %s", query, w.Code, w.Body)
		}
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	c := newCloud(t)
	for i := range 7 {
		c.image(alice(), fmt.Sprintf(`"name":"%d"`, i%3))
	}
	for _, sort := range []string{"sort=name:asc", "sort=name:desc,created_at:asc", "sort_key=updated_at", "sort_dir=asc"} {
		whole := c.must(200, alice(), "GET", "/v2/images?"+sort, "")
		var paged []string
		next := "/v2/images?limit=3&" + sort
		for next != "" {
			page := c.must(200, alice(), "GET", next, "")
			paged = append(paged, names(page))
			if first := page["first"].(string); strings.Contains(first, "marker") || !strings.HasPrefix(first, "/v2/images?limit=3&") {
				t.Errorf("first is %s", first)
			}
			next, _ = page["next"].(string)
		}
		if got := strings.Join(paged, " "); got != names(whole) || len(paged) != 3 {
			t.Errorf("%s: pages %q, whole %q", sort, paged, names(whole))
		}
	}
}

func TestWhoSeesWhat(t *testing.T) {
	c := newCloud(t)
	for _, visibility := range []string{"private", "shared", "community"} {
		c.image(alice(), fmt.Sprintf(`"name":%q,"visibility":%q`, visibility, visibility))
	}
	c.image(root(), `"name":"public","visibility":"public"`)
	ids := map[string]string{}
	for _, img := range c.must(200, root(), "GET", "/v2/images?visibility=all", "")["images"].([]any) {
		img := img.(map[string]any)
		ids[img["name"].(string)] = img["id"].(string)
	}
	c.must(200, alice(), "POST", "/v2/images/"+ids["shared"]+"/members", `{"member":"b0b"}`)
	for _, q := range []struct {
		who         *token.Identity
		query, want string
	}{
		{alice(), "", "community private public shared"},
		{bob(), "", "public"},
		{bob(), "visibility=community", "community"},
		{bob(), "visibility=all", "community public"},
		{bob(), "visibility=private", ""},
		{bob(), "owner=a11ce", ""},
		{bob(), "member_status=pending", "public shared"},
		{bob(), "member_status=all&visibility=shared", "shared"},
		{person("carol", "member", "reader"), "member_status=all", "public"},
		{node(), "", "private public shared"},
		{root(), "", "private public shared"},
	} {
		sorted := "/v2/images?sort=name:asc&" + q.query
		if got := names(c.must(200, q.who, "GET", sorted, "")); got != q.want {
			t.Errorf("%s %s: %q, want %q", q.who.UserID, q.query, got, q.want)
		}
	}
	c.must(404, bob(), "GET", "/v2/images/"+ids["private"], "")
	c.must(200, bob(), "GET", "/v2/images/"+ids["shared"], "")
	c.must(200, bob(), "GET", "/v2/images/"+ids["community"], "")
	c.must(200, node(), "GET", "/v2/images/"+ids["private"], "")
	c.must(200, person("s", "service"), "GET", "/v2/images/"+ids["private"], "")
	// What is seen is not owned: 403, and the marker of an invisible image is none.
	c.must(403, bob(), "DELETE", "/v2/images/"+ids["shared"], "")
	c.must(403, node(), "DELETE", "/v2/images/"+ids["private"], "")
	c.must(403, bob(), "PUT", "/v2/images/"+ids["public"]+"/tags/x", "")
	c.must(404, bob(), "PUT", "/v2/images/"+ids["private"]+"/tags/x", "")
	c.must(400, bob(), "GET", "/v2/images?marker="+ids["private"], "")
	// An image that turned private is shared no longer, whatever members it has.
	c.patch(200, alice(), ids["shared"], `[{"op":"replace","path":"/visibility","value":"private"}]`)
	c.must(404, bob(), "GET", "/v2/images/"+ids["shared"], "")
	if got := names(c.must(200, bob(), "GET", "/v2/images?member_status=all", "")); got != "public" {
		t.Errorf("bob sees %q", got)
	}
}

func TestMembers(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), "")
	members := "/v2/images/" + id + "/members"
	m := c.must(200, alice(), "POST", members, `{"member":"b0b"}`)
	if m["status"] != "pending" || m["member_id"] != "b0b" || m["image_id"] != id || m["schema"] != "/v2/schemas/member" {
		t.Errorf("member %v", m)
	}
	c.must(409, alice(), "POST", members, `{"member":"b0b"}`)
	c.must(200, alice(), "POST", members, `{"member":"carol"}`)
	for _, body := range []string{`{}`, `{"member":""}`, `{"member":7}`, `{"member":"a\u0000"}`, `{"member":"` + strings.Repeat("x", 256) + `"}`} {
		c.must(400, alice(), "POST", members, body)
	}
	c.must(403, bob(), "POST", members, `{"member":"dave"}`)
	c.must(404, person("dave", "member", "reader"), "GET", members, "")
	if list := c.must(200, alice(), "GET", members, "")["members"].([]any); len(list) != 2 {
		t.Errorf("the owner sees %v", list)
	}
	if list := c.must(200, bob(), "GET", members, "")["members"].([]any); len(list) != 1 || list[0].(map[string]any)["member_id"] != "b0b" {
		t.Errorf("a member sees %v", list)
	}
	c.must(404, bob(), "GET", members+"/carol", "")
	c.must(404, bob(), "PUT", members+"/carol", `{"status":"accepted"}`)
	c.must(403, alice(), "PUT", members+"/b0b", `{"status":"accepted"}`)
	c.must(400, bob(), "PUT", members+"/b0b", `{"status":"maybe"}`)
	c.must(404, alice(), "GET", members+"/dave", "")
	list := func() string { return names(c.must(200, bob(), "GET", "/v2/images", "")) }
	if list() != "" {
		t.Error("a pending share is listed")
	}
	if m := c.must(200, bob(), "PUT", members+"/b0b", `{"status":"accepted"}`); m["status"] != "accepted" || list() != "x" {
		t.Errorf("accepted: %v %q", m, list())
	}
	c.must(200, bob(), "PUT", members+"/b0b", `{"status":"rejected"}`)
	if list() != "" {
		t.Error("a rejected share is listed")
	}
	c.must(403, bob(), "DELETE", members+"/b0b", "")
	c.must(204, alice(), "DELETE", members+"/b0b", "")
	c.must(404, alice(), "DELETE", members+"/b0b", "")
	c.must(404, bob(), "GET", "/v2/images/"+id, "")
	private := c.image(alice(), `"visibility":"private"`)
	c.must(403, alice(), "POST", "/v2/images/"+private+"/members", `{"member":"b0b"}`)
	c.must(403, alice(), "GET", "/v2/images/"+private+"/members", "")
	for i := range maxLabels - 1 {
		c.must(200, alice(), "POST", members, fmt.Sprintf(`{"member":"m%d"}`, i))
	}
	c.must(413, alice(), "POST", members, `{"member":"one too many"}`)
}

func TestTags(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), "")
	tags := "/v2/images/" + id + "/tags/"
	c.must(204, alice(), "PUT", tags+"b%2Fc", "")
	c.must(204, alice(), "PUT", tags+"a", "")
	c.must(204, alice(), "PUT", tags+"a", "")
	if got := c.must(200, alice(), "GET", "/v2/images/"+id, "")["tags"]; fmt.Sprint(got) != "[a b/c]" {
		t.Errorf("tags %v", got)
	}
	c.must(204, alice(), "DELETE", tags+"a", "")
	c.must(404, alice(), "DELETE", tags+"a", "")
	c.must(400, alice(), "PUT", tags+strings.Repeat("x", 256), "")
	c.must(400, alice(), "PUT", tags+"%00", "")
	c.must(400, alice(), "PUT", tags+"%ff", "")
	for i := range maxLabels - 1 {
		c.must(204, alice(), "PUT", fmt.Sprintf("%st%d", tags, i), "")
	}
	c.must(413, alice(), "PUT", tags+"more", "")
}

func TestDiscovery(t *testing.T) {
	c := newCloud(t)
	w := c.do(nil, "GET", "/", nil)
	if w.Code != 300 || !strings.Contains(w.Body.String(), `{"id":"v2.17","status":"CURRENT","links":[{"rel":"self","href":"http://cloud/image/v2/"}]}`) ||
		!strings.Contains(w.Body.String(), `"id":"v2.0"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	c.must(200, nil, "GET", "/versions", "")
	if stores := c.must(200, alice(), "GET", "/v2/info/stores", "")["stores"]; fmt.Sprint(stores) != "[map[default:true id:file]]" {
		t.Errorf("stores %v", stores)
	}
	methods := c.must(200, alice(), "GET", "/v2/info/import", "")["import-methods"].(map[string]any)
	if fmt.Sprint(methods["value"]) != "[glance-direct copy-image]" { // none reads URLs here
		t.Errorf("methods %v", methods)
	}
	schema := c.must(200, alice(), "GET", "/v2/schemas/image", "")
	properties := schema["properties"].(map[string]any)
	if got, want := fmt.Sprint(properties["disk_format"].(map[string]any)["enum"]), fmt.Sprint(append([]any{nil}, many2any(inspect.Formats())...)); got != want {
		t.Errorf("the schema's disk formats %s, the inspector's %s", got, want)
	}
	if got, want := fmt.Sprint(properties["container_format"].(map[string]any)["enum"]), fmt.Sprint(append([]any{nil}, many2any(containerFormats())...)); got != want {
		t.Errorf("the schema's container formats %s, the rules' %s", got, want)
	}
	for _, name := range []string{"image", "member"} {
		item := c.must(200, alice(), "GET", "/v2/schemas/"+name, "")
		list := c.must(200, alice(), "GET", "/v2/schemas/"+name+"s", "")
		if items := list["properties"].(map[string]any)[name+"s"].(map[string]any)["items"]; fmt.Sprint(items) != fmt.Sprint(item) {
			t.Errorf("the schema of %ss has %v", name, items)
		}
	}
	// Truthful: an image as it is shown has nothing but what the schema names.
	id := c.active(alice(), `"colour":"red"`, "data")
	for name, value := range c.must(200, alice(), "GET", "/v2/images/"+id, "") {
		_, isText := value.(string)
		if properties[name] == nil && !isText {
			t.Errorf("the schema does not know %s", name)
		}
	}
}

func many2any(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}

func TestErrorsInBothForms(t *testing.T) {
	c := newCloud(t)
	w := c.do(alice(), "GET", "/v2/images/"+url.PathEscape("<b>"), nil, "Accept", "*/*")
	if w.Code != 404 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") ||
		!strings.Contains(w.Body.String(), "<title>404 Not Found</title>") || !strings.Contains(w.Body.String(), "No image found with ID &lt;b&gt;<br />") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	answer := c.must(404, alice(), "GET", "/v2/images/"+url.PathEscape("<b>"), "")
	if fmt.Sprint(answer) != "map[code:404 Not Found message:No image found with ID <b><br /><br />\n\n\n title:Not Found]" {
		t.Errorf("%v", answer)
	}
}

func TestReady(t *testing.T) {
	c := newCloud(t)
	if err := c.s.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	_ = c.db.Close()
	if c.s.Ready(t.Context()) == nil {
		t.Error("ready without a database")
	}
}

func TestImagesOfAProjectAreBounded(t *testing.T) {
	c := newCloud(t, func(d *Deps) { d.MaxImages = 3 })
	c.image(bob(), "")
	var made atomic.Int32
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			w := c.do(alice(), "POST", "/v2/images", strings.NewReader(`{"name":"x"}`))
			switch w.Code {
			case 201:
				made.Add(1)
			case 413:
			default:
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	usage := c.must(200, alice(), "GET", "/v2/info/usage", "")["usage"]
	if made.Load() != 3 || fmt.Sprint(usage) != "map[image_count_total:map[limit:3 usage:3]]" {
		t.Errorf("%d images were made, the usage is %v", made.Load(), usage)
	}
}

func TestTextOfPropertiesIsBounded(t *testing.T) {
	c := newCloud(t)
	id := c.image(alice(), `"a":"`+strings.Repeat("x", 40_000)+`"`)
	patch := `[{"op":"add","path":"/b","value":"` + strings.Repeat("x", 40_000) + `"}]`
	c.must(413, alice(), "PATCH", "/v2/images/"+id, patch, "Content-Type", patchRFC)
	c.must(413, alice(), "POST", "/v2/images", `{"a":"`+strings.Repeat("x", 70_000)+`"}`)
	if _, there := c.must(200, alice(), "GET", "/v2/images/"+id, "")["b"]; there {
		t.Error("the refused property is there")
	}
}
