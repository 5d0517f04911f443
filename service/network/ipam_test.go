package network

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func TestPoolsAreTheRangeWithoutGateway(t *testing.T) {
	for _, c := range []struct{ cidr, gateway, want string }{
		{"10.0.0.0/24", "10.0.0.1", "[{10.0.0.2 10.0.0.254}]"},
		{"10.0.0.0/24", "10.0.0.254", "[{10.0.0.1 10.0.0.253}]"},
		{"10.0.0.0/24", "10.0.0.9", "[{10.0.0.1 10.0.0.8} {10.0.0.10 10.0.0.254}]"},
		{"10.0.0.0/24", "", "[{10.0.0.1 10.0.0.254}]"},
		{"10.0.0.0/31", "10.0.0.0", "[{10.0.0.1 10.0.0.1}]"},
		{"10.0.0.5/32", "", "[{10.0.0.5 10.0.0.5}]"},
		{"fd00::/64", "fd00::1", "[{fd00::2 fd00::ffff:ffff:ffff:ffff}]"},
		{"0.0.0.0/1", "0.0.0.1", "[{0.0.0.2 127.255.255.254}]"},
	} {
		gateway, _ := netip.ParseAddr(c.gateway)
		if got := fmt.Sprint(defaultPools(netip.MustParsePrefix(c.cidr), gateway)); got != c.want {
			t.Errorf("%s with gateway %q: %s, want %s", c.cidr, c.gateway, got, c.want)
		}
	}
}

func TestKeysSortAsAddressesDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) netip.Addr {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
		}
		a, b := draw("a"), draw("b")
		if (addressKey(a) < addressKey(b)) != a.Less(b) {
			t.Fatalf("%s and %s", a, b)
		}
		if back, err := fromKey(addressKey(a)); err != nil || back != a {
			t.Fatalf("%s came back as %s: %v", a, back, err)
		}
	})
}

func TestWalkVisitsEveryAddressOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cidr := netip.MustParsePrefix("10.0.0.0/28")
		pools := defaultPools(cidr, nth(cidr, rapid.IntRange(0, 15).Draw(t, "gateway")))
		cursor := addressKey(nth(cidr, rapid.IntRange(0, 15).Draw(t, "cursor")))
		seen := map[netip.Addr]int{}
		for _, p := range walk(pools, cursor) {
			for a := p.Start; a.Compare(p.End) <= 0; a = a.Next() {
				seen[a]++
			}
		}
		want := 0
		for _, p := range pools {
			for a := p.Start; a.Compare(p.End) <= 0; a = a.Next() {
				if want++; seen[a] != 1 {
					t.Fatalf("%s was visited %d times", a, seen[a])
				}
			}
		}
		if len(seen) != want {
			t.Fatalf("%d addresses, want %d", len(seen), want)
		}
	})
}

