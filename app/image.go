package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"virga/app/neighbour"
	"virga/service/image"
	"virga/service/image/convert"
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
	sealer, err := cl.openVault(ctx, secretVault)
	if err != nil {
		return err
	}
	roots, err := cl.knownRoots()
	if err != nil {
		return err
	}
	var converter image.Converter // a nil interface where nothing is converted
	if cl.conf.ImageConversion != "" {
		if converter, err = convert.Open(filepath.Join(cl.conf.DataDir, "image-conversion")); err != nil {
			return err
		}
	}
	s, err := image.New(ctx, image.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: cl.auth, Owner: cl.owner(),
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("image"), Store: content, StorePath: cl.conf.ImagesDir, MoreStores: more,
		IdleTime: cl.conf.ImageIdle, DelayedDelete: cl.conf.DelayedDelete, Cache: cache, CacheBytes: cl.conf.ImageCache << 20,
		MaxImageBytes: maxImageBytes, MaxVirtualSize: maxVirtualSize, ImportMethods: cl.conf.ImportMethods,
		MaxImages: cl.conf.QuotaImages, MaxProjectBytes: cl.conf.QuotaImageSize << 20, MaxUploading: cl.conf.QuotaUploading,
		MaxStagedBytes: cl.conf.QuotaStaged << 20, Limits: neighbour.NewLimits(cl.client("identity", serviceIdentity("image"), nil), "image"),
		Peers: imagesource.NewPeers(cl.imageEndpoint, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), Sealer: sealer,
		Converter: converter, ConvertTo: cl.conf.ImageConversion, Unpack: cl.conf.ImageUnpack,
		Inject: cl.conf.ImageInject, InjectNotFor: cl.conf.ImageInjectNotFor,
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

// knownRoots are the authorities whose certificates an image service of a region may have:
// the system's, and the cloud's own.
func (cl *cloud) knownRoots() (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if path := cl.trusted(); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read the cloud's certificate: %w", err)
		}
		roots.AppendCertsFromPEM(text)
	}
	return roots, nil
}

// imageEndpoint finds the address of the image service of a region in the catalog.
func (cl *cloud) imageEndpoint(ctx context.Context, region, interfaceName string) (string, error) {
	client := cl.client("identity", serviceIdentity("image"), nil)
	var services struct{ Services []struct{ ID string } }
	if err := client.Do(ctx, http.MethodGet, "/v3/services?type=image", nil, &services); err != nil {
		return "", err
	}
	for _, service := range services.Services {
		var answer struct {
			Endpoints []struct {
				URL, Region string
				Enabled     bool
			}
		}
		query := url.Values{"service_id": {service.ID}, "interface": {interfaceName}}
		if err := client.Do(ctx, http.MethodGet, "/v3/endpoints?"+query.Encode(), nil, &answer); err != nil {
			return "", err
		}
		for _, endpoint := range answer.Endpoints {
			if endpoint.Enabled && strings.EqualFold(endpoint.Region, region) {
				return strings.TrimSuffix(endpoint.URL, "/"), nil
			}
		}
	}
	return "", fmt.Errorf("there is no image service in region %q with the interface %q", region, interfaceName)
}
