package placement_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/feed"
)

func TestProviderLife(t *testing.T) {
	c := newCloud(t)
	w := c.at("1.0").send("POST", "/resource_providers", object{"name": "old", "uuid": strings.ReplaceAll(id(5), "-", "")})
	if w.Code != 201 || w.Body.Len() != 0 || w.Header().Get("Location") != "http://cloud/placement/resource_providers/"+id(5) {
		t.Errorf("at 1.0: %d %s %v", w.Code, w.Body, w.Header())
	}
	made := c.do("POST", "/resource_providers", object{"name": "one", "uuid": id(1)}, 200)
	links := []any{}
	for _, rel := range []string{"self", "inventories", "usages", "aggregates", "traits", "allocations"} {
		href := "/placement/resource_providers/" + id(1)
		if rel != "self" {
			href += "/" + rel
		}
		links = append(links, map[string]any{"rel": rel, "href": href})
	}
	want := object{"uuid": id(1), "name": "one", "generation": 0.0, "parent_provider_uuid": nil, "root_provider_uuid": id(1), "links": links}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	if old := c.at("1.5").do("GET", "/resource_providers/"+id(1), nil, 200); len(old.list("links")) != 4 || old["root_provider_uuid"] != nil {
		t.Errorf("at 1.5: %v", old)
	}
	w = c.at("1.15").send("GET", "/resource_providers/"+id(1), nil)
	if _, err := http.ParseTime(w.Header().Get("Last-Modified")); err != nil || w.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("headers about the age: %v", w.Header())
	}
	if w = c.at("1.14").send("GET", "/resource_providers/"+id(1), nil); w.Header().Get("Last-Modified") != "" {
		t.Errorf("headers before 1.15: %v", w.Header())
	}
	c.refused("POST", "/resource_providers", object{"name": "one"}, 409, "placement.duplicate_name", "Conflicting resource provider name: one already exists.")
	c.refused("POST", "/resource_providers", object{"name": "x", "uuid": id(1)}, 409, "placement.duplicate_name", "uuid: "+id(1))
	c.refused("PUT", "/resource_providers/"+id(1), object{"name": "old"}, 409, "placement.duplicate_name", "Conflicting resource provider old already exists.")
	if renamed := c.do("PUT", "/resource_providers/"+id(1), object{"name": "two"}, 200); renamed["name"] != "two" || renamed["generation"] != 0.0 {
		t.Errorf("renamed: %v", renamed)
	}
	c.do("DELETE", "/resource_providers/"+id(1), nil, 204)
	c.refused("DELETE", "/resource_providers/"+id(1), nil, 404, "placement.undefined_code", "No resource provider with uuid "+id(1)+" found for delete")
	c.refused("GET", "/resource_providers/"+id(1), nil, 404, "placement.undefined_code", "No resource provider with uuid "+id(1)+" found")
	c.do("GET", "/resource_providers/nonsense%00%ff", nil, 404)
	for _, body := range []any{
		object{}, object{"name": 7}, object{"name": ""}, object{"name": strings.Repeat("x", 201)}, object{"name": "x", "uuid": "y"},
		object{"name": "x", "more": 1}, object{"name": "x", "parent_provider_uuid": "y"}, object{"name": "x", "parent_provider_uuid": id(99)},
		object{"name": "x", "uuid": id(7), "parent_provider_uuid": id(7)},
	} {
		c.do("POST", "/resource_providers", body, 400)
	}
	c.at("1.13").do("POST", "/resource_providers", object{"name": "x", "parent_provider_uuid": nil}, 400)
	var kinds []string
	changes, err := feed.After(t.Context(), c.db, 0, 100)
	for _, change := range changes {
		kinds = append(kinds, change.Kind+" "+change.Action)
	}
	if want := []string{"resource_provider create", "resource_provider create", "resource_provider update", "resource_provider delete"}; err != nil || !slices.Equal(kinds, want) {
		t.Errorf("change log: %v %v", kinds, err)
	}
}

