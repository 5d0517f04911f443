package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"virga/test/isolated"
	"virga/test/process"
)

// options are the flags.
type options struct {
	service, regex, binary, work, lists, addTo string
	// guest is the image of real guests.
	guest        string
	update, keep bool
	workers      int
}

func main() {
	var o options
	flag.StringVar(&o.service, "service", "identity", "what to test: "+strings.Join(serviceNames(), ", "))
	flag.StringVar(&o.regex, "regex", "", "only the tests whose names match this `REGEX`, of those of the service")
	flag.StringVar(&o.binary, "binary", "bin/virga", "the virga to test")
	flag.StringVar(&o.guest, "guest", "build/virga-guest.qcow2", "the image of real guests")
	flag.StringVar(&o.work, "work", "build/tempest", "folder for the cloud's data, the configuration and what Tempest writes")
	flag.StringVar(&o.lists, "lists", "test/compat/tempest/passing", "folder of the lists of tests that must pass")
	flag.StringVar(&o.addTo, "add", "", "append the totals to this `FILE`")
	flag.BoolVar(&o.update, "update", false, "add what passed to the list of what must pass")
	flag.BoolVar(&o.keep, "keep", false, "keep the work folder")
	flag.IntVar(&o.workers, "workers", 0, "how many tests run at once; 0: as many as are good for the kind of guests")
	flag.Parse()
	if services[o.service].guests == real {
		isolated.Main(o, isolated.Options{Libvirt: true, Commands: []string{"tempest", "nft", "ip"}})
	}
	os.Exit(o.Run())
}

// Run implements isolated.Runner: everything within the namespaces of its own that real guests want.
func (o options) Run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ok, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tempest:", err)
	}
	if err != nil || !ok {
		return 1
	}
	return 0
}

// run does everything and tells whether all that must pass has passed.
func run(ctx context.Context, o options) (ok bool, err error) {
	chosen, known := services[o.service]
	if !known {
		return false, fmt.Errorf("there is no service %q, only %s", o.service, strings.Join(serviceNames(), ", "))
	}
	must, err := readList(filepath.Join(o.lists, o.service+".txt"))
	if err != nil {
		return false, err
	}
	if o.work, err = filepath.Abs(o.work); err != nil {
		return false, err
	}
	if err := os.RemoveAll(o.work); err != nil {
		return false, fmt.Errorf("clear the work folder: %w", err)
	}
	web, err := startWeb(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, web.stop()) }()
	images, err := imageRules(o.work)
	if err != nil {
		return false, err
	}
	cloud, err := process.Start(ctx, process.Options{Binary: o.binary, DataDir: filepath.Join(o.work, "cloud"), AdminPassword: adminPassword, Virt: string(chosen.guests),
		Args: slices.Concat(rules(), chosen.guests.rules(), images, web.rules())})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, cloud.Stop()) }()
	furnished := pictures()
	if chosen.guests == real {
		if furnished, err = bootable(o.guest); err != nil {
			return false, err
		}
	}
	facts, err := furnish(ctx, cloud.Base, furnished)
	if err != nil {
		return false, fmt.Errorf("furnish the cloud: %w", err)
	}
	facts.httpImage = web.image()
	suite := suite{folder: filepath.Join(o.work, "workspace"), workers: cmp.Or(o.workers, chosen.guests.workers())}
	if err := suite.setUp(ctx, configuration(cloud.Base, chosen.guests, facts)); err != nil {
		return false, err
	}
	results, err := suite.run(ctx, chosen, o.regex)
	if err != nil {
		return false, err
	}
	verdict, err := judge(results, must, o.regex)
	if err != nil {
		return false, err
	}
	verdict.print(os.Stdout)
	if o.update {
		if err := verdict.grow(filepath.Join(o.lists, o.service+".txt"), must); err != nil {
			return false, err
		}
	}
	if o.addTo != "" {
		if err := verdict.add(o.addTo); err != nil {
			return false, err
		}
	}
	if verdict.ok() && !o.keep {
		defer func() { err = errors.Join(err, os.RemoveAll(o.work)) }()
	}
	return verdict.ok(), nil
}
