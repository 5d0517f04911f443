package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"virga/core/api"
	"virga/core/api/apitest"
)

const catalog = "/v2/metadefs/namespaces"

// refused expects an error with a status and a text.
func (c *cloud) refused(status int, text, method, path, body string) {
	c.t.Helper()
	answer := c.must(status, root(), method, path, body)
	if message, _ := answer["message"].(string); !strings.Contains(message, text) {
		c.t.Errorf("%s %s: %q, not %q", method, path, message, text)
	}
}

// itemsOf lists one member of each item of a list.
func itemsOf(answer map[string]any, list, member string) []string {
	var found []string
	items, _ := answer[list].([]any)
	for _, item := range items {
		text, _ := item.(map[string]any)[member].(string)
		found = append(found, text)
	}
	return found
}

func TestMetadefRows(t *testing.T) {
	c := newCloud(t)
	c.must(201, root(), "POST", catalog, `{"namespace":"own","owner":"a11ce","tags":[{"name":"t"}],"properties":{"p":{"title":"P","type":"string"}},
		"objects":[{"name":"o"}],"resource_type_associations":[{"name":"OS::Nova::Server"}]}`)
	(&apitest.Subject{
		Table: c.s.Table(), Handler: c.s.Handler(), Owner: alice(), Stranger: bob(),
		Params: func(api.Route) map[string]string {
			return map[string]string{"namespace": "own", "object_name": "o", "property_name": "p", "tag_name": "t", "resource_type": "OS::Nova::Server"}
		},
	}).Run(t)
	if got := c.must(200, alice(), "GET", catalog+"/own", ""); got["tags"] == nil || got["objects"] == nil || got["properties"] == nil {
		t.Errorf("the derived tests changed the namespace: %v", got)
	}
}

func TestNamespaces(t *testing.T) {
	c := newCloud(t)
	body := `{"namespace":"OS::Test","display_name":"Test","description":"d","visibility":"public","protected":true,"resource_type_associations":[{"name":"OS::My::Type","prefix":"my_"}],
		"properties":{"size":{"title":"Size","type":"integer","minimum":1}},"objects":[{"name":"box","required":["width"],"properties":{"width":{"title":"Width","type":"number"}}}],"tags":[{"name":"red"}]}`
	w := c.do(root(), "POST", catalog, strings.NewReader(body))
	if w.Code != 201 || w.Header().Get("Location") != "http://cloud/image"+catalog+"/OS::Test" {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	got := c.must(200, bob(), "GET", catalog+"/OS::Test?resource_type=OS::My::Type", "")
	if got["owner"] != "r007" || got["protected"] != true || got["self"] != catalog+"/OS::Test" || got["schema"] != "/v2/schemas/metadefs/namespace" ||
		fmt.Sprint(got["properties"]) != "map[my_size:map[minimum:1 title:Size type:integer]]" || !strings.Contains(fmt.Sprint(got["objects"]), "required:[my_width]") {
		t.Errorf("%v", got)
	}
	if list := itemsOf(c.must(200, bob(), "GET", catalog+"?resource_types=OS::My::Type,x", ""), "namespaces", "namespace"); !slices.Equal(list, []string{"OS::Test"}) {
		t.Errorf("listed by resource type: %v", list)
	}
	if list := itemsOf(c.must(200, bob(), "GET", "/v2/metadefs/resource_types", ""), "resource_types", "name"); !slices.Contains(list, "OS::My::Type") {
		t.Errorf("resource types: %v", list)
	}
	c.refused(409, "The metadata definition namespace=OS::Test already exists.", "POST", catalog, body)
	c.refused(403, "Metadata definition namespace OS::Test is protected and cannot be deleted.", "DELETE", catalog+"/OS::Test", "")
	for kind, name := range map[string]string{"objects": "box", "properties": "size", "tags": "red", "resource_types": "OS::My::Type"} {
		c.refused(403, "is protected and cannot be deleted.", "DELETE", catalog+"/OS::Test/"+kind+"/"+name, "")
	}
	c.refused(403, "is protected", "DELETE", catalog+"/OS::Test/tags", "")
	c.refused(409, "already exists", "PUT", catalog+"/OS::Test", `{"namespace":"OS::Compute::Quota"}`)
	got = c.must(200, root(), "PUT", catalog+"/OS::Test", `{"namespace":"OS::Other","protected":false}`)
	if got["visibility"] != "private" || got["display_name"] != nil {
		t.Errorf("replaced: %v", got)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if answer := c.must(404, bob(), method, catalog+"/OS::Other", `{"namespace":"x"}`); !strings.Contains(answer["message"].(string), "Metadata definition namespace=OS::Other was not found.") {
			t.Errorf("%s by a stranger: %v", method, answer)
		}
	}
	c.must(403, bob(), "POST", catalog, `{"namespace":"mine"}`)
	c.must(204, root(), "DELETE", catalog+"/OS::Other", "")
	c.refused(404, "was not found", "GET", catalog+"/OS::Other/tags/red", "")
}

func TestNamespacesArePaged(t *testing.T) {
	c := newCloud(t)
	var all []string
	path := catalog + "?limit=7&sort_key=namespace&sort_dir=asc&visibility=public"
	for pages := 0; path != "" && pages < 20; pages++ {
		page := c.must(200, bob(), "GET", path, "")
		all = append(all, itemsOf(page, "namespaces", "namespace")...)
		path, _ = page["next"].(string)
	}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) || !slices.Contains(all, "OS::Compute::Watchdog") || !slices.Contains(all, "OS::Software::Databases") {
		t.Errorf("paged through %v", all)
	}
	for query, text := range map[string]string{"limit=x": "limit param must be an integer", "limit=-1": "limit param must be positive", "sort_key=password": "Invalid sort key",
		"sort_dir=up": "Invalid sort direction: up", "visibility=shared": "Invalid visibility value: shared"} {
		c.refused(400, text, "GET", catalog+"?"+query, "")
	}
	c.refused(404, "namespace=nothing was not found", "GET", catalog+"?marker=nothing", "")
}

