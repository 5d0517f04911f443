package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"virga/core/conf"
	"virga/service/compute/hypervisor/libvirt"
	"virga/service/network/fabric/linux"
)

// finding is one thing that the doctor looked at.
type finding struct {
	name, level, detail, mend string
}

// examine finds out what this machine can do; it changes nothing.
func examine(ctx context.Context, c *conf.Config) []finding {
	var all []finding
	for _, f := range libvirt.Check(ctx, libvirt.Config{Dir: filepath.Join(c.DataDir, "guests"), Socket: c.LibvirtSocket}) {
		all = append(all, finding{f.Name, string(f.Level), f.Detail, f.Mend})
	}
	for _, f := range linux.Check(ctx) {
		all = append(all, finding{f.Name, string(f.Level), f.Detail, f.Mend})
	}
	return all
}

// The levels that libvirt.Check and linux.Check share.
const levelFail = "fail"

// Doctor writes what this machine can and cannot do and how to mend it. The error says that something is missing.
func Doctor(ctx context.Context, c *conf.Config, out io.Writer) error {
	if err := c.Complete(); err != nil {
		return err
	}
	failed := 0
	for _, f := range examine(ctx, c) {
		fmt.Fprintf(out, "%-5s %-14s %s\n", f.level, f.name, f.detail)
		if f.level != "ok" && f.mend != "" {
			fmt.Fprintf(out, "      %-14s to mend: %s\n", "", f.mend)
		}
		if f.level == levelFail {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d things are missing for real guests; `virga up --virt fake` runs without them", failed)
	}
	fmt.Fprintln(out, "This machine can run real guests.")
	return nil
}

// demand refuses to start when the chosen drivers cannot work, before anything is changed.
func demand(ctx context.Context, c *conf.Config) error {
	if c.Virt == "fake" {
		return nil
	}
	var missing []string
	for _, f := range examine(ctx, c) {
		if f.level == levelFail {
			missing = append(missing, fmt.Sprintf("%s: %s (to mend: %s)", f.name, f.detail, f.mend))
		}
	}
	if len(missing) > 0 {
		return errors.New("this machine cannot run real guests yet; `--virt fake` simulates them:\n  " + strings.Join(missing, "\n  "))
	}
	return nil
}
