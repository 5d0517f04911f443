package app

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"virga/core/conf"
	"virga/core/token"
	"virga/core/vault"
)

// opened is a process that has found its cloud.
func opened(t *testing.T, c *conf.Config) *cloud {
	t.Helper()
	cl, err := newCloud(c, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cl.close() })
	if err := cl.openCluster(t.Context()); err != nil {
		t.Fatal(err)
	}
	return cl
}

// TestKeysOfFoldersAreTakenOver starts in a data folder that keeps the keys of tokens in
// files: tokens from before stand, and the files are gone.
func TestKeysOfFoldersAreTakenOver(t *testing.T) {
	c := &conf.Config{DataDir: t.TempDir()}
	files := filepath.Join(c.DataDir, "keys", "fernet")
	if err := os.MkdirAll(filepath.Join(c.DataDir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(files), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := token.SetUpKeys(files); err != nil {
		t.Fatal(err)
	}
	former, err := token.OpenKeys(files)
	if err != nil {
		t.Fatal(err)
	}
	cl := opened(t, c)
	now := cl.clock.Now()
	issued, err := token.NewFernet(former, cl.clock).Issue(token.Payload{UserID: "u", ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := cl.tokenKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.NewFernet(keys, cl.clock).Open(issued.Reveal(), now); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(files)); !os.IsNotExist(err) {
		t.Errorf("the files: %v", err)
	}
	_ = cl.close()
	if keys, err = opened(t, c).tokenKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := token.NewFernet(keys, cl.clock).Open(issued.Reveal(), now); err != nil {
		t.Errorf("a token from before, at the next start: %v", err)
	}
}

// TestRunningProcessesFollowARotation rotates as the command does, beside a process that runs.
func TestRunningProcessesFollowARotation(t *testing.T) {
	settings := func() *conf.Config {
		return &conf.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:1", Host: "here", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24",
			TunnelIP: "127.0.0.1"}
	}
	c := settings()
	cl := opened(t, c)
	keys, err := cl.tokenKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	signing, err := cl.signingKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, job := range cl.jobs {
		wg.Go(func() { _ = job(ctx) })
	}
	issued, err := token.NewFernet(keys, cl.clock).Issue(token.Payload{UserID: "u", ExpiresAt: cl.clock.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := token.NewJWS(signing, cl.clock).Issue(token.Payload{UserID: "u", ExpiresAt: cl.clock.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := RotateKeys(t.Context(), c, io.Discard); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); keys.Count() != 3 || signing.Count() != 3; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the process has %d keys and %d that sign", keys.Count(), signing.Count())
		}
	}
	if _, err := token.NewFernet(keys, cl.clock).Open(issued.Reveal(), cl.clock.Now()); err != nil {
		t.Errorf("a token from before: %v", err)
	}
	if _, err := token.NewJWS(signing, cl.clock).Open(signed.Reveal(), cl.clock.Now()); err != nil {
		t.Errorf("a signed token from before: %v", err)
	}
	cancel()
	wg.Wait()
	other := settings()
	if err := RotateKeys(t.Context(), other, io.Discard); err == nil {
		t.Error("keys of a folder without a cloud were rotated")
	}
	if err := fs.WalkDir(os.DirFS(other.DataDir), ".", func(path string, _ fs.DirEntry, err error) error {
		if path != "." {
			t.Errorf("the refused command has left %s", path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestTheVaultsKeyIsRotatedBesideAProcess rotates and retires as the commands do, from a vault of
// one key that has no ring.
func TestTheVaultsKeyIsRotatedBesideAProcess(t *testing.T) {
	c := &conf.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:1", Host: "here", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24",
		TunnelIP: "127.0.0.1"}
	cl := opened(t, c)
	key := vault.NewKey()
	if err := cl.cluster.ChangeSecret(t.Context(), secretVault, func([]byte) ([]byte, error) { return key, nil }); err != nil {
		t.Fatal(err)
	}
	alone, err := vault.New(key)
	if err != nil {
		t.Fatal(err)
	}
	sealed := alone.Seal([]byte("secret"), "row")
	safe, err := cl.openVault(t.Context(), secretVault)
	if err != nil {
		t.Fatal(err)
	}
	passwords, err := cl.openVault(t.Context(), secretPasswords)
	if err != nil {
		t.Fatal(err)
	}
	underWay := passwords.Seal([]byte("password"), "server")
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, job := range cl.jobs {
		wg.Go(func() { _ = job(ctx) })
	}
	former := safe.Primary()
	if err := RotateVault(t.Context(), c, io.Discard); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); safe.Primary() == former || passwords.Primary() == vault.KeyOf(underWay); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process seals with the old key")
		}
	}
	if text, err := safe.Open(sealed, "row"); err != nil || string(text) != "secret" {
		t.Errorf("from before: %q, %v", text, err)
	}
	if text, err := passwords.Open(underWay, "server"); err != nil || string(text) != "password" {
		t.Errorf("a password under way: %q, %v", text, err)
	}
	if err := RotateVault(t.Context(), c, io.Discard); !errors.Is(err, vault.ErrTooSoon) {
		t.Errorf("a second rotation at once: %v", err)
	}
	var shown strings.Builder
	for _, command := range []func(context.Context, *conf.Config, io.Writer) error{ListKeys, RetireVault, RetireVault, ListKeys} {
		if err := command(t.Context(), c, &shown); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(shown.String(), former); n != 2 { // it is listed, and forgotten
		t.Errorf("the old key is named %d times:\n%s", n, shown.String())
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := safe.Open(sealed, "row"); errors.Is(err, vault.ErrSealed) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the process opens with a retired key")
		}
	}
	cancel()
	wg.Wait()
}

// TestBootstrapBringsTheAdministratorBack runs the command on a folder that a cloud was begun in, twice, and on none.
func TestBootstrapBringsTheAdministratorBack(t *testing.T) {
	c := &conf.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:1", Host: "here", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24",
		TunnelIP: "127.0.0.1", Endpoint: "http://cloud", Region: "here"}
	if err := Bootstrap(t.Context(), c, io.Discard); err == nil {
		t.Error("a folder without a cloud was bootstrapped")
	}
	cl := opened(t, c)
	first, err := cl.adminPassword(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := writeCredentials(c, first, "/trusted.pem"); err != nil {
		t.Fatal(err)
	}
	read := func() (text string) {
		for _, name := range []string{"clouds.yaml", "admin-openrc", "secrets/admin-password"} {
			part, err := os.ReadFile(filepath.Join(c.DataDir, name))
			if err != nil {
				t.Fatal(err)
			}
			text += string(part)
		}
		return text
	}
	before := read()
	if err := Bootstrap(t.Context(), c, io.Discard); err != nil {
		t.Fatal(err)
	}
	second, err := cl.adminPassword(t.Context())
	if err != nil || second == first {
		t.Fatalf("the password is as it was: %v", err)
	}
	if got := read(); got != strings.ReplaceAll(before, first.Reveal(), second.Reveal()) {
		t.Errorf("the files were\n%s\nand are\n%s", before, got)
	}
	c.AdminPassword = "it's \"mine\""
	if err := Bootstrap(t.Context(), c, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got := read(); !strings.Contains(got, `export OS_PASSWORD='it'\''s "mine"'`) || strings.Contains(got, second.Reveal()) {
		t.Errorf("the files are\n%s", got)
	}
	c.AdminPassword = "two\nlines"
	if err := Bootstrap(t.Context(), c, io.Discard); err == nil {
		t.Error("a password of two lines was taken")
	}
}
