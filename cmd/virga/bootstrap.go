package main

import (
	"context"
	"os"

	"virga/app"
	"virga/core/conf"
)

// bootstrap is keystone-manage bootstrap's counterpart: a cloud begins by itself, so it is left
// to bring back an administrator who was lost.
type bootstrap struct{ conf.Config }

// Help implements kong.HelpProvider.
func (bootstrap) Help() string {
	return `Works on the data folder and the database of a cloud, beside running processes or
without any, and may be repeated. The domain Default, the project admin and the user
admin are there and enabled afterwards; the user has the password that --admin-password
(VIRGA_ADMIN_PASSWORD) names, else a new random one, is not locked and not asked for a
second factor, and has the role admin on the project, the domain and the system. The
tokens that the user had are void. Policy files stay as they are.`
}

// Run implements the command.
func (b *bootstrap) Run(ctx context.Context) error { return app.Bootstrap(ctx, &b.Config, os.Stdout) }
