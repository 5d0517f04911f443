package network

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"virga/core/db"
	"virga/core/token"
	"virga/service/network/desired"
)

// sorted puts what is a set into an order.
func sorted(s desired.State) desired.State {
	slices.SortFunc(s.Networks, func(a, b desired.Network) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Ports, func(a, b desired.Port) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.Routers, func(a, b desired.Router) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(s.SecurityGroups, func(a, b desired.SecurityGroup) int { return strings.Compare(a.ID, b.ID) })
	s.Generation, s.Moment, s.Partial, s.GonePorts, s.GoneRouters = 0, "", false, nil, nil
	return s
}

// chaos does random things to a cloud with three hosts; whether one is refused is all the same.
type chaos struct {
	c      *cloud
	random *rand.Rand
	// ids are those of things that were made, by the collection they are in.
	ids map[string][]string
}

func (x *chaos) any(of string) string {
	if len(x.ids[of]) == 0 {
		return "nothing"
	}
	return x.ids[of][x.random.IntN(len(x.ids[of]))]
}

// try calls the API and keeps the id of what was made.
func (x *chaos) try(method, path, body string) {
	x.c.t.Helper()
	r := httptest.NewRequestWithContext(token.WithIdentity(x.c.t.Context(), admin), method, "/v2.0/"+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	x.c.s.Handler().ServeHTTP(w, r)
	if w.Code >= 500 {
		x.c.t.Fatalf("%s %s %s: %d %s", method, path, body, w.Code, w.Body)
	}
	if id := idIn(w.Body.String()); method == "POST" && w.Code == http.StatusCreated {
		x.ids[path] = append(x.ids[path], id)
	}
}

// idIn is the id of the one resource in a body.
func idIn(body string) string {
	at := strings.Index(body, `"id":"`)
	if at < 0 {
		return ""
	}
	return body[at+6 : at+42]
}

func (x *chaos) step() {
	host := fmt.Sprint("n", 1+x.random.IntN(3))
	switch x.random.IntN(14) {
	case 0:
		x.try("POST", "networks", `{"network":{"name":"n"}}`)
	case 1:
		x.try("POST", "subnets", fmt.Sprintf(`{"subnet":{"network_id":"%s","ip_version":4,"cidr":"10.%d.0.0/24"}}`, x.any("networks"), x.random.IntN(200)))
	case 2:
		x.try("POST", "security-groups", `{"security_group":{"name":"g"}}`)
	case 3:
		x.try("POST", "security-group-rules", fmt.Sprintf(`{"security_group_rule":{"security_group_id":"%s","direction":"ingress","remote_group_id":"%s","protocol":"tcp","port_range_min":%[3]d,"port_range_max":%[3]d}}`,
			x.any("security-groups"), x.any("security-groups"), 1+x.random.IntN(3)))
	case 4, 5, 6:
		x.try("POST", "ports", fmt.Sprintf(`{"port":{"network_id":"%s","device_owner":"compute:nova","binding:host_id":"%s","security_groups":["%s"]}}`,
			x.any("networks"), host, x.any("security-groups")))
	case 7:
		x.try("PUT", "ports/"+x.any("ports"), fmt.Sprintf(`{"port":{"binding:host_id":"%s"}}`, host))
	case 8:
		x.try("PUT", "ports/"+x.any("ports"), fmt.Sprintf(`{"port":{"security_groups":["%s"]}}`, x.any("security-groups")))
	case 9:
		x.try("DELETE", "ports/"+x.any("ports"), "")
	case 10:
		x.try("PUT", "subnets/"+x.any("subnets"), fmt.Sprintf(`{"subnet":{"enable_dhcp":%v,"dns_nameservers":["192.0.2.%d"]}}`, x.random.IntN(2) == 0, 1+x.random.IntN(9)))
	case 11:
		x.try("POST", "routers", `{"router":{"name":"r"}}`)
	case 12:
		x.try("PUT", "routers/"+x.any("routers")+"/add_router_interface", fmt.Sprintf(`{"subnet_id":"%s"}`, x.any("subnets")))
	case 13:
		x.others(host)
	}
}

// others are the rarer things.
func (x *chaos) others(host string) {
	switch x.random.IntN(7) {
	case 0:
		x.try("DELETE", "security-group-rules/"+x.any("security-group-rules"), "")
	case 1:
		x.try("PUT", "routers/"+x.any("routers")+"/remove_router_interface", fmt.Sprintf(`{"subnet_id":"%s"}`, x.any("subnets")))
	case 2:
		x.try("PUT", "networks/"+x.any("networks"), fmt.Sprintf(`{"network":{"admin_state_up":%v}}`, x.random.IntN(2) == 0))
	case 3:
		x.try("DELETE", "security-groups/"+x.any("security-groups"), "")
	case 4:
		x.try("DELETE", "routers/"+x.any("routers"), "")
	case 5:
		x.try("PUT", "ports/"+x.any("ports"), `{"port":{"allowed_address_pairs":[{"ip_address":"192.0.2.9"}],"admin_state_up":false}}`)
	case 6:
		x.c.report(who("node:"+host, "", "node"), fmt.Sprintf("198.51.100.%d", 1+x.random.IntN(5)))
	}
}

// TestAgentsThatAskForNewsHaveEverything does random things; hosts that ask now and then
// what is new have what one that asks for everything gets. One of them asks as the release
// before changes of sets does.
func TestAgentsThatAskForNewsHaveEverything(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newCloud(t)
			x := &chaos{c: c, random: rand.New(rand.NewPCG(seed, 1)), ids: map[string][]string{}}
			nodes := []*token.Identity{who("node:n1", "", "node"), who("node:n2", "", "node"), who("node:n3", "", "node")}
			for i, node := range nodes {
				c.report(node, fmt.Sprint("192.0.2.", i+1))
			}
			for _, first := range []string{"networks", "networks", "security-groups", "security-groups"} {
				x.try("POST", first, `{"`+strings.ReplaceAll(strings.TrimSuffix(first, "s"), "-", "_")+`":{"name":"x"}}`)
			}
			states, partial, ports, sets := make([]desired.State, len(nodes)), 0, 0, 0
			for round := range 70 {
				for range 1 + x.random.IntN(4) {
					x.step()
				}
				i := x.random.IntN(len(nodes))
				ask := c.desiredSince
				if i == 2 {
					ask = c.desiredAsBefore
				}
				news := ask(nodes[i], states[i])
				sets += len(news.MemberChanges) + len(news.PeerChanges)
				if !news.Unchanged {
					states[i] = states[i].With(news)
				}
				all := c.desired(nodes[i], 0)
				if news.Partial {
					partial++
				}
				ports = max(ports, len(all.Ports))
				if diff := cmp.Diff(sorted(all), sorted(states[i]), cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
					t.Fatalf("round %d, host n%d (- everything, + news):\n%s", round, i+1, diff)
				}
				states[i].Generation, states[i].Moment = news.Generation, news.Moment
				if again := c.desired(nodes[i], news.Generation); !again.Unchanged {
					t.Fatalf("round %d: nothing changed, yet the answer is %+v", round, again)
				}
			}
			if partial < 20 || ports < 3 || sets < 10 {
				t.Errorf("only %d partial answers, at most %d ports, %d changes of sets", partial, ports, sets)
			}
		})
	}
}

