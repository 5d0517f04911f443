package compat

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"go.yaml.in/yaml/v3"

	"virga/test/cloud"
)

// clients are gophercloud's clients of one user.
type clients struct {
	identity, image, network, compute, placement *gophercloud.ServiceClient
}

func TestGophercloud(t *testing.T) {
	c := cloud.Start(t)
	options := readAccount(t, filepath.Join(c.DataDir, "clouds.yaml"))
	admin := connect(t, options)
	t.Run("identity", func(t *testing.T) { walkIdentity(t, admin, options) })
	t.Run("image", func(t *testing.T) { walkImage(t, admin) })
	t.Run("network", func(t *testing.T) { walkNetwork(t, admin) })
	t.Run("placement", func(t *testing.T) { walkPlacement(t, admin) })
	t.Run("compute", func(t *testing.T) { walkCompute(t, c, admin) })
}

// readAccount reads what the cloud tells its administrator. Gophercloud's own reader needs a module more.
func readAccount(t *testing.T, file string) gophercloud.AuthOptions {
	t.Helper()
	var all struct {
		Clouds map[string]struct {
			Auth struct {
				AuthURL           string `yaml:"auth_url"`
				Username          string `yaml:"username"`
				Password          string `yaml:"password"`
				ProjectName       string `yaml:"project_name"`
				UserDomainName    string `yaml:"user_domain_name"`
				ProjectDomainName string `yaml:"project_domain_name"`
			} `yaml:"auth"`
		} `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(need(os.ReadFile(file))(t), &all); err != nil {
		t.Fatalf("read %s: %v", file, err)
	}
	a := all.Clouds["virga"].Auth
	return gophercloud.AuthOptions{IdentityEndpoint: a.AuthURL, Username: a.Username, Password: a.Password, DomainName: a.UserDomainName,
		Scope: &gophercloud.AuthScope{ProjectName: a.ProjectName, DomainName: a.ProjectDomainName}}
}

// connect logs in and finds every service in the catalog.
func connect(t *testing.T, options gophercloud.AuthOptions) *clients {
	t.Helper()
	provider, err := config.NewProviderClient(t.Context(), options)
	if err != nil {
		t.Fatalf("log in as %s: %v", options.Username, err)
	}
	service := func(make func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)) *gophercloud.ServiceClient {
		t.Helper()
		return need(make(provider, gophercloud.EndpointOpts{Region: "RegionOne"}))(t)
	}
	return &clients{identity: service(openstack.NewIdentityV3), image: service(openstack.NewImageV2), network: service(openstack.NewNetworkV2),
		compute: service(openstack.NewComputeV2), placement: service(openstack.NewPlacementV1)}
}

// at is a client that speaks another microversion.
func at(client *gophercloud.ServiceClient, microversion string) *gophercloud.ServiceClient {
	other := *client
	other.Microversion = microversion
	return &other
}

// need is the value of a request that has to succeed: need(Get(…).Extract())(t).
func need[T any](value T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// done is a request without a value that has to succeed.
func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// refused is a request that has to be answered with that status.
func refused(t *testing.T, status int, err error) {
	t.Helper()
	if !gophercloud.ResponseCodeIs(err, status) {
		t.Errorf("%v, want the status %d %s", err, status, http.StatusText(status))
	}
}

// listed are the names in all pages of a list, sorted.
func listed[T any](t *testing.T, pages pagination.Pager, extract func(pagination.Page) ([]T, error), name func(T) string) []string {
	t.Helper()
	var names []string
	err := pages.EachPage(t.Context(), func(_ context.Context, page pagination.Page) (bool, error) {
		rows, err := extract(page)
		for _, row := range rows {
			names = append(names, name(row))
		}
		return true, err
	})
	if err != nil {
		t.Error(err)
	}
	slices.Sort(names)
	return names
}

// equal compares lists.
func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
