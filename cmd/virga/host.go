package main

import (
	"context"
	"os"

	"virga/app"
)

// host is the group of commands about compute hosts.
type host struct {
	Drain   hostDrain   `cmd:"" help:"Move all servers of a host to others, running ones while they run, and give it no new ones."`
	Drains  hostDrains  `cmd:"" help:"Tell how far drains are."`
	Undrain hostUndrain `cmd:"" help:"Let a drained host have servers again. Those that left stay where they are."`
}

type hostDrain struct {
	account
	Host    string `arg:"" help:"Name of the host."`
	Because string `placeholder:"REASON" help:"Why; the list of services shows it."`
	Wait    bool   `help:"Wait until no server can leave any more, and tell how far that is."`
}

// Run implements the command.
func (c *hostDrain) Run(ctx context.Context) error {
	return app.DrainHost(ctx, c.app(), c.Host, c.Because, c.Wait, os.Stdout)
}

type hostDrains struct {
	account
	Host string `arg:"" optional:"" help:"Name of a host; its servers are shown, too."`
}

// Run implements the command.
func (c *hostDrains) Run(ctx context.Context) error {
	return app.ShowDrains(ctx, c.app(), c.Host, os.Stdout)
}

type hostUndrain struct {
	account
	Host string `arg:"" help:"Name of the host."`
}

// Run implements the command.
func (c *hostUndrain) Run(ctx context.Context) error {
	return app.UndrainHost(ctx, c.app(), c.Host, os.Stdout)
}