// TestAForgottenNumberGivesEverything has hosts ask from before the log and from a database
// that is no more.
func TestAForgottenNumberGivesEverything(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	c.seed()
	state := c.desired(node1, 0)
	if news := c.desired(node1, state.Generation); !news.Unchanged {
		t.Fatalf("nothing changed, yet the answer is %+v", news)
	}
	if news := c.desired(node1, state.Generation+1000); news.Unchanged || news.Partial || news.Generation != state.Generation {
		t.Errorf("a number from the future: %+v", news)
	}
	c.report(node1, "192.0.2.7")
	err := c.s.deps.DB.Write(t.Context(), func(tx *db.Tx) error { // the log forgets all but the last change
		_, err := tx.Exec("DELETE FROM changes WHERE seq < (SELECT m FROM (SELECT MAX(seq) AS m FROM changes) x)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if news := c.desired(node1, state.Generation); news.Unchanged || news.Partial {
		t.Errorf("a number from before the log: %+v", news)
	}
}

// TestSignsOfLifeTellOfNews has a bell get lost.
func TestSignsOfLifeTellOfNews(t *testing.T) {
	c := newCloud(t)
	sign := func(node *token.Identity, body string) object {
		return c.want(200, node, "PUT", "/internal/hosts/"+node.UserID[5:]+"/alive", body)
	}
	if got := sign(node1, `{}`); got["report"] != true {
		t.Errorf("an unknown host: %v", got)
	}
	c.report(node1, "192.0.2.1")
	c.seed()
	generation := c.desired(node1, 0).Generation
	if got := sign(node1, fmt.Sprintf(`{"generation":%d}`, generation)); got["news"] != nil || got["next_milliseconds"] != 3000.0 {
		t.Errorf("no news: %v", got)
	}
	private := c.want(200, admin, "GET", "/v2.0/networks?name=private", "").text("networks.0.id")
	c.port(compute, private, `,"device_owner":"compute:nova","binding:host_id":"n1"`)
	if err := c.s.changes.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sign(node1, fmt.Sprintf(`{"generation":%d}`, generation)); got["news"] != true {
		t.Errorf("news: %v", got)
	}
	c.refused(403, "PolicyNotAuthorized", node2, "PUT", "/internal/hosts/n1/alive", `{}`)
	sign(node1, `{"leaving":true}`)
	if got := c.want(200, admin, "GET", "/v2.0/agents", ""); got.at("agents.0.alive") != false {
		t.Errorf("an agent that left: %v", got)
	}
}

// TestNumbersThatAppearLateAreNotMissed has transactions commit in another order than that
// of their numbers, as PostgreSQL and MariaDB let them.
func TestNumbersThatAppearLateAreNotMissed(t *testing.T) {
	c := newCloud(t)
	put := func(seq int64, host string) {
		t.Helper()
		err := c.s.deps.DB.Write(t.Context(), func(tx *db.Tx) error {
			return tx.Insert("changes", changeRow{Seq: seq, Kind: changedPort, ObjectID: fmt.Sprint("port ", seq), Host: host})
		})
		if err == nil {
			err = c.s.changes.refresh(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	from := func(at position) (seqs []int64, next position) {
		rows, next, known := c.s.changes.since(at, "n1")
		if !known {
			t.Fatalf("%+v is not known", at)
		}
		for _, row := range rows {
			seqs = append(seqs, row.Seq)
		}
		return seqs, next
	}
	ask := func(since int64) (seqs []int64, next int64) {
		seqs, end := from(position{seq: since})
		return seqs, end.seq
	}
	put(1, "n1")
	put(2, "n1")
	put(5, "n1")
	if seqs, next := ask(1); !slices.Equal(seqs, []int64{2, 5}) || next != 2 {
		t.Errorf("got %v, next %d", seqs, next)
	}
	_, told := from(position{seq: 1}) // who names the moment, too, hears nothing twice
	if seqs, _ := from(told); told.seq != 2 || len(seqs) > 0 {
		t.Errorf("got %v once more at %+v", seqs, told)
	}
	put(4, "n1")
	if seqs, next := from(told); !slices.Equal(seqs, []int64{4}) || next.seq != 2 {
		t.Errorf("got %v, next %+v", seqs, next)
	}
	if seqs, _ := from(position{seq: 2, life: "another", moment: told.moment}); !slices.Equal(seqs, []int64{4, 5}) {
		t.Errorf("got %v of another process's moment", seqs)
	}
	if seqs, next := ask(2); !slices.Equal(seqs, []int64{4, 5}) || next != 2 {
		t.Errorf("got %v, next %d", seqs, next)
	}
	put(3, "n2")
	if seqs, next := ask(2); !slices.Equal(seqs, []int64{4, 5}) || next != 5 {
		t.Errorf("got %v, next %d", seqs, next)
	}
	put(8, "n1") // 6 and 7 were rolled back
	c.clock.Advance(gapPatience + time.Second)
	put(9, "n1")
	if seqs, next := ask(5); !slices.Equal(seqs, []int64{8, 9}) || next != 9 {
		t.Errorf("got %v, next %d", seqs, next)
	}
}

// TestAStalledLogHoldsNobodyUp has the database not answer whoever reads the log of changes.
func TestAStalledLogHoldsNobodyUp(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	c.seed()
	generation := c.desired(node1, 0).Generation
	var stalled atomic.Bool
	var readers atomic.Int64
	c.s.changes.within = 300 * time.Millisecond
	c.s.changes.db = c.s.deps.DB.Intercepted(db.Interception{Begin: func(ctx context.Context, _ bool) error {
		if stalled.Load() {
			readers.Add(1)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}})
	stalled.Store(true)
	private := c.want(200, admin, "GET", "/v2.0/networks?name=private", "").text("networks.0.id")
	c.port(compute, private, `,"device_owner":"compute:nova","binding:host_id":"n1"`)
	var agents sync.WaitGroup
	for range 40 {
		agents.Go(func() {
			status, got := c.do(node1, "GET", fmt.Sprintf("/internal/hosts/n1/desired?since=%d&changes=1", generation), "")
			if status != http.StatusOK || got["unchanged"] != true || got["generation"] != float64(generation) {
				t.Errorf("while the log cannot be read: %d %v", status, got)
			}
		})
	}
	agents.Wait()
	if got := readers.Load(); got == 0 || got > 20 {
		t.Errorf("40 agents made %d attempts to read the log, and did not share them", got)
	}
	stalled.Store(false)
	if state := c.desired(node1, generation); state.Unchanged || len(state.Ports) != 1 {
		t.Errorf("when the log can be read again: %+v", state)
	}
}

// TestALogThatWasNeverReadTellsNothing asks a process whose database does not answer since it began.
func TestALogThatWasNeverReadTellsNothing(t *testing.T) {
	c := newCloud(t)
	c.report(node1, "192.0.2.1")
	fresh := newChanges(c.s.deps.DB.Intercepted(db.Interception{Begin: func(ctx context.Context, _ bool) error {
		<-ctx.Done()
		return ctx.Err()
	}}), c.clock.Now, "another life")
	fresh.within = time.Millisecond
	c.s.changes = fresh
	if status, got := c.do(node1, "GET", "/internal/hosts/n1/desired?since=1", ""); status != http.StatusServiceUnavailable {
		t.Errorf("answered %d %v", status, got)
	}
}
