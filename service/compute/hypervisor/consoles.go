package hypervisor

import (
	"context"
	"io"
)

// Consoles connects people to running guests, by sockets and terminals of the host alone: nothing of it listens on a network. What
// is opened is closed by the caller, and ends by itself with the guest. Both return ErrNotFound when the guest does not run.
type Consoles interface {
	// OpenDisplay connects to the guest's screen in the protocol RFB (RFC 6143) with the security type "none". Several may look at once.
	OpenDisplay(ctx context.Context, id string) (io.ReadWriteCloser, error)

	// OpenSerial connects to the guest's first serial port: from now on what the guest writes can be read, and what is written is what
	// it reads. One can be connected at a time: whoever comes later ends the connection of the one before.
	OpenSerial(ctx context.Context, id string) (io.ReadWriteCloser, error)
}