func TestTrees(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, nil)
	c.provider(2, 1, nil)
	c.provider(3, 2, resources{"VCPU": 4})
	c.provider(4, 0, nil)
	path := func(n int) string { return "/resource_providers/" + id(n) }
	tree := func(n int) string {
		var names []string
		for _, p := range c.do("GET", "/resource_providers?in_tree="+id(n), nil, 200).list("resource_providers") {
			names = append(names, p.(map[string]any)["name"].(string))
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	if tree(3) != "p1 p2 p3" || tree(4) != "p4" || tree(99) != "" {
		t.Errorf("trees: %q %q %q", tree(3), tree(4), tree(99))
	}
	c.refused("DELETE", path(1), nil, 409, "placement.resource_provider.cannot_delete_parent", "It has child resource providers.")
	move := func(n int, parent any) object {
		return object{"name": fmt.Sprintf("p%d", n), "parent_provider_uuid": parent}
	}
	c.at("1.36").refused("PUT", path(2), move(2, id(4)), 400, "placement.undefined_code", "re-parenting a provider is not currently allowed.")
	c.at("1.36").refused("PUT", path(2), move(2, nil), 400, "placement.undefined_code", "un-parenting a provider is not currently allowed.")
	c.refused("PUT", path(2), move(2, id(3)), 400, "placement.undefined_code", "creating loop in the provider tree is not allowed.")
	c.refused("PUT", path(2), move(2, id(2)), 400, "placement.undefined_code", "creating loop")
	c.refused("PUT", path(2), move(2, id(99)), 400, "placement.undefined_code", "parent provider UUID does not exist.")
	if moved := c.do("PUT", path(2), move(2, id(4)), 200); moved["root_provider_uuid"] != id(4) {
		t.Errorf("moved: %v", moved)
	}
	if tree(1) != "p1" || tree(3) != "p2 p3 p4" {
		t.Errorf("after the move: %q %q", tree(1), tree(3))
	}
	c.wantFound("resources=VCPU:1&in_tree="+id(4), "3:VCPU=1")
	c.do("PUT", path(2), move(2, nil), 200)
	if tree(3) != "p2 p3" || tree(4) != "p4" {
		t.Errorf("a root of its own: %q %q", tree(3), tree(4))
	}
	c.do("PUT", path(2), object{"name": "p2"}, 200) // without a parent it stays where it is
	c.at("1.14").do("PUT", path(4), move(4, id(1)), 200)
	c.wantFound("resources=VCPU:1&in_tree=" + id(1))
}

func TestInventories(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, nil)
	path := "/resource_providers/" + host + "/inventories"
	w := c.send("POST", path, object{"resource_class": "VCPU", "total": 8, "reserved": 1})
	want := `{"total":8,"reserved":1,"min_unit":1,"max_unit":2147483647,"step_size":1,"allocation_ratio":1,"resource_provider_generation":2}`
	if w.Code != 201 || w.Body.String() != want || w.Header().Get("Location") != "http://cloud/placement"+path+"/VCPU" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	c.refused("POST", path, object{"resource_class": "VCPU", "total": 8}, 409, "placement.concurrent_update", "Update conflict")
	c.refused("POST", path, object{"resource_class": "CUSTOM_NO", "total": 8}, 400, "placement.undefined_code", "No such resource class CUSTOM_NO.")
	c.refused("POST", path, object{"resource_class": "DISK_GB", "total": 8, "reserved": 9}, 400, "placement.undefined_code", "The reserved value is greater than total.")
	c.at("1.25").refused("POST", path, object{"resource_class": "DISK_GB", "total": 8, "reserved": 8}, 400, "placement.undefined_code", "greater than or equal to total.")
	c.refused("PUT", path+"/VCPU", object{"resource_provider_generation": 1, "total": 9}, 409, "placement.concurrent_update", "resource provider generation conflict")
	c.refused("PUT", path+"/DISK_GB", object{"resource_provider_generation": 2, "total": 9}, 400, "placement.undefined_code", "No inventory of class DISK_GB found.")
	c.refused("PUT", path+"/NO", object{"resource_provider_generation": 2, "total": 9}, 404, "placement.undefined_code", "No such resource class NO.")
	if changed := c.do("PUT", path+"/VCPU", object{"resource_provider_generation": 2, "total": 9}, 200); changed["reserved"] != 0.0 || changed["resource_provider_generation"] != 3.0 {
		t.Errorf("changed: %v", changed)
	}
	c.refused("GET", path+"/DISK_GB", nil, 404, "placement.undefined_code", "No inventory of class DISK_GB for "+host)
	c.do("PUT", path, object{"resource_provider_generation": 3, "inventories": object{"VCPU": object{"total": 4}, "DISK_GB": object{"total": 10}}}, 200)
	c.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{host: {"VCPU": 1}}), 204)
	c.refused("DELETE", path+"/VCPU", nil, 409, "placement.concurrent_update", "Unable to delete inventory of class VCPU: Inventory for 'VCPU' on resource provider '"+host+"' in use.")
	c.refused("DELETE", path, nil, 409, "placement.inventory.inuse", "in use.")
	c.refused("PUT", path, object{"resource_provider_generation": 5, "inventories": object{}}, 409, "placement.inventory.inuse", "update conflict: Inventory for 'VCPU'")
	c.refused("DELETE", "/resource_providers/"+host, nil, 409, "placement.resource_provider.inuse", "Resource provider has allocations.")
	c.do("DELETE", path+"/DISK_GB", nil, 204)
	c.refused("DELETE", path+"/DISK_GB", nil, 404, "placement.undefined_code", "No inventory of class DISK_GB found for delete")
	c.do("DELETE", "/allocations/"+id(9), nil, 204)
	c.at("1.4").do("DELETE", path, nil, 405)
	c.do("DELETE", path, nil, 204)
	if left := c.do("GET", path, nil, 200); len(left["inventories"].(map[string]any)) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, wrong := range []object{{"total": 0}, {"total": 1 << 31}, {"total": 1.5}, {"total": "1"}, {"total": 1, "step_size": 0}, {"total": 1, "allocation_ratio": "x"}, {"total": 1, "more": 1}} {
		wrong["resource_class"] = "VCPU"
		c.do("POST", path, wrong, 400)
	}
}

