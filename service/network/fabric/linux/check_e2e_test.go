//go:build e2e

package linux

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"testing"
)

// A host on which the other tests pass has nothing that fails; and looking leaves no trace.
func TestCheckFindsThisHostGood(t *testing.T) {
	host := newHost(t)
	before := len(host.Snapshot(t))
	check(t, inNamespace(host.fd, func() error {
		findings := Check(context.Background())
		if len(findings) < 10 {
			t.Errorf("only %d findings: %v", len(findings), findings)
		}
		for _, finding := range findings {
			if finding.Level == Fail {
				t.Errorf("%s: %s (%s)", finding.Name, finding.Detail, finding.Mend)
			}
		}
		return nil
	}))
	if after := len(host.Snapshot(t)); after != before {
		t.Errorf("host had %d things before and %d after", before, after)
	}
}

// Looking must leave every thread of the process in its namespace. The first one matters most: it cannot be ended, and
// /proc/self shows where it is. Which thread the scheduler takes for the look is chance, hence the repetition.
func TestCheckMovesNoThread(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/net")
	check(t, err)
	for try := range 20 {
		Check(t.Context())
		after, err := os.Readlink("/proc/self/ns/net")
		check(t, err)
		if after != before {
			t.Fatalf("look %d moved the process from %s to %s", try+1, before, after)
		}
	}
}

// The golden rules with every feature must be acceptable to the nft and kernel at hand.
func TestGoldenRulesLoad(t *testing.T) {
	ctx := context.Background()
	host := newHost(t)
	d := &Driver{config: Config{NFT: "nft"}}
	filter, err := newPortFilter(testPortState(), 7)
	check(t, err)
	open := testPortState()
	open.PortSecurity, open.ID = false, "22222222-0000-4000-8000-000000000002"
	openFilter, err := newPortFilter(open, 8)
	check(t, err)
	members := testMembers()
	check(t, inNamespace(host.fd, func() error {
		for i, text := range []string{
			renderBase() + renderSet("group", members) + filter.render() + openFilter.render(),
			renderSetChange("group", members[:2], []netip.Prefix{netip.MustParsePrefix("10.1.0.0/26"), netip.MustParsePrefix("10.1.0.64/27")}),
			renderBase() + filter.shut().render(),
			renderSetRemoval("group"),
			renderPortRemoval(filter.id, 7),
			renderPortRemoval(openFilter.id, 8),
			renderPortRemoval(openFilter.id, 8),
			renderRouter(testRouter()),
		} {
			if err := d.nft(ctx, text); err != nil {
				return fmt.Errorf("script %d: %w", i, err)
			}
		}
		return nil
	}))
}
