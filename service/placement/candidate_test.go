package placement_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
)

// found asks for candidates and renders each as "1:VCPU=2,3:DISK_GB=5", sorted; the
// numbers are those of the providers.
func (c *cloud) found(query string) []string {
	c.t.Helper()
	answer := c.do("GET", "/allocation_candidates?"+query, nil, 200)
	all := []string{}
	for _, request := range answer.list("allocation_requests") {
		var parts []string
		for provider, on := range object(request.(map[string]any)).at("allocations").(map[string]any) {
			for class, amount := range on.(map[string]any)["resources"].(map[string]any) {
				parts = append(parts, fmt.Sprintf("%s:%s=%v", number(provider), class, amount))
			}
		}
		slices.Sort(parts)
		all = append(all, strings.Join(parts, ","))
	}
	slices.Sort(all)
	return all
}

func number(uuid string) string { return strings.TrimLeft(uuid[24:], "0") }

// wantFound compares with what is found; the order does not matter.
func (c *cloud) wantFound(query string, want ...string) {
	c.t.Helper()
	for i := range want {
		parts := strings.Split(want[i], ",")
		slices.Sort(parts)
		want[i] = strings.Join(parts, ",")
	}
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), c.found(query)); diff != "" {
		c.t.Errorf("%s:\n%s", query, diff)
	}
}

const (
	aggregateA = "aaaaaaaa-0000-4000-8000-000000000000"
	aggregateB = "bbbbbbbb-0000-4000-8000-000000000000"
)

func TestCandidatesAmongHosts(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, resources{"VCPU": 4, "MEMORY_MB": 1000}, "HW_CPU_X86_VMX")
	c.provider(2, 0, resources{"VCPU": 8, "MEMORY_MB": 500}, "CUSTOM_GOLD", "HW_CPU_X86_VMX")
	c.provider(3, 0, resources{"VCPU": 8, "MEMORY_MB": 2000})
	c.inAggregates(aggregateA, id(1), id(2))
	c.inAggregates(aggregateB, id(3))
	c.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{id(3): {"VCPU": 6}}), 204)
	c.wantFound("resources=VCPU:2", "1:VCPU=2", "2:VCPU=2", "3:VCPU=2")
	c.wantFound("resources=VCPU:3", "1:VCPU=3", "2:VCPU=3")
	c.wantFound("resources=VCPU:2,MEMORY_MB:800", "1:MEMORY_MB=800,1:VCPU=2", "3:MEMORY_MB=800,3:VCPU=2")
	c.wantFound("resources=VCPU:2,MEMORY_MB:5000")
	c.wantFound("resources=VCPU:1&required=HW_CPU_X86_VMX", "1:VCPU=1", "2:VCPU=1")
	c.wantFound("resources=VCPU:1&required=HW_CPU_X86_VMX,!CUSTOM_GOLD", "1:VCPU=1")
	c.wantFound("resources=VCPU:1&required=in:CUSTOM_GOLD,HW_CPU_X86_AVX2", "2:VCPU=1")
	c.wantFound("resources=VCPU:1&required=HW_CPU_X86_VMX&required=!CUSTOM_GOLD", "1:VCPU=1")
	c.wantFound("resources=VCPU:1&member_of="+aggregateA, "1:VCPU=1", "2:VCPU=1")
	c.wantFound("resources=VCPU:1&member_of=in:"+aggregateA+","+aggregateB, "1:VCPU=1", "2:VCPU=1", "3:VCPU=1")
	c.wantFound("resources=VCPU:1&member_of=!"+aggregateA, "3:VCPU=1")
	c.wantFound("resources=VCPU:1&member_of=!in:" + aggregateA + "," + aggregateB)
	c.wantFound("resources=VCPU:1&in_tree="+id(2), "2:VCPU=1")
	c.wantFound("resources=VCPU:1&in_tree=" + id(77))
	c.wantFound("resources=VCPU:1&root_required=CUSTOM_GOLD", "2:VCPU=1")
	c.wantFound("resources=VCPU:1&limit=1", "1:VCPU=1")
	c.wantFound("resources1=VCPU:1&resources2=VCPU:3&group_policy=none", "1:VCPU=4", "2:VCPU=4")
	c.wantFound("resources1=VCPU:1&resources2=VCPU:3&group_policy=isolate")
}

