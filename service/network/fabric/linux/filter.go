package linux

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"virga/service/network/fabric"
)

// nftMsgGetGen asks for the ruleset's generation number (linux/netfilter/nf_tables.h NFT_MSG_GETGEN, NFTA_GEN_ID).
const (
	nftMsgGetGen = 16
	nftaGenID    = 1
)

// filterState is what the driver remembers of the host's ruleset, so that an Ensure without a difference runs no nft.
type filterState struct {
	generation uint32            // of the ruleset after our own last change
	known      bool              // applied and numbers agree with the kernel as of generation
	framed     bool              // the tables' frame is there
	applied    map[string]string // text last applied, by object ("network ID", "port ID")
	sets       map[string]bool   // address sets that have the members that the driver remembers
	numbers    map[string]int    // of ports, as in the kernel's maps
}

func newFilterState() filterState {
	return filterState{applied: map[string]string{}, sets: map[string]bool{}, numbers: map[string]int{}}
}

// rulesetGeneration reads the number that grows with every change of the namespace's ruleset, whoever makes it.
func rulesetGeneration() (uint32, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|nftMsgGetGen, 0)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	answers, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("read generation of the ruleset: %w", err)
	}
	for _, answer := range answers {
		if len(answer) < nl.SizeofNfgenmsg {
			continue
		}
		attributes, err := nl.ParseRouteAttr(answer[nl.SizeofNfgenmsg:])
		if err != nil {
			return 0, fmt.Errorf("read generation of the ruleset: %w", err)
		}
		for _, attribute := range attributes {
			if attribute.Attr.Type == nftaGenID && len(attribute.Value) >= 4 {
				return binary.BigEndian.Uint32(attribute.Value), nil
			}
		}
	}
	return 0, errors.New("read generation of the ruleset: no answer")
}

// nft runs one transaction in the current namespace: all of it takes effect or nothing.
func (d *Driver) nft(ctx context.Context, text string) error {
	command := exec.CommandContext(ctx, d.config.NFT, "-f", "-")
	command.Stdin = strings.NewReader(text)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		message := output.String()
		if len(message) > 1000 {
			message = message[:1000] + "…"
		}
		return fmt.Errorf("apply nftables rules: %w: %s", err, strings.TrimSpace(message))
	}
	return nil
}

// refresh forgets what was applied when somebody else changed the ruleset since, and learns the ports' numbers from the kernel.
func (d *Driver) refresh(ctx context.Context) error {
	generation, err := rulesetGeneration()
	if err != nil {
		return err
	}
	if d.filter.known && generation == d.filter.generation {
		return nil
	}
	numbers, there, err := d.readPortNumbers(ctx)
	if err != nil {
		return err
	}
	if !d.swept {
		if d.swept, err = sweep(numbers, there); err != nil {
			return err
		}
	}
	taken := map[int]bool{}
	for _, number := range numbers {
		taken[number] = true
	}
	for id, number := range d.filter.numbers { // the kernel's word first, then ours where it does not contradict
		if _, ok := numbers[id]; !ok && !taken[number] {
			numbers[id] = number
		}
	}
	d.filter = newFilterState()
	d.filter.generation, d.filter.known, d.filter.numbers = generation, true, numbers
	return nil
}

// apply runs one object's transaction, with what it needs in front, unless the same text is in force already; it tells whether it ran.
func (d *Driver) apply(ctx context.Context, object, needs, text string) (bool, error) {
	if d.filter.applied[object] == text && d.filter.framed {
		return false, nil
	}
	if err := d.commitFramed(ctx, needs+text); err != nil {
		return false, err
	}
	d.filter.applied[object] = text
	return true, nil
}

// commitFramed is commit with the tables' frame in front when that is not known to be there.
func (d *Driver) commitFramed(ctx context.Context, text string) error {
	if !d.filter.framed {
		text = renderBase() + text
	}
	if err := d.commit(ctx, text); err != nil {
		return err
	}
	d.filter.framed = true
	return nil
}

// commit runs a transaction and keeps track of the generation; a change by others in between makes everything suspect.
func (d *Driver) commit(ctx context.Context, text string) error {
	before := d.filter.generation
	if err := d.nft(ctx, text); err != nil {
		return err
	}
	after, err := rulesetGeneration()
	if err != nil || after != before+1 {
		d.filter.known = false
	}
	d.filter.generation = after
	return nil
}