func TestDefinitions(t *testing.T) {
	c := newCloud(t)
	c.must(201, root(), "POST", catalog, `{"namespace":"n","visibility":"public"}`)
	in := catalog + "/n"
	c.must(201, root(), "POST", in+"/objects", `{"name":"o","description":"d"}`)
	c.must(201, root(), "POST", in+"/properties", `{"name":"p","title":"P","type":"string","enum":["a","b"],"default":1.50}`)
	c.must(201, root(), "POST", in+"/tags/Red", "")
	c.must(201, root(), "POST", in+"/resource_types", `{"name":"OS::Nova::Server","prefix":"x_"}`)
	for _, again := range [][3]string{
		{"/objects", `{"name":"o"}`, "A metadata definition object with name=o already exists in namespace=n."},
		{"/properties", `{"name":"p","title":"P","type":"string"}`, "A metadata definition property with name=p already exists in namespace=n."},
		{"/tags/rED", "", "A metadata tag with name=rED already exists in namespace=n."},
		{"/resource_types", `{"name":"OS::Nova::Server"}`, "association of resource-type=OS::Nova::Server to namespace=n already exists."},
	} {
		c.refused(409, again[2], "POST", in+again[0], again[1])
	}
	if w := c.do(bob(), "GET", in+"/properties/x_p?resource_type=OS::Nova::Server", nil); w.Code != 200 || !strings.Contains(w.Body.String(), "1.50") {
		t.Errorf("the property of a resource: %d %s", w.Code, w.Body)
	}
	c.refused(404, "does not start with the expected resource type association prefix of 'x_'", "GET", in+"/properties/p?resource_type=OS::Nova::Server", "")
	if got := c.must(200, root(), "PUT", in+"/objects/o", `{"name":"o2","required":[]}`); got["name"] != "o2" || got["description"] != nil || got["self"] != in+"/objects/o2" {
		t.Errorf("a replaced object: %v", got)
	}
	c.refused(404, "The metadata definition object with name=o was not found in namespace=n.", "GET", in+"/objects/o", "")
	c.must(200, root(), "PUT", in+"/tags/Red", `{"name":"red"}`)
	c.must(201, root(), "POST", in+"/tags", `{"tags":[{"name":"a"},{"name":"b"}]}`)
	c.must(201, root(), "POST", in+"/tags", `{"tags":[{"name":"c"}]}`, "X-Openstack-Append", "true")
	c.refused(409, "case insensitive", "POST", in+"/tags", `{"tags":[{"name":"d"},{"name":"D"}]}`)
	page := c.must(200, bob(), "GET", in+"/tags?limit=2&sort_key=name&sort_dir=asc", "")
	if next, _ := page["next"].(string); !slices.Equal(itemsOf(page, "tags", "name"), []string{"a", "b"}) || !strings.Contains(next, "marker=b") {
		t.Errorf("tags: %v", page)
	}
	c.must(204, root(), "DELETE", in+"/tags/a", "")
	for _, kind := range []string{"tags", "objects", "properties"} {
		c.must(204, root(), "DELETE", in+"/"+kind, "")
		if got := c.must(200, bob(), "GET", in+"/"+kind, ""); len(fmt.Sprint(got[kind])) > len("map[]") {
			t.Errorf("%s are left: %v", kind, got)
		}
	}
	c.must(204, root(), "DELETE", in+"/resource_types/OS::Nova::Server", "")
	c.refused(404, "association of resource-type=OS::Nova::Server to namespace=n, was not found.", "DELETE", in+"/resource_types/OS::Nova::Server", "")
}

