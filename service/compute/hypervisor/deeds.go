package hypervisor

import (
	"context"
	"errors"
)

// The errors of Deeds besides those of Driver.
var (
	// ErrOff says that the guest does not run, as it would have to.
	ErrOff = errors.New("guest is not running")
	// ErrNoAgent says that the guest was made without the channel of the QEMU guest agent.
	ErrNoAgent = errors.New("guest agent is not enabled")
	// ErrAgentSilent says that nobody in the guest answers on the channel.
	ErrAgentSilent = errors.New("guest agent does not answer")
)

// Deeds are what is done to a running guest, or learnt of it, once and when asked for. ErrNotFound when there is no such guest, ErrOff when it
// does not run.
type Deeds interface {
	// SetPassword gives a user of the guest's system a password, by the guest agent: ErrNoAgent, ErrAgentSilent. The agent's own refusal (there is
	// no such user) comes as it is.
	SetPassword(ctx context.Context, id, user, password string) error

	// InjectNMI has the guest's processors see a non-maskable interrupt, upon which systems that are set up for it write a crash dump. It takes
	// effect in a paused guest, too, when it goes on.
	InjectNMI(ctx context.Context, id string) error

	// Diagnose measures a running guest.
	Diagnose(ctx context.Context, id string) (Diagnostics, error)
}

// Diagnostics are a running guest's meters; times and counts are since it was started.
type Diagnostics struct {
	Driver     string // as the compute API names it: "libvirt"
	Hypervisor string // "kvm", "qemu" or "fake"
	CPUs       []CPUMeter
	NICs       []NICMeter
	Disks      []DiskMeter
	// MemoryMaximum and MemoryUsed are in KiB: what the guest may have at most, and what it has at present.
	MemoryMaximum, MemoryUsed int64
	// Memory is what the balloon device tells, by libvirt's names (rss, unused, available …), in KiB but for the counts.
	Memory map[string]int64
}

// CPUMeter is a virtual processor's; Time is what it has worked, in nanoseconds.
type CPUMeter struct {
	ID   int
	Time int64
}

// NICMeter is a network interface's, as the guest sees the directions.
type NICMeter struct {
	Tap, MAC                              string
	RxOctets, RxPackets, RxErrors, RxDrop int64
	TxOctets, TxPackets, TxErrors, TxDrop int64
}

// DiskMeter is a disk's; Name is the guest's target, such as vda.
type DiskMeter struct {
	Name                                               string
	ReadBytes, ReadRequests, WriteBytes, WriteRequests int64
}
