//go:build e2e

package compat

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"

	"virga/test/cloud"
)

// tour is the README's first tour: what each of its commands has to print.
var tour = map[string]string{
	`openstack catalog list`:        `(?s)compute.*/compute/v2\.1.*network.*/network`,
	`openstack image list`:          `virga-guest \| active`,
	`openstack network list`:        `(?s)private.*public|public.*private`,
	`openstack server list`:         `^\s*$`,
	`openstack network create blue`: `(?s)name +\| blue .*status +\| ACTIVE`,
	`openstack subnet create blue --network blue --subnet-range 10.20.0.0/24`:                                 `(?s)allocation_pools +\| 10\.20\.0\.2-10\.20\.0\.254 .*gateway_ip +\| 10\.20\.0\.1 `,
	`openstack router create door --external-gateway public`:                                                  `external_gateway_info +\| .*"enable_snat": true.*172\.24\.4\.`,
	`openstack router add subnet door blue`:                                                                   `^$`,
	`openstack server create two --image virga-guest --flavor m1.nano --network blue --key-name virga --wait`: `(?s)addresses +\| blue=10\.20\.0\.\d+.*key_name +\| virga .*status +\| ACTIVE`,
	`openstack floating ip create public --port "$(openstack port list --server two -f value -c ID)"`:         `(?s)fixed_ip_address +\| 10\.20\.0\.\d+ .*floating_ip_address +\| 172\.24\.4\.`,
	`openstack console log show two`:                                                                          `\S`,
	`openstack console url show two`:                                                                          `http://.*/console/vnc.html\?path=console`,
	`openstack server event list two`:                                                                         `create`,
	`openstack server reboot two --wait`:                                                                      `^Complete\s*$`,
	`openstack server delete two --wait`:                                                                      `^\s*$`,
}

func TestTourOfTheREADME(t *testing.T) {
	t.Parallel()
	u := newVisitor(t)
	commands := tourOf(t, "../../README.md")
	if len(commands) != len(tour) {
		t.Errorf("the README's tour has %d commands, the table %d", len(commands), len(tour))
	}
	for _, command := range commands {
		want, known := tour[command]
		if !known {
			t.Errorf("the table does not know %s", command)
			continue
		}
		u.expect(t, command, want)
	}
}

// tourOf are the commands below "A first tour".
func tourOf(t *testing.T, file string) []string {
	t.Helper()
	_, text, found := strings.Cut(string(need(os.ReadFile(file))(t)), "## A first tour\n\n```sh\n")
	if !found {
		t.Fatalf("%s has no tour", file)
	}
	text, _, _ = strings.Cut(text, "```")
	var commands []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "openstack ") {
			commands = append(commands, line)
		}
	}
	return commands
}

// explained is what the README's commands of virga explain print for a server web.
var explained = map[string]string{
	`virga explain web`:                        `(?s)web, active, on host-of-tests.*attempt 1 of the action create.*chosen +host-of-tests, one of 1 that fitted among 1 hosts.*host-of-tests +yes`,
	`virga explain web --all-attempts -o json`: `(?s)"chosen": "host-of-tests".*"placements"|"placements".*"chosen": "host-of-tests"`,
	`virga explain --dry-run --flavor m1.large --image virga-guest --count 3`: `fits +all 3 servers: 3 on host-of-tests`,
	`virga explain --dry-run web --flavor m1.small`:                           `(?s)wanted +m1\.small: .*2048 MB of memory.*fits +on host-of-tests`,
}

