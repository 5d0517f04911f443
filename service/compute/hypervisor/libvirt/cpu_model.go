package libvirt

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"virga/service/compute/hypervisor"
)

// What guests' processors are like: a model, and features beyond it.

// guestCPU is what the configuration makes of a guest's processor: nova's _get_guest_cpu_model_config.
func (c *CPUConfig) guestCPU(kind, arch, model string) *libvirtxml.DomainCPU {
	cpu := &libvirtxml.DomainCPU{}
	switch mode := c.mode(kind, arch); mode {
	case "none":
		return cpu
	case "custom":
		cpu.Mode, cpu.Match, cpu.Check = mode, "exact", "none"
		cpu.Model = &libvirtxml.DomainCPUModel{Fallback: "forbid", Value: model}
	case "host-model":
		cpu.Mode, cpu.Check = mode, "partial"
	default:
		cpu.Mode, cpu.Check = mode, "none"
	}
	if cpu.Mode == "maximum" && arch == "x86_64" {
		// Five-level paging, and string instructions announced as fast, which kernels then prefer, only slow emulation down.
		for _, slow := range []string{"la57", "erms", "fsrm"} {
			cpu.Features = append(cpu.Features, libvirtxml.DomainCPUFeature{Policy: "disable", Name: slow})
		}
	}
	for _, flag := range c.Flags {
		policy, name := "require", strings.TrimPrefix(strings.ToLower(flag), "+")
		if without, ok := strings.CutPrefix(name, "-"); ok {
			policy, name = "disable", without
		}
		cpu.Features = slices.DeleteFunc(cpu.Features, func(f libvirtxml.DomainCPUFeature) bool { return f.Name == name })
		cpu.Features = append(cpu.Features, libvirtxml.DomainCPUFeature{Policy: policy, Name: name})
	}
	return cpu
}

// mode is the mode that guests get where no image asks for a model. Emulation gives all that it can do, as today's
// distributions want more than its oldest model has.
func (c *CPUConfig) mode(kind, arch string) string {
	switch {
	case c.Mode != "":
		return c.Mode
	case kind != "kvm":
		return "maximum"
	case arch == "aarch64": // where neither libvirt nor QEMU can tell which model the host is
		return "host-passthrough"
	}
	return "host-model"
}

// chooseModel is the first of the configured models that has all features wished; empty where the mode is no "custom".
func (d *Driver) chooseModel(ctx context.Context, guest *hypervisor.Guest, kind string) (string, error) {
	if d.config.CPUs.mode(kind, machineArch()) != "custom" || guest.Hints.CPUModel != "" {
		return "", nil
	}
	if guest.CPUs == nil || len(guest.CPUs.Features) == 0 {
		return d.config.CPUs.Models[0], nil
	}
	for _, model := range d.config.CPUs.Models {
		features, err := d.featuresOf(ctx, kind, model)
		if err != nil {
			return "", err
		}
		has := slices.Concat(features, d.config.CPUs.added())
		if !slices.ContainsFunc(guest.CPUs.Features, func(wish string) bool { return !slices.Contains(has, wish) }) {
			return model, nil
		}
	}
	return "", fmt.Errorf("choose processor of guest %s: %w: no model of %v has %v", guest.ID, hypervisor.ErrNoRoom, d.config.CPUs.Models, guest.CPUs.Features)
}

// added are the features that flags add.
func (c *CPUConfig) added() (names []string) {
	for _, flag := range c.Flags {
		if !strings.HasPrefix(flag, "-") {
			names = append(names, strings.TrimPrefix(strings.ToLower(flag), "+"))
		}
	}
	return names
}

