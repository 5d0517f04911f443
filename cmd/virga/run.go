package main

import (
	"context"
	"os"

	"virga/app"
	"virga/core/conf"
)

// run is one process of a cloud that has several.
type run struct {
	conf.Config
	Chosen conf.Roles `name:"roles" required:"" env:"VIRGA_ROLES" placeholder:"LIST" help:"What this process does: api (all services) or api:identity, api:placement, api:image, api:network, api:compute (those), conductor (carries operations, repairs what drifted), scheduler (chooses hosts), node (runs guests and networks on this machine); with commas between."`
}

// Help implements kong.HelpProvider.
func (run) Help() string {
	return `The processes of a cloud share a database server (--database), a broker (--bus) and
the cluster key, a file in each data folder: "virga join --role controller" brings it to
another machine, or copy secrets/cluster-key. Every role may run in any number of
processes; together they need at least one api of each service, one conductor, one
scheduler and one node.

    virga run --roles api,conductor,scheduler --listen 192.0.2.1:8780

Clients may talk to any process with an api role: it passes on what others serve. Set
--endpoint to the address that all clients use, of a load balancer for example. "virga
up" is the same with all roles in one process, and needs neither server nor broker.`
}

// Run implements the command.
func (r *run) Run(ctx context.Context) error {
	r.Roles = r.Chosen
	return app.Run(ctx, &r.Config, version, os.Stdout, os.Stderr)
}
