package app

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestADecisionIsWrittenForPeople has a decision with everything in it, and what a terminal would obey.
func TestADecisionIsWrittenForPeople(t *testing.T) {
	const answer = `{"server": {"id": "s1", "name": "we\u001b[31mb", "host": "", "status": "error"}, "placements": [
		{"action": "create", "operation_id": "o1", "attempt": 2, "looks": 3, "request_id": "req-1", "project_id": "p", "user_id": "u",
		 "began_at": "2026-11-22T12:00:00Z", "decided_at": "2026-11-22T12:00:05Z",
		 "wanted": {"flavor": "large", "resources": {"MEMORY_MB": 8192, "VCPU": 1}, "availability_zone": "east", "scheduler_hints": {"group": ["g"]},
		  "server_group": {"policy": "anti-affinity", "members_by_host": {"a": 2, "b": 1}}},
		 "decision": {"considered": 30, "fitting": 0, "refused": [{"reason": "it has too few MB of memory", "hosts": 29, "needed": 8192, "free": 7168},
		   {"reason": "its compute service is disabled", "hosts": 1}],
		  "smallest_change": {"host": "a", "text": "free 1024 MB of memory on a"},
		  "hosts": [{"host": "a", "fits": false, "filter": "placement", "reason": "8192 MB of memory needed, 7168 free (1024 too few)", "remedy": {"host": "a", "text": "free 1024 MB of memory on a"}},
		   {"host": "b", "fits": true, "weight": 2.5}]}},
		{"action": "resize", "refused": true, "decision": {"chosen": "", "considered": 0}}]}`
	var p remotePlacements
	if err := json.Unmarshal([]byte(answer), &p); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	p.write(&out)
	for _, want := range []string{"server      s1 we [31mb, error, on no host\n", "attempt 2 of the action create, operation o1\n", "2026-11-22T12:00:05Z, the last of 3 looks since 2026-11-22T12:00:00Z\n",
		"large: 8192 MB of memory; 1 VCPU; zone east; hint group g; group of 3 placed members with policy anti-affinity\n", "none of 30 hosts\n",
		"refused     29 × it has too few MB of memory (8192 needed, 7168 free at most)\n            1 × its compute service is disabled\n", "would help  for a: free 1024 MB of memory on a\n",
		"a     no    -       placement   8192 MB of memory needed, 7168 free (1024 too few)\n", "b     yes   2.5     -           -\n",
		"To make a host fit:\n  a: free 1024 MB of memory on a\n", "28 hosts more were considered", "a request for the action resize, which was refused\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestADryRunIsWrittenForPeople(t *testing.T) {
	for answer, want := range map[string]string{
		`{"asked": 1, "placed": [], "considered": 2, "hosts": []}`:                                                                "fits        nowhere of 2 hosts\n",
		`{"asked": 1, "placed": ["a"], "considered": 2, "fitting": 2, "hosts": []}`:                                               "fits        on a, one of 2 that fit among 2 hosts\n",
		`{"asked": 3, "placed": ["b", "a", "b"], "considered": 2, "hosts": [{"host": "a"}]}`:                                      "fits        all 3 servers: 1 on a, 2 on b. For one more:\n",
		`{"asked": 9, "placed": ["a"], "considered": 2, "hosts": [{"host": "a"}], "smallest_change": {"host": "a", "text": "x"}}`: "fits        1 of 9 servers: 1 on a. For the next one:\nwould help  for a: x\n",
	} {
		var d remotePretence
		if err := json.Unmarshal([]byte(answer), &d); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if d.write(&out); !strings.Contains(out.String(), want) || strings.Contains(answer, `{"host": "a"}]`) != strings.Contains(out.String(), "1 hosts more; --hosts") {
			t.Errorf("%s is written\n%s", answer, out.String())
		}
	}
}