func TestCandidateAnswerByVersion(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, resources{"VCPU": 4, "DISK_GB": 7}, "CUSTOM_B", "CUSTOM_A")
	newest := `{"allocation_requests":[{"allocations":{"` + id(1) + `":{"resources":{"VCPU":2}}},"mappings":{"":["` + id(1) + `"]}}],` +
		`"provider_summaries":{"` + id(1) + `":{"resources":{"DISK_GB":{"capacity":7,"used":0},"VCPU":{"capacity":4,"used":0}},` +
		`"traits":["CUSTOM_A","CUSTOM_B"],"parent_provider_uuid":null,"root_provider_uuid":"` + id(1) + `"}}}`
	oldest := `{"allocation_requests":[{"allocations":[{"resource_provider":{"uuid":"` + id(1) + `"},"resources":{"VCPU":2}}]}],` +
		`"provider_summaries":{"` + id(1) + `":{"resources":{"VCPU":{"capacity":4,"used":0}}}}}`
	for version, want := range map[string]string{"1.39": newest, "1.10": oldest} {
		w := c.at(version).send("GET", "/allocation_candidates?resources=VCPU:2", nil)
		if got := w.Body.String(); got != want || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// TestCandidatesInTrees: two hosts whose resources are in NUMA nodes below them, with
// network functions below those, and a disk farm that both share.
func TestCandidatesInTrees(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, nil)
	c.provider(11, 1, resources{"VCPU": 4}, "HW_NUMA_ROOT")
	c.provider(12, 1, resources{"VCPU": 2}, "HW_NUMA_ROOT", "CUSTOM_FAST")
	c.provider(111, 11, resources{"SRIOV_NET_VF": 2}, "CUSTOM_NET1")
	c.provider(121, 12, resources{"SRIOV_NET_VF": 2}, "CUSTOM_NET2")
	c.provider(2, 0, resources{"VCPU": 4, "DISK_GB": 10}, "COMPUTE_VOLUME_MULTI_ATTACH")
	c.provider(3, 0, resources{"DISK_GB": 100}, "MISC_SHARES_VIA_AGGREGATE")
	c.inAggregates(aggregateA, id(1), id(2), id(3))

	c.wantFound("resources=VCPU:3,DISK_GB:5", "11:VCPU=3,3:DISK_GB=5", "2:DISK_GB=5,2:VCPU=3", "2:VCPU=3,3:DISK_GB=5")
	c.wantFound("resources=VCPU:1,SRIOV_NET_VF:1&required=CUSTOM_NET1", "111:SRIOV_NET_VF=1,11:VCPU=1", "111:SRIOV_NET_VF=1,12:VCPU=1")
	c.wantFound("resources=VCPU:3,DISK_GB:5&in_tree="+id(2), "2:DISK_GB=5,2:VCPU=3")
	c.wantFound("resources=VCPU:1&required=!HW_NUMA_ROOT", "2:VCPU=1")
	c.wantFound("resources=VCPU:1,DISK_GB:20&root_required=COMPUTE_VOLUME_MULTI_ATTACH", "2:VCPU=1,3:DISK_GB=20")
	c.wantFound("resources_C=VCPU:2&resources_N=SRIOV_NET_VF:1&group_policy=none",
		"111:SRIOV_NET_VF=1,11:VCPU=2", "121:SRIOV_NET_VF=1,11:VCPU=2", "111:SRIOV_NET_VF=1,12:VCPU=2", "121:SRIOV_NET_VF=1,12:VCPU=2")
	c.wantFound("resources_C=VCPU:2&resources_N=SRIOV_NET_VF:1&group_policy=none&same_subtree=_C,_N",
		"111:SRIOV_NET_VF=1,11:VCPU=2", "121:SRIOV_NET_VF=1,12:VCPU=2")
	c.wantFound("required_R=CUSTOM_FAST&resources_N=SRIOV_NET_VF:1&group_policy=none&same_subtree=_R,_N", "121:SRIOV_NET_VF=1")
	c.wantFound("resources1=SRIOV_NET_VF:1&resources2=SRIOV_NET_VF:1&group_policy=isolate",
		"111:SRIOV_NET_VF=1,121:SRIOV_NET_VF=1", "111:SRIOV_NET_VF=1,121:SRIOV_NET_VF=1")
	c.wantFound("resources1=SRIOV_NET_VF:2&resources2=SRIOV_NET_VF:1&group_policy=none",
		"111:SRIOV_NET_VF=2,121:SRIOV_NET_VF=1", "111:SRIOV_NET_VF=1,121:SRIOV_NET_VF=2")
	// Who knows nothing of trees gets nothing that takes two providers of one.
	c.at("1.28").wantFound("resources=VCPU:1,SRIOV_NET_VF:1")
	// Breadth first: one of each tree before the second of the first tree.
	if got := c.found("resources=VCPU:1&limit=2"); !cmp.Equal(got, []string{"11:VCPU=1", "2:VCPU=1"}) {
		t.Errorf("limit 2: %v", got)
	}
	summaries := c.do("GET", "/allocation_candidates?resources=SRIOV_NET_VF:1", nil, 200)["provider_summaries"].(map[string]any)
	if got := slices.Sorted(maps.Keys(summaries)); !cmp.Equal(got, []string{id(1), id(11), id(12), id(111), id(121)}) {
		t.Errorf("summaries of %v", got)
	}
}

