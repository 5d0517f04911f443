package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"virga/app"
	"virga/core/conf"
)

// sim is the command that simulates a large cloud.
type sim struct {
	Hosts    int           `default:"100" help:"How many hosts to simulate."`
	Servers  int           `default:"0" help:"How many servers to create on them, and to measure by."`
	Rate     float64       `default:"0" placeholder:"N" help:"Create at most N servers per second; 0: as fast as it goes."`
	Clients  int           `default:"16" help:"How many clients create and delete at once."`
	Stock    int           `default:"0" help:"Put so many copies of a created server into the database, without guests, to measure lists with."`
	Idle     time.Duration `default:"15s" help:"How long to watch the cloud while nothing happens."`
	Serve    bool          `help:"Go on serving, as a cloud for load tests, until interrupted."`
	DataDir  string        `name:"data-dir" placeholder:"DIR" help:"Folder for the cloud's data; default: one that is removed at the end."`
	Database conf.Secret   `env:"VIRGA_DATABASE" placeholder:"URL" help:"Database server, as for virga up; default: SQLite files."`
	Listen   string        `default:"127.0.0.1:8790" help:"Address and port to serve all APIs on."`
	Profile  string        `placeholder:"FILE" help:"Write CPU profiles of the creating and, to FILE.idle and FILE.delete, of the idle cloud and of the deleting."`
	LogLevel string        `name:"log-level" enum:"debug,info,warn,error" default:"error" help:"Least level of log records."`
}

// Help implements kong.HelpProvider.
func (sim) Help() string {
	return `Runs the control plane of a cloud with simulated hosts in one process and tells how it
does: how much memory a host and a server take, how much of a processor the idle cloud,
how long the scheduler decides, how fast servers come and go, how long lists take. The
hosts are the agents of real ones over drivers that only remember.

    virga sim --hosts 1000 --servers 1000
    virga sim --hosts 10000 --serve`
}

// Run implements the command.
func (s *sim) Run(ctx context.Context) (err error) {
	c := new(conf.Config)
	if err := kong.ApplyDefaults(c); err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	c.DataDir, c.Database, c.Listen, c.LogLevel, c.Virt = s.DataDir, s.Database, s.Listen, s.LogLevel, "fake"
	if c.DataDir == "" {
		if c.DataDir, err = os.MkdirTemp("", "virga-sim-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(c.DataDir) }()
	}
	return app.Sim(ctx, c, app.Simulation{Hosts: s.Hosts, Servers: s.Servers, Rate: s.Rate, Clients: s.Clients, Stock: s.Stock,
		Idle: s.Idle, Serve: s.Serve, Profile: s.Profile}, version, os.Stdout, os.Stderr)
}
