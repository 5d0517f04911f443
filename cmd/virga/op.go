package main

import (
	"context"
	"os"
	"path/filepath"

	"virga/app"
)

// op is the group of commands with which an operator sees and steers durable operations.
type op struct {
	List    opList    `cmd:"" help:"List operations that are not finished, with the step where each stands."`
	Show    opShow    `cmd:"" help:"Show an operation with its steps."`
	Retry   opRetry   `cmd:"" help:"Have a waiting operation go on at once, its tries counted anew."`
	Abandon opAbandon `cmd:"" help:"End an operation as it stands. Nothing is undone: what it left behind is yours to clear."`
}

// account says which cloud is meant and as whom. Flags go before the environment.
type account struct {
	DataDir     string `name:"data-dir" placeholder:"DIR" help:"Data folder of a cloud on this machine; its clouds.yaml is used (VIRGA_DATA_DIR; /var/lib/virga)."`
	CloudConfig string `name:"cloud-config" placeholder:"FILE" help:"A clouds.yaml with an administrator's credentials, for a cloud elsewhere (OS_CLIENT_CONFIG_FILE)."`
	Cloud       string `name:"cloud" placeholder:"NAME" env:"OS_CLOUD" help:"Entry in the file; default: virga, or the only one."`
}

func (a *account) app() app.Account {
	chosen := app.Account{Cloud: a.Cloud, CloudConfig: a.CloudConfig, DataDir: a.DataDir}
	if chosen.CloudConfig == "" && chosen.DataDir == "" {
		chosen.CloudConfig = os.Getenv("OS_CLIENT_CONFIG_FILE")
		chosen.DataDir = os.Getenv("VIRGA_DATA_DIR")
	}
	if chosen.DataDir == "" {
		chosen.DataDir = filepath.FromSlash("/var/lib/virga")
	}
	return chosen
}

type opList struct {
	account
	All   bool `help:"Finished ones, too."`
	Limit int  `default:"200" help:"How many of each service at most."`
}

// Run implements the command.
func (c *opList) Run(ctx context.Context) error {
	return app.ListOperations(ctx, c.app(), c.All, max(c.Limit, 1), os.Stdout)
}

type opShow struct {
	account
	ID string `arg:"" help:"Id of the operation."`
}

// Run implements the command.
func (c *opShow) Run(ctx context.Context) error {
	return app.ShowOperation(ctx, c.app(), c.ID, os.Stdout)
}

type opRetry struct {
	account
	ID string `arg:"" help:"Id of the operation."`
}

// Run implements the command.
func (c *opRetry) Run(ctx context.Context) error {
	return app.RetryOperation(ctx, c.app(), c.ID, os.Stdout)
}

type opAbandon struct {
	account
	ID      string `arg:"" help:"Id of the operation."`
	Because string `required:"" placeholder:"REASON" help:"Why; it is kept with the operation and shown to whoever looks."`
}

// Run implements the command.
func (c *opAbandon) Run(ctx context.Context) error {
	return app.AbandonOperation(ctx, c.app(), c.ID, c.Because, os.Stdout)
}