func TestCandidateRefusals(t *testing.T) {
	c := newCloud(t)
	for _, test := range []struct{ version, query, code, words string }{
		{"1.39", "", "placement.query.missing_value", "There must be at least one resources or resources[$S] parameter."},
		{"1.24", "", "placement.undefined_code", "'resources' is a required property"},
		{"1.35", "", "placement.undefined_code", "At least one request group (`resources` or `resources{$S}`) is required."},
		{"1.39", "resources=", "placement.undefined_code", "Got: empty string."},
		{"1.39", "resources=VCPU", "placement.undefined_code", "Got: VCPU."},
		{"1.39", "resources=VCPU:x", "placement.undefined_code", "Requested resource VCPU expected positive integer amount. Got: x."},
		{"1.39", "resources=VCPU:0", "placement.undefined_code", "Requested resource VCPU requires amount >= 1. Got: 0."},
		{"1.39", "resources=VCPU:99999999999999999999", "placement.undefined_code", "expected positive integer amount"},
		{"1.39", "resources=CUSTOM_NO:1", "placement.undefined_code", "Invalid resource class in resources parameter: No such resource class CUSTOM_NO."},
		{"1.39", "resources=VCPU:1&required=CUSTOM_NO", "placement.undefined_code", "No such trait(s): CUSTOM_NO."},
		{"1.39", "resources=VCPU:1&required=,", "placement.undefined_code", "Got an empty trait in: ,"},
		{"1.38", "resources=VCPU:1&required=in:HW_CPU_X86_VMX", "placement.undefined_code", "only supported since microversion 1.39"},
		{"1.39", "resources=VCPU:1&required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", "placement.undefined_code", "Conflicting required and forbidden traits found in the following traits keys: required: (HW_CPU_X86_VMX)"},
		{"1.39", "resources=VCPU:1&member_of=x", "placement.undefined_code", "Expected 'member_of' parameter to contain valid UUID(s). Got: x"},
		{"1.31", "resources=VCPU:1&member_of=!" + aggregateA, "placement.undefined_code", "Forbidden member_of parameters are not supported"},
		{"1.39", "resources=VCPU:1&in_tree=x", "placement.undefined_code", "Expected 'in_tree' parameter to be a format of uuid. Got: x"},
		{"1.39", "resources=VCPU:1&limit=0", "placement.undefined_code", "'0' does not match"},
		{"1.39", "resources=VCPU:1&limit=-1", "placement.undefined_code", "'-1' does not match"},
		{"1.39", "resources1=VCPU:1&resources2=VCPU:1", "placement.undefined_code", `The "group_policy" parameter is required`},
		{"1.39", "resources=VCPU:1&group_policy=x", "placement.undefined_code", "'x' is not one of"},
		{"1.39", "resources=VCPU:1&required1=HW_CPU_X86_VMX", "placement.query.bad_value", "bad group(s) - ['1']"},
		{"1.35", "resources=VCPU:1&required1=HW_CPU_X86_VMX", "placement.undefined_code", "orphaned traits keys: required1"},
		{"1.39", "resources=VCPU:1&same_subtree=_X", "placement.query.bad_value", "['_X'] not found in ['']"},
		{"1.39", "resources=VCPU:1&root_required=HW_CPU_X86_VMX&root_required=HW_CPU_X86_SSE", "placement.query.duplicate_key", "only once"},
		{"1.34", "resources=VCPU:1&root_required=HW_CPU_X86_VMX", "placement.undefined_code", "'root_required' does not match any of the regexes"},
		{"1.32", "resources_X=VCPU:1", "placement.undefined_code", "'resources_X' does not match any of the regexes"},
		{"1.39", "resources=VCPU:1&bogus=1", "placement.undefined_code", "'bogus' does not match any of the regexes"},
		{"1.39", "resources=%ff:1", "placement.undefined_code", "not valid UTF-8"},
	} {
		if !strings.Contains(test.version, "1.24") && !strings.Contains(test.version, "1.3") {
			t.Fatal("codes are shown from 1.23 on")
		}
		c.at(test.version).refused("GET", "/allocation_candidates?"+test.query, nil, 400, test.code, test.words)
	}
	c.at("1.9").do("GET", "/allocation_candidates?resources=VCPU:1", nil, 404)
}