// TestWhyAServerIsWhereItIs types the README's commands of virga explain.
func TestWhyAServerIsWhereItIs(t *testing.T) {
	t.Parallel()
	u := newVisitor(t)
	folder := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(folder, "virga"), "virga/cmd/virga").CombinedOutput(); err != nil {
		t.Fatalf("build virga: %v\n%s", err, out)
	}
	u.environment = append(u.environment, "PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	u.expect(t, `openstack server create web --image virga-guest --flavor m1.nano --network private --wait`, `status +\| ACTIVE`)
	_, text, _ := strings.Cut(string(need(os.ReadFile("../../README.md"))(t)), "## Why a server is where it is\n")
	text, _, _ = strings.Cut(text, "\n## ")
	typed := 0
	for line := range strings.Lines(text) {
		command, _, _ := strings.Cut(line, "#")
		if command = strings.TrimSpace(command); !strings.HasPrefix(command, "virga ") {
			continue
		}
		if explained[command] == "" {
			t.Errorf("the table does not know %s", command)
			continue
		}
		u.expect(t, command, explained[command])
		typed++
	}
	if typed != len(explained) {
		t.Errorf("the README has %d commands, the table %d", typed, len(explained))
	}
	u.expect(t, `virga explain nobody`, `!there is no server nobody`)
	u.expect(t, `virga explain`, `!which server`)
}

// step is a command with what it has to print.
type step struct{ command, want string }

// longer is a way through what else the command can do, in this order. A want that begins with "!" is that of a command that
// has to fail.
var longer = []step{
	{`openstack project create crew --tag a --property cost=7`, `(?s)cost +\| 7 .*tags +\| \['a'\]`},
	{`openstack project list --tags a`, `crew`},
	{`openstack user create una --project crew --password secret --email una@example.org`, `email +\| una@example\.org`},
	{`openstack role add --user una --project crew member`, `^$`},
	{`openstack role assignment list --user una --effective --names`, `(?s)(member|reader).*una@Default.*crew@Default`},
	{`openstack application credential create robot --role reader --expiration 2199-01-01T00:00:00`, `(?s)expires_at +\| 2199-01-01T00:00:00\.000000 .*roles +\| reader `},
	{`openstack quota set --force --cores 30 --networks 40 crew`, `^$`},
	{`openstack quota show crew`, `(?s)cores +\| 30 .*networks +\| 40 `},
	{`openstack image set --property os_distro=debian --tag t --min-ram 32 virga-guest`, `^$`},
	{`openstack image show virga-guest`, `(?s)min_ram +\| 32 .*os_distro='debian'.*tags +\| t `},
	{`openstack flavor create tiny --ram 64 --disk 1 --vcpus 1 --property hw:cpu_policy=shared`, `(?s)properties +\| hw:cpu_policy='shared' .*ram +\| 64 `},
	{`openstack security group create web`, `ethertype='IPv6'`},
	{`openstack security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 10.0.0.0/8`, `(?s)port_range_max +\| 81 .*remote_ip_prefix +\| 10\.0\.0\.0/8 `},
	{`openstack security group rule create web --protocol tcp --dst-port 80:81 --remote-ip 10.0.0.0/8`, `!409.*already exists`},
	{`openstack port create plug --network private --security-group web --fixed-ip ip-address=10.0.0.55 --tag t`, `(?s)fixed_ips +\| ip_address='10\.0\.0\.55'.*tags +\| t `},
	{`openstack server create one --image virga-guest --flavor tiny --port plug --property a=b --password sesame --use-config-drive --wait`,
		`(?s)addresses +\| private=10\.0\.0\.55 .*properties +\| a='b' .*status +\| ACTIVE`},
	{`openstack --os-compute-api-version 2.90 server create odd --image virga-guest --flavor tiny --nic none --description d --tag t --hostname sunny --wait`,
		`(?s)hostname +\| sunny .*description +\| d .*tags +\| t `},
	{`openstack server list --name ^o --status ACTIVE --sort-column Name`, `(?s)odd.*one.*private=10\.0\.0\.55`},
	{`openstack server add security group odd default`, `!has no port`},
	{`openstack server add security group one web`, `^$`},
	{`openstack server add network one private`, `^$`},
	{`openstack server show one`, `(?s)OS-EXT-STS:power_state +\| Running .*config_drive +\| True .*hostId`},
	{`openstack server set one --name uno --property c=d`, `^$`},
	{`openstack server stop uno`, `^$`},
	{`openstack server event list uno --long`, `(?s)stop.*create`},
	{`openstack hypervisor show "$(openstack hypervisor list -f value -c 'Hypervisor Hostname')"`, `(?s)state +\| up .*status +\| enabled `},
	{`openstack compute service list`, `nova-compute.*enabled.*up`},
	{`openstack network agent list`, `:-\)`},
	{`openstack limits show --absolute`, `totalInstancesUsed +\| +2 `},
	{`openstack usage show`, `(?s)Servers +\| 2`},
	{`openstack versions show`, `(?s)compute.*2\.1.*CURRENT`},
	{`openstack server delete uno odd --wait`, `^\s*$`},
	{`openstack server show uno`, `!No server with a name or ID of 'uno' exists`},
	{`openstack port delete plug`, `^$`},
	{`openstack security group delete web`, `^$`},
	{`openstack flavor delete tiny`, `^$`},
	{`openstack server create no --image none --flavor m1.nano --network private`, `!No Image found for none`},
}

