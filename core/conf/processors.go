package conf

// Processors say which processors of this machine guests get, and what theirs are like; nova's settings of the same names.
type Processors struct {
	DedicatedCPUs string   `name:"cpu-dedicated-set" env:"VIRGA_CPU_DEDICATED_SET" placeholder:"SET" help:"Processors of this host for guests with dedicated ones, 4-15 or 4-15,^8: of each only one guest at a time has it. Default: none; then no guest with dedicated processors comes here."`
	SharedCPUs    string   `name:"cpu-shared-set" env:"VIRGA_CPU_SHARED_SET" placeholder:"SET" help:"Processors of this host for all other guests; default: all, or none where some are dedicated."`
	CPUMode       string   `name:"cpu-mode" env:"VIRGA_CPU_MODE" enum:"auto,host-model,host-passthrough,custom,none" default:"auto" help:"What processors of guests on this host are like: the host's model, the very host, the first of --cpu-models that has what the server requires, or what QEMU takes. auto: host-model with KVM, else all that emulation can do."`
	CPUModels     []string `name:"cpu-models" env:"VIRGA_CPU_MODELS" placeholder:"MODEL" help:"Models for --cpu-mode custom, in libvirt's names, the most common first."`
	CPUFlags      []string `name:"cpu-model-extra-flags" env:"VIRGA_CPU_MODEL_EXTRA_FLAGS" placeholder:"FLAG" help:"Features to add to processors of guests, +pcid, or to take away, -ibpb."`
}
