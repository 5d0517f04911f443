//go:build e2e

package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// asked is a command that only looks, with what its output must match.
type asked struct {
	command string
	want    string
}

// commands runs every list and show that people use, while the guests boot.
func (s *story) commands(t *testing.T) {
	host := must[string](t)(os.Hostname())
	if out, err := s.member.alone(t.Context(), "server", "list", "-f", "value", "-c", "Name"); err != nil || out != "bob\nada\n" {
		t.Errorf("a command of its own: %q, %v", out, err)
	}
	s.ask(t, "operator", s.admin, []asked{
		{"catalog list", `(?s)compute.*/compute/v2\.1`},
		{"catalog show network", `/network`},
		{"endpoint list", `/placement`},
		{"service list", `image`},
		{"region list", `RegionOne`},
		{"domain list", `Default`},
		{"project list", `e2e`},
		{"user list --project e2e", `e2e`},
		{"role list", `reader`},
		{"role assignment list --names --project e2e", `member`},
		{"token issue", `project_id`},
		{"versions show", `(?s)compute.*CURRENT`},
		{"hypervisor list", regexp.QuoteMeta(host) + `.*up`},
		{"hypervisor show " + host, `hypervisor_type +\| QEMU`},
		{"compute service list", `nova-compute.*` + regexp.QuoteMeta(host) + `.*enabled.*up`},
		{"network agent list", regexp.QuoteMeta(host) + `.*:-\).*UP`},
		{"availability zone list", `nova.*available`},
		{"flavor list --all", `e2e\.nano.*128`},
		{"flavor show e2e.nano", `(?s)disk +\| 1 .*ram +\| 128 `},
		{"server list --all-projects --long", `(?s)ada.*ACTIVE`},
		{"server show " + s.ada.id, `OS-EXT-SRV-ATTR:host +\| ` + regexp.QuoteMeta(host)},
		{"port list --server " + s.ada.id, regexp.QuoteMeta(s.ada.fixed)},
		{"port show " + s.ada.port, `binding_host_id +\| ` + regexp.QuoteMeta(host)},
		{"network show tenant", `provider:network_type +\| vxlan`},
		{"network show public", `router:external +\| External`},
		{"subnet list --network public", `172\.24\.4\.0/24`},
		{"quota show e2e", `instances`},
		{"quota show --default", `ram`},
		{"extension list --network", `security-group`},
	})
	s.ask(t, "user", s.member, []asked{
		{"server list", `ada.*ACTIVE.*tenant=` + regexp.QuoteMeta(s.ada.fixed) + `.*guest.*e2e\.nano`},
		{"server list --name ^bo --status ACTIVE", `bob`},
		{"server list --limit 1 --long", `ACTIVE.*nova`},
		{"server show bob", `(?s)config_drive +\| True.*key_name +\| e2e.*security_groups +\| name='e2e'`},
		{"server event list ada", `create`},
		{"image list", `guest.*active`},
		{"image show guest", `(?s)min_ram +\| 96.*purpose='e2e'`},
		{"flavor list", `e2e\.nano`},
		{"keypair list", `e2e`},
		{"keypair show e2e", `fingerprint`},
		{"limits show --absolute", `totalInstancesUsed +\| +2`},
		{"quota show", `floating-ips`},
		{"availability zone list --compute", `nova.*available`},
		{"network list", `tenant`},
		{"network list --external", `public`},
		{"subnet list", `192\.168\.77\.0/24`},
		{"subnet show tenant", `allocation_pools +\| 192\.168\.77\.2-192\.168\.77\.254`},
		{"port list --network tenant", `ACTIVE`},
		{"router list", `edge.*ACTIVE`},
		{"router show edge", `(?s)external_gateway_info.*enable_snat`},
		{"security group list", `e2e`},
		{"security group show e2e", `(?s)port_range_max='22'.*`},
		{"security group rule list e2e", `tcp.*22:22`},
		{"security group rule list --ingress", `icmp`},
	})
}

// ask runs the commands one after the other, beside those of others.
func (s *story) ask(t *testing.T, who string, a *account, list []asked) {
	t.Run(who, func(t *testing.T) {
		t.Parallel()
		for _, q := range list {
			t.Run(q.command, func(t *testing.T) {
				out := a.openstack(t, strings.Fields(q.command)...)
				if !regexp.MustCompile(q.want).MatchString(out) {
					t.Errorf("want %s in\n%s", q.want, out)
				}
			})
		}
	})
}
