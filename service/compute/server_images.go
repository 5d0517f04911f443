package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"virga/core/api"
)

// The actions that make images of servers.

// snapshotStates are those in which a server's disk can be copied.
var snapshotStates = []string{vmActive, vmStopped, vmPaused, vmSuspended}

// readStrictly reads the argument of an action, which has no fields but those of into.
func readStrictly(action string, argument json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(argument))
	decoder.DisallowUnknownFields()
	if string(bytes.TrimSpace(argument)) == "null" {
		return api.BadRequest("Invalid input for field/attribute %s. Value: None. None is not of type 'object'", action)
	}
	if err := decoder.Decode(into); err != nil {
		return api.BadRequest("Invalid input for field/attribute %s. %s", action, oneLine(strings.TrimPrefix(err.Error(), "json: "), 200))
	}
	return nil
}

func (s *Service) actionCreateImage(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in struct {
		Name     *string           `json:"name"`
		Metadata map[string]string `json:"metadata"`
	}
	if err := readStrictly("createImage", argument, &in); err != nil {
		return nil, err
	}
	if err := checkImageRequest(r, "createImage", in.Name, in.Metadata); err != nil {
		return nil, err
	}
	image := s.newImageOf(r, row, *in.Name, "snapshot", in.Metadata)
	return s.makeImage(ctx, r, row, "createImage", opSnapshot, imageParams{Image: image})
}

func (s *Service) actionCreateBackup(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	var in struct {
		Name       *string           `json:"name"`
		BackupType *string           `json:"backup_type"`
		Rotation   *flexInt          `json:"rotation"`
		Metadata   map[string]string `json:"metadata"`
	}
	if err := readStrictly("createBackup", argument, &in); err != nil {
		return nil, err
	}
	if err := checkImageRequest(r, "createBackup", in.Name, in.Metadata); err != nil {
		return nil, err
	}
	switch {
	case in.BackupType == nil:
		return nil, requiredField("createBackup", "backup_type")
	case in.Rotation == nil:
		return nil, requiredField("createBackup", "rotation")
	case *in.Rotation < 0:
		return nil, api.BadRequest("Invalid input for field/attribute rotation. Value: %d. %d is less than the minimum of 0", *in.Rotation, *in.Rotation)
	}
	properties := maps.Clone(nonNil(in.Metadata))
	properties["backup_type"] = *in.BackupType
	image := s.newImageOf(r, row, *in.Name, "backup", properties)
	params := imageParams{Image: image, BackupType: *in.BackupType, Rotation: int(*in.Rotation)}
	answer, err := s.makeImage(ctx, r, row, "createBackup", opBackup, params)
	if err == nil && params.Rotation == 0 && r.Version.Before(vImageID) { // the image will not be there
		return accepted(), nil
	}
	return answer, err
}

func requiredField(action, name string) error {
	return api.BadRequest("Invalid input for field/attribute %s. '%s' is a required property", action, name)
}

// checkImageRequest checks what all images of servers have.
func checkImageRequest(r *api.Request, action string, name *string, metadata map[string]string) error {
	switch {
	case name == nil:
		return requiredField(action, "name")
	case len([]rune(*name)) > 255:
		return api.BadRequest("Invalid input for field/attribute name. Value: %s. '%s' is too long", oneLine(*name, 60), oneLine(*name, 60))
	}
	if err := checkServerName(*name); err != nil {
		return err
	}
	if int64(len(metadata)) > defaultQuotas()[quotaMetadata] && r.Version.Before(vNoImageMeta) {
		return api.Forbidden("Image metadata limit exceeded")
	}
	for key, value := range metadata {
		if key == "" || len(key) > 255 || len(value) > 255 {
			return api.BadRequest("Invalid input for field/attribute metadata. Keys and values have at most 255 characters, and keys at least one.")
		}
	}
	return nil
}

// notInherited are properties of a server's image that an image of the server does not get; those that begin with
// signaturePrefix are the image's own, too (nova/compute/utils.py).
var notInherited = []string{"cache_in_nova", "bittorrent", "mappings", "block_device_mapping", "img_mappings", "img_block_device_mapping",
	"cinder_encryption_key_id", "cinder_encryption_key_deletion_policy", "img_signature", "img_signature_hash_method", "img_signature_key_type",
	"img_signature_certificate_uuid",
	"stores", "direct_url"} // these two are attributes, and were once taken for properties

const glanceNamespace = "os_glance"

// newImageOf describes an image of a server: the properties of its own image, what Nova says of a server's image, and what the
// request adds.
func (s *Service) newImageOf(r *api.Request, row *server, name, kind string, more map[string]string) NewImage {
	d := &row.Detail
	image := NewImage{ID: s.clock.ID(), Name: name, Visibility: "private", DiskFormat: "qcow2", MinRAM: d.Image.MinRAM,
		MinDisk: max(d.Image.MinDisk, d.Flavor.RootGiB, d.GrownGiB), Properties: map[string]string{}}
	for key, value := range d.Image.Properties {
		if !slices.Contains(notInherited, key) && !strings.HasPrefix(key, glanceNamespace) {
			image.Properties[key] = value
		}
	}
	own := map[string]string{"base_image_ref": row.ImageID, "boot_roles": strings.Join(r.Identity.RoleNames(), ","), "image_location": "snapshot",
		"image_state": "available", "owner_id": row.ProjectID, "owner_project_name": d.ProjectName, "owner_user_name": d.UserName,
		"instance_uuid": row.ID, "user_id": r.UserID(), "image_type": kind}
	if r.ProjectID() != row.ProjectID {
		own["instance_owner"] = row.ProjectID
		image.Visibility, image.SharedWith = "shared", row.ProjectID
	}
	for _, set := range []map[string]string{own, more} {
		for key, value := range set {
			if value != "" || image.Properties[key] == "" {
				image.Properties[key] = value
			}
		}
	}
	return image
}

// makeImage admits the operation and answers with the image's id, as soon as there is an image of that id.
func (s *Service) makeImage(ctx context.Context, r *api.Request, row *server, action, kind string, params imageParams) (any, error) {
	params.As, params.Quiesce = r.Identity, quiesceOf(row.Detail.Image.Properties)
	operation, err := s.startAnyway(ctx, r, action, kind, params, func(row *server, t task) error {
		if row.Host == "" && t.state == "" {
			return stateConflict(action, row.ID, "vm_state", row.VMState)
		}
		return inStates(action, snapshotStates...)(row, t)
	})
	if err != nil {
		return nil, err
	}
	if err := s.awaitRecord(ctx, operation, action); err != nil {
		return nil, err
	}
	if r.Version.AtLeast(vImageID) {
		return &api.Response{Status: http.StatusAccepted, Body: map[string]any{"image_id": params.Image.ID}}, nil
	}
	return &api.Response{Status: http.StatusAccepted, Header: http.Header{"Location": {s.deps.ImageEndpoint + "/images/" + params.Image.ID}}}, nil
}

// quiesceOf says by an image's properties whether a running guest is to be brought to rest for a copy.
func quiesceOf(properties map[string]string) string {
	yes := func(name string) bool {
		return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(properties[name]))
	}
	switch {
	case yes("os_require_quiesce"):
		return "must"
	case yes("hw_qemu_guest_agent"):
		return "try"
	}
	return ""
}
