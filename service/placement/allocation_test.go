package placement_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
)

// TestConcurrentAllocationsNeverOverCommit lets 50 consumers at once ask one provider for
// more than it has.
func TestConcurrentAllocationsNeverOverCommit(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 16, "MEMORY_MB": 100000})
	const consumers = 50
	statuses := make([]int, consumers)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range consumers {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-start
			w := c.send("PUT", "/allocations/"+id(1000+i), allocation(nil, map[string]resources{host: {"VCPU": 3, "MEMORY_MB": 512}}))
			statuses[i] = w.Code
		})
	}
	ready.Wait()
	close(start)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	if diff := cmp.Diff(map[int]int{204: 5, 409: 45}, count); diff != "" {
		t.Errorf("16 VCPU hold 5 times 3:\n%s", diff)
	}
	if diff := cmp.Diff(object{"VCPU": 15.0, "MEMORY_MB": 5 * 512.0}, c.usage(host)); diff != "" {
		t.Error(diff)
	}
	if got := len(c.do("GET", "/resource_providers/"+host+"/allocations", nil, 200)["allocations"].(map[string]any)); got != 5 {
		t.Errorf("%d consumers have allocations", got)
	}
}

func TestWhatFits(t *testing.T) {
	for name, test := range map[string]struct {
		inventory object
		amount    int
		status    int
		words     string
	}{
		"all":               {object{"total": 10}, 10, 204, ""},
		"too much":          {object{"total": 10}, 11, 409, "would exceed the capacity"},
		"reserved":          {object{"total": 10, "reserved": 4}, 7, 409, "would exceed the capacity"},
		"ratio up":          {object{"total": 10, "allocation_ratio": 1.55}, 15, 204, ""},
		"ratio up, beyond":  {object{"total": 10, "allocation_ratio": 1.55}, 16, 409, "would exceed the capacity"},
		"ratio down":        {object{"total": 10, "allocation_ratio": 0.5}, 6, 409, "would exceed the capacity"},
		"below minimum":     {object{"total": 10, "min_unit": 4}, 3, 409, "would violate inventory constraints"},
		"above maximum":     {object{"total": 10, "max_unit": 4}, 5, 409, "would violate inventory constraints"},
		"off the step":      {object{"total": 10, "step_size": 4}, 6, 409, "would violate inventory constraints"},
		"on the step":       {object{"total": 10, "step_size": 4}, 8, 204, ""},
		"nothing left":      {object{"total": 10, "reserved": 10}, 1, 409, "would exceed the capacity"},
		"nothing is asked":  {object{"total": 10}, 0, 400, "JSON does not validate"},
		"less than nothing": {object{"total": 10}, -3, 400, "JSON does not validate"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			host := c.provider(1, 0, nil)
			c.do("PUT", "/resource_providers/"+host+"/inventories", object{"resource_provider_generation": 1, "inventories": object{"DISK_GB": test.inventory}}, 200)
			body := allocation(nil, map[string]resources{host: {"DISK_GB": test.amount}})
			if test.status == 204 {
				c.do("PUT", "/allocations/"+id(9), body, 204)
			} else {
				c.refused("PUT", "/allocations/"+id(9), body, test.status, "placement.undefined_code", test.words)
			}
			found := len(c.do("GET", fmt.Sprintf("/allocation_candidates?resources=DISK_GB:%d", max(test.amount, 1)), nil, 200).list("allocation_requests"))
			if fits := test.status == 204; test.amount > 0 && found != 0 && fits {
				t.Errorf("after the allocation %d candidates are found", found)
			}
		})
	}
}

func TestConsumerGenerations(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 8})
	path := "/allocations/" + id(9)
	one := func(generation any) object { return allocation(generation, map[string]resources{host: {"VCPU": 1}}) }
	c.refused("PUT", path, one(3), 409, "placement.concurrent_update", "consumer generation conflict - expected null but got 3")
	c.do("PUT", path, one(nil), 204)
	c.refused("PUT", path, one(nil), 409, "placement.concurrent_update", "consumer generation conflict - expected 1 but got None")
	c.refused("PUT", path, one(7), 409, "placement.concurrent_update", "expected 1 but got 7")
	c.do("PUT", path, one(1), 204)
	shown := c.do("GET", path, nil, 200)
	want := object{
		"allocations": map[string]any{host: map[string]any{"generation": 3.0, "resources": map[string]any{"VCPU": 1.0}}},
		"project_id":  "pr", "user_id": "us", "consumer_generation": 2.0, "consumer_type": "INSTANCE",
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Error(diff)
	}
	// Nothing instead of something deletes the consumer.
	c.do("PUT", path, allocation(2, nil), 204)
	if diff := cmp.Diff(object{"allocations": map[string]any{}}, c.do("GET", path, nil, 200)); diff != "" {
		t.Error(diff)
	}
	c.do("PUT", path, one(nil), 204)
	c.do("DELETE", path, nil, 204)
	c.refused("DELETE", path, nil, 404, "placement.undefined_code", "No allocations for consumer '"+id(9)+"'")
	if diff := cmp.Diff(object{"VCPU": 0.0}, c.usage(host)); diff != "" {
		t.Error(diff)
	}
}

