package hypervisor

import (
	"context"
	"errors"
	"io"
	"net"
)

// The errors of migrations that a caller branches on.
var (
	// ErrUndecided says that the guest stands still here because the other host may have begun to run it; a repeat asks there again.
	ErrUndecided = errors.New("it is not known on which host the guest runs")
	// ErrUnfit says that this host cannot take the running guest, for its processor lacks something, say; another host may.
	ErrUnfit = errors.New("host cannot take the running guest")
	// ErrNotRunning says that a guest that is to move while it runs does not run.
	ErrNotRunning = errors.New("guest is not running")
)

// Migrator is the part of a Driver by which a running guest goes over to another host, with its memory and its disks, and nothing
// shared between the hosts.
//
// The host that the guest leaves leads. It talks to the other one through a Peer, whose methods end in PrepareArrival, OpenChannel,
// FinishArrival and CancelArrival of the driver there, which got the guest with EnsureGuest and PowerPrepared before. The guest runs
// here until everything is over there. Then it stands still here, FinishArrival lets it run there, and from that call on only the other
// host knows where the guest is: its answer, or that of CancelArrival, decides, and until one of them has come the guest runs nowhere
// rather than twice. So whatever dies at whatever moment, the guest is on exactly one host once both can be asked.
type Migrator interface {
	// MigrateGuest moves the running guest to the peer's host and reports, from time to time, how far it is. When it returned well the
	// guest has left: what remains here is off, and RemoveGuest clears it away. After any other error than ErrUndecided the guest is here
	// and goes on as it was. A repeat begins anew, or finds that the guest has left.
	//
	// When ctx ends, the guest stays here if that can still be had. A RemoveGuest of the same guest ends it, too.
	// Errors: ErrNotRunning, ErrNotFound, ErrStale, ErrUndecided, ErrUnavailable, the peer's own.
	MigrateGuest(ctx context.Context, id string, generation int64, peer Peer, progress func(Progress)) error

	// RecallGuest ends what a MigrateGuest has left undecided. Whoever is to run the guest here again calls it before. It tells whether the guest has left; if not, the peer's host will not let
	// it run any more, and here it goes on. It is cheap for a guest that runs here.
	RecallGuest(ctx context.Context, id string, generation int64, peer Peer) (left bool, err error)

	// HastenMigration has a migration at work come to its end however long the guest must stand still for that. ErrNotFound: none is at work.
	HastenMigration(ctx context.Context, id string) error

	// PrepareArrival takes the offer of the host that the guest comes from and makes all ready for it. The offer is not believed: the
	// guest becomes what it was prepared as, with no more taken from the offer than what its memory depends on. An earlier arrival of the
	// same guest is given up. Errors: ErrNotFound when the guest was not prepared, ErrUnfit, ErrDeviceMissing, ErrStale, ErrInvalid.
	PrepareArrival(ctx context.Context, id string, generation int64, offer []byte) (answer []byte, err error)

	// OpenChannel connects to what awaits the guest's memory or disks, by a name that the two drivers agree on. ErrNotFound: none does.
	OpenChannel(ctx context.Context, id, channel string) (net.Conn, error)

	// FinishArrival lets the guest run here, all of which has come. ErrNotFound: it is not expected (any more).
	FinishArrival(ctx context.Context, id string, message []byte) (answer []byte, err error)

	// CancelArrival gives up an arrival and makes sure that no FinishArrival of it succeeds later, unless the guest runs here already:
	// then arrived is true, and nothing is changed.
	CancelArrival(ctx context.Context, id string) (arrived bool, err error)
}

// Peer is the driver of the host that a guest goes to.
type Peer interface {
	// Prepare is PrepareArrival.
	Prepare(ctx context.Context, offer []byte) (answer []byte, err error)
	// Dial is OpenChannel.
	Dial(ctx context.Context, channel string) (io.ReadWriteCloser, error)
	// Finish is FinishArrival.
	Finish(ctx context.Context, message []byte) (answer []byte, err error)
	// Cancel is CancelArrival.
	Cancel(ctx context.Context) (arrived bool, err error)
}

// Progress is how far a migration is, in bytes. Remaining grows again as the guest writes.
type Progress struct {
	MemoryTotal, MemoryProcessed, MemoryRemaining int64
	DiskTotal, DiskProcessed, DiskRemaining       int64
}

// MaxOffer bounds what the hosts of a migration tell each other at once, in bytes; the config drive goes with it.
const MaxOffer = 96 << 20
