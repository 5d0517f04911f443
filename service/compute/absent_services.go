package compute

import (
	"context"
	"encoding/json"

	"virga/core/api"
)

// What nova passes on to services that this cloud does not have: block storage, shared file
// systems and bare metal. No id names anything of theirs.

func noVolumes(context.Context, *api.Request) (any, error) {
	return nil, api.NotFound("There is no block storage service in this cloud.")
}

func noBareMetal(context.Context, *api.Request) (any, error) {
	return nil, api.NotFound("There is no bare metal service in this cloud.")
}

// noBareMetalChange is nova's answer in any cloud: it shows nodes and changes none.
func noBareMetalChange(_ context.Context, r *api.Request) (any, error) {
	return nil, api.BadRequest("Command not supported. Please use Ironic command %s to perform this action.",
		map[string]string{post: "node-create", del: "node-delete"}[r.HTTP.Method])
}

func noBareMetalAction(context.Context, *api.Request) (any, error) {
	return nil, api.BadRequest("Command not supported. Please use Ironic command port-create to perform this action.")
}

// volumeAttachments answers GET /servers/{server_id}/os-volume_attachments.
func (s *Service) volumeAttachments(context.Context, *api.Request) (any, error) {
	return map[string]any{"volumeAttachments": []any{}}, nil
}

// volumeAttach answers POST /servers/{server_id}/os-volume_attachments.
func volumeAttach(_ context.Context, r *api.Request) (any, error) {
	var body struct {
		Attachment struct {
			VolumeID string          `json:"volumeId"`
			Tag      *string         `json:"tag"`
			Delete   json.RawMessage `json:"delete_on_termination"`
		} `json:"volumeAttachment"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	switch in := body.Attachment; {
	case in.Tag != nil && r.Version.Before(vAttachTag):
		return nil, unexpectedField("volumeAttachment", "tag")
	case in.Delete != nil && r.Version.Before(vKeepAttachment):
		return nil, unexpectedField("volumeAttachment", "delete_on_termination")
	}
	return nil, api.NotFound("Volume %s could not be found.", oneLine(body.Attachment.VolumeID, 60))
}

// volumeAttachmentShow answers what asks for one attachment, or to change it.
func volumeAttachmentShow(_ context.Context, r *api.Request) (any, error) {
	return nil, api.NotFound("Instance %s is not attached to volume %s", r.Param("server_id"), oneLine(r.Param("volume_id"), 60))
}

// volumeDetach answers DELETE /servers/{server_id}/os-volume_attachments/{volume_id}.
func volumeDetach(_ context.Context, r *api.Request) (any, error) {
	return nil, api.NotFound("Volume %s could not be found.", oneLine(r.Param("volume_id"), 60))
}

// volumeSnapshotCreate answers POST /os-assisted-volume-snapshots, for block storage services.
func volumeSnapshotCreate(_ context.Context, r *api.Request) (any, error) {
	var body struct {
		Snapshot struct {
			VolumeID string `json:"volume_id"`
		} `json:"snapshot"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return nil, noMappedVolume(body.Snapshot.VolumeID)
}

// volumeSnapshotDelete answers DELETE /os-assisted-volume-snapshots/{snapshot_id}.
func volumeSnapshotDelete(_ context.Context, r *api.Request) (any, error) {
	var info struct {
		VolumeID *string `json:"volume_id"`
	}
	if err := json.Unmarshal([]byte(r.Query.Get("delete_info")), &info); err != nil || info.VolumeID == nil {
		return nil, api.BadRequest("Invalid input for query parameters delete_info. It is a JSON object with a volume_id.")
	}
	return nil, noMappedVolume(*info.VolumeID)
}

func noMappedVolume(id string) error {
	return api.BadRequest("No volume Block Device Mapping with id %s.", oneLine(id, 60))
}

// shareList answers GET /servers/{server_id}/shares.
func shareList(context.Context, *api.Request) (any, error) {
	return map[string]any{"shares": []any{}}, nil
}

// shareAttach answers POST /servers/{server_id}/shares.
func shareAttach(_ context.Context, r *api.Request) (any, error) {
	var body struct {
		Share struct {
			ID string `json:"share_id"`
		} `json:"share"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	return nil, noShare(body.Share.ID)
}

// shareShow answers what asks for one share of a server, or to take it away.
func shareShow(_ context.Context, r *api.Request) (any, error) {
	return nil, noShare(r.Param("share_id"))
}

func noShare(id string) error {
	return api.NotFound("Share %s could not be found.", oneLine(id, 60))
}
