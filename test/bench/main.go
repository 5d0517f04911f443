// Command bench measures a running Virga as its clients see it: it starts the real
// binary with simulated guests, puts load on it over loopback, and prints medians,
// rates and ratios to plain work on the same machine in the same run.
//
// It owns no thresholds: absolute times on a shared machine are noise, so it prints what is
// wanted beside each figure and leaves the judgement to the reader.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"
)

// settings of one run.
type settings struct {
	binary  string
	servers int
	clients int
	upload  int64
	// hosts and stock are for the simulations; hosts 0 leaves them out.
	hosts, stock int
}

func main() {
	var s settings
	flag.StringVar(&s.binary, "binary", "bin/virga", "the program to measure")
	flag.IntVar(&s.servers, "servers", 1000, "how many servers a simulation creates, and its lists have")
	flag.IntVar(&s.clients, "clients", 8, "how many clients work at once where a rate is measured")
	flag.IntVar(&s.hosts, "hosts", 10_000, "how many hosts the largest simulation has; 0: no simulations")
	flag.IntVar(&s.stock, "stock", 100_000, "how many servers the lists of a simulation have")
	upload := flag.Int("upload", 1024, "size of the image in MiB")
	flag.Parse()
	s.upload = int64(*upload) << 20
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := errors.Join(run(ctx, s), simulations(ctx, s)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "virga-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	data := filepath.Join(dir, "data")
	began := time.Now()
	c, err := start(ctx, s.binary, data)
	if err != nil {
		return err
	}
	row("start to ready, new data folder", since(began), "")
	if err := c.Stop(); err != nil {
		return err
	}
	began = time.Now()
	if c, err = start(ctx, s.binary, data); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	row("start to ready, existing data folder", since(began), "1 s")
	row("memory when idle (PSS)", megabytes(c.memory()), "100 MB")
	for _, measure := range []func(context.Context, *cloud, settings) error{
		tokens, lists, imageContent, networks, servers, placementCandidates,
	} {
		if err := measure(ctx, c, s); err != nil {
			return err
		}
	}
	row("memory at the end (PSS)", megabytes(c.memory()), "")
	return nil
}

// row prints one figure.
func row(what, figure, goal string) {
	if goal != "" {
		goal = "wanted: " + goal
	}
	fmt.Printf("%-58s %-38s %s\n", what, figure, goal)
}

func since(t time.Time) string { return time.Since(t).Round(time.Millisecond).String() }
