package orders

// Snapshot asks for a copy of the guest's root disk to become the data of an image. The host has the right to upload that image's data
// (the image service's rule "upload_image"). It is made once for a generation: once it was reported as SnapshotDone the order can settle.
type Snapshot struct {
	ImageID string `json:"image_id"`
	// Quiesce says whether a running guest is brought to rest for the moment: empty (no), "try" or "must".
	Quiesce string `json:"quiesce,omitempty"`
}

// SnapshotPhase is how far a snapshot has come.
type SnapshotPhase string

// The phases, in their order.
const (
	SnapshotTaking    SnapshotPhase = "taking"
	SnapshotTaken     SnapshotPhase = "taken"
	SnapshotUploading SnapshotPhase = "uploading"
	SnapshotDone      SnapshotPhase = "done"
)

// order numbers the phases; one that nobody knows is before all.
func (p SnapshotPhase) order() int {
	switch p {
	case SnapshotTaking:
		return 1
	case SnapshotTaken:
		return 2
	case SnapshotUploading:
		return 3
	case SnapshotDone:
		return 4
	}
	return 0
}

// Reached tells whether a snapshot has come as far as another phase.
func (p SnapshotPhase) Reached(other SnapshotPhase) bool { return p.order() >= other.order() }
