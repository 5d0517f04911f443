package main

import (
	"context"
	"os"

	"virga/app"
	"virga/core/conf"
)

// keys is the group of commands for the keys of the cloud.
type keys struct {
	Rotate keysRotate `cmd:"" help:"Seal new tokens, or what users deposit, with another key. Nobody is logged out, and running processes follow within seconds."`
	Retire keysRetire `cmd:"" help:"Forget the old keys of the vault, after everything that they have sealed is sealed anew, or former cluster keys."`
	List   keysList   `cmd:"" help:"List the keys of the vault, and how much each has sealed."`
}

type keysRotate struct {
	conf.Config
	Vault     bool `name:"vault" xor:"what" help:"Rotate the key of the vault, which seals what users deposit, instead of those of tokens."`
	Authority bool `name:"authority" xor:"what" help:"Rotate the key of the certificate authority instead: a new one is believed at once, issues after three days (three lives of certificates), and the former one is believed as long again."`
	Cluster   bool `name:"cluster" xor:"what" help:"Rotate the cluster key instead, which is in the data folder of each controller and seals the secrets of the cloud: controllers follow by themselves."`
}

// Run implements the command.
func (k *keysRotate) Run(ctx context.Context) error {
	switch {
	case k.Vault:
		return app.RotateVault(ctx, &k.Config, os.Stdout)
	case k.Authority:
		return app.RotateAuthority(ctx, &k.Config, os.Stdout)
	case k.Cluster:
		return app.RotateCluster(ctx, &k.Config, os.Stdout)
	}
	return app.RotateKeys(ctx, &k.Config, os.Stdout)
}

type keysRetire struct {
	conf.Config
	Cluster bool `name:"cluster" help:"Make former cluster keys worthless instead, when all controllers have run since the last rotation."`
}

// Run implements the command.
func (k *keysRetire) Run(ctx context.Context) error {
	if k.Cluster {
		return app.RetireCluster(ctx, &k.Config, os.Stdout)
	}
	return app.RetireVault(ctx, &k.Config, os.Stdout)
}

type keysList struct{ conf.Config }

// Run implements the command.
func (k *keysList) Run(ctx context.Context) error { return app.ListKeys(ctx, &k.Config, os.Stdout) }
