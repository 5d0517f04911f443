package compute

import (
	"context"
	"time"
)

// NetworkProxies is what compute passes on to the network service for clients of before
// microversion 2.36, as their own callers. Refusals are *api.Error as everywhere.
type NetworkProxies interface {
	// VisibleNetworks returns all networks that the caller may see.
	VisibleNetworks(ctx context.Context) ([]Network, error)
	// ExternalNetworks returns the external networks that the caller may see.
	ExternalNetworks(ctx context.Context) ([]Network, error)
	// SecurityGroup returns a group with its rules; status 404 when the caller sees none.
	SecurityGroup(ctx context.Context, id string) (SecurityGroup, error)
	CreateSecurityGroup(ctx context.Context, name, description string) (SecurityGroup, error)
	UpdateSecurityGroup(ctx context.Context, id, name, description string) (SecurityGroup, error)
	DeleteSecurityGroup(ctx context.Context, id string) error
	CreateSecurityGroupRule(ctx context.Context, groupID string, rule SecurityGroupRule) (SecurityGroupRule, error)
	DeleteSecurityGroupRule(ctx context.Context, id string) error
	// ProjectFloatingIPs returns a project's floating addresses.
	ProjectFloatingIPs(ctx context.Context, projectID string) ([]ProjectFloatingIP, error)
	ProjectFloatingIP(ctx context.Context, id string) (ProjectFloatingIP, error)
	// CreateFloatingIP takes an address of an external network for the caller's project.
	CreateFloatingIP(ctx context.Context, networkID string) (ProjectFloatingIP, error)
	DeleteFloatingIP(ctx context.Context, id string) error
	// LeadFloatingIP has a floating address lead to a port's fixed address, or nowhere for empty ones.
	LeadFloatingIP(ctx context.Context, id, portID, fixedAddress string) error
}

// ProjectFloatingIP is a floating address of a project; FixedAddress and PortID are empty
// while it leads nowhere.
type ProjectFloatingIP struct{ ID, Address, FixedAddress, PortID, NetworkID string }

// ImageProxies is what compute passes on to the image service for clients of before
// microversion 2.39, as their own callers.
type ImageProxies interface {
	// ListImages returns a page of the images that the caller may see and the filter lets through.
	ListImages(ctx context.Context, filter ImageFilter) ([]ImageDocument, error)
	ImageDocument(ctx context.Context, id string) (ImageDocument, error)
	DeleteImage(ctx context.Context, id string) error
	// ChangeImageProperties sets and removes properties; those that it does not name stay.
	ChangeImageProperties(ctx context.Context, id string, set map[string]string, remove []string) error
}

// ImageFilter narrows a list of images; empty fields let everything through.
type ImageFilter struct {
	Name, Status, Marker string
	// Limit is the size of a page; 0: the image service's own.
	Limit int
	// MinRAM is in MiB, MinDisk in GiB; nil: any.
	MinRAM, MinDisk *int
	ChangedSince    time.Time
	Properties      map[string]string
}

// ImageDocument is an image with what its users see of it.
type ImageDocument struct {
	Image
	// SizeKnown: the image has content.
	SizeKnown            bool
	CreatedAt, UpdatedAt time.Time
}
