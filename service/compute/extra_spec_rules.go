package compute

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"virga/core/api"
)

// specRule says which values an extra spec may have (nova/api/validation/extra_specs); name
// and pattern are regular expressions of the whole text.
type specRule struct {
	name string
	kind specKind
	// least and most bound numbers; most 0 means none.
	least, most int64
	words       []string
	pattern     string
}

type specKind int

const (
	specText specKind = iota
	specFlag
	specNumber
)

// cpuSet is a set of processors: "0-3,^2".
const cpuSet = `\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`

// noLeast lets numbers be negative.
const noLeast = -1 << 62

// specRules are what nova knows by name. A name in a namespace that is known must be one of
// these; other names and namespaces are everybody's own.
func specRules() []specRule {
	flags, rules := strings.Fields(`hw:cpu_realtime hw:hide_hypervisor_id hw:locked_memory hw:boot_menu hw:vif_multiqueue_enabled hw:mem_encryption hw:pmu
		hw:virtio_packed_ring hw:ephemeral_encryption hw_rng:allowed hide_hypervisor_id`), []specRule{}
	for _, name := range flags {
		rules = append(rules, specRule{name: name, kind: specFlag})
	}
	for least, names := range map[int64]string{
		1: `hw:numa_nodes hw:numa_mem\.\d+ hw:cpu_sockets hw:cpu_cores hw:cpu_threads hw:cpu_max_sockets hw:cpu_max_cores hw:cpu_max_threads`,
		0: `hw:serial_port_count hw_rng:rate_bytes hw_rng:rate_period hw_video:ram_max_mb quota:(cpu|memory|disk_io|vif)_(limit|shares_share) quota:cpu_shares
			quota:cpu_period quota:disk_(read|write|total)_(bytes|iops)_sec(_max|_max_length)? quota:vif_(in|out)bound_(average|peak|burst) resources\d*:[A-Z0-9_]+`,
		noLeast: `quota:(cpu|memory|disk_io|vif)_reservation quota:cpu_quota`,
	} {
		for name := range strings.FieldsSeq(names) {
			rules = append(rules, specRule{name: name, kind: specNumber, least: least})
		}
	}
	for name, words := range map[string]string{
		"hw:cpu_policy": "dedicated shared mixed", "hw:cpu_thread_policy": "prefer isolate require", "hw:emulator_threads_policy": "isolate share",
		"hw:pci_numa_affinity_policy": "required preferred legacy socket", "hw:mem_encryption_model": "amd-sev amd-sev-es amd-sev-snp", "hw:tpm_model": "tpm-tis tpm-crb",
		"hw:tpm_version": "1.2 2.0", "hw:tpm_secret_security": "user host deployment", "hw:watchdog_action": "none pause poweroff reset disabled",
		"hw:viommu_model": "intel smmuv3 virtio auto", "hw:sound_model": "sb16 es1370 pcspk ac97 ich6 ich9 usb virtio",
		"hw:usb_model":                   "none nec-xhci qemu-xhci",
		"hw:ephemeral_encryption_format": "plain luks luksv2", "hw:maxphysaddr_mode": "passthrough emulate", "group_policy": "isolate none", "os:secure_boot": "disabled required",
		"quota:(cpu|memory|disk_io|vif)_shares_level": "custom high normal low", `trait(\d*|_[a-zA-Z0-9_-]+):[A-Z0-9_]+`: "required forbidden",
	} {
		rules = append(rules, specRule{name: name, words: strings.Fields(words)})
	}
	for name, pattern := range map[string]string{
		"hw:cpu_realtime_mask": cpuSet, "hw:cpu_dedicated_mask": cpuSet, `hw:numa_cpus\.\d+`: cpuSet, "hw:mem_page_size": `(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)`,
		"hw:pmem": `([a-zA-Z0-9_]+(,)?)+`, "pci_passthrough:alias": `[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*`,
		"accel:device_profile": "", "aggregate_instance_extra_specs:.+": "", `capabilities:.+`: "", "vmware:(hw_version|storage_policy)": "",
	} {
		rules = append(rules, specRule{name: name, pattern: pattern})
	}
	return append(rules, specRule{name: "hw:redirected_usb_ports", kind: specNumber, most: 15}, specRule{name: "hw:maxphysaddr_bits", kind: specNumber, most: 1 << 30})
}

// specNamespaces are those in which only known names are right.
var specNamespaces = []string{"accel", "aggregate_instance_extra_specs", "capabilities", "hw", "hw_rng", "hw_video", "os", "pci_passthrough", "quota", "resources", "trait", "vmware"}

// specBook compiles the rules when they are first needed.
type specBook struct {
	once  sync.Once
	rules []specRule
	names []*regexp.Regexp
}

func (b *specBook) read() {
	b.rules = specRules()
	for _, rule := range b.rules {
		b.names = append(b.names, regexp.MustCompile("^(?:"+rule.name+")$"))
	}
}

// check tells what is wrong with an extra spec, since 2.86.
func (b *specBook) check(name, value string) error {
	b.once.Do(b.read)
	for i, pattern := range b.names {
		if pattern.MatchString(name) {
			return b.rules[i].check(value)
		}
	}
	namespace, _, found := strings.Cut(name, ":")
	if !found || !slices.Contains(specNamespaces, strings.TrimRight(namespace, "0123456789")) {
		return nil
	}
	return api.BadRequest("Validation failed; extra spec '%s' does not appear to be a valid extra spec.", oneLine(name, 60))
}

func (r *specRule) check(value string) error {
	shown := oneLine(value, 60)
	switch {
	case r.kind == specFlag:
		if _, ok := api.ParseBool(value); !ok {
			return api.BadRequest("Validation failed; '%s' is not a valid boolean-like value.", shown)
		}
	case r.kind == specNumber:
		n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		switch {
		case err != nil:
			return api.BadRequest("Validation failed; '%s' is not a valid integer value.", shown)
		case r.most > 0 && n > r.most:
			return api.BadRequest("Validation failed; '%d' is greater than the max value of '%d'.", n, r.most)
		case n < r.least:
			return api.BadRequest("Validation failed; '%d' is less than the min value of '%d'.", n, r.least)
		}
	case len(r.words) > 0 && !slices.Contains(r.words, value):
		return api.BadRequest("Validation failed; '%s' is not one of: %s.", shown, strings.Join(r.words, ", "))
	case r.pattern != "":
		if matched, err := regexp.MatchString("^(?:"+r.pattern+")$", value); err != nil || !matched {
			return api.BadRequest("Validation failed; '%s' is not of the format '%s'.", shown, r.pattern)
		}
	}
	return nil
}

// checkSpecs checks extra specs from the version on that does so.
func (s *Service) checkSpecs(r *api.Request, specs map[string]flexString) error {
	if r.Version.Before(vSpecsChecked) {
		return nil
	}
	for name, value := range specs {
		if err := s.specs.check(name, string(value)); err != nil {
			return err
		}
	}
	return nil
}
