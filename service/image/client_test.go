package image

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/imagedata"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/members"

	"virga/service/image/ingest"
)

func ingestNothing() ingest.Result { return ingest.Result{} }

// TestGophercloud goes once through an image's life with a client of the field.
func TestGophercloud(t *testing.T) {
	c := newCloud(t)
	c.run()
	server := httptest.NewServer(c.s.Handler())
	defer server.Close()
	client := func(token string) *gophercloud.ServiceClient {
		return &gophercloud.ServiceClient{
			ProviderClient: &gophercloud.ProviderClient{TokenID: token}, Endpoint: server.URL + "/", ResourceBase: server.URL + "/v2/",
		}
	}
	ctx, own, others := t.Context(), client("alice"), client("bob")
	img, err := images.Create(ctx, own, images.CreateOpts{
		Name: "tiny", DiskFormat: "qcow2", ContainerFormat: "bare", MinDisk: 1, Tags: []string{"a"},
		Properties: map[string]string{"hw_disk_bus": "virtio"},
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if err := imagedata.Upload(ctx, own, img.ID, strings.NewReader("not a qcow2")).ExtractErr(); !gophercloud.ResponseCodeIs(err, 415) ||
		!strings.Contains(err.Error(), "not recognised as qcow2") {
		t.Errorf("refused upload: %v", err)
	}
	data := string(qcow2(nil))
	if err := imagedata.Upload(ctx, own, img.ID, strings.NewReader(data)).ExtractErr(); err != nil {
		t.Fatal(err)
	}
	body, err := imagedata.Download(ctx, own, img.ID).Extract()
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if closer, ok := body.(io.Closer); ok {
		_ = closer.Close()
	}
	if string(got) != data || err != nil {
		t.Errorf("downloaded %d bytes, %v", len(got), err)
	}
	img, err = images.Update(ctx, own, img.ID, images.UpdateOpts{
		images.ReplaceImageName{NewName: "small"}, images.ReplaceImageTags{NewTags: []string{"b", "c"}},
		images.UpdateImageProperty{Op: images.AddOp, Name: "os_distro", Value: "debian"}, images.ReplaceImageHidden{NewHidden: false},
	}).Extract()
	if err != nil || img.Name != "small" || img.Properties["os_distro"] != "debian" || img.SizeBytes != int64(len(data)) || img.VirtualSize != 64<<20 {
		t.Errorf("updated: %+v %v", img, err)
	}
	if _, err := members.Create(ctx, own, img.ID, "b0b").Extract(); err != nil {
		t.Error(err)
	}
	if _, err := members.Update(ctx, others, img.ID, "b0b", members.UpdateOpts{Status: "accepted"}).Extract(); err != nil {
		t.Error(err)
	}
	if page, err := members.List(own, img.ID).AllPages(ctx); err != nil {
		t.Error(err)
	} else if list, err := members.ExtractMembers(page); err != nil || len(list) != 1 || list[0].Status != "accepted" {
		t.Errorf("members %v %v", list, err)
	}
	clientLists(ctx, t, own, others, img.ID)
	if err := images.Delete(ctx, others, img.ID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 403) {
		t.Errorf("a member deletes: %v", err)
	}
	if err := images.Delete(ctx, own, img.ID).ExtractErr(); err != nil {
		t.Error(err)
	}
	if _, err := images.Get(ctx, own, img.ID).Extract(); !gophercloud.ResponseCodeIs(err, 404) {
		t.Errorf("after its deletion: %v", err)
	}
	c.eventually("the data is removed", func() bool { return c.stored() == 0 })
}

// clientLists pages through lists and looks for a shared image.
func clientLists(ctx context.Context, t *testing.T, own, others *gophercloud.ServiceClient, shared string) {
	t.Helper()
	for range 4 {
		if _, err := images.Create(ctx, own, images.CreateOpts{Name: "more"}).Extract(); err != nil {
			t.Fatal(err)
		}
	}
	pages, err := images.List(own, images.ListOpts{Limit: 2}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := images.ExtractImages(pages); err != nil || len(all) != 5 {
		t.Errorf("%d images, %v", len(all), err)
	}
	pages, err = images.List(others, images.ListOpts{Tags: []string{"b"}}).AllPages(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if found, err := images.ExtractImages(pages); err != nil || len(found) != 1 || found[0].ID != shared {
		t.Errorf("the member finds %v, %v", found, err)
	}
}