func TestAllocationBodiesByVersion(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 8})
	list := func(more object) object {
		body := object{"allocations": []any{object{"resource_provider": object{"uuid": host}, "resources": resources{"VCPU": 1}}}}
		for key, value := range more {
			body[key] = value
		}
		return body
	}
	path := "/allocations/" + id(9)
	c.at("").do("PUT", path, list(nil), 204)
	if shown := c.at("1.12").do("GET", path, nil, 200); shown["project_id"] != "00000000-0000-0000-0000-000000000000" || shown["consumer_generation"] != nil {
		t.Errorf("at 1.12: %v", shown)
	}
	if shown := c.do("GET", path, nil, 200); shown["consumer_type"] != "unknown" {
		t.Errorf("a consumer from before types: %v", shown)
	}
	c.at("1.8").do("PUT", path, list(nil), 400)
	c.at("1.8").do("PUT", path, list(object{"project_id": "pr", "user_id": "us"}), 204)
	full := allocation(3, map[string]resources{host: {"VCPU": 2}})
	c.at("1.12").do("PUT", path, full, 400)
	c.at("1.28").do("PUT", path, full, 400)
	delete(full, "consumer_type")
	c.at("1.39").do("PUT", path, full, 400)
	c.at("1.28").do("PUT", path, full, 409) // two writes so far: the generation is 2
	full["consumer_generation"] = 2
	c.at("1.28").do("PUT", path, full, 204)
}

func TestManyConsumersAtOnce(t *testing.T) {
	c := newCloud(t)
	here, there := c.provider(1, 0, resources{"VCPU": 4}), c.provider(2, 0, resources{"VCPU": 4})
	c.do("PUT", "/allocations/"+id(8), allocation(nil, map[string]resources{here: {"VCPU": 4}}), 204)
	// A migration takes over what the server has, the server gets room elsewhere.
	moved := object{
		id(8): allocation(1, map[string]resources{there: {"VCPU": 4}}),
		id(9): allocation(nil, map[string]resources{here: {"VCPU": 4}}),
	}
	c.do("POST", "/allocations", moved, 204)
	// All or nothing: the second claim does not fit.
	c.refused("POST", "/allocations", object{id(7): allocation(nil, map[string]resources{there: {"VCPU": 1}}), id(9): allocation(1, nil)},
		409, "placement.undefined_code", "Unable to allocate inventory: Unable to create allocation for 'VCPU' on resource provider '"+there+"'. The requested amount would exceed the capacity.")
	if diff := cmp.Diff([]object{{"VCPU": 4.0}, {"VCPU": 4.0}}, []object{c.usage(here), c.usage(there)}); diff != "" {
		t.Error(diff)
	}
	// Two claims that fit one by one, but not together.
	c.do("POST", "/allocations", object{id(9): allocation(1, nil)}, 204)
	c.do("POST", "/allocations", object{id(6): allocation(nil, map[string]resources{here: {"VCPU": 3}}), id(7): allocation(nil, map[string]resources{here: {"VCPU": 3}})}, 409)
	if diff := cmp.Diff(object{"VCPU": 0.0}, c.usage(here)); diff != "" {
		t.Error(diff)
	}
}

func TestOverCapacityMayOnlyShrink(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 10})
	c.do("PUT", "/allocations/"+id(8), allocation(nil, map[string]resources{host: {"VCPU": 8}}), 204)
	c.do("PUT", "/resource_providers/"+host+"/inventories/VCPU", object{"resource_provider_generation": 2, "total": 4}, 200)
	c.do("PUT", "/allocations/"+id(8), allocation(1, map[string]resources{host: {"VCPU": 9}}), 409)
	c.do("PUT", "/allocations/"+id(8), allocation(1, map[string]resources{host: {"VCPU": 6}}), 204)
	c.do("PUT", "/allocations/"+id(9), allocation(nil, map[string]resources{host: {"VCPU": 1}}), 409)
}

