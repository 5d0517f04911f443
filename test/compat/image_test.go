package compat

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/members"
)

// newImage makes an active image of a disk without anything on it.
func newImage(t *testing.T, client *gophercloud.ServiceClient, options images.CreateOpts) *images.Image {
	t.Helper()
	options.DiskFormat, options.ContainerFormat = "raw", "bare"
	image := need(images.Create(t.Context(), client, options).Extract())(t)
	done(t, imagedata.Upload(t.Context(), client, image.ID, bytes.NewReader(disk())).ExtractErr())
	return need(images.Get(t.Context(), client, image.ID).Extract())(t)
}

func disk() []byte { return bytes.Repeat([]byte("virga   "), 64<<10) }

func walkImage(t *testing.T, admin *clients) {
	client, ctx := admin.image, t.Context()
	visibility := images.ImageVisibilityPrivate
	image := newImage(t, client, images.CreateOpts{Name: "first", Visibility: &visibility, Tags: []string{"a", "b"}, MinDisk: 1, MinRAM: 64,
		Properties: map[string]string{"hw_disk_bus": "virtio"}})
	sum := sha512.Sum512(disk())
	if image.Status != images.ImageStatusActive || image.SizeBytes != int64(len(disk())) || image.Properties["os_hash_value"] != hex.EncodeToString(sum[:]) ||
		image.Properties["hw_disk_bus"] != "virtio" || len(image.Tags) != 2 {
		t.Errorf("image %+v", image)
	}
	content := need(imagedata.Download(ctx, client, image.ID).Extract())(t)
	text, err := io.ReadAll(content)
	if err != nil || !bytes.Equal(text, disk()) {
		t.Errorf("downloaded %d bytes, %v", len(text), err)
	}
	done(t, content.Close())
	refused(t, 409, imagedata.Upload(ctx, client, image.ID, bytes.NewReader(disk())).ExtractErr())

	for _, patch := range []images.Patch{
		images.ReplaceImageName{NewName: "renamed"}, images.ReplaceImageTags{NewTags: []string{"c"}}, images.ReplaceImageMinDisk{NewMinDisk: 2},
		images.UpdateImageProperty{Op: images.AddOp, Name: "os_distro", Value: "debian"}, images.UpdateImageProperty{Op: images.ReplaceOp, Name: "os_distro", Value: "virga"},
		images.UpdateImageProperty{Op: images.RemoveOp, Name: "hw_disk_bus"}, images.UpdateVisibility{Visibility: images.ImageVisibilityShared},
	} {
		need(images.Update(ctx, client, image.ID, images.UpdateOpts{patch}).Extract())(t)
	}
	changed := need(images.Get(ctx, client, image.ID).Extract())(t)
	if changed.Name != "renamed" || changed.MinDiskGigabytes != 2 || changed.Properties["os_distro"] != "virga" || changed.Properties["hw_disk_bus"] != nil {
		t.Errorf("changed %+v", changed)
	}
	walkMembers(t, client, image.ID)
	walkImageLists(t, client)
	done(t, images.Delete(ctx, client, image.ID).ExtractErr())
	refused(t, 404, images.Get(ctx, client, image.ID).Err)

	lie := need(images.Create(ctx, client, images.CreateOpts{Name: "lie", DiskFormat: "qcow2", ContainerFormat: "bare"}).Extract())(t)
	refused(t, 415, imagedata.Upload(ctx, client, lie.ID, bytes.NewReader(disk())).ExtractErr())
	done(t, images.Delete(ctx, client, lie.ID).ExtractErr())
}

func walkMembers(t *testing.T, client *gophercloud.ServiceClient, image string) {
	ctx := t.Context()
	const project = "0123456789abcdef0123456789abcdef"
	made := need(members.Create(ctx, client, image, project).Extract())(t)
	if made.Status != "pending" {
		t.Errorf("member %+v", made)
	}
	equal(t, "members", listed(t, members.List(client, image), members.ExtractMembers, func(m members.Member) string { return m.MemberID }), project)
	need(members.Update(ctx, client, image, project, members.UpdateOpts{Status: "accepted"}).Extract())(t)
	refused(t, 404, members.Update(ctx, client, image, "fedcba9876543210fedcba9876543210", members.UpdateOpts{Status: "accepted"}).Err)
	done(t, members.Delete(ctx, client, image, project).ExtractErr())
}

func walkImageLists(t *testing.T, client *gophercloud.ServiceClient) {
	ctx := t.Context()
	ids := map[string]string{}
	for _, name := range []string{"p1", "p2", "p3"} {
		ids[name] = need(images.Create(ctx, client, images.CreateOpts{Name: name, Tags: []string{"list"}, DiskFormat: "raw", ContainerFormat: "bare"}).Extract())(t).ID
	}
	name := func(i images.Image) string { return i.Name }
	for what, query := range map[string]images.ListOpts{
		"pages of one": {Limit: 1, Tags: []string{"list"}}, "queued": {Status: images.ImageStatusQueued, SortKey: "name"},
		"sorted": {Tags: []string{"list"}, Sort: "name:desc,created_at:asc"}, "by names": {Name: "in:p1,p2,p3"},
	} {
		equal(t, what, listed(t, images.List(client, query), images.ExtractImages, name), "p1", "p2", "p3")
	}
	equal(t, "by name", listed(t, images.List(client, images.ListOpts{Name: "p2"}), images.ExtractImages, name), "p2")
	for _, id := range ids {
		done(t, images.Delete(ctx, client, id).ExtractErr())
	}
}
