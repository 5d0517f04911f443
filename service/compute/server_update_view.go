package compute

import (
	"context"

	"virga/core/api"
)

// updatedView is a server in the answer to an update before 2.75. Nova leaves out of it what
// its extensions added to a server, as tempest's schemas check.
type updatedView struct {
	ID           string                    `json:"id"`
	Name         string                    `json:"name"`
	Status       string                    `json:"status"`
	TenantID     string                    `json:"tenant_id"`
	UserID       string                    `json:"user_id"`
	Metadata     map[string]string         `json:"metadata"`
	HostID       string                    `json:"hostId"`
	Image        any                       `json:"image"`
	Flavor       any                       `json:"flavor"`
	Created      string                    `json:"created"`
	Updated      string                    `json:"updated"`
	Addresses    map[string][]plainAddress `json:"addresses"`
	AccessIPv4   string                    `json:"accessIPv4"`
	AccessIPv6   string                    `json:"accessIPv6"`
	Links        []linkView                `json:"links"`
	DiskConfig   string                    `json:"OS-DCF:diskConfig"`
	Progress     *int                      `json:"progress,omitempty"`
	Fault        *faultView                `json:"fault,omitempty"`
	Locked       *bool                     `json:"locked,omitempty"`
	LockedReason **string                  `json:"locked_reason,omitempty"`
	Description  **string                  `json:"description,omitempty"`
	Tags         *[]string                 `json:"tags,omitempty"`
	Certificates **[]string                `json:"trusted_image_certificates,omitempty"`
	ServerGroups *[]string                 `json:"server_groups,omitempty"`
}

// updatedDocument is the answer to an update before 2.75.
func (s *Service) updatedDocument(ctx context.Context, r *api.Request, row *server) (any, error) {
	c, err := s.readContext(ctx, r, []*server{row})
	if err != nil {
		return nil, err
	}
	v := s.viewServer(r, row, c, true)
	return map[string]any{"server": updatedView{
		ID: v.ID, Name: v.Name, Status: v.Status, TenantID: v.TenantID, UserID: v.UserID, Metadata: v.Metadata, HostID: v.HostID, Image: v.Image,
		Flavor: v.Flavor, Created: v.Created, Updated: v.Updated, Addresses: plainAddresses(row.NICs), AccessIPv4: v.AccessIPv4,
		AccessIPv6: v.AccessIPv6, Links: v.Links, DiskConfig: v.DiskConfig, Progress: v.Progress, Fault: v.Fault, Locked: v.Locked,
		LockedReason: v.LockedReason, Description: v.Description, Tags: v.Tags, Certificates: v.Certificates, ServerGroups: v.ServerGroups,
	}}, nil
}