func TestClassesAndTraits(t *testing.T) {
	c := newCloud(t)
	if all := c.do("GET", "/resource_classes", nil, 200).list("resource_classes"); len(all) != 21 {
		t.Errorf("%d standard classes", len(all))
	}
	c.at("1.1").do("GET", "/resource_classes", nil, 404)
	c.do("POST", "/resource_classes", object{"name": "CUSTOM_A"}, 201)
	c.refused("POST", "/resource_classes", object{"name": "CUSTOM_A"}, 409, "placement.undefined_code", "Conflicting resource class already exists: CUSTOM_A")
	c.do("PUT", "/resource_classes/CUSTOM_B", nil, 201)
	c.do("PUT", "/resource_classes/CUSTOM_B", nil, 204)
	c.do("PUT", "/resource_classes/VCPU", nil, 400)
	c.do("PUT", "/resource_classes/CUSTOM_"+strings.Repeat("X", 249), nil, 400)
	host := c.provider(1, 0, resources{"CUSTOM_A": 4})
	c.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{host: {"CUSTOM_A": 3}}), 204)
	c.at("1.6").do("PUT", "/resource_classes/CUSTOM_A", object{"name": "CUSTOM_B"}, 409)
	c.at("1.6").do("PUT", "/resource_classes/VCPU", object{"name": "CUSTOM_C"}, 400)
	c.at("1.6").do("PUT", "/resource_classes/CUSTOM_A", object{"name": "CUSTOM_C"}, 200)
	if diff := cmp.Diff(object{"CUSTOM_C": 3.0}, c.usage(host)); diff != "" {
		t.Error(diff)
	}
	c.wantFound("resources=CUSTOM_C:1", "1:CUSTOM_C=1")
	c.refused("DELETE", "/resource_classes/CUSTOM_C", nil, 409, "placement.undefined_code", "Class is in use in inventory.")
	c.refused("DELETE", "/resource_classes/VCPU", nil, 400, "placement.undefined_code", "Cannot delete standard resource class VCPU.")
	c.refused("DELETE", "/resource_classes/CUSTOM_A", nil, 404, "placement.undefined_code", "No such resource class CUSTOM_A.")
	c.do("DELETE", "/resource_classes/CUSTOM_B", nil, 204)

	c.do("PUT", "/traits/CUSTOM_T", nil, 201)
	c.do("PUT", "/traits/CUSTOM_T", nil, 204)
	c.do("GET", "/traits/HW_CPU_X86_AVX2", nil, 204)
	c.do("GET", "/traits/CUSTOM_NO", nil, 404)
	c.refused("PUT", "/traits/HW_CPU_X86_AVX2", nil, 400, "placement.undefined_code", `start with the prefix "CUSTOM_"`)
	traits := "/resource_providers/" + host + "/traits"
	set := func(generation int, names ...string) object {
		return object{"resource_provider_generation": generation, "traits": names}
	}
	c.refused("PUT", traits, set(0, "CUSTOM_T"), 409, "placement.concurrent_update", "generation already changed")
	c.refused("PUT", traits, set(2, "CUSTOM_NO"), 400, "placement.undefined_code", "No such trait CUSTOM_NO")
	if got := c.do("PUT", traits, set(2, "CUSTOM_T", "HW_CPU_X86_AVX2"), 200); got["resource_provider_generation"] != 3.0 {
		t.Errorf("traits: %v", got)
	}
	if got := c.do("PUT", traits, set(3, "HW_CPU_X86_AVX2", "CUSTOM_T"), 200); got["resource_provider_generation"] != 3.0 {
		t.Errorf("the same traits again: %v", got)
	}
	if got := c.do("GET", "/traits?associated=true", nil, 200); !cmp.Equal(got.list("traits"), []any{"CUSTOM_T", "HW_CPU_X86_AVX2"}) {
		t.Errorf("traits in use: %v", got)
	}
	if got := c.do("GET", "/traits?name=startswith:CUSTOM_", nil, 200); !cmp.Equal(got.list("traits"), []any{"CUSTOM_T"}) {
		t.Errorf("custom traits: %v", got)
	}
	c.refused("DELETE", "/traits/CUSTOM_T", nil, 409, "placement.undefined_code", "The trait CUSTOM_T is in use by a resource provider.")
	c.do("DELETE", traits, nil, 204)
	c.do("DELETE", "/traits/CUSTOM_T", nil, 204)
	c.refused("DELETE", "/traits/HW_CPU_X86_AVX2", nil, 400, "placement.undefined_code", "Cannot delete standard trait")
	c.do("GET", "/traits?name=x", nil, 400)
	c.do("GET", "/traits?associated=x", nil, 400)
}

