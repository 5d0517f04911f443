package compute_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// unlimited lifts the quota of the members' project.
func (r *rig) unlimited() {
	r.t.Helper()
	r.do(admin(), latest, "PUT", "/v2.1/os-quota-sets/"+projectID, `{"quota_set":{"instances":-1,"cores":-1,"ram":-1}}`).want(200, "")
}

// BenchmarkCreateToActive is one server after the other, from POST to ACTIVE.
func BenchmarkCreateToActive(b *testing.B) {
	r := newRig(b)
	r.startNode("host1", 1<<40)
	r.unlimited()
	for b.Loop() {
		id := r.create("")
		r.waitFor("ACTIVE", func() bool { return strings.Contains(r.show(id).text, `"status":"ACTIVE"`) })
	}
}

// BenchmarkCreateManyToActive is 200 servers from 8 clients.
func BenchmarkCreateManyToActive(b *testing.B) {
	r := newRig(b)
	r.startNode("host1", 1<<40)
	r.unlimited()
	for b.Loop() {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 25 {
					id := r.create("")
					r.waitFor("ACTIVE", func() bool {
						time.Sleep(20 * time.Millisecond) // clients do not ask all the time
						return strings.Contains(r.show(id).text, `"status":"ACTIVE"`)
					})
				}
			})
		}
		all.Wait()
	}
	b.ReportMetric(float64(200*b.N)/b.Elapsed().Seconds(), "servers/s")
}

// BenchmarkListDetail is the first page of 1,000 servers with details.
func BenchmarkListDetail(b *testing.B) {
	r := newRig(b)
	r.startNode("host1", 1<<40)
	r.unlimited()
	r.do(member(projectID), latest, "POST", "/v2.1/servers", createBody(`,"min_count":1000`)).want(202, "")
	r.waitFor("1000 servers", func() bool {
		return strings.Count(r.do(admin(), latest, "GET", "/v2.1/servers?all_tenants=1&status=ACTIVE", "").text, `"id"`) == 1000
	})
	for _, version := range []string{"2.1", latest} {
		b.Run(version, func(b *testing.B) {
			for b.Loop() {
				a := r.do(member(projectID), version, "GET", "/v2.1/servers/detail", "")
				if n := strings.Count(a.text, `"hostId"`); n != 1000 {
					b.Fatal(fmt.Sprint(n, " servers"))
				}
			}
		})
	}
}
