package main

import (
	"context"
	"errors"
	"os"

	"virga/app"
)

// explain is the command that tells why a server is where it is, or nowhere.
type explain struct {
	account
	Server      string            `arg:"" optional:"" help:"Id or name of a server; a deleted one by its id."`
	AllAttempts bool              `help:"Every decision that is kept, newest first, not the last one alone."`
	Output      string            `short:"o" enum:"table,json" default:"table" help:"table or json."`
	DryRun      bool              `help:"Tell where servers would go now, and why not to other hosts; nothing is changed. With SERVER: where it would move."`
	Flavor      string            `placeholder:"FLAVOR" help:"Of the dry run: id or name; with SERVER the one it would be resized to."`
	Image       string            `placeholder:"IMAGE" help:"Of the dry run: id or name."`
	Zone        string            `placeholder:"ZONE" help:"Of the dry run: availability zone."`
	Host        string            `placeholder:"HOST" help:"Of the dry run: the one host that is asked for."`
	Project     string            `placeholder:"ID" help:"Of the dry run: the project whose server it would be; one's own otherwise."`
	Hint        map[string]string `placeholder:"KEY=VALUE" help:"Of the dry run: a scheduler hint, such as group=ID."`
	Count       int               `default:"1" help:"Of the dry run: how many servers, 100 at most."`
	Hosts       int               `default:"100" help:"Of the dry run: how many hosts are listed, 1000 at most."`
}

// Run implements the command.
func (c *explain) Run(ctx context.Context) error {
	asJSON := c.Output == "json"
	switch {
	case !c.DryRun && c.Server == "":
		return errors.New("which server? Or --dry-run with --flavor and --image")
	case !c.DryRun && (c.Flavor != "" || c.Image != "" || c.Zone != "" || c.Host != "" || c.Project != "" || len(c.Hint) > 0 || c.Count != 1):
		return errors.New("what a dry run is about needs --dry-run")
	case !c.DryRun:
		return app.Explain(ctx, c.app(), c.Server, c.AllAttempts, asJSON, os.Stdout)
	case c.Server == "" && (c.Flavor == "" || c.Image == ""):
		return errors.New("a dry run needs --flavor and --image, or a server that is to move")
	}
	return app.ExplainDryRun(ctx, c.app(), app.DryRun{Server: c.Server, Flavor: c.Flavor, Image: c.Image, Zone: c.Zone, Host: c.Host, Project: c.Project,
		Hints: c.Hint, Count: c.Count, Hosts: c.Hosts}, asJSON, os.Stdout)
}
