package hypervisor

import (
	"context"
	"io"
)

// Snapshots is the part of a Driver that copies the disks of guests.
//
// A snapshot belongs to its guest: RemoveGuest removes it, and neither EnsureGuest nor AdoptDisks knows of it. It survives the restart of
// the driver once it is whole.
type Snapshots interface {
	// TakeSnapshot makes a copy of the guest's root disk as it is at one moment, that of the call or a later one, and returns when the
	// copy is whole. The copy is a qcow2 image that stands on nothing else. A running guest runs on; with Quiesce it is asked to bring
	// its file systems to rest for that moment. A snapshot of the name that is whole already is left alone. After an error there is no
	// snapshot of the name. A RemoveGuest of the same guest ends the copying.
	//
	// Errors: ErrNotFound when the guest has no root disk here; ErrInvalid when the guest had to come to rest and cannot, and for a name
	// that is no UUID; ErrNoSpace; ErrUnavailable.
	TakeSnapshot(ctx context.Context, id string, snapshot Snapshot) error

	// OpenSnapshot opens a whole snapshot and returns how many bytes it has; ErrNotFound when there is none of the name. The caller
	// closes it.
	OpenSnapshot(ctx context.Context, id, name string) (content io.ReadCloser, size int64, err error)

	// DropSnapshots removes all snapshots of the guest, half made ones included. None is fine, and so is no guest.
	DropSnapshots(ctx context.Context, id string) error
}

// Snapshot says how a snapshot is to be made.
type Snapshot struct {
	Name    string // a UUID
	Quiesce Quiesce
}

// Quiesce says whether a running guest is brought to rest for the moment of a snapshot.
type Quiesce string

// The sorts of rest. QuiesceTry takes a guest that does not answer as it is, QuiesceMust does not.
const (
	QuiesceNot  Quiesce = ""
	QuiesceTry  Quiesce = "try"
	QuiesceMust Quiesce = "must"
)