// TestTooManyCombinationsEnd: eight groups over 24 like providers have more combinations
// than can be looked at, none of which fits.
func TestTooManyCombinationsEnd(t *testing.T) {
	c := newCloud(t)
	c.provider(1, 0, resources{"VCPU": 1})
	for i := range 24 {
		c.provider(100+i, 1, resources{"SRIOV_NET_VF": 8})
	}
	var query []string
	for i := range 8 {
		query = append(query, fmt.Sprintf("resources_%d=SRIOV_NET_VF:1", i))
	}
	all := strings.Join(query, "&") + "&group_policy=isolate"
	if got := c.found(all + "&limit=3"); len(got) != 3 {
		t.Errorf("%d candidates with limit 3", len(got))
	}
	c.refused("GET", "/allocation_candidates?"+all+"&same_subtree=_0,_1,_2,_3,_4,_5,_6,_7", nil, 503, "placement.undefined_code", "too many possible answers")
}

// TestSecondProcessSeesChanges: each service has its own image of one database.
func TestSecondProcessSeesChanges(t *testing.T) {
	c := newCloud(t)
	other := *c
	other.service = serviceOn(t, c.db)
	c.provider(1, 0, resources{"VCPU": 4})
	other.wantFound("resources=VCPU:1", "1:VCPU=1")
	c.provider(2, 0, resources{"VCPU": 4})
	other.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{id(1): {"VCPU": 4}}), 204)
	c.wantFound("resources=VCPU:1", "2:VCPU=1")
	other.wantFound("resources=VCPU:1", "2:VCPU=1")
	c.do("DELETE", "/resource_providers/"+id(2), nil, 204)
	other.wantFound("resources=VCPU:1")
	c.do("DELETE", "/allocations/"+id(9), nil, 204)
	other.wantFound("resources=VCPU:1", "1:VCPU=1")
	// A log that was shortened beyond what a process has seen.
	c.provider(3, 0, resources{"VCPU": 4})
	err := c.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("DELETE FROM tree_changes")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.provider(4, 0, resources{"VCPU": 4})
	other.wantFound("resources=VCPU:1", "1:VCPU=1", "3:VCPU=1", "4:VCPU=1")
}

func BenchmarkCandidatesFewHosts(b *testing.B) {
	c := newCloud(b)
	for i := range 5 {
		c.provider(i+1, 0, resources{"VCPU": 64, "MEMORY_MB": 100000, "DISK_GB": 1000}, "HW_CPU_X86_VMX", "COMPUTE_NODE")
	}
	for b.Loop() {
		c.send("GET", "/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1&limit=1000&root_required=COMPUTE_NODE", nil)
	}
}

func BenchmarkAllocation(b *testing.B) {
	c := newCloud(b)
	host := c.provider(1, 0, resources{"VCPU": 1 << 30, "MEMORY_MB": 1 << 30, "DISK_GB": 1 << 30})
	n := 0
	for b.Loop() {
		n++
		c.send("PUT", "/allocations/"+id(1000+n), allocation(nil, map[string]resources{host: {"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 1}}))
	}
}

// BenchmarkCandidatesOf10000Hosts asks with the limit that compute's scheduler has, each
// time after an allocation.
func BenchmarkCandidatesOf10000Hosts(b *testing.B) {
	c := newCloud(b)
	fill(b, c.db, 10000)
	other := serviceOn(b, c.db)
	full := *c
	full.service = other
	full.found("resources=VCPU:1")
	for b.Loop() {
		w := full.send("GET", "/allocation_candidates?resources=VCPU:1,MEMORY_MB:512,DISK_GB:1&required=HW_CPU_X86_VMX&limit=1000", nil)
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

// fill writes many hosts with 60 traits each past the API.
func fill(tb testing.TB, d *db.DB, hosts int) {
	tb.Helper()
	var traits []string
	for i := range 59 {
		traits = append(traits, fmt.Sprintf("CUSTOM_TRAIT_NUMBER_%d", i))
	}
	traits = append(traits, "HW_CPU_X86_VMX")
	err := d.Write(context.Background(), func(tx *db.Tx) error {
		for i := range hosts {
			p := id(i + 1)
			if _, err := tx.Exec("INSERT INTO resource_providers VALUES (?, ?, '', ?, 1, 1, 1)", p, "host"+p, p); err != nil {
				return err
			}
			for _, class := range []string{"VCPU", "MEMORY_MB", "DISK_GB"} {
				if _, err := tx.Exec("INSERT INTO inventories VALUES (?, ?, 100000, 0, 1, 100000, 1, 1.0, 0, 1, 1)", p, class); err != nil {
					return err
				}
			}
			for _, trait := range traits {
				if _, err := tx.Exec("INSERT INTO provider_traits VALUES (?, ?)", p, trait); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}