// guestFeatures are the features that guests' processors can have, of which traits tell.
func (d *Driver) guestFeatures(ctx context.Context, kind string) ([]string, error) {
	config := &d.config.CPUs
	models := []string{""}
	switch config.mode(kind, machineArch()) {
	case "none":
		return nil, nil // QEMU's own choice, of which libvirt does not tell
	case "custom":
		models = config.Models
	}
	all := config.added()
	for _, model := range models {
		features, err := d.featuresOf(ctx, kind, model)
		if err != nil {
			return nil, err
		}
		all = append(all, features...)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return slices.Contains(config.Flags, "-"+name) })
	slices.Sort(all)
	return slices.Compact(all), nil
}

// featuresOf are the features of a model; an empty one is the best that guests of the kind can have on this host.
func (d *Driver) featuresOf(ctx context.Context, kind, model string) ([]string, error) {
	d.facts.Lock()
	known, there := d.features[model]
	d.facts.Unlock()
	if there {
		return known, nil
	}
	features, err := call(ctx, d.conn, "ask for the features of processors", func(l *rpc.Libvirt) ([]string, error) {
		return askFeatures(l, kind, model)
	})
	switch {
	case err == nil:
	case errors.Is(err, hypervisor.ErrUnavailable), errors.Is(err, hypervisor.ErrClosed), ctx.Err() != nil:
		return nil, err
	default: // it cannot on every architecture, and a host is of use without
		d.config.Log.Warn("libvirt does not tell the features of processors", "model", cmp.Or(model, "host-model"), "error", err)
		features = []string{}
	}
	d.facts.Lock()
	defer d.facts.Unlock()
	if d.features == nil {
		d.features = map[string][]string{}
	}
	d.features[model] = features
	return features, nil
}

// askFeatures has libvirt spell out what a model has.
func askFeatures(l *rpc.Libvirt, kind, model string) ([]string, error) {
	arch, virt := rpc.OptString{machineArch()}, rpc.OptString{kind}
	cpu := libvirtxml.DomainCPU{Mode: "custom", Match: "exact", Model: &libvirtxml.DomainCPUModel{Fallback: "forbid", Value: model}}
	if model == "" {
		text, err := l.ConnectGetDomainCapabilities(nil, arch, nil, virt, 0)
		if err != nil {
			return nil, err
		}
		best, err := hostModelOf(text)
		if err != nil || best == nil {
			return nil, err
		}
		cpu = *best
	}
	text, err := cpu.Marshal()
	if err != nil {
		return nil, err
	}
	spelled, err := l.ConnectBaselineHypervisorCPU(nil, arch, nil, virt, []string{text}, uint32(rpc.ConnectBaselineCPUExpandFeatures))
	if err != nil {
		return nil, err
	}
	var whole libvirtxml.DomainCPU
	if err := xml.Unmarshal([]byte(spelled), &whole); err != nil {
		return nil, fmt.Errorf("read the features of processor %s: %w", cmp.Or(model, "host-model"), err)
	}
	names := []string{}
	for _, feature := range whole.Features {
		if feature.Policy == "require" || feature.Policy == "" {
			names = append(names, feature.Name)
		}
	}
	return names, nil
}

// hostModelOf is the best processor that domain capabilities tell of; nil where they tell of none.
func hostModelOf(text string) (*libvirtxml.DomainCPU, error) {
	var caps libvirtxml.DomainCaps
	if err := xml.Unmarshal([]byte(text), &caps); err != nil {
		return nil, fmt.Errorf("read libvirt's domain capabilities: %w", err)
	}
	if caps.CPU == nil {
		return nil, nil
	}
	for _, mode := range caps.CPU.Modes {
		if mode.Name != "host-model" || mode.Supported != "yes" || len(mode.Models) == 0 {
			continue
		}
		cpu := &libvirtxml.DomainCPU{Mode: "custom", Match: "exact", Vendor: mode.Vendor,
			Model: &libvirtxml.DomainCPUModel{Fallback: "forbid", Value: mode.Models[0].Name}}
		for _, feature := range mode.Features {
			cpu.Features = append(cpu.Features, libvirtxml.DomainCPUFeature(feature))
		}
		return cpu, nil
	}
	return nil, nil
}