func TestLongerTour(t *testing.T) {
	t.Parallel()
	u := newVisitor(t)
	for at := 0; at < len(longer); {
		end := at
		for end < len(longer) && !needsShell(longer[end].command) {
			end++
		}
		if end == at {
			u.expect(t, longer[at].command, longer[at].want)
			at++
			continue
		}
		u.expectAll(t, longer[at:end])
		at = end
	}
}

// needsShell tells whether a command is more than words for one openstack process.
func needsShell(command string) bool {
	return strings.Contains(command, "$(") || strings.HasPrefix(command, "openstack --")
}

// visitor types commands into a shell, as somebody who reads the README.
type visitor struct{ environment []string }

// newVisitor starts a cloud and gives it what `make up` would: an image and a key pair.
func newVisitor(t *testing.T) *visitor {
	t.Helper()
	if _, err := exec.LookPath("openstack"); err != nil {
		t.Fatalf("the openstack command is missing (packaging/make/deps client installs it): %v", err)
	}
	c := cloud.Start(t)
	clouds := filepath.Join(c.DataDir, "clouds.yaml")
	admin := connect(t, readAccount(t, clouds))
	newImage(t, admin.image, images.CreateOpts{Name: "virga-guest"})
	need(keypairs.Create(t.Context(), admin.compute, keypairs.CreateOpts{Name: "virga"}).Extract())(t)
	u := &visitor{environment: []string{"OS_CLOUD=virga", "OS_CLIENT_CONFIG_FILE=" + clouds}}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "OS_") {
			u.environment = append(u.environment, variable)
		}
	}
	return u
}

// expect runs a line of shell and compares what it prints.
func (u *visitor) expect(t *testing.T, line, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Env = u.environment
	out, err := command.CombinedOutput()
	want, fails := strings.CutPrefix(want, "!")
	if (err != nil) != fails || !regexp.MustCompile(want).Match(out) {
		t.Errorf("%s\n%v, prints\n%s\nwant %s", line, err, out, want)
	}
}

// expectAll has one openstack process read commands, as it does when it is started without one: that saves the start of
// Python for each. A command fails when it complains: this process has no exit status for it.
func (u *visitor) expectAll(t *testing.T, steps []step) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	const mark = "= the next command ="
	var input strings.Builder
	for _, one := range steps {
		input.WriteString(strings.TrimPrefix(one.command, "openstack ") + "\n!echo '" + mark + "'\n!sh -c 'echo \"" + mark + "\" 1>&2'\n")
	}
	command := exec.CommandContext(ctx, "openstack")
	command.Env, command.Stdin = append(u.environment, "PYTHONUNBUFFERED=1"), strings.NewReader(input.String())
	var out, complaints strings.Builder
	command.Stdout, command.Stderr = &out, &complaints
	if err := command.Run(); err != nil {
		t.Errorf("openstack: %v", err)
	}
	printed, complained := strings.Split(out.String(), mark+"\n"), strings.Split(complaints.String(), mark+"\n")
	if len(printed) <= len(steps) || len(complained) <= len(steps) {
		t.Fatalf("openstack ended early:\n%s\n%s", &out, &complaints)
	}
	for i, one := range steps {
		want, fails := strings.CutPrefix(one.want, "!")
		text := printed[i] + complained[i]
		if (strings.TrimSpace(complained[i]) != "") != fails || !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%s\nprints\n%s\nwant %s", one.command, text, one.want)
		}
	}
}
