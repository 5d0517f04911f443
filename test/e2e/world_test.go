//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
)

// world is everything that a cloud makes on its machine and that its APIs tell of, each a line; compared as sets.
type world map[string]bool

// look lists the world. The client is an administrator's.
func (p *process) look(ctx context.Context, c *clients) (world, error) {
	w := world{}
	for _, part := range []func(context.Context, world) error{
		lookAtNetworks, lookAtGuests, p.lookAtFiles, c.lookAtAllocations, c.lookAtResources,
	} {
		if err := part(ctx, w); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// stable waits until the world stays the same for a second and returns it.
func (p *process) stable(t *testing.T, c *clients) world {
	t.Helper()
	var last world
	since := time.Now()
	await(t, "the world comes to rest", 30*time.Second, func() error {
		now, err := p.look(t.Context(), c)
		if err != nil {
			return err
		}
		if change := now.since(last); len(change) > 0 {
			last, since = now, time.Now()
			return fmt.Errorf("it changes: %s", strings.Join(change, "; "))
		}
		if time.Since(since) < time.Second {
			return fmt.Errorf("it is at rest for less than a second")
		}
		return nil
	})
	return last
}

// cleanPatience is how long removal of what nobody needs any more may take after the API has said "gone".
const cleanPatience = 15 * time.Second

// mustBe waits until the world is as it was.
func (p *process) mustBe(t *testing.T, c *clients, before world) {
	t.Helper()
	await(t, "nothing is left and nothing is missing", cleanPatience, func() error {
		now, err := p.look(t.Context(), c)
		if err != nil {
			return err
		}
		if change := now.since(before); len(change) > 0 {
			return fmt.Errorf("the difference:\n%s", strings.Join(change, "\n"))
		}
		return nil
	})
}

// since lists what came ("+") and what went ("-").
func (w world) since(before world) []string {
	var change []string
	for line := range w {
		if !before[line] {
			change = append(change, "+ "+line)
		}
	}
	for line := range before {
		if !w[line] {
			change = append(change, "- "+line)
		}
	}
	slices.Sort(change)
	return change
}

func (w world) add(kind string, lines ...string) {
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			w[kind+" "+line] = true
		}
	}
}

// addTimes adds lines that may be there several times.
func (w world) addTimes(kind string, lines ...string) {
	times := map[string]int{}
	for _, line := range lines {
		if line = strings.TrimSpace(line); line != "" {
			times[line]++
			w.add(kind, fmt.Sprintf("%s (%d)", line, times[line]))
		}
	}
}

func output(ctx context.Context, name string, args ...string) ([]string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.Split(string(out), "\n"), nil
}

// Numbers in the kernel's listings that mean nothing: indexes of devices, counters.
var (
	linkIndex = regexp.MustCompile(`^[0-9]+: `)
	counters  = regexp.MustCompile(`packets [0-9]+ bytes [0-9]+`)
	nftBlock  = regexp.MustCompile(`^\s*(table|chain|map|set) .*\{`)
)

// lookAtNetworks lists devices, addresses, routes, rules and filters of the host and of every named namespace.
func lookAtNetworks(ctx context.Context, w world) error {
	spaces, err := os.ReadDir("/run/netns")
	if err != nil {
		return err
	}
	names := []string{""}
	for _, space := range spaces {
		w.add("namespace", space.Name())
		names = append(names, space.Name())
	}
	for _, name := range names {
		if err := lookAtNamespace(ctx, w, name); err != nil {
			if _, gone := os.Stat("/run/netns/" + name); name != "" && gone != nil {
				continue // it went while it was looked at; its name is what the next look compares
			}
			return err
		}
	}
	return nil
}

func lookAtNamespace(ctx context.Context, w world, name string) error {
	run := func(command ...string) ([]string, error) {
		if name != "" {
			command = append([]string{"ip", "netns", "exec", name}, command...)
		}
		return output(ctx, command[0], command[1:]...)
	}
	where := " in " + name
	if name == "" {
		where = " on the host"
	}
	for kind, command := range map[string][]string{
		"device":  {"ip", "-o", "-br", "link"},
		"address": {"ip", "-o", "-br", "address"},
		"route":   {"ip", "route", "show", "table", "all"},
		"rule":    {"ip", "rule"},
	} {
		lines, err := run(command...)
		if err != nil {
			return err
		}
		for _, line := range lines {
			w.add(kind+where, strings.Join(strings.Fields(linkIndex.ReplaceAllString(line, "")), " "))
		}
	}
	rules, err := run("nft", "list", "ruleset")
	if err != nil {
		return err
	}
	var block []string
	for _, line := range rules {
		line = counters.ReplaceAllString(line, "packets N bytes N")
		switch {
		case nftBlock.MatchString(line):
			block = append(block, strings.Fields(line)[0]+" "+strings.Join(strings.Fields(line)[1:], " "))
			w.add("nftables"+where, strings.Join(block, " "))
		case strings.TrimSpace(line) == "}":
			block = block[:max(0, len(block)-1)]
		default:
			w.addTimes("nftables"+where, strings.Join(block, " ")+" "+strings.TrimSpace(line))
		}
	}
	return nil
}

