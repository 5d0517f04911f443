package compute_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"virga/core/token"
)

// crowd sends n requests at once to two processes over one database and returns how many had
// each status, and the text of one refusal.
func crowd(t *testing.T, processes []*rig, n int, ask func(r *rig, i int) answer) (map[int]int, string) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	counts, refusal := map[int]int{}, ""
	for i := range n {
		all.Go(func() {
			a := ask(processes[i%len(processes)], i)
			mu.Lock()
			defer mu.Unlock()
			if counts[a.status]++; a.status == 403 {
				refusal = a.text
			}
		})
	}
	all.Wait()
	return counts, refusal
}

func TestQuotasAreExactWhateverComesAtOnce(t *testing.T) {
	r := newRig(t)
	processes := []*rig{r.limited(), r.limited()}
	group := r.do(member(projectID), latest, "POST", "/v2.1/os-server-groups", `{"server_group":{"name":"g","policy":"soft-affinity"}}`).str("server_group", "id")
	id := r.create(`,"metadata":{"first":"1"}`)
	tag := func(body string) func(r *rig, i int) answer {
		return func(r *rig, i int) answer {
			path, text, _ := strings.Cut(strings.ReplaceAll(body, "{n}", fmt.Sprint(i)), " ")
			return r.do(member(projectID), latest, "POST", path, text)
		}
	}
	server := `"imageRef":"` + imageID + `","flavorRef":"1","networks":"none"`
	for _, c := range []struct {
		quota, limit, ask, refusal string
		good, want                 int
	}{
		{"key_pairs", "3", `/v2.1/os-keypairs {"keypair":{"name":"k{n}",` + key + `}}`, "Quota exceeded, too many key pairs.", 201, 3},
		{"server_groups", "4", `/v2.1/os-server-groups {"server_group":{"name":"g{n}","policy":"affinity"}}`, "Quota exceeded, too many server groups.", 200, 3},
		{"server_group_members", "2", `/v2.1/servers {"server":{"name":"m{n}",` + server + `},"os:scheduler_hints":{"group":"` + group + `"}}`, "Quota exceeded, too many servers in group", 202, 2},
		{"instances", "6", `/v2.1/servers {"server":{"name":"i{n}",` + server + `}}`, "Quota exceeded for instances: Requested 1, but already used 6 of 6 instances", 202, 3},
		{"cores", "8", `/v2.1/servers {"server":{"name":"c{n}",` + server + `}}`, "Quota exceeded for cores: Requested 1, but already used 8 of 8 cores", 202, 2},
		{"ram", "5120", `/v2.1/servers {"server":{"name":"r{n}",` + server + `}}`, "Quota exceeded for ram: Requested 512, but already used 5120 of 5120 ram", 202, 2},
		{"metadata_items", "3", `/v2.1/servers/` + id + `/metadata {"metadata":{"k{n}":"v"}}`, "Maximum number of metadata items exceeds 3", 200, 2},
	} {
		open := map[string]string{"instances": "-1", "cores": "-1", "ram": "-1"}
		maps.Copy(open, map[string]string{c.quota: c.limit})
		var parts []string
		for name, limit := range open {
			parts = append(parts, `"`+name+`":`+limit)
		}
		r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{`+strings.Join(parts, ",")+`}}`).want(200, "")
		counts, refusal := crowd(t, processes, 12, tag(c.ask))
		if counts[c.good] != c.want || counts[403] != 12-c.want || !strings.Contains(refusal, c.refusal) {
			t.Errorf("%s: of 12 requests at once were answered %v, not %d good ones; refused with %s", c.quota, counts, c.want, refusal)
		}
	}
}

func TestInjectedFilesHaveQuotas(t *testing.T) {
	r := newRig(t)
	r.do(admin(), "2.56", "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"injected_files":1,"injected_file_content_bytes":4,"injected_file_path_bytes":3}}`).want(200, "")
	ask := func(files string) answer {
		return r.do(member(projectID), "2.56", "POST", "/v2.1/servers", createBody(`,"personality":[`+files+`]`))
	}
	ask(`{"path":"/a","contents":"YWJj"}`).want(202, "")
	ask(`{"path":"/a","contents":"YWJj"},{"path":"/b","contents":"YWJj"}`).want(403, "Personality file limit exceeded")
	ask(`{"path":"/a","contents":"YWJjZGU="}`).want(403, "Personality file content too long")
	ask(`{"path":"/abc","contents":"YWJj"}`).want(403, "Personality file path too long")
}

// unifiedLimits are an identity's, in memory.
type unifiedLimits struct {
	mu     sync.Mutex
	limits map[string]int64
	err    error
}

func (u *unifiedLimits) Of(ctx context.Context, _ string) (map[string]int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if who, known := token.IdentityFrom(ctx); !known || !who.HasRole("service") {
		return nil, errors.New("the limits are asked for by somebody else")
	}
	return maps.Clone(u.limits), u.err
}

func TestUnifiedLimitsGoBeforeQuotas(t *testing.T) {
	r := newRig(t)
	limits := &unifiedLimits{limits: map[string]int64{"servers": 1, "class:VCPU": 2, "other": 5}}
	one := r.with(limits)
	server := `{"server":{"name":"s","imageRef":"` + imageID + `","flavorRef":"1","networks":"none"}}`
	one.do(member(projectID), latest, "POST", "/v2.1/servers", server).want(202, "")
	one.do(member(projectID), latest, "POST", "/v2.1/servers", server).want(403, "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances")
	one.do(member(projectID), latest, "GET", "/v2.1/limits", "").want(200, `"maxTotalCores":2,"maxTotalInstances":1`)
	one.do(member(projectID), latest, "GET", "/v2.1/os-quota-sets/"+projectID, "").want(200, `"instances":1`)
	limits.err = errors.New("identity is away")
	r.with(limits).do(member(projectID), latest, "POST", "/v2.1/servers", server).want(503, "The limits of the project cannot be learned now.")
	r.do(member(projectID), latest, "POST", "/v2.1/servers", server).want(202, "")
}
