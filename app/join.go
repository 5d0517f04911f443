package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"virga/app/cluster"
	"virga/app/folder"
	"virga/core/api"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/pki"
	"virga/core/token"
	"virga/service/fleet"
)

// JoinParams say which cloud a machine is to join and as what.
type JoinParams struct {
	// URL is the address of a controller.
	URL string
	// Token is the text of a join token; it may be missing where the machine has joined.
	Token token.Secret
	Kind  pki.Kind
	// Only leaves the node to a later `virga run --roles node`.
	Only bool
}

// Join makes this machine a member of a cloud and, unless told otherwise, runs the node until
// ctx ends. A machine that has joined already goes on with that.
func Join(ctx context.Context, p JoinParams, c *conf.Config, version string, out, logs io.Writer) error {
	c.Roles = conf.Roles{Node: true}
	if err := c.Complete(); err != nil {
		return err
	}
	if err := join(ctx, p, c, version, out); err != nil {
		return err
	}
	if p.Kind == pki.Controller {
		fmt.Fprintf(out, "Start it with virga run --roles … and the settings database and bus of the other controllers, data-dir %s and host %s.\n", c.DataDir, c.Host)
		return nil
	}
	if p.Only {
		fmt.Fprintf(out, "Start it with virga run --roles node, data-dir %s and host %s.\n", c.DataDir, c.Host)
		return nil
	}
	return Run(ctx, c, version, out, logs)
}

// join makes the machine a member, unless it is one. It may be killed and called again at
// any point: the token serves the key that is in the folder from the beginning.
func join(ctx context.Context, p JoinParams, c *conf.Config, version string, out io.Writer) (err error) {
	if err := makeDataDir(c.DataDir); err != nil {
		return err
	}
	used, err := folder.Open(c.DataDir, folder.Use{Alone: true, NewID: clock.System{}.ID})
	if err != nil {
		return err
	}
	defer used.Close()
	if known, err := cluster.BelongsTo(c.DataDir); err != nil || known != "" && p.Kind == pki.Node {
		return errors.Join(err, fmt.Errorf("join: %s is the data folder of a controller of the cloud %s; a node needs one of its own", c.DataDir, known))
	}
	address, err := controllerAddress(p.URL)
	if err != nil {
		return err
	}
	dir := joinedFolder(c.DataDir, p.Kind)
	credentials, err := pki.OpenCredentials(dir, clock.System{})
	if err != nil {
		return err
	}
	subject := pki.Subject{Kind: p.Kind, Name: c.Host}
	if credentials.Joined() {
		member, err := isMember(ctx, credentials, subject, p, address)
		if err != nil {
			return fmt.Errorf("join: %s: %w", c.DataDir, err)
		}
		if member {
			fmt.Fprintf(out, "%s has joined already.\n", c.Host)
			return nil
		}
		if err := os.RemoveAll(dir); err != nil { // the key is worth nothing any more
			return fmt.Errorf("join: %w", err)
		}
		if credentials, err = pki.OpenCredentials(dir, clock.System{}); err != nil {
			return err
		}
	}
	return joinAnew(ctx, p, c, credentials, address, version, out)
}

// joinAnew spends the token.
func joinAnew(ctx context.Context, p JoinParams, c *conf.Config, credentials *pki.Credentials, address, version string, out io.Writer) error {
	subject := pki.Subject{Kind: p.Kind, Name: c.Host}
	shown, err := fleet.ParseToken(p.Token.Reveal())
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	request, err := credentials.Request(subject, pki.Names{})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	var answer fleet.Membership
	body := map[string]string{"token": p.Token.Reveal(), "request": string(request), "version": version}
	if err := askStranger(ctx, address, []pki.Pin{shown.Authority}, "/fleet/v1/join", body, &answer); err != nil {
		return fmt.Errorf("join the cloud at %s: %w", address, refusal(err))
	}
	if err := keepMembership(c, p.Kind, address, &answer); err != nil {
		return fmt.Errorf("join the cloud at %s: %w", address, err)
	}
	if err := credentials.AcceptFrom(shown.Authority, []byte(answer.Certificate), subject); err != nil {
		return fmt.Errorf("join the cloud at %s: %w", address, err)
	}
	fmt.Fprintf(out, "%s has joined the cloud %s as a %s; its certificate is renewed by itself (this one expires %s).\n",
		c.Host, answer.Settings.CloudID, p.Kind, credentials.Certificate().NotAfter.Format("2006-01-02 15:04 MST"))
	return nil
}

// joinedFolder is where the credentials of a member that has joined are.
func joinedFolder(dataDir string, kind pki.Kind) string {
	return filepath.Join(credentialsFolder(dataDir, kind), "joined")
}

// isMember tells whether the credentials of a machine are still worth something; the
// error says that they are another machine's or another cloud's. Without a token, and where
// the controller is not reached, they are taken to be: the node finds out.
func isMember(ctx context.Context, credentials *pki.Credentials, subject pki.Subject, p JoinParams, address string) (bool, error) {
	if credentials.Subject() != subject {
		return false, fmt.Errorf("this machine has joined as %s already, not as %s", credentials.Subject(), subject)
	}
	if p.Token == "" {
		return true, nil
	}
	shown, err := fleet.ParseToken(p.Token.Reveal())
	if err != nil {
		return false, err
	}
	if !slices.ContainsFunc(credentials.AuthorityPins(), shown.Authority.Equal) {
		return false, errors.New("this machine has joined another cloud than the token leads to")
	}
	transport := newTransport(credentials, pki.Controller)
	defer transport.CloseIdleConnections()
	client := api.Client{HTTP: &http.Client{Transport: transport, CheckRedirect: noRedirect}, Base: address, Timeout: renewTimeout}
	err = client.Do(ctx, http.MethodGet, "/fleet/v1/settings", nil, nil)
	if credentials.Expired() {
		err = recoverAt(ctx, credentials, address)
	}
	return statusOf(err) != http.StatusForbidden, nil
}

// recoverAt renews a certificate that has expired.
func recoverAt(ctx context.Context, credentials *pki.Credentials, address string) error {
	return credentials.Renew(ctx, pki.Names{}, func(ctx context.Context, request []byte) ([]byte, error) {
		answer, err := askToRecover(ctx, credentials, address, request, "")
		if err != nil {
			return nil, err
		}
		return []byte(answer.Certificate), nil
	})
}

// keepMembership writes what a member was told, before it has its certificate: with the
// certificate the folder is complete.
func keepMembership(c *conf.Config, kind pki.Kind, address string, answer *fleet.Membership) error {
	if kind == pki.Controller {
		var given handover
		if err := json.Unmarshal(answer.Handover, &given); err != nil || given.ClusterKey == "" {
			return errors.New("the answer has no cluster key")
		}
		return folder.Write(cluster.KeyPath(c.DataDir), []byte(given.ClusterKey+"\n"))
	}
	return writeMembership(c.DataDir, membership{answer.Settings, address})
}

// controllerAddress reads the address of a controller: https://HOST:PORT or HOST:PORT.
func controllerAddress(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("join: %q is not an address like https://controller.example:8780", text)
	}
	return "https://" + u.Host, nil
}
