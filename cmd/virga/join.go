package main

import (
	"context"
	"os"

	"virga/app"
	"virga/core/conf"
	"virga/core/pki"
	"virga/core/token"
)

// join makes this machine a member of a cloud.
type join struct {
	conf.Config
	URL   string `arg:"" help:"Address of a controller: https://HOST:PORT."`
	Token string `name:"token" env:"VIRGA_JOIN_TOKEN" placeholder:"TEXT" help:"What virga token create has shown. In a command line everybody can read it, for the hour or so that it is worth something; the variable is read by nobody else."`
	Role  string `name:"role" enum:"node,controller" default:"node" help:"What this machine is to be: a node, or a controller of a cloud with a database server."`
	Only  bool   `name:"only" help:"Join and end, leaving the node to virga run --roles node."`
}

// Help implements kong.HelpProvider.
func (join) Help() string {
	return `The token is worth something once, for one machine, and carries the fingerprint of the
cloud's authority: this machine talks to that cloud and nobody else from the first byte on.
Its key never leaves it; its certificate is renewed by itself. A machine that has joined
already goes on as what it is, so the command can stand in a unit file:

    virga join https://192.0.2.1:8780 --token vj1.… --tunnel-ip 192.0.2.2`
}

// Run implements the command.
func (j *join) Run(ctx context.Context) error {
	return app.Join(ctx, app.JoinParams{URL: j.URL, Token: token.Secret(j.Token), Kind: pki.Kind(j.Role), Only: j.Only}, &j.Config, version, os.Stdout, os.Stderr)
}