func TestAllocationRefusals(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 10})
	path := "/allocations/" + id(9)
	for _, test := range []struct {
		path   string
		body   any
		status int
		words  string
	}{
		{path, allocation(nil, map[string]resources{id(77): {"VCPU": 1}}), 400, "Allocation for resource provider '" + id(77) + "' that does not exist."},
		{path, allocation(nil, map[string]resources{host: {"CUSTOM_NO": 1}}), 400, "Unable to allocate inventory for consumer " + id(9) + ": No such resource class CUSTOM_NO."},
		{path, allocation(nil, map[string]resources{host: {"DISK_GB": 1}}), 409, "Unable to allocate inventory: Inventory for 'DISK_GB' on resource provider '" + host + "' invalid."},
		{path, allocation(nil, map[string]resources{"x": {"VCPU": 1}}), 400, "JSON does not validate"},
		{path, allocation(nil, map[string]resources{host: {"vcpu": 1}}), 400, "JSON does not validate"},
		{path, allocation("1", map[string]resources{host: {"VCPU": 1}}), 400, "JSON does not validate"},
		{path, `{"allocations":{"` + host + `":{"resources":{"VCPU":99999999999999999999999}}},"project_id":"p","user_id":"u","consumer_generation":null,"consumer_type":"X"}`, 400, ""},
		{path, `{"allocations":{"` + host + `":{"resources":{"VCPU":9223372036854775807}}},"project_id":"p","user_id":"u","consumer_generation":null,"consumer_type":"X"}`, 409, "violate inventory constraints"},
		{"/allocations/not-a-uuid", allocation(nil, map[string]resources{host: {"VCPU": 1}}), 400, "Malformed consumer_uuid: not-a-uuid"},
		{"/allocations/%ff%00", allocation(nil, map[string]resources{host: {"VCPU": 1}}), 400, "Malformed consumer_uuid"},
	} {
		c.refused("PUT", test.path, test.body, test.status, "placement.undefined_code", test.words)
	}
	if diff := cmp.Diff(object{"VCPU": 0.0}, c.usage(host)); diff != "" {
		t.Error("something was half made: " + diff)
	}
}

func TestUsagesOfProjects(t *testing.T) {
	c := newCloud(t)
	host := c.provider(1, 0, resources{"VCPU": 10, "DISK_GB": 10})
	for i, amounts := range []resources{{"VCPU": 1, "DISK_GB": 2}, {"VCPU": 2}} {
		c.do("PUT", "/allocations/"+id(10+i), allocation(nil, map[string]resources{host: amounts}), 204)
	}
	old := allocation(nil, map[string]resources{host: {"VCPU": 4}})
	delete(old, "consumer_type")
	old["user_id"] = "other"
	c.at("1.28").do("PUT", "/allocations/"+id(12), old, 204)
	for _, test := range []struct {
		version, query string
		want           any
	}{
		{"1.9", "", map[string]any{"VCPU": 7.0, "DISK_GB": 2.0}},
		{"1.37", "&user_id=us", map[string]any{"VCPU": 3.0, "DISK_GB": 2.0}},
		{"1.38", "", map[string]any{"INSTANCE": map[string]any{"VCPU": 3.0, "DISK_GB": 2.0, "consumer_count": 2.0}, "unknown": map[string]any{"VCPU": 4.0, "consumer_count": 1.0}}},
		{"1.38", "&consumer_type=all", map[string]any{"all": map[string]any{"VCPU": 7.0, "DISK_GB": 2.0, "consumer_count": 3.0}}},
		{"1.38", "&consumer_type=unknown", map[string]any{"unknown": map[string]any{"VCPU": 4.0, "consumer_count": 1.0}}},
		{"1.38", "&consumer_type=MIGRATION", map[string]any{}},
	} {
		if diff := cmp.Diff(test.want, c.at(test.version).do("GET", "/usages?project_id=pr"+test.query, nil, 200)["usages"]); diff != "" {
			t.Errorf("%s %s:\n%s", test.version, test.query, diff)
		}
	}
	c.at("1.8").do("GET", "/usages?project_id=pr", nil, 404)
	c.refused("GET", "/usages", nil, 400, "placement.undefined_code", "'project_id' is a required property")
	c.refused("GET", "/usages?project_id=pr&consumer_type=x", nil, 400, "placement.undefined_code", "does not match")
}

// TestUsedIsTheSumOfAllocations makes random changes and then adds up all allocations.
func TestUsedIsTheSumOfAllocations(t *testing.T) {
	c := newCloud(t)
	random := rand.New(rand.NewPCG(1, 2))
	var hosts []string
	for i := range 3 {
		hosts = append(hosts, c.provider(i+1, 0, resources{"VCPU": 20, "DISK_GB": 50}))
	}
	for range 300 {
		consumer := "/allocations/" + id(100+random.IntN(8))
		generation := c.do("GET", consumer, nil, 200)["consumer_generation"]
		on := map[string]resources{}
		for _, host := range hosts {
			if random.IntN(2) == 0 {
				on[host] = resources{"VCPU": 1 + random.IntN(8), "DISK_GB": 1 + random.IntN(20)}
			}
		}
		if random.IntN(5) == 0 {
			c.send("DELETE", consumer, nil)
		} else {
			c.send("PUT", consumer, allocation(generation, on))
		}
	}
	var wrong []string
	err := c.db.Read(t.Context(), func(tx *db.Tx) error {
		return tx.Select(&wrong, `SELECT provider FROM inventories i WHERE used > total OR used <> (
			SELECT COALESCE(SUM(a.used), 0) FROM allocations a WHERE a.provider = i.provider AND a.resource_class = i.resource_class)`)
	})
	if err != nil || len(wrong) > 0 {
		t.Errorf("%v %v", wrong, err)
	}
}
