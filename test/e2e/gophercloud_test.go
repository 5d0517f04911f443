//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
)

// clients are gophercloud's clients of one account.
type clients struct {
	compute, network, image, placement *gophercloud.ServiceClient
}

// gophercloud logs in and finds the services in the catalog.
func (a *account) gophercloud(t *testing.T) *clients {
	t.Helper()
	provider, err := config.NewProviderClient(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: a.auth.AuthURL, Username: a.auth.Username, Password: a.auth.Password, DomainName: a.auth.UserDomainName,
		Scope: &gophercloud.AuthScope{ProjectName: a.auth.ProjectName, DomainName: a.auth.ProjectDomainName}, AllowReauth: true,
	})
	if err != nil {
		t.Fatalf("log in as %s: %v", a.auth.Username, err)
	}
	client := must[*gophercloud.ServiceClient](t)
	region := gophercloud.EndpointOpts{Region: "RegionOne"}
	c := &clients{
		compute:   client(openstack.NewComputeV2(provider, region)),
		network:   client(openstack.NewNetworkV2(provider, region)),
		image:     client(openstack.NewImageV2(provider, region)),
		placement: client(openstack.NewPlacementV1(provider, region)),
	}
	c.compute.Microversion = "2.87"
	c.placement.Microversion = "1.28"
	return c
}

// is tells whether an error is an answer with that status.
func is(err error, status int) bool {
	var answer gophercloud.ErrUnexpectedResponseCode
	return errors.As(err, &answer) && answer.Actual == status
}

// awaitStatus waits until a server has the status; a server in ERROR tells why.
func (c *clients) awaitStatus(t *testing.T, id, status string, patience time.Duration) *servers.Server {
	t.Helper()
	var server *servers.Server
	await(t, "server "+id+" becomes "+status, patience, func() (err error) {
		server, err = servers.Get(t.Context(), c.compute, id).Extract()
		switch {
		case err != nil:
			return err
		case server.Status == "ERROR" && status != "ERROR":
			t.Fatalf("server %s is in ERROR: %s", id, server.Fault.Message)
		case server.Status != status || server.TaskState != "":
			return fmt.Errorf("it is %s, %s", server.Status, server.TaskState)
		}
		return nil
	})
	return server
}

// awaitGone waits until there is no such server.
func (c *clients) awaitGone(t *testing.T, id string, patience time.Duration) {
	t.Helper()
	await(t, "server "+id+" is gone", patience, func() error {
		server, err := servers.Get(t.Context(), c.compute, id).Extract()
		switch {
		case is(err, http.StatusNotFound):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("it is %s", server.Status)
	})
}