func TestBadDefinitions(t *testing.T) {
	c := newCloud(t)
	c.must(201, root(), "POST", catalog, `{"namespace":"n"}`)
	long := strings.Repeat("x", 81)
	for _, bad := range []struct {
		status     int
		path, body string
	}{
		{400, "", `{}`}, {400, "", `{"namespace":""}`}, {400, "", `{"namespace":"` + long + `"}`}, {400, "", `{"namespace":"x","visibility":"shared"}`},
		{400, "", `{"namespace":"x","colour":"blue"}`}, {400, "", `{"namespace":"x\u0000"}`}, {400, "", `{"namespace":"x","properties":{"p":{"title":"P"}}}`},
		{403, "", `{"namespace":"x","created_at":"2020-01-01T00:00:00Z"}`}, {403, "", `{"namespace":"x","self":"/"}`}, {409, "", `{"namespace":"x","tags":[{"name":"a"},{"name":"A"}]}`},
		{400, "/n/objects", `{"name":"` + long + `"}`}, {400, "/n/objects", `{"name":"o","properties":[]}`}, {403, "/n/objects", `{"name":"o","schema":"x"}`},
		{400, "/n/properties", `{"name":"p","type":"string"}`}, {400, "/n/properties", `{"name":"p","title":"P","type":"text"}`}, {400, "/n/properties", `{"name":"p","title":"P","type":"string","x":1}`},
		{400, "/n/tags", `{"tags":["a"]}`}, {400, "/n/tags/" + long, ""}, {400, "/n/resource_types", `{"prefix":"x"}`}, {404, "/nothing/tags", `{"tags":[]}`},
	} {
		c.must(bad.status, root(), "POST", catalog+bad.path, bad.body)
	}
}

// TestStandardDefinitions has what an administrator deletes stay away, and every standard
// namespace be one that the API itself would take.
func TestStandardDefinitions(t *testing.T) {
	c := newCloud(t)
	all := itemsOf(c.must(200, root(), "GET", catalog, ""), "namespaces", "namespace")
	if len(all) < 20 {
		t.Errorf("only %d namespaces: %v", len(all), all)
	}
	for i, name := range all {
		shown := document(c.must(200, root(), "GET", catalog+"/"+name, ""))
		body := shown.without("created_at", "updated_at", "self", "schema", "objects")
		body["namespace"] = fmt.Sprintf("copy %d", i)
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		c.must(201, root(), "POST", catalog, string(text))
	}
	c.must(200, root(), "PUT", catalog+"/OS::Compute::Watchdog", `{"namespace":"OS::Compute::Watchdog"}`)
	c.must(204, root(), "DELETE", catalog+"/OS::Compute::Watchdog", "")
	if _, err := New(t.Context(), c.s.deps); err != nil {
		t.Fatal(err)
	}
	c.must(404, root(), "GET", catalog+"/OS::Compute::Watchdog", "")
}