func TestAggregates(t *testing.T) {
	c := newCloud(t)
	path := "/resource_providers/" + c.provider(1, 0, nil) + "/aggregates"
	set := func(generation int, uuids ...string) object {
		return object{"resource_provider_generation": generation, "aggregates": uuids}
	}
	if got := c.do("PUT", path, set(1, aggregateA, aggregateB), 200); got["resource_provider_generation"] != 2.0 || len(got.list("aggregates")) != 2 {
		t.Errorf("%v", got)
	}
	c.refused("PUT", path, set(1, aggregateA), 409, "placement.concurrent_update", "generation already changed")
	c.do("PUT", path, set(2, "x"), 400)
	c.do("PUT", path, set(2, aggregateA, aggregateA), 400)
	if got := c.at("1.18").do("PUT", path, []string{aggregateB}, 200); got["resource_provider_generation"] != nil {
		t.Errorf("at 1.18: %v", got)
	}
	if diff := cmp.Diff(object{"aggregates": []any{aggregateB}, "resource_provider_generation": 2.0}, c.do("GET", path, nil, 200)); diff != "" {
		t.Error(diff)
	}
	c.at("1.0").do("GET", path, nil, 404)
}

func TestProviderFilters(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, resources{"VCPU": 4}, "CUSTOM_X")
	c.provider(2, 0, resources{"VCPU": 8})
	c.inAggregates(aggregateA, id(1), id(2))
	c.inAggregates(aggregateB, id(2))
	list := func(version, query string) string {
		var names []string
		for _, p := range c.at(version).do("GET", "/resource_providers?"+query, nil, 200).list("resource_providers") {
			names = append(names, p.(map[string]any)["name"].(string))
		}
		return strings.Join(names, " ")
	}
	for query, want := range map[string]string{
		"": "p1 p2", "name=p2": "p2", "name=no": "", "uuid=" + id(1): "p1", "uuid=" + id(99): "",
		"resources=VCPU:5": "p2", "required=CUSTOM_X": "p1", "required=!CUSTOM_X": "p2", "required=in:CUSTOM_X,HW_CPU_X86_AVX": "p1",
		"member_of=" + aggregateA: "p1", "member_of=!" + aggregateA: "p2", "member_of=in:" + aggregateA + "," + aggregateB: "p1 p2",
	} {
		if got := list("1.39", query); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
	for version, query := range map[string]string{
		"1.2": "member_of=" + aggregateA, "1.3": "resources=VCPU:1", "1.13": "in_tree=" + id(1), "1.17": "required=CUSTOM_X",
		"1.21": "required=!CUSTOM_X", "1.23": "member_of=" + aggregateA + "&member_of=" + aggregateB, "1.38": "required=in:CUSTOM_X",
		"1.39": "required=CUSTOM_NO", "1.37": "uuid=x", "1.36": "resources=CUSTOM_NO:1", "1.35": "what=x",
	} {
		c.at(version).do("GET", "/resource_providers?"+query, nil, 400)
	}
}

