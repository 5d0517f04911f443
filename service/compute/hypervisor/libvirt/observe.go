package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"

	"virga/service/compute/hypervisor"
)

// GetGuest implements hypervisor.Driver.
func (d *Driver) GetGuest(ctx context.Context, id string) (hypervisor.GuestState, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return hypervisor.GuestState{}, err
	}
	if !d.layout.hasGuest(id) {
		return hypervisor.GuestState{}, fmt.Errorf("get guest: %w: %s", hypervisor.ErrNotFound, id)
	}
	domain, power, err := d.observe(ctx, id)
	if err != nil {
		return hypervisor.GuestState{}, err
	}
	state := hypervisor.GuestState{ID: id, Generation: d.fence.Seen(id), Power: power, Defined: domain != nil}
	switch {
	case domain == nil:
	case isActive(power):
		state.Rescued, err = d.isRescued(ctx, id, *domain)
	default:
		state.Saved, err = d.isSaved(ctx, *domain)
	}
	state.Placement = d.places.of(id)
	return state, err
}

// ListGuests implements hypervisor.Driver with one RPC for all states, and one for the memory that is kept.
func (d *Driver) ListGuests(ctx context.Context) ([]hypervisor.GuestState, error) {
	if err := d.open(); err != nil {
		return nil, err
	}
	// Directories come before domains and go after them; reading them first, a guest removed meanwhile shows as
	// half removed, and none is overlooked that was there all the time.
	ids, err := d.layout.guests()
	if err != nil {
		return nil, err
	}
	powers, err := d.powers(ctx)
	if err != nil {
		return nil, err
	}
	saved, err := call(ctx, d.conn, "list suspended guests", func(l *rpc.Libvirt) ([]rpc.Domain, error) {
		domains, _, err := l.ConnectListAllDomains(1, rpc.ConnectListDomainsManagedsave)
		return domains, err
	})
	if err != nil {
		return nil, err
	}
	keptMemory := map[string]bool{}
	for _, domain := range saved {
		keptMemory[domain.Name] = true
	}
	states := make([]hypervisor.GuestState, 0, len(ids))
	for _, id := range ids {
		power, defined := powers[domainName(id)]
		if d.arrivals.get(id) != nil {
			power, defined = hypervisor.NoState, false
		}
		states = append(states, hypervisor.GuestState{ID: id, Generation: d.fence.Seen(id), Power: power, Defined: defined,
			Saved: !isActive(power) && keptMemory[domainName(id)]})
	}
	return states, nil
}

// powers returns the state of every domain by name.
func (d *Driver) powers(ctx context.Context) (map[string]hypervisor.PowerState, error) {
	records, err := call(ctx, d.conn, "list guests", func(l *rpc.Libvirt) ([]rpc.DomainStatsRecord, error) {
		return l.ConnectGetAllDomainStats(nil, uint32(rpc.DomainStatsState), uint32(rpc.ConnectGetAllDomainsStatsNowait))
	})
	if err != nil {
		return nil, err
	}
	powers := make(map[string]hypervisor.PowerState, len(records))
	for _, record := range records {
		for _, param := range record.Params {
			if state, ok := param.Value.I.(int32); ok && param.Field == "state.state" {
				powers[record.Dom.Name] = powerOf(rpc.DomainState(state))
			}
		}
	}
	return powers, nil
}

// maxConsole bounds what is read of a console, whoever asks.
const maxConsole = 8 << 20

// ConsoleLog implements hypervisor.Driver. virtlogd moves a log aside when it has grown (console.log.0, .1, …), so the end may
// lie in two files.
func (d *Driver) ConsoleLog(_ context.Context, id string, maxBytes int) ([]byte, error) {
	if err := errors.Join(d.open(), hypervisor.CheckID(id)); err != nil {
		return nil, err
	}
	if !d.layout.hasGuest(id) {
		return nil, fmt.Errorf("read console: %w: %s", hypervisor.ErrNotFound, id)
	}
	want := int64(min(max(maxBytes, 0), maxConsole))
	var text []byte
	for _, suffix := range []string{"", ".0", ".1"} {
		earlier, err := d.layout.tail(guestDir(id)+"/"+consoleLog+suffix, want-int64(len(text)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read console of guest %s: %w", id, err)
		}
		text = append(earlier, text...)
	}
	return text, nil
}

// tail returns the last bytes of a file.
func (l *layout) tail(name string, want int64) ([]byte, error) {
	file, err := l.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	from := max(0, info.Size()-want)
	return io.ReadAll(io.NewSectionReader(file, from, info.Size()-from))
}

// dropOldLogs removes logs that virtlogd moved aside.
func (l *layout) dropOldLogs(id string) error {
	entries, err := fs.ReadDir(l.root.FS(), guestDir(id))
	if err != nil {
		return fmt.Errorf("list files of guest %s: %w", id, err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), consoleLog+".") {
			if err := l.root.Remove(guestDir(id) + "/" + entry.Name()); err != nil {
				return fmt.Errorf("drop old console of guest %s: %w", id, err)
			}
		}
	}
	return nil
}
