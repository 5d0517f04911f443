package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"virga/app/neighbour"
	"virga/core/token"
	"virga/service/compute"
	"virga/service/identity"
	"virga/service/image"
	"virga/service/image/store/file"
	"virga/service/network"
	"virga/service/placement"
)

// catalogEntry is a service in the catalog.
type catalogEntry struct{ name, kind, path string }

// catalog lists the services with their types and the paths of their endpoints.
func catalog() []catalogEntry {
	return []catalogEntry{
		{"keystone", "identity", "/identity"},
		{"glance", "image", "/image"},
		{"placement", "placement", "/placement"},
		{"nova", "compute", "/compute/v2.1"},
		{"neutron", "network", "/network"},
	}
}

// addIdentity adds the service that everybody else asks who a caller is.
func (cl *cloud) addIdentity(ctx context.Context, password token.Secret) (*identity.Service, error) {
	folder := filepath.Join(cl.conf.DataDir, "keys", "fernet")
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return nil, fmt.Errorf("set up token keys: %w", err)
	}
	if err := token.SetUpKeys(folder); err != nil {
		return nil, fmt.Errorf("set up token keys: %w", err)
	}
	keys, err := token.OpenKeys(folder)
	if err != nil {
		return nil, fmt.Errorf("set up token keys: %w", err)
	}
	d, err := cl.openDB(ctx, "identity")
	if err != nil {
		return nil, err
	}
	s, err := identity.New(ctx, identity.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Owner: cl.conf.Host,
		Endpoint: cl.endpoint("identity"), AuthenticateURI: cl.endpoint("identity"), Keys: keys,
	})
	if err != nil {
		return nil, err
	}
	params := identity.BootstrapParams{AdminPassword: password, Region: cl.conf.Region}
	for _, e := range catalog() {
		address := cl.conf.Endpoint + e.path
		params.Endpoints = append(params.Endpoints, identity.EndpointParams{
			ServiceName: e.name, ServiceType: e.kind, Public: address, Internal: address, Admin: address})
	}
	if err := s.Bootstrap(ctx, params); err != nil {
		return nil, err
	}
	cl.add("identity", s)
	return s, nil
}

// addServices adds every service, each with clients of its neighbours.
func (cl *cloud) addServices(ctx context.Context, password token.Secret) error {
	auth, err := cl.addIdentity(ctx, password)
	if err != nil {
		return err
	}
	for _, add := range []func(context.Context, token.Authenticator) error{cl.addPlacement, cl.addImage, cl.addNetwork, cl.addCompute} {
		if err := add(ctx, auth); err != nil {
			return err
		}
	}
	return nil
}

func (cl *cloud) addPlacement(ctx context.Context, auth token.Authenticator) error {
	d, err := cl.openDB(ctx, "placement")
	if err != nil {
		return err
	}
	s, err := placement.New(ctx, placement.Deps{
		DB: d, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: auth,
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("placement"),
	})
	if err != nil {
		return err
	}
	cl.add("placement", s)
	return nil
}

// Bounds of one image: what is stored, as in the field, and what a guest would see.
const (
	maxImageBytes  = 1 << 40
	maxVirtualSize = 64 << 40
)

func (cl *cloud) addImage(ctx context.Context, auth token.Authenticator) error {
	d, err := cl.openDB(ctx, "image")
	if err != nil {
		return err
	}
	folder := filepath.Join(cl.conf.DataDir, "images")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("open image store: %w", err)
	}
	content, err := file.Open(folder, cl.clock.ID)
	if err != nil {
		return err
	}
	cl.onClose(content.Close)
	s, err := image.New(ctx, image.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: auth, Owner: cl.conf.Host,
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("image"), Store: content,
		MaxImageBytes: maxImageBytes, MaxVirtualSize: maxVirtualSize,
	})
	if err != nil {
		return err
	}
	cl.add("image", s)
	return nil
}

func (cl *cloud) addNetwork(ctx context.Context, auth token.Authenticator) error {
	d, err := cl.openDB(ctx, "network")
	if err != nil {
		return err
	}
	s, err := network.New(ctx, network.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: auth, Owner: cl.conf.Host,
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("network"),
	})
	if err != nil {
		return err
	}
	cl.add("network", s)
	project, err := cl.adminProject(ctx)
	if err != nil {
		return err
	}
	return s.Seed(ctx, network.SeedParams{
		AdminProjectID: project, ExternalCIDR: cl.conf.ExternalCIDR, PrivateCIDR: cl.conf.PrivateCIDR, HostNAT: cl.conf.ExternalNAT,
	})
}

func (cl *cloud) addCompute(ctx context.Context, auth token.Authenticator) error {
	d, err := cl.openDB(ctx, "compute")
	if err != nil {
		return err
	}
	s, err := compute.New(ctx, compute.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: auth, Owner: cl.conf.Host,
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("compute"),
		Images:    neighbour.NewImages(cl.client("image", nil, nil)),
		Networks:  neighbour.NewNetworks(cl.client("network", nil, nil)),
		Placement: neighbour.NewPlacement(cl.client("placement", nil, nil)),
		Self:      serviceIdentity("compute"),
	})
	if err != nil {
		return err
	}
	cl.add("compute", s)
	return s.Seed(ctx)
}

// adminProject finds the project admin by the identity API.
func (cl *cloud) adminProject(ctx context.Context) (string, error) {
	var answer struct {
		Projects []struct{ ID string }
	}
	client := cl.client("identity", serviceIdentity("virga"), nil)
	query := url.Values{"name": {"admin"}, "domain_id": {"default"}}
	if err := client.Do(ctx, http.MethodGet, "/v3/projects?"+query.Encode(), nil, &answer); err != nil {
		return "", fmt.Errorf("find the project admin: %w", err)
	}
	if len(answer.Projects) != 1 {
		text, _ := json.Marshal(answer)
		return "", fmt.Errorf("find the project admin: got %s", text)
	}
	return answer.Projects[0].ID, nil
}