// TestReshape moves the processors in use from a host to its NUMA node.
func TestReshape(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 8, "DISK_GB": 10})
	node := c.provider(2, 1, nil)
	c.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{host: {"VCPU": 6, "DISK_GB": 5}}), 204)
	body := func(generation int, vcpus int) object {
		return object{
			"inventories": object{
				host: object{"resource_provider_generation": generation, "inventories": object{"DISK_GB": object{"total": 10}}},
				node: object{"resource_provider_generation": 1, "inventories": object{"VCPU": object{"total": vcpus}}},
			},
			"allocations": object{id(9): allocation(1, map[string]resources{host: {"DISK_GB": 5}, node: {"VCPU": 6}})},
		}
	}
	c.refused("POST", "/reshaper", body(1, 8), 409, "placement.concurrent_update", "actual: 2, given: 1")
	c.refused("POST", "/reshaper", body(2, 5), 409, "placement.undefined_code", "would exceed the capacity")
	stays := body(2, 8)
	stays["allocations"] = object{}
	c.refused("POST", "/reshaper", stays, 409, "placement.inventory.inuse", "update conflict: Inventory for 'VCPU' on resource provider '"+host+"' in use.")
	nowhere := body(2, 8)
	nowhere["inventories"].(object)[id(99)] = object{"resource_provider_generation": 0, "inventories": object{}}
	c.refused("POST", "/reshaper", nowhere, 400, "placement.resource_provider.not_found", "in inventories not found")
	if diff := cmp.Diff(object{"VCPU": 6.0, "DISK_GB": 5.0}, c.usage(host)); diff != "" {
		t.Error("something was half made: " + diff)
	}
	c.do("POST", "/reshaper", body(2, 8), 204)
	if diff := cmp.Diff([]object{{"DISK_GB": 5.0}, {"VCPU": 6.0}}, []object{c.usage(host), c.usage(node)}); diff != "" {
		t.Error(diff)
	}
	c.at("1.29").do("POST", "/reshaper", body(3, 8), 404)
}
