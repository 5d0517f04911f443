package conf

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/alecthomas/kong"
)

// Scheduler are the settings of how servers get their hosts, by the names that nova has for them.
type Scheduler struct {
	EnabledFilters []string `name:"enabled-filters" env:"VIRGA_ENABLED_FILTERS" placeholder:"FILTER" help:"Filters of the scheduler by nova's names, in the order in which hosts are asked; default: those that ask nothing unless a server, its flavor, its image or an aggregate does, ComputeFilter first."`
	WeightClasses  []string `name:"weight-classes" env:"VIRGA_WEIGHT_CLASSES" placeholder:"WEIGHER" help:"Weighers of the scheduler by nova's names, such as RAMWeigher; default: all."`

	RAMWeight               float64 `name:"ram-weight-multiplier" env:"VIRGA_RAM_WEIGHT_MULTIPLIER" default:"1" help:"How much free memory counts when a host is chosen. A negative multiplier prefers hosts that have less. All of them can be named for the hosts of an aggregate in its metadata, as ram_weight_multiplier."`
	CPUWeight               float64 `name:"cpu-weight-multiplier" env:"VIRGA_CPU_WEIGHT_MULTIPLIER" default:"1" help:"How much free VCPUs count."`
	DiskWeight              float64 `name:"disk-weight-multiplier" env:"VIRGA_DISK_WEIGHT_MULTIPLIER" default:"1" help:"How much free disk space counts."`
	WorkWeight              float64 `name:"io-ops-weight-multiplier" env:"VIRGA_IO_OPS_WEIGHT_MULTIPLIER" default:"-1" help:"How much it counts how many servers a host makes, moves or copies."`
	ServersWeight           float64 `name:"num-instances-weight-multiplier" env:"VIRGA_NUM_INSTANCES_WEIGHT_MULTIPLIER" default:"0" help:"How much the number of a host's servers counts."`
	FailuresWeight          float64 `name:"build-failure-weight-multiplier" env:"VIRGA_BUILD_FAILURE_WEIGHT_MULTIPLIER" default:"1000000" help:"How much it counts against a host that servers could not be made there since one could."`
	HypervisorVersionWeight float64 `name:"hypervisor-version-weight-multiplier" env:"VIRGA_HYPERVISOR_VERSION_WEIGHT_MULTIPLIER" default:"1" help:"How much a newer hypervisor counts."`
	PCIWeight               float64 `name:"pci-weight-multiplier" env:"VIRGA_PCI_WEIGHT_MULTIPLIER" default:"1" help:"How much having no PCI devices to hand on counts; no host has any."`
	SoftAffinityWeight      float64 `name:"soft-affinity-weight-multiplier" env:"VIRGA_SOFT_AFFINITY_WEIGHT_MULTIPLIER" default:"1" help:"How much the members of the server's group on a host count where its policy is soft-affinity."`
	SoftAntiAffinityWeight  float64 `name:"soft-anti-affinity-weight-multiplier" env:"VIRGA_SOFT_ANTI_AFFINITY_WEIGHT_MULTIPLIER" default:"1" help:"The same where it is soft-anti-affinity: how much they count against the host."`

	HostSubsetSize int  `name:"host-subset-size" env:"VIRGA_HOST_SUBSET_SIZE" default:"1" help:"Among how many of the best hosts chance chooses, up to 1000."`
	Shuffle        bool `name:"shuffle-best-same-weighed-hosts" env:"VIRGA_SHUFFLE_BEST_SAME_WEIGHED_HOSTS" default:"true" negatable:"" help:"Let chance choose among the best hosts that weigh the same, so that servers that come at once do not all meet on one; else the first by name is taken."`
	MaxAttempts    int  `name:"scheduler-max-attempts" env:"VIRGA_SCHEDULER_MAX_ATTEMPTS" default:"3" help:"On how many hosts a server is tried before it is given up."`

	MaxInstancesPerHost int64 `name:"max-instances-per-host" env:"VIRGA_MAX_INSTANCES_PER_HOST" default:"50" help:"How many servers NumInstancesFilter and AggregateNumInstancesFilter let a host have."`
	MaxIOOpsPerHost     int64 `name:"max-io-ops-per-host" env:"VIRGA_MAX_IO_OPS_PER_HOST" default:"8" help:"How many servers IoOpsFilter and AggregateIoOpsFilter let a host make, move or copy at a time."`

	IsolatedHosts    []string `name:"isolated-hosts" env:"VIRGA_ISOLATED_HOSTS" placeholder:"HOST" help:"Hosts to which IsolatedHostsFilter keeps the isolated images."`
	IsolatedImages   []string `name:"isolated-images" env:"VIRGA_ISOLATED_IMAGES" placeholder:"IMAGE" help:"Ids of the images that are kept to isolated hosts."`
	RestrictIsolated bool     `name:"restrict-isolated-hosts-to-isolated-images" env:"VIRGA_RESTRICT_ISOLATED_HOSTS_TO_ISOLATED_IMAGES" default:"true" negatable:"" help:"Keep servers of other images away from isolated hosts."`

	DefaultArchitecture     string `name:"image-properties-default-architecture" env:"VIRGA_IMAGE_PROPERTIES_DEFAULT_ARCHITECTURE" help:"Architecture of images that name none, for ImagePropertiesFilter; default: any host will do."`
	ImageIsolationNamespace string `name:"aggregate-image-properties-isolation-namespace" env:"VIRGA_AGGREGATE_IMAGE_PROPERTIES_ISOLATION_NAMESPACE" help:"Beginning of the names of image properties that AggregateImagePropertiesIsolation looks at; default: all."`
	ImageIsolationSeparator string `name:"aggregate-image-properties-isolation-separator" env:"VIRGA_AGGREGATE_IMAGE_PROPERTIES_ISOLATION_SEPARATOR" default:"." help:"What is between that beginning and the rest of a name."`

	Checks        []string      `name:"scheduler-check" env:"VIRGA_SCHEDULER_CHECK" placeholder:"URL" help:"External check that is asked by POST which of the best hosts it refuses for a server, with https, or http on this machine; see docs/scheduler-checks.md."`
	CheckTimeout  time.Duration `name:"scheduler-check-timeout" env:"VIRGA_SCHEDULER_CHECK_TIMEOUT" default:"2s" help:"How long an external check may take for one answer."`
	CheckFailOpen bool          `name:"scheduler-check-fail-open" env:"VIRGA_SCHEDULER_CHECK_FAIL_OPEN" help:"Take hosts when an external check does not answer as it should; default: they are refused."`
	CheckCA       string        `name:"scheduler-check-ca" env:"VIRGA_SCHEDULER_CHECK_CA" placeholder:"FILE" help:"Certificates in PEM of the authorities that external checks are trusted by, in place of the system's."`
	CheckHosts    int           `name:"scheduler-check-hosts" env:"VIRGA_SCHEDULER_CHECK_HOSTS" default:"50" help:"About how many hosts an external check is asked at a time, up to 500."`
}

