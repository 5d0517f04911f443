package main

import (
	"context"
	"os"

	"virga/app"
)

// status is the command that tells how a running cloud is; it exits with 1 for warnings and 2
// for failures, as nova-status does.
type status struct{ account }

// Run implements the command.
func (c *status) Run(ctx context.Context) error { return app.Status(ctx, c.app(), os.Stdout) }
