package compute

import (
	"fmt"
	"slices"

	"virga/service/compute/orders"
)

// imageWish is what an image's properties ask of the host (nova/scheduler/filters/image_props_filter.py); empty: nothing.
type imageWish struct {
	arch, hypervisor, mode string
	version                string
	bounds                 []versionBound
	broken                 bool
}

func newImageWish(properties map[string]string, arch string) imageWish {
	either := func(name, old string) string {
		if value := properties[name]; value != "" {
			return value
		}
		return properties[old]
	}
	w := imageWish{arch: canonicalArch(arch), hypervisor: canonicalHypervisor(either("img_hv_type", "hypervisor_type")), mode: canonicalMode(either("hw_vm_mode", "vm_mode")),
		version: either("img_hv_requested_version", "hypervisor_version_requires")}
	if w.version != "" {
		var read bool
		w.bounds, read = readVersionBounds(w.version)
		w.broken = !read
	}
	return w
}

// askImageProperties wants hosts that can run guests as the image asks for.
func askImageProperties(sc *scheduler, q *question) hostJudge {
	arch := q.Arch
	if arch == "" {
		arch = sc.DefaultArch
	}
	w := newImageWish(q.Image, arch)
	if w.arch == "" && w.hypervisor == "" && w.mode == "" {
		return nil // nova asks for no version then, either
	}
	return func(c *candidate) miss {
		if w.arch != "" && !slices.Contains(c.archs, w.arch) {
			return miss{text: "it cannot run guests of architecture ", subject: w.arch}
		}
		if (w.hypervisor != "" || w.mode != "") && (c.kind == nil || !slices.ContainsFunc(c.kind.supported, w.fits)) {
			return miss{text: "it cannot run guests as the image asks for: ", subject: w.kindText(), rank: 1}
		}
		if c.kind != nil && c.kind.version > 0 && (w.broken || slices.ContainsFunc(w.bounds, func(b versionBound) bool { return !b.holds(c.kind.versionText) })) {
			return miss{text: "its hypervisor is not of a version that the image asks for: ", subject: w.version, rank: 2, tell: func(c *candidate, _ *question, m *miss) string {
				return fmt.Sprintf("its hypervisor is of version %s, the image asks for %s", c.kind.versionText, m.subject)
			}}
		}
		return miss{}
	}
}

// fits tells whether guests of a sort are what the image asks for.
func (w *imageWish) fits(g orders.Guest) bool {
	return (w.arch == "" || w.arch == g.Arch) && (w.hypervisor == "" || w.hypervisor == g.Type) && (w.mode == "" || w.mode == g.Mode)
}

func (w *imageWish) kindText() string {
	text := ""
	for _, part := range []struct{ name, value string }{{"architecture", w.arch}, {"hypervisor type", w.hypervisor}, {"virtual machine mode", w.mode}} {
		if part.value == "" {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += part.name + " " + part.value
	}
	return text
}