func (d *Driver) applyNetworkFilter(ctx context.Context, network fabric.Network, bridge string, zone uint16) error {
	if err := d.refresh(ctx); err != nil {
		return err
	}
	text := renderNetwork(network.ID, bridge, zone, network.HostAddress, network.HostNAT)
	_, err := d.apply(ctx, "network "+network.ID, "", text)
	return err
}

func (d *Driver) removeNetworkFilter(ctx context.Context, id string) error {
	return d.removeFilter(ctx, "network "+id, renderNetworkRemoval(id, bridgeName(id)))
}

// removeFilter takes one object's part out of the tables, and the tables themselves when nothing of Virga's is left on the host.
func (d *Driver) removeFilter(ctx context.Context, object, text string) error {
	if err := d.refresh(ctx); err != nil {
		return err
	}
	if _, there, err := d.readPortNumbers(ctx); err != nil || !there {
		return err
	}
	if err := d.commitFramed(ctx, text); err != nil {
		return err
	}
	delete(d.filter.applied, object)
	return d.removeEmptyTables(ctx)
}

// removeEmptyTables takes the tables away when no network, no port and no address set is left on the host.
func (d *Driver) removeEmptyTables(ctx context.Context) error {
	links, err := ownedLinks()
	if err != nil {
		return err
	}
	for _, link := range links {
		if link.owner.kind == "network" || link.owner.kind == "port" {
			return nil
		}
	}
	if sets, err := d.readSetIDs(ctx); err != nil || len(sets) > 0 {
		return err
	}
	if err := d.commit(ctx, "delete table bridge virga\ndelete table inet virga\n"); err != nil {
		return err
	}
	d.filter.framed = false
	d.filter.applied = map[string]string{}
	return nil
}

func (d *Driver) listJSON(ctx context.Context, into any, args ...string) error {
	var stderr bytes.Buffer
	command := exec.CommandContext(ctx, d.config.NFT, append([]string{"-j"}, args...)...)
	command.Stderr = &stderr
	command.Env = append(os.Environ(), "LC_ALL=C")
	output, err := command.Output()
	if err != nil && strings.Contains(stderr.String(), "No such file or directory") {
		return errNoTable
	}
	if err != nil {
		return fmt.Errorf("read nftables (%s): %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	if err := json.Unmarshal(output, into); err != nil {
		return fmt.Errorf("read nftables (%s): %w", strings.Join(args, " "), err)
	}
	return nil
}

// errNoTable is what nft says of a table or map that does not exist.
var errNoTable = errors.New("no such nftables object")

// readPortNumbers reads the ports that have chains, and their numbers, from the map of ingress chains; there is false without Virga's tables.
// Of all listings this one is cheap: others make nft read every set of every table first.
func (d *Driver) readPortNumbers(ctx context.Context) (numbers map[string]int, there bool, err error) {
	var listing struct {
		Nftables []struct {
			Map *struct{ Elem [][2]json.RawMessage }
		}
	}
	numbers = map[string]int{}
	err = d.listJSON(ctx, &listing, "list", "map", "inet", "virga", "ingress")
	if errors.Is(err, errNoTable) {
		return numbers, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	for _, object := range listing.Nftables {
		if object.Map == nil {
			continue
		}
		for _, element := range object.Map.Elem {
			var number int
			var verdict struct{ Jump struct{ Target string } }
			if err := errors.Join(json.Unmarshal(element[0], &number), json.Unmarshal(element[1], &verdict)); err != nil {
				return nil, true, fmt.Errorf("read numbers of ports: %w", err)
			}
			if id, ok := strings.CutPrefix(verdict.Jump.Target, "ingress-"); ok {
				numbers[id] = number
			}
		}
	}
	return numbers, true, nil
}

// portNumber gives a port the number that it has, or the lowest free one.
func (d *Driver) portNumber(id string) (int, error) {
	if number, ok := d.filter.numbers[id]; ok {
		return number, nil
	}
	used := make(map[int]bool, len(d.filter.numbers))
	for _, number := range d.filter.numbers {
		used[number] = true
	}
	for number := 1; number <= maxPort; number++ {
		if !used[number] {
			d.filter.numbers[id] = number
			return number, nil
		}
	}
	return 0, fmt.Errorf("number port %s: %d ports are on this host already", id, maxPort)
}
