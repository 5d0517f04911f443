package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"virga/app/folder"
	"virga/core/conf"
	"virga/core/token"
	"virga/service/identity"
)

// Bootstrap gives a cloud its administrator back: with the configured password, else a new
// random one. It works on the data alone, beside running processes or without any, and may be
// repeated. The files with credentials in the data folder are brought up to date.
func Bootstrap(ctx context.Context, c *conf.Config, out io.Writer) error {
	return onRecords(ctx, c, "bootstrap", func(r *records) error {
		password, err := newPassword(c.AdminPassword)
		if err != nil {
			return err
		}
		d, err := r.identity(ctx)
		if err != nil {
			return err
		}
		// The secret comes first: whoever dies in between has a password that is nowhere in use,
		// and repeats the command.
		if err := r.cluster.ChangeSecret(ctx, secretAdminPassword, func([]byte) ([]byte, error) { return []byte(password.Reveal()), nil }); err != nil {
			return err
		}
		if err := identity.Recover(ctx, identity.Recovery{DB: d, Clock: r.clock, Password: password}); err != nil {
			return err
		}
		if err := folder.Write(filepath.Join(c.DataDir, "secrets", "admin-password"), []byte(password.Reveal()+"\n")); err != nil {
			return err
		}
		if err := changeCredentials(c.DataDir, password); err != nil {
			return err
		}
		fmt.Fprintf(out, "The user admin of the domain Default is an administrator again; the password is in %s. Processes that run follow within seconds.\n",
			filepath.Join(c.DataDir, "secrets", "admin-password"))
		return nil
	})
}

// changeCredentials puts another password into the files that clients know how to read, where
// they are there; a process that serves identity makes them at its start.
func changeCredentials(dir string, password token.Secret) error {
	clouds := filepath.Join(dir, "clouds.yaml")
	err := changeFile(clouds, func(text []byte) ([]byte, error) {
		var file yaml.Node // what else is in it stays as it is
		if err := yaml.Unmarshal(text, &file); err != nil {
			return nil, err
		}
		node := &file
		for _, name := range []string{"clouds", "virga", "auth", "password"} {
			if node = member(node, name); node == nil {
				return nil, fmt.Errorf("it has no %s of the cloud virga", name)
			}
		}
		node.SetString(password.Reveal())
		return yaml.Marshal(&file)
	})
	if err != nil {
		return err
	}
	return changeFile(filepath.Join(dir, "admin-openrc"), func(text []byte) ([]byte, error) {
		const name = "export OS_PASSWORD="
		lines := strings.SplitAfter(string(text), "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, name) {
				lines[i] = name + shellQuote(password.Reveal()) + "\n"
			}
		}
		return []byte(strings.Join(lines, "")), nil
	})
}

// member is the value of a key of a YAML map; nil when there is none.
func member(node *yaml.Node, name string) *yaml.Node {
	if node.Kind == yaml.DocumentNode && len(node.Content) == 1 {
		node = node.Content[0]
	}
	if node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return node.Content[i+1]
		}
	}
	return nil
}

// changeFile replaces a file by what change makes of it, if it is there.
func changeFile(path string, change func([]byte) ([]byte, error)) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		text, err = change(text)
	}
	if err != nil {
		return fmt.Errorf("change %s: %w", path, err)
	}
	return folder.Write(path, text)
}
