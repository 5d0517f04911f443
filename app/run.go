package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/conf"
	"virga/core/db"
	"virga/core/obs"
)

// Up runs a whole cloud until ctx ends: every service and the agents of one node, on one
// address. It is Run with all roles.
func Up(ctx context.Context, c *conf.Config, version string, out, logs io.Writer) error {
	c.Roles = conf.AllRoles()
	return Run(ctx, c, version, out, logs)
}

// Run runs the roles of a process until ctx ends. When it serves, it writes one line with
// the address to out; logs go to logs. Guests are left running at the end and adopted at the
// next start.
func Run(ctx context.Context, c *conf.Config, version string, out, logs io.Writer) (err error) {
	if err := c.Complete(); err != nil {
		return err
	}
	log, err := obs.NewLogger(logs, c.LogLevel, c.LogFormat, contextAttrs)
	if err != nil {
		return err
	}
	if server := c.Server(); server != "" {
		if err := db.CheckServer(server); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if c.Roles.Node {
		if err := demand(ctx, c); err != nil {
			return err
		}
	}
	cl, err := newCloud(c, version, log)
	if err != nil {
		return err
	}
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil // who ended it before it served knows that it did not
		}
		err = errors.Join(err, cl.close())
	}()
	if c.Roles.Node && !c.Roles.Controls() && c.Server() == "" {
		return cl.runNode(ctx, out)
	}
	for _, open := range []func(context.Context) error{
		cl.listen, cl.openBus, cl.openCluster, cl.meetOthers, cl.secure, cl.addServices, cl.readPolicies, cl.addNodeBus, cl.addNodeRole, cl.keepCredentials,
	} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return cl.serve(ctx, out)
}

// serve runs everything until ctx ends or one part gives up.
func (cl *cloud) serve(ctx context.Context, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	if err := cl.serveMetrics(ctx, group); err != nil {
		return err
	}
	if cl.internal != nil {
		cl.serveHTTP(ctx, group, &http.Server{Handler: cl.inside(cl.admit)}, cl.internal)
	}
	if err := cl.announce(ctx, group); err != nil {
		stop()
		return errors.Join(err, group.Wait())
	}
	group.Go(func() error {
		if err := cl.sow(ctx); err != nil {
			return err
		}
		for _, p := range cl.parts {
			group.Go(func() error { return p.Run(ctx) })
		}
		for _, job := range cl.jobs {
			group.Go(func() error { return job(ctx) })
		}
		front := &http.Server{Handler: cl.members(cl.front()), ConnState: newNewcomers(maxNewcomers).observe}
		cl.serveHTTP(ctx, group, front, cl.public)
		cl.tell(out)
		return nil
	})
	return group.Wait()
}

// tell says in one line what runs and where.
func (cl *cloud) tell(out io.Writer) {
	line := fmt.Sprintf("virga %s serves on %s", cl.version, cl.conf.Endpoint)
	if cl.conf.Roles.String() != conf.AllRoles().String() {
		line += fmt.Sprintf(", here at %s with the roles %s", cl.conf.Listen, cl.conf.Roles)
	}
	if cl.conf.Roles.Serves("identity") {
		line += fmt.Sprintf(" (credentials: %s)", cl.conf.DataDir+"/clouds.yaml")
	}
	fmt.Fprintln(out, line)
}

// sow makes what a fresh cloud begins with. Neighbours in other processes may still be on
// their way, so what fails is tried again.
func (cl *cloud) sow(ctx context.Context) error {
	for _, seed := range cl.seeds {
		for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
			err := seed(ctx)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return nil
			}
			if cl.others == nil {
				return err
			}
			cl.log.InfoContext(ctx, "wait for other processes", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
	}
	return nil
}

// shutdownTimeout is how long requests under way get when the process ends.
const shutdownTimeout = 10 * time.Second
