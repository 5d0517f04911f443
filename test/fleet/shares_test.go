package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"virga/core/conf"
	"virga/test/cloud"
)

// offer is what placement says of a provider.
type offer struct {
	Generation  int64                `json:"resource_provider_generation"`
	Inventories map[string]inventory `json:"inventories,omitempty"`
	Traits      []string             `json:"traits,omitempty"`
}

type inventory struct {
	Total    int64   `json:"total"`
	Reserved int64   `json:"reserved"`
	Ratio    float64 `json:"allocation_ratio"`
}

// operator speaks to placement for the administrator.
type operator struct {
	*cloud.Cloud
	t *testing.T
}

func (o *operator) do(method, path string, in, out any) {
	o.t.Helper()
	a := o.Admin.Do(o.t, method, "/placement"+path, in, "OpenStack-API-Version", "placement 1.36")
	if !a.OK() {
		o.t.Fatalf("%s %s: %s", method, path, a)
	}
	if out != nil {
		if err := json.Unmarshal(a.Body, out); err != nil {
			o.t.Fatalf("%s %s: %v: %s", method, path, err, a)
		}
	}
}

// offers waits until the one provider has these inventories and returns its path.
func (o *operator) offers(want map[string]inventory) (path string) {
	o.t.Helper()
	o.Await(o.t, fmt.Sprint("the host to offer ", want), func() error {
		var list struct {
			Providers []struct{ UUID string } `json:"resource_providers"`
		}
		if o.do("GET", "/resource_providers", nil, &list); len(list.Providers) != 1 {
			return fmt.Errorf("there are %d providers", len(list.Providers))
		}
		path = "/resource_providers/" + list.Providers[0].UUID
		var have offer
		o.do("GET", path+"/inventories", nil, &have)
		for class, one := range want {
			one.Total = have.Inventories[class].Total
			if have.Inventories[class] != one {
				return fmt.Errorf("of %s it offers %v", class, have.Inventories[class])
			}
		}
		return nil
	})
	return path
}

// TestWhatServersGetOfAHost has the operator set a ratio, a resource class and a trait by the placement API, which stay when
// the host reports anew, and then shares on the host, which win.
func TestWhatServersGetOfAHost(t *testing.T) {
	o := &operator{cloud.Start(t), t}
	provider := o.offers(map[string]inventory{"VCPU": {Ratio: 4}, "MEMORY_MB": {Ratio: 1, Reserved: 512}, "DISK_GB": {Ratio: 1}})
	var now offer
	o.do("PUT", "/traits/CUSTOM_QUICK", nil, nil)
	o.do("PUT", "/resource_classes/CUSTOM_LICENSE", nil, nil)
	o.do("GET", provider+"/inventories", nil, &now)
	now.Inventories["VCPU"] = inventory{Total: now.Inventories["VCPU"].Total, Ratio: 9.5}
	now.Inventories["CUSTOM_LICENSE"] = inventory{Total: 3, Ratio: 1}
	o.do("PUT", provider+"/inventories", offer{Generation: now.Generation, Inventories: now.Inventories}, nil)
	o.do("GET", provider+"/traits", nil, &now)
	now.Traits = append(now.Traits, "CUSTOM_QUICK")
	o.do("PUT", provider+"/traits", offer{Generation: now.Generation, Traits: now.Traits}, nil)

	memory := int64(100)
	o.Stop(t)
	o.Run(t, func(s *conf.Config) { s.ReservedMemory = &memory })
	o.offers(map[string]inventory{"VCPU": {Ratio: 9.5}, "MEMORY_MB": {Ratio: 1, Reserved: 100}, "CUSTOM_LICENSE": {Ratio: 1}})
	if o.do("GET", provider+"/traits", nil, &now); !slices.Contains(now.Traits, "CUSTOM_QUICK") {
		t.Errorf("the operator's trait is gone: %v", now.Traits)
	}
	o.Stop(t)
	o.Run(t, func(s *conf.Config) { s.CPURatio, s.ReservedCPUs, s.ReservedDisk = 2, 1, 1025 })
	o.offers(map[string]inventory{"VCPU": {Ratio: 2, Reserved: 1}, "MEMORY_MB": {Ratio: 1, Reserved: 100}, "DISK_GB": {Ratio: 1, Reserved: 2}, "CUSTOM_LICENSE": {Ratio: 1}})
}
