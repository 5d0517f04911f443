// Command virga is a private cloud that speaks the OpenStack APIs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"virga/app"
	"virga/core/conf"
)

// version is set by the build.
var version = "development"

type commands struct {
	Config configFile `help:"TOML file with settings; flags and VIRGA_… variables go before it." type:"existingfile" env:"VIRGA_CONFIG"`

	Up      up           `cmd:"" help:"Run a whole cloud in this process."`
	Run     run          `cmd:"" help:"Run some of a cloud's roles in this process, with others elsewhere."`
	Join    join         `cmd:"" help:"Make this machine a node of a cloud, and run it."`
	Token   joinTokens   `cmd:"" help:"Let machines join."`
	Member  members      `cmd:"" help:"See and remove the machines of a cloud."`
	Status  status       `cmd:"" help:"Tell whether the services and hosts of a running cloud are up, and what to mend before and after an upgrade."`
	Doctor  doctor       `cmd:"" help:"Tell what this machine can and cannot do, and how to mend it."`
	Sim     sim          `cmd:"" help:"Simulate a cloud of many hosts and measure it."`
	Host    host         `cmd:"" help:"Empty compute hosts of a running cloud."`
	Explain explain      `cmd:"" help:"Tell why a server is where it is or nowhere, and what would change that; or where one would go."`
	Op      op           `cmd:"" help:"See and steer the durable operations of a running cloud."`
	Image   imageAdmin   `cmd:"" help:"See, restore and scrub deleted images whose data is kept."`
	Events  eventList    `cmd:"" help:"See what was changed in a running cloud, by whom, from what to what."`
	Boot    bootstrap    `cmd:"" name:"bootstrap" help:"Give a cloud its administrator back: enable and unlock the user admin, with a new password and all roles."`
	Keys    keys         `cmd:"" help:"Rotate the keys of tokens and of the vault."`
	Version printVersion `cmd:"" help:"Print the version."`
}

type configFile string

// BeforeResolve reads the file before flags get their values.
func (f configFile) BeforeResolve(k *kong.Kong, ctx *kong.Context, trace *kong.Path) error {
	path, ok := ctx.FlagValue(trace.Flag).(configFile)
	if !ok || path == "" {
		return nil
	}
	resolver, err := conf.File(string(path))
	if err != nil {
		return err
	}
	ctx.AddResolver(resolver)
	return nil
}

type up struct{ conf.Config }

// Run implements the command.
func (u *up) Run(ctx context.Context) error {
	return app.Up(ctx, &u.Config, version, os.Stdout, os.Stderr)
}

type doctor struct{ conf.Config }

// Run implements the command.
func (d *doctor) Run(ctx context.Context) error { return app.Doctor(ctx, &d.Config, os.Stdout) }

type printVersion struct{}

// Run implements the command.
func (printVersion) Run() error {
	_, err := fmt.Println("virga " + version)
	return err
}

// garbage is how much the heap may grow, in percent of what is in use, before garbage is
// collected: a control plane keeps little and throws away much, so that collecting half as
// often spares a tenth of the processor for some megabytes.
const garbage = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	k := kong.Parse(new(commands), kong.Name("virga"), kong.UsageOnError(),
		kong.Description("A private cloud in one binary that speaks the OpenStack APIs."), kong.BindTo(ctx, (*context.Context)(nil)))
	k.FatalIfErrorf(k.Run())
}