func TestAddressesAreExactUnderConcurrency(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/26") // 61 addresses to give out
	var mu sync.Mutex
	statuses, addresses := map[int]int{}, map[string]int{}
	var wait sync.WaitGroup
	for range 80 {
		wait.Go(func() {
			status, got := c.do(alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`"}}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
			addresses[got.text("port.fixed_ips.0.ip_address")]++
		})
	}
	wait.Wait()
	delete(addresses, "")
	if statuses[201] != 61 || statuses[409] != 19 || len(addresses) != 61 {
		t.Errorf("statuses %v, %d different addresses", statuses, len(addresses))
	}
}

func TestAFreedAddressRestsBeforeItIsGivenAgain(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/29") // .2 to .6
	first := c.port(alice, n, "")
	if got := first.text("fixed_ips.0.ip_address"); got != "10.0.0.2" {
		t.Errorf("first address %s", got)
	}
	c.want(http.StatusNoContent, alice, "DELETE", "/v2.0/ports/"+first.text("id"), "")
	var got []string
	for range 5 {
		got = append(got, c.port(alice, n, "").text("fixed_ips.0.ip_address"))
	}
	if fmt.Sprint(got) != "[10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.2]" {
		t.Errorf("addresses %v", got)
	}
	c.refused(409, "IpAddressGenerationFailure", alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`"}}`)
}

func TestWantedAddresses(t *testing.T) {
	c := newCloud(t)
	n := c.network(alice, "n")
	sub := c.subnet(alice, n, "10.0.0.0/24")
	six := c.subnet(alice, n, "fd00:1::/64")
	auto := c.want(201, alice, "POST", "/v2.0/subnets", `{"subnet":{"network_id":"`+n+`","ip_version":6,"cidr":"fd00:2::/64","ipv6_address_mode":"slaac","ipv6_ra_mode":"slaac"}}`).text("subnet.id")
	p := c.port(alice, n, `,"mac_address":"fa:16:3e:00:00:01"`)
	if got := p.list("fixed_ips"); len(got) != 3 || p.text("fixed_ips.2.ip_address") != "fd00:2::f816:3eff:fe00:1" || p.text("fixed_ips.1.subnet_id") != six {
		t.Errorf("automatic addresses %v", got)
	}
	p = c.port(alice, n, `,"fixed_ips":[{"ip_address":"10.0.0.77"},{"subnet_id":"`+sub+`"}]`)
	if p.text("fixed_ips.0.ip_address") != "10.0.0.77" || p.text("fixed_ips.1.subnet_id") != sub {
		t.Errorf("named addresses %v", p)
	}
	if got := c.port(alice, n, `,"fixed_ips":[]`).list("fixed_ips"); len(got) != 0 {
		t.Errorf("no addresses wanted, got %v", got)
	}
	for fixed, exception := range map[string]string{
		`[{"ip_address":"10.0.0.77"}]`:                             "IpAddressAlreadyAllocated",
		`[{"ip_address":"10.9.0.1"}]`:                              "InvalidIpForNetwork",
		`[{"ip_address":"10.0.0.255"}]`:                            "InvalidIpForSubnet",
		`[{"subnet_id":"` + sub + `","ip_address":"10.9.0.1"}]`:    "InvalidIpForSubnet",
		`[{"subnet_id":"nothing"}]`:                                "InvalidInput",
		`[{"ip_address":"ten"}]`:                                   "HTTPBadRequest",
		`[{"subnet_id":"` + auto + `","ip_address":"fd00:2::5"}]`:  "InvalidInput",
		`[{"subnet_id":"` + sub + `","ip_address":"10.0.0.1%00"}]`: "HTTPBadRequest",
	} {
		status, got := c.do(alice, "POST", "/v2.0/ports", `{"port":{"network_id":"`+n+`","fixed_ips":`+fixed+`}}`)
		if (status != 400 && status != 409) || got.text("NeutronError.type") != exception {
			t.Errorf("%s: %d %v", fixed, status, got)
		}
	}
}

func BenchmarkCreate(b *testing.B) {
	b.Run("network", func(b *testing.B) {
		c := newCloud(b)
		c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":-1,"port":-1}}`)
		for b.Loop() {
			c.network(alice, "n")
		}
	})
	b.Run("port", func(b *testing.B) {
		c := newCloud(b)
		c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":-1,"port":-1}}`)
		n := c.network(alice, "n")
		c.subnet(alice, n, "10.0.0.0/12")
		for b.Loop() {
			c.port(alice, n, "")
		}
	})
	b.Run("bound port", func(b *testing.B) {
		c := newCloud(b)
		c.report(node1, "10.255.0.1")
		c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"network":-1,"port":-1}}`)
		n := c.network(alice, "n")
		c.subnet(alice, n, "10.0.0.0/12")
		for b.Loop() {
			c.port(compute, n, `,"project_id":"red","binding:host_id":"n1","device_owner":"compute:nova"`)
		}
	})
}

func BenchmarkList1000Ports(b *testing.B) {
	c := newCloud(b)
	c.want(200, admin, "PUT", "/v2.0/quotas/red", `{"quota":{"port":-1}}`)
	n := c.network(alice, "n")
	c.subnet(alice, n, "10.0.0.0/16")
	for range 1000 {
		c.port(alice, n, "")
	}
	for b.Loop() {
		if got := c.want(200, alice, "GET", "/v2.0/ports", "").list("ports"); len(got) != 1000 {
			b.Fatal(len(got))
		}
	}
}