// lookAtGuests lists libvirt's domains and networks, and QEMU's processes whether libvirt knows them or not.
func lookAtGuests(ctx context.Context, w world) error {
	for kind, command := range map[string][]string{
		"domain":          {"list", "--all", "--name"},
		"libvirt network": {"net-list", "--all", "--name"},
		"libvirt pool":    {"pool-list", "--all", "--name"},
	} {
		lines, err := output(ctx, "virsh", append([]string{"--connect", "qemu:///system"}, command...)...)
		if err != nil {
			return err
		}
		w.add(kind, lines...)
	}
	for pid, arguments := range processes() {
		if strings.HasPrefix(filepath.Base(arguments[0]), "qemu-") {
			w.add("process", fmt.Sprintf("%d %s", pid, arguments[0]))
		}
	}
	return nil
}

// lookAtFiles lists the data folder without what is alive in it: databases with their journals, and space that is kept for a full disk.
func (p *process) lookAtFiles(_ context.Context, w world) error {
	return filepath.WalkDir(p.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case os.IsNotExist(err):
			return nil
		case err != nil:
			return err
		case strings.HasSuffix(path, "-wal"), strings.HasSuffix(path, "-shm"), strings.HasSuffix(path, "-journal"), strings.HasSuffix(path, "/guests/spare"):
			return nil
		}
		w.add("file", strings.TrimPrefix(path, p.dir))
		return nil
	})
}

// lookAtAllocations lists what placement has given to whom.
func (c *clients) lookAtAllocations(ctx context.Context, w world) error {
	pages, err := resourceproviders.List(c.placement, nil).AllPages(ctx)
	if err != nil {
		return err
	}
	providers, err := resourceproviders.ExtractResourceProviders(pages)
	if err != nil {
		return err
	}
	for _, provider := range providers {
		w.add("resource provider", provider.Name)
		given, err := resourceproviders.GetAllocations(ctx, c.placement, provider.UUID).Extract()
		if err != nil {
			return err
		}
		for consumer, allocation := range given.Allocations {
			w.add("allocation", fmt.Sprintf("%s %v", consumer, allocation.Resources))
		}
		usages, err := resourceproviders.GetUsages(ctx, c.placement, provider.UUID).Extract()
		if err != nil {
			return err
		}
		for class, used := range usages.Usages {
			w.add("usage", fmt.Sprintf("%s %s %d", provider.Name, class, used))
		}
	}
	return nil
}

// lookAtResources lists by the APIs what all projects have.
func (c *clients) lookAtResources(ctx context.Context, w world) error {
	for _, list := range []struct {
		client *gophercloud.ServiceClient
		path   string
		key    string
	}{
		{c.network, "networks", "networks"}, {c.network, "subnets", "subnets"}, {c.network, "ports", "ports"},
		{c.network, "routers", "routers"}, {c.network, "floatingips", "floatingips"},
		{c.network, "security-groups", "security_groups"}, {c.network, "security-group-rules", "security_group_rules"},
		{c.compute, "servers/detail?all_tenants=1", "servers"}, {c.compute, "os-keypairs", "keypairs"},
		{c.compute, "flavors?is_public=None", "flavors"}, {c.image, "images", "images"},
	} {
		var body map[string]any
		answer, err := list.client.Get(ctx, list.client.ServiceURL(list.path), &body, nil) //nolint:bodyclose // the client has read it into body
		if err != nil {
			return err
		}
		if answer.StatusCode != 200 {
			return fmt.Errorf("list %s: %s", list.path, answer.Status)
		}
		rows, ok := body[list.key].([]any)
		if !ok {
			return fmt.Errorf("list %s: no list %s", list.path, list.key)
		}
		for _, row := range rows {
			w.add(list.key, fmt.Sprint(describe(row)))
		}
	}
	return nil
}

// describe picks what tells one object from another, and what of it must not stay changed.
func describe(row any) []any {
	object, _ := row.(map[string]any)
	if inner, ok := object["keypair"].(map[string]any); ok {
		object = inner
	}
	var words []any
	for _, key := range []string{"id", "name", "status", "device_id", "device_owner", "fixed_ips"} {
		if value := object[key]; value != nil && value != "" {
			words = append(words, value)
		}
	}
	return words
}

// processes lists those of this process namespace with their arguments.
func processes() map[int][]string {
	found := map[int][]string{}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil
	}
	for _, file := range files {
		var pid int
		text, err := os.ReadFile(file)
		if _, bad := fmt.Sscanf(file, "/proc/%d/", &pid); err != nil || bad != nil || len(text) == 0 {
			continue
		}
		found[pid] = strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	}
	return found
}

// guestsRunning counts QEMU's processes.
func guestsRunning() int {
	count := 0
	for _, arguments := range processes() {
		if strings.HasPrefix(filepath.Base(arguments[0]), "qemu-system") {
			count++
		}
	}
	return count
}

// qemuOf returns the process that runs a server's guest; 0 when there is none.
func qemuOf(serverID string) int {
	for pid, arguments := range processes() {
		if strings.HasPrefix(filepath.Base(arguments[0]), "qemu-") && slices.ContainsFunc(arguments, func(a string) bool { return strings.Contains(a, serverID) }) {
			return pid
		}
	}
	return 0
}