// Multipliers are the weight multipliers by the short names of nova's weighers.
func (s *Scheduler) Multipliers() map[string]float64 {
	return map[string]float64{"ram": s.RAMWeight, "cpu": s.CPUWeight, "disk": s.DiskWeight, "io_ops": s.WorkWeight, "num_instances": s.ServersWeight,
		"build_failure": s.FailuresWeight, "hypervisor_version": s.HypervisorVersionWeight, "pci": s.PCIWeight,
		"soft_affinity": s.SoftAffinityWeight, "soft_anti_affinity": s.SoftAntiAffinityWeight}
}

// complete refuses numbers that nova refuses. Settings that nobody has read are the defaults.
func (s *Scheduler) complete() error {
	if reflect.ValueOf(*s).IsZero() {
		parser, err := kong.New(s)
		if err == nil {
			_, err = parser.Parse(nil)
		}
		if err != nil {
			return fmt.Errorf("take the scheduler's defaults: %w", err)
		}
	}
	if s.PCIWeight < 0 || s.SoftAffinityWeight < 0 || s.SoftAntiAffinityWeight < 0 {
		return errors.New("pci-weight-multiplier, soft-affinity-weight-multiplier, soft-anti-affinity-weight-multiplier: they are not negative")
	}
	for name, n := range map[string]int64{"host-subset-size": int64(s.HostSubsetSize), "scheduler-max-attempts": int64(s.MaxAttempts),
		"max-instances-per-host": s.MaxInstancesPerHost, "max-io-ops-per-host": s.MaxIOOpsPerHost, "scheduler-check-hosts": int64(s.CheckHosts), "scheduler-check-timeout": int64(s.CheckTimeout)} {
		if n < 1 {
			return fmt.Errorf("%s: %d is less than 1", name, n)
		}
	}
	return nil
}
