package neighbour

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"virga/service/compute"
)

// document reads what users see of an image.
func document(all map[string]any) compute.ImageDocument {
	d := compute.ImageDocument{Image: readImage(all)}
	_, d.SizeKnown = all["size"].(float64)
	for name, into := range map[string]*time.Time{"created_at": &d.CreatedAt, "updated_at": &d.UpdatedAt} {
		text, _ := all[name].(string)
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			*into = at
		}
	}
	return d
}

// ListImages implements compute.ImageProxies with GET /v2/images.
func (i *Images) ListImages(ctx context.Context, filter compute.ImageFilter) ([]compute.ImageDocument, error) {
	query := url.Values{}
	for name, value := range map[string]string{"name": filter.Name, "status": filter.Status, "marker": filter.Marker} {
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, value := range map[string]*int{"min_ram": filter.MinRAM, "min_disk": filter.MinDisk} {
		if value != nil {
			query.Set(name, strconv.Itoa(*value))
		}
	}
	if filter.Limit > 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	if !filter.ChangedSince.IsZero() {
		query.Set("updated_at", "gte:"+filter.ChangedSince.UTC().Format("2006-01-02T15:04:05Z"))
	}
	for name, value := range filter.Properties {
		query.Set(name, value)
	}
	var answer struct{ Images []map[string]any }
	if err := i.client.Do(ctx, http.MethodGet, "/v2/images?"+query.Encode(), nil, &answer); err != nil {
		return nil, refusal(err)
	}
	return each(answer.Images, document), nil
}

// ImageDocument implements compute.ImageProxies.
func (i *Images) ImageDocument(ctx context.Context, id string) (compute.ImageDocument, error) {
	var all map[string]any
	if err := i.client.Do(ctx, http.MethodGet, "/v2/images/"+url.PathEscape(id), nil, &all); err != nil {
		return compute.ImageDocument{}, refusal(err)
	}
	return document(all), nil
}

// DeleteImage implements compute.ImageProxies.
func (i *Images) DeleteImage(ctx context.Context, id string) error {
	return refusal(i.client.Do(ctx, http.MethodDelete, "/v2/images/"+url.PathEscape(id), nil, nil))
}

// ChangeImageProperties implements compute.ImageProxies with a JSON patch; what is there
// already is replaced by "add", too (RFC 6902, section 4.1).
func (i *Images) ChangeImageProperties(ctx context.Context, id string, set map[string]string, remove []string) error {
	patch := []map[string]string{}
	pointer := func(key string) string { return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }
	for _, key := range slices.Sorted(maps.Keys(set)) {
		patch = append(patch, map[string]string{"op": "add", "path": pointer(key), "value": set[key]})
	}
	for _, key := range remove {
		patch = append(patch, map[string]string{"op": "remove", "path": pointer(key)})
	}
	client := i.client
	client.Header = maps.Clone(client.Header)
	if client.Header == nil {
		client.Header = http.Header{}
	}
	client.Header.Set("Content-Type", "application/openstack-images-v2.1-json-patch")
	return refusal(client.Do(ctx, http.MethodPatch, "/v2/images/"+url.PathEscape(id), patch, nil))
}
