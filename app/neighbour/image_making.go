package neighbour

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"virga/core/api"
	"virga/service/compute"
)

// CreateImage implements compute.ImageMaking with POST /v2/images.
func (i *Images) CreateImage(ctx context.Context, image compute.NewImage) error {
	body := map[string]any{}
	for name, value := range image.Properties {
		body[name] = value
	}
	for name, value := range map[string]any{"id": image.ID, "name": image.Name, "visibility": image.Visibility, "disk_format": image.DiskFormat,
		"container_format": "bare", "min_disk": image.MinDisk, "min_ram": image.MinRAM} {
		body[name] = value
	}
	if err := i.client.Do(ctx, http.MethodPost, "/v2/images", body, nil); err != nil {
		return refusal(err)
	}
	if image.SharedWith == "" {
		return nil
	}
	return refusal(i.client.Do(ctx, http.MethodPost, "/v2/images/"+url.PathEscape(image.ID)+"/members", map[string]any{"member": image.SharedWith}, nil))
}

// DropImage implements compute.ImageMaking.
func (i *Images) DropImage(ctx context.Context, id string) error {
	err := refusal(i.client.Do(ctx, http.MethodDelete, "/v2/images/"+url.PathEscape(id), nil, nil))
	if err != nil && api.StatusOf(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// LetUpload implements compute.ImageMaking with the image service's route for services.
func (i *Images) LetUpload(ctx context.Context, id, userID string) error {
	path := "/internal/images/" + url.PathEscape(id) + "/uploader"
	if userID == "" {
		return refusal(i.client.Do(ctx, http.MethodDelete, path, nil, nil))
	}
	return refusal(i.client.Do(ctx, http.MethodPut, path, map[string]any{"user_id": userID}, nil))
}

// backupPage is how many backups are asked for at a time.
const backupPage = 200

// Backups implements compute.ImageMaking with a filtered list.
func (i *Images) Backups(ctx context.Context, serverID, projectID, kind string) ([]string, error) {
	var ids []string
	query := url.Values{"instance_uuid": {serverID}, "image_type": {"backup"}, "backup_type": {kind}, "owner": {projectID},
		"sort": {"created_at:desc,id:desc"}, "limit": {strconv.Itoa(backupPage)}}
	for {
		var page struct {
			Images []struct {
				ID        string    `json:"id"`
				CreatedAt time.Time `json:"created_at"`
			} `json:"images"`
		}
		if err := i.client.Do(ctx, http.MethodGet, "/v2/images?"+query.Encode(), nil, &page); err != nil {
			return nil, fmt.Errorf("list backups of server %s: %w", serverID, refusal(err))
		}
		for _, image := range page.Images {
			ids = append(ids, image.ID)
		}
		if len(page.Images) < backupPage {
			return ids, nil
		}
		query.Set("marker", ids[len(ids)-1])
	}
}
