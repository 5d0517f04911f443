package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/app/cluster"
)

// meetOthers makes this process known to itself and, where the cloud has more than one, able
// to reach others and to be reached.
func (cl *cloud) meetOthers(ctx context.Context) error {
	cl.process = cluster.Process{ID: cl.folder.Process(), Host: cl.conf.Host, Version: cl.version, Roles: cl.conf.Roles.String(),
		Bus: busLocal, StartedAt: cl.clock.Now()}
	if err := cl.settleEndpoint(ctx); err != nil {
		return err
	}
	if err := cl.openAuthority(ctx); err != nil {
		return err
	}
	cl.onRun(cl.cluster.FollowKey)
	if !cl.conf.Shared() {
		return nil
	}
	cl.process.Bus = busAMQP
	cl.others = newOthers(cl.cluster, cl.process.ID, cl.credentials)
	cl.onRun(cl.cluster.Watch)
	return cl.listenInside(ctx)
}

// How processes hear of each other, as they say of themselves.
const (
	busLocal = "local"
	busAMQP  = "amqp"
)

// factEndpoint is the public address of the cloud.
const factEndpoint = "endpoint"

// settleEndpoint has all processes tell clients one address: the one that a setting gave
// last, else that of the first process.
func (cl *cloud) settleEndpoint(ctx context.Context) error {
	if cl.conf.EndpointGiven || !cl.conf.Shared() {
		return cl.cluster.State(ctx, factEndpoint, cl.conf.Endpoint)
	}
	endpoint, err := cl.cluster.Fact(ctx, factEndpoint, cl.conf.Endpoint)
	cl.conf.Endpoint = endpoint
	return err
}

// announce makes this process known to the others, unless they could not work together.
func (cl *cloud) announce(ctx context.Context, group *errgroup.Group) error {
	for prefix := range maps.Keys(cl.edge.Services) {
		cl.process.Services = append(cl.process.Services, strings.TrimPrefix(prefix, "/"))
	}
	slices.Sort(cl.process.Services)
	if err := cl.checkName(ctx); err != nil {
		return err
	}
	if err := cl.cluster.Announce(ctx, cl.process); err != nil {
		return err
	}
	beating, stop := context.WithCancel(ctx)
	group.Go(func() error { defer stop(); return cl.cluster.Beat(beating, cl.process) })
	if err := cl.checkOthers(ctx); err != nil {
		stop()
		return err
	}
	return nil
}

// checkName refuses a data folder that was copied from a machine where its processes live:
// they would take each other's names.
func (cl *cloud) checkName(ctx context.Context) error {
	living, err := cl.cluster.Living(ctx)
	if err != nil {
		return err
	}
	for _, p := range living {
		if p.ID == cl.process.ID && p.Host != cl.process.Host {
			return fmt.Errorf("a process of this name lives on the host %s: the data folder %s is a copy of that host's; remove its folders processes and pki",
				p.Host, cl.conf.DataDir)
		}
	}
	return nil
}

// checkOthers refuses processes that would not hear of each other's changes.
func (cl *cloud) checkOthers(ctx context.Context) error {
	living, err := cl.cluster.Living(ctx)
	if err != nil {
		return err
	}
	for _, p := range living {
		if p.ID == cl.process.ID || p.Bus == busAMQP && cl.process.Bus == busAMQP {
			continue
		}
		who := fmt.Sprintf("another process of this cloud lives (%s on %s, seen %s ago)", p.Roles, p.Host, cl.clock.Now().Sub(p.SeenAt).Round(time.Second))
		if cl.process.Bus == busLocal {
			return errors.New(who + ", and would not hear of what this one does: processes that work together need --bus amqp://…")
		}
		return errors.New(who + " with --bus local and would not hear of what this one does: start it with --bus amqp://…, too")
	}
	return nil
}
