package app

import (
	"context"
	"path/filepath"

	"virga/service/image"
	"virga/service/image/store"
	"virga/service/image/store/file"
	imagesource "virga/service/image/store/http"
)

// Bounds of one image: what is stored, as in the field, and what a guest would see.
const (
	maxImageBytes  = 1 << 40
	maxVirtualSize = 64 << 40
)

func (cl *cloud) addImage(ctx context.Context) error {
	if here, err := cl.hasImages(ctx); err != nil || !here {
		return err
	}
	d, err := cl.openDB(ctx, "image")
	if err != nil {
		return err
	}
	content, err := cl.openStore(cl.conf.ImagesDir)
	if err != nil {
		return err
	}
	var more []image.NamedStore
	for _, further := range cl.conf.FurtherImageStores() {
		opened, err := cl.openStore(further.Dir)
		if err != nil {
			return err
		}
		more = append(more, image.NamedStore{Name: further.Name, Store: opened, Path: further.Dir})
	}
	fetcher := imagesource.NewFetcher(imagesource.Options{Schemes: cl.conf.ImportSchemes, Ports: cl.conf.ImportPorts, AllowedNetworks: cl.conf.ImportNetworks()})
	var remote image.Remote
	if cl.conf.ImageHTTP {
		remote = fetcher
	}
	var cache store.Store // a nil interface where there is none
	if cl.conf.ImageCache > 0 {
		if cache, err = cl.openStore(filepath.Join(cl.conf.DataDir, "image-cache")); err != nil {
			return err
		}
	}
	s, err := image.New(ctx, image.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: cl.auth, Owner: cl.owner(),
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("image"), Store: content, StorePath: cl.conf.ImagesDir, MoreStores: more,
		DelayedDelete: cl.conf.DelayedDelete, Cache: cache, CacheBytes: cl.conf.ImageCache << 20,
		MaxImageBytes: maxImageBytes, MaxVirtualSize: maxVirtualSize, ImportMethods: cl.conf.ImportMethods,
		MaxImages: cl.conf.QuotaImages, MaxProjectBytes: cl.conf.QuotaImageSize << 20, MaxUploading: cl.conf.QuotaUploading,
		Source: fetcher, Remote: remote, ShowLocations: cl.conf.ImagePlaces,
	})
	if err != nil {
		return err
	}
	cl.add("image", s)
	return nil
}

// openStore opens a folder of images until the process ends.
func (cl *cloud) openStore(dir string) (*file.Store, error) {
	opened, err := file.Open(dir, cl.clock.ID)
	if err == nil {
		cl.onClose(opened.Close)
	}
	return opened, err
}
