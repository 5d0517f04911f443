package main

import (
	"context"
	"os"
	"time"

	"virga/app"
)

// joinTokens is the group of commands for join tokens.
type joinTokens struct {
	Create tokenCreate `cmd:"" help:"Create a token with which one machine can join the cloud, and show it this once."`
	List   tokenList   `cmd:"" help:"List join tokens."`
	Revoke tokenRevoke `cmd:"" help:"Make a join token worthless."`
}

type tokenCreate struct {
	account
	Role string        `name:"role" enum:"node,controller" default:"node" help:"What the machine is to be."`
	Host string        `name:"host" placeholder:"NAME" help:"Let only the machine of that name join; needed for one that takes the place of a member."`
	TTL  time.Duration `name:"ttl" default:"1h" help:"How long the token can be used, at most 168h."`
}

// Run implements the command.
func (c *tokenCreate) Run(ctx context.Context) error {
	return app.CreateJoinToken(ctx, c.app(), c.Role, c.Host, c.TTL, os.Stdout)
}

type tokenList struct{ account }

// Run implements the command.
func (c *tokenList) Run(ctx context.Context) error {
	return app.ListJoinTokens(ctx, c.app(), os.Stdout)
}

type tokenRevoke struct {
	account
	ID string `arg:"" help:"Id of the token."`
}

// Run implements the command.
func (c *tokenRevoke) Run(ctx context.Context) error {
	return app.RevokeJoinToken(ctx, c.app(), c.ID, os.Stdout)
}

// members is the group of commands for the machines of a cloud.
type members struct {
	List   memberList   `cmd:"" help:"List nodes and controllers with their certificates."`
	Remove memberRemove `cmd:"" help:"Remove a node or controller; its certificates are refused at once. Guests that run on it are left as they are."`
}

type memberList struct{ account }

// Run implements the command.
func (c *memberList) Run(ctx context.Context) error { return app.ListMembers(ctx, c.app(), os.Stdout) }

type memberRemove struct {
	account
	Role string `name:"role" enum:"node,controller" default:"node" help:"What the machine is."`
	Host string `arg:"" help:"Name of the machine."`
}

// Run implements the command.
func (c *memberRemove) Run(ctx context.Context) error {
	return app.RemoveMember(ctx, c.app(), c.Role, c.Host, os.Stdout)
}
