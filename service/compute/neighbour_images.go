package compute

import "context"

// ImageMaking is what compute needs of the image service to make images of servers.
type ImageMaking interface {
	// CreateImage makes a record without data, as the caller; status 409 when there was one of that id before.
	CreateImage(ctx context.Context, image NewImage) error
	// DropImage removes an image; one that is gone is fine.
	DropImage(ctx context.Context, id string) error
	// LetUpload lets a node upload the image's data, and nobody else but its owner; an empty user id takes that back.
	LetUpload(ctx context.Context, id, userID string) error
	// Backups returns the ids of a project's backups of a server of one backup type, the newest first.
	Backups(ctx context.Context, serverID, projectID, kind string) ([]string, error)
}

// NewImage describes an image to be made.
type NewImage struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	Visibility string `json:"visibility"`
	DiskFormat string `json:"disk_format"`
	// MinDisk is in GiB, MinRAM in MiB.
	MinDisk    int64             `json:"min_disk"`
	MinRAM     int64             `json:"min_ram"`
	Properties map[string]string `json:"properties"`
	// SharedWith is a project that the image is shared with; empty: none.
	SharedWith string `json:"shared_with,omitempty"`
}
