package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"virga/core/conf"
	"virga/core/db"
	"virga/core/obs"
)

// Up runs a whole cloud until ctx ends: every service and the agents of one node, on one
// address. When it serves, it writes one line with the address to out; logs go to logs.
// Guests are left running at the end and adopted at the next start.
func Up(ctx context.Context, c *conf.Config, version string, out, logs io.Writer) (err error) {
	if err := c.Complete(); err != nil {
		return err
	}
	log, err := obs.NewLogger(logs, c.LogLevel, c.LogFormat, contextAttrs)
	if err != nil {
		return err
	}
	if server := c.Database.Reveal(); server != "" {
		if err := db.CheckServer(server); err != nil {
			return fmt.Errorf("database: %w", err)
		}
	}
	if err := demand(ctx, c); err != nil {
		return err
	}
	cl, err := newCloud(c, version, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.close()) }()
	if err := cl.claimDatabase(ctx); err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	cl.onClose(func() error { _ = listener.Close(); return nil }) // the server has closed it when it ran
	password, err := adminPassword(c)
	if err != nil {
		return err
	}
	if err := cl.addServices(ctx, password); err != nil {
		return err
	}
	d, err := cl.openDrivers()
	if err != nil {
		return err
	}
	if err := cl.addNode(d); err != nil {
		return err
	}
	if err := writeCredentials(c, password); err != nil {
		return err
	}
	return cl.serve(ctx, listener, out)
}

// serve runs everything until ctx ends or one part gives up.
func (cl *cloud) serve(ctx context.Context, listener net.Listener, out io.Writer) error {
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler: cl.edge, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
	}
	for _, p := range cl.parts {
		group.Go(func() error { return p.Run(ctx) })
	}
	for _, job := range cl.jobs {
		group.Go(func() error { return job(ctx) })
	}
	group.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := server.Shutdown(end); err != nil {
			return server.Close()
		}
		return nil
	})
	fmt.Fprintf(out, "virga %s serves on %s (credentials: %s)\n", cl.version, cl.conf.Endpoint, cl.conf.DataDir+"/clouds.yaml")
	return group.Wait()
}
