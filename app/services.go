package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"virga/app/neighbour"
	"virga/core/token"
	"virga/core/work"
	"virga/service/compute"
	"virga/service/identity"
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

// addServices adds the services that the roles of this process need, each with clients of
// its neighbours. Chores of a service run where its API is; durable operations, which are
// the compute service's, where a conductor or a scheduler is, too.
func (cl *cloud) addServices(ctx context.Context) error {
	operations := cl.conf.Roles.Conductor || cl.conf.Roles.Scheduler
	for _, service := range []struct {
		name string
		here bool
		add  func(context.Context) error
	}{
		{"identity", false, cl.addIdentity},
		{"placement", false, cl.addPlacement},
		{"image", false, cl.addImage},
		{"network", false, cl.addNetwork},
		{"compute", operations, cl.addCompute},
	} {
		if !service.here && !cl.conf.Roles.Serves(service.name) {
			continue
		}
		if cl.auth == nil && service.name != "identity" {
			if err := cl.askForIdentities(ctx); err != nil {
				return err
			}
		}
		if err := service.add(ctx); err != nil {
			return err
		}
	}
	return nil
}

// workRoles are whose steps of operations this process carries; none is not nil.
func (cl *cloud) workRoles() []string {
	roles := []string{}
	if cl.conf.Roles.Conductor {
		roles = append(roles, work.Conductor)
	}
	if cl.conf.Roles.Scheduler {
		roles = append(roles, compute.RoleScheduler)
	}
	return roles
}

// addIdentity adds the service that everybody else asks who a caller is.
func (cl *cloud) addIdentity(ctx context.Context) error {
	keys, err := cl.tokenKeys(ctx)
	if err != nil {
		return err
	}
	signing, err := cl.signingKeys(ctx)
	if err != nil {
		return err
	}
	safe, err := cl.openVault(ctx, secretVault)
	if err != nil {
		return err
	}
	d, err := cl.openDB(ctx, "identity")
	if err != nil {
		return err
	}
	s, err := identity.New(ctx, identity.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Owner: cl.owner(),
		Endpoint: cl.endpoint("identity"), AuthenticateURI: cl.endpoint("identity"), Keys: keys, Vault: safe,
		SigningKeys: signing, TokenKind: cl.conf.TokenProvider,
		PasswordRules: identity.PasswordRules{
			LockoutAttempts: cl.conf.LockoutAttempts, LockoutDuration: cl.conf.LockoutDuration, History: cl.conf.PasswordHistory,
			MinimumAge: cl.conf.PasswordMinAge, ExpiresAfter: cl.conf.PasswordExpires, InactiveAfter: cl.conf.DisableInactive,
			Patterns: cl.conf.Patterns(), Description: cl.conf.PasswordHint, ChangeUponFirstUse: cl.conf.PasswordFirstUse,
		},
	})
	if err != nil {
		return err
	}
	password, err := cl.adminPassword(ctx)
	if err != nil {
		return err
	}
	params := identity.BootstrapParams{AdminPassword: password, Region: cl.conf.Region}
	for _, e := range catalog() {
		address := cl.conf.Endpoint + e.path
		params.Endpoints = append(params.Endpoints, identity.EndpointParams{
			ServiceName: e.name, ServiceType: e.kind, Public: address, Internal: address, Admin: address})
	}
	cl.seed(func(ctx context.Context) error { return s.Bootstrap(ctx, params) })
	cl.auth = s
	cl.add("identity", s)
	return nil
}

const (
	// askedIdentities is how many tokens a process without identity remembers, and askedFor
	// how long: it bounds how long a revocation that no doorbell told of goes unnoticed.
	askedIdentities = 50_000
	askedFor        = 5 * time.Second
	askTimeout      = 10 * time.Second
)

// askForIdentities has this process ask another one who the bearers of tokens are. Signed
// tokens it verifies first.
func (cl *cloud) askForIdentities(ctx context.Context) error {
	keys, err := cl.publicKeys(ctx)
	if err != nil {
		return err
	}
	cache := token.NewCache(token.CacheConfig{Size: askedIdentities, TTL: askedFor, Clock: cl.clock})
	caching := token.NewCaching(token.NewScreened(keys, cl.clock, asker{way{cl, "identity"}}), cache, askTimeout)
	cl.auth = caching
	cl.onRun(func(ctx context.Context) error {
		defer caching.Wait()
		bell := cl.bus.Listen(identity.TopicChanged)
		defer bell.Close()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-bell.C:
				cache.InvalidateAll()
			}
		}
	})
	return nil
}

func (cl *cloud) addPlacement(ctx context.Context) error {
	d, err := cl.openDB(ctx, "placement")
	if err != nil {
		return err
	}
	s, err := placement.New(ctx, placement.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: cl.auth,
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("placement"),
	})
	if err != nil {
		return err
	}
	cl.add("placement", s)
	return nil
}

func (cl *cloud) addNetwork(ctx context.Context) error {
	d, err := cl.openDB(ctx, "network")
	if err != nil {
		return err
	}
	s, err := network.New(ctx, network.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: cl.auth, Owner: cl.owner(),
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("network"),
	})
	if err != nil {
		return err
	}
	cl.add("network", s)
	cl.seed(func(ctx context.Context) error {
		project, err := cl.adminProject(ctx)
		if err != nil {
			return err
		}
		return s.Seed(ctx, network.SeedParams{
			AdminProjectID: project, ExternalCIDR: cl.conf.ExternalCIDR, PrivateCIDR: cl.conf.PrivateCIDR, HostNAT: cl.conf.ExternalNAT,
		})
	})
	return nil
}

func (cl *cloud) addCompute(ctx context.Context) error {
	d, err := cl.openDB(ctx, "compute")
	if err != nil {
		return err
	}
	safe, err := cl.openVault(ctx, secretPasswords)
	if err != nil {
		return err
	}
	s, err := compute.New(ctx, compute.Deps{
		DB: d, Bus: cl.bus, Clock: cl.clock, Log: cl.log, Metrics: cl.metrics, Auth: cl.auth, Owner: cl.owner(),
		AuthenticateURI: cl.endpoint("identity"), Endpoint: cl.endpoint("compute"), ConsoleEndpoint: cl.endpoint("console"), ImageEndpoint: cl.endpoint("image"),
		Images:    neighbour.NewImages(cl.client("image", nil, http.Header{"Accept": {"application/json"}})),
		Networks:  neighbour.NewNetworks(cl.client("network", nil, nil)),
		Placement: neighbour.NewPlacement(cl.client("placement", nil, nil)),
		Limits:    neighbour.NewLimits(cl.client("identity", nil, nil), "compute"),
		Self:      serviceIdentity("compute"),
		Roles:     cl.workRoles(),
		Vault:     safe,

		ResizeConfirmWindow: cl.conf.ResizeConfirmWindow,
		ResizeOnSameHost:    cl.conf.ResizeOnSameHost, ReclaimAfter: cl.conf.ReclaimAfter, OffloadAfter: cl.conf.ShelvedOffload, CachingHosts: cl.conf.CachingHosts,
		RateLimits: cl.conf.RateLimits, Scheduler: schedulerSettings(&cl.conf.Scheduler),
	})
	if err != nil {
		return err
	}
	cl.add("compute", s)
	if !cl.conf.Roles.Serves("compute") {
		return nil
	}
	cl.seed(s.Seed)
	return cl.addConsoles(s)
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
