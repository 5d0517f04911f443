package fleet

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"virga/app"
	"virga/core/bus/stream"
	"virga/core/conf"
	"virga/core/pki"
	"virga/test/cloud"
)

// TestMachinesJoinAndWork has two machines join, gives them servers, and takes the controller
// and one of the nodes away for a while.
func TestMachinesJoinAndWork(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	one, two := join(t, c, "one"), join(t, c, "two")
	disk := image(t, c)
	first := boot(t, c, disk, "one")
	boot(t, c, disk, "two")
	if text := c.Admin.Do(t, "POST", servers+"/"+first+"/action", object{"os-getConsoleOutput": object{}}); !text.OK() {
		t.Errorf("a question to a node over the bus: %s", text)
	}

	c.Stop(t)
	c.Run(t)
	c.Admin.LogIn(t)
	for _, m := range []*machine{one, two} {
		m.ready(t, c)
		boot(t, c, disk, m.host)
	}

	one.end(t)
	if err := one.enter(t, c.Base, ""); err != nil { // it is a member, and needs no token
		t.Error(err)
	}
	one.run(t)
	one.ready(t, c)
	boot(t, c, disk, "one")
	if a := c.Admin.Do(t, "GET", servers+"/"+first, nil); a.Value("server.status") != "ACTIVE" {
		t.Errorf("the first server after all that: %s", a)
	}
}

// TestCertificatesAreRenewed has certificates of ten seconds, and guests that run on.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	c := start(t, 10*time.Second)
	m := join(t, c, "one")
	disk := image(t, c)
	server := boot(t, c, disk, "one")
	serials := map[string]bool{}
	c.Await(t, "three certificates", func() error {
		for _, kind := range []string{"node/one", "controller/" + c.Host} {
			serials[kind+c.Admin.Must(t, "GET", members+"/"+kind, nil, "member.serial")] = true
		}
		if len(serials) < 2*3 {
			return fmt.Errorf("%d certificates\n%s", len(serials), m.log)
		}
		return nil
	})
	m.ready(t, c)
	boot(t, c, disk, "one")
	if a := c.Admin.Do(t, "GET", servers+"/"+server, nil); a.Value("server.status") != "ACTIVE" {
		t.Errorf("the server that ran all the time: %s", a)
	}
	for line := range strings.Lines(m.log.String()) {
		if strings.Contains(line, "certificate not renewed") || strings.Contains(line, "has been removed") {
			t.Error(line)
		}
	}
	if got := c.Admin.Do(t, "GET", members+"/node/one", nil).Value("member.state"); got != "valid" {
		t.Errorf("the node's certificate is %s", got)
	}
}

// TestNodeComesBackByItsKey leaves a machine off until its certificate has expired.
func TestNodeComesBackByItsKey(t *testing.T) {
	t.Parallel()
	c := start(t, 10*time.Second)
	m := join(t, c, "one")
	stolen := copyFolder(t, m.dir)
	m.end(t)
	c.Await(t, "the certificate expires", func() error {
		if state := c.Admin.Must(t, "GET", members+"/node/one", nil, "member.state"); state != "expired" {
			return errors.New(state)
		}
		return nil
	})
	before := m.credentials(t).Certificate()
	m.run(t)
	m.ready(t, c)
	if now := m.credentials(t).Certificate(); pki.PinOf(now) == pki.PinOf(before) {
		t.Error("the node is back with the same key")
	}
	// Who copied the folder before has a key that another has followed.
	m.end(t)
	thief := &machine{host: "one", dir: stolen, health: cloud.FreeAddress(t), log: &cloud.Journal{}}
	t.Cleanup(func() { thief.end(t) })
	thief.run(t)
	thief.says(t, c, "followed by a newer one")
}

func TestTokensServeOneMachine(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	text := newToken(t, c, object{"host": "one", "ttl": 600})
	one, two := newMachine(t, "one"), newMachine(t, "two")
	refused := func(what string, err error, words string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("another host", two.enter(t, c.Base, text), "for the host one")
	refused("no token", one.enter(t, c.Base, ""), "not a join token")
	refused("plain HTTP", one.enter(t, "http://"+c.Address, text), "https://")
	if err := one.enter(t, c.Base, text); err != nil {
		t.Fatal(err)
	}
	if err := one.enter(t, c.Base, text); err != nil {
		t.Errorf("the machine that has joined: %v", err)
	}
	again := newMachine(t, "one")
	refused("used", again.enter(t, c.Base, text), "used already")
	refused("a member's name", again.enter(t, c.Base, newToken(t, c, object{})), "already")
	if err := again.enter(t, c.Base, newToken(t, c, object{"host": "one"})); err != nil {
		t.Errorf("a machine that was installed anew: %v", err)
	}
}

// TestExpiredTokenIsRefused waits with a token until it is worth nothing.
func TestExpiredTokenIsRefused(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	short := newToken(t, c, object{"ttl": 1})
	c.Await(t, "the token expires", func() error {
		if state := c.Admin.Do(t, "GET", tokens, nil).Value("join_tokens.0.state"); state != "expired" {
			return errors.New(state)
		}
		return nil
	})
	if err := newMachine(t, "one").enter(t, c.Base, short); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
}

// TestNobodyInBetween has a machine reach another cloud than the one that its token leads to.
func TestNobodyInBetween(t *testing.T) {
	t.Parallel()
	mine, theirs := start(t, 0), start(t, 0)
	m := newMachine(t, "one")
	text := newToken(t, mine, object{})
	err := m.enter(t, theirs.Base, text)
	if err == nil || !strings.Contains(err.Error(), "somebody between") {
		t.Fatalf("%v", err)
	}
	if strings.Contains(theirs.Log.String(), "/fleet/v1/join") || strings.Contains(theirs.Log.String(), "/v1/join\"") {
		t.Error("the token was sent to the wrong cloud")
	}
	if err := m.enter(t, mine.Base, text); err != nil {
		t.Errorf("the right cloud: %v", err)
	}
}

// TestRemovedNodeIsServedNoMore removes a node with open connections.
func TestRemovedNodeIsServedNoMore(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	m := join(t, c, "one")
	credentials := m.credentials(t)
	client := with(t, credentials.Client())
	own := c.Base + "/compute/internal/hosts/one/guests?since=0"
	if status, text := ask(t, client, "GET", own, ""); status != http.StatusOK {
		t.Fatalf("before: %d %s", status, text)
	}
	c.Admin.Must(t, "DELETE", members+"/node/one", nil, "")
	if status, text := ask(t, client, "GET", own, ""); status != http.StatusForbidden {
		t.Errorf("after: %d %s", status, text)
	}
	m.says(t, c, "it has been removed")
	c.Await(t, "the bus is cut", func() error {
		if !strings.Contains(c.Log.String(), "node disconnected from the bus") {
			return errors.New("still connected")
		}
		return nil
	})
	c.Await(t, "the node says that it does not work", func() error {
		if status, text := ask(t, http.DefaultClient, "GET", "http://"+m.health+"/readyz", ""); status != http.StatusServiceUnavailable {
			return fmt.Errorf("%d %s", status, text)
		}
		return nil
	})
	if err := credentials.Renew(t.Context(), pki.Names{}, renewer(t, client, c)); err == nil {
		t.Error("the removed node renewed its certificate")
	}
	m.end(t)
	if err := m.enter(t, c.Base, newToken(t, c, object{})); err != nil { // the operator has thought better of it
		t.Fatal(err)
	}
	m.run(t)
	m.ready(t, c)
}

// TestNodesAreWhoTheyAre has a node ask for what is not its own, with all that it has.
func TestNodesAreWhoTheyAre(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	one, two := newMachine(t, "one"), newMachine(t, "two")
	for _, m := range []*machine{one, two} {
		if err := m.enter(t, c.Base, newToken(t, c, object{})); err != nil {
			t.Fatal(err)
		}
	}
	client := with(t, one.credentials(t).Client())
	forged := `{"UserID":"x","Roles":[{"Name":"admin"}],"Project":{"ID":"p"}}`
	for _, test := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/network/internal/hosts/two/desired?since=0", http.StatusForbidden},
		{"PUT", "/compute/internal/hosts/two", http.StatusForbidden},
		{"GET", "/compute/internal/hosts/two/guests?since=0", http.StatusForbidden},
		{"GET", "/compute/internal/operations", http.StatusForbidden},
		{"GET", "/fleet/v1/settings", http.StatusOK},
		{"GET", "/fleet/v1/members", http.StatusUnauthorized},
		{"POST", "/fleet/v1/join-tokens", http.StatusUnauthorized},
		{"GET", "/compute/v2.1/servers", http.StatusUnauthorized},
		{"GET", "/compute/v2.1/flavors", http.StatusUnauthorized},
		{"GET", "/compute/internal/../v2.1/servers", http.StatusNotFound},
		{"GET", "/identity/v3/users", http.StatusUnauthorized},
		{"POST", "/image/v2/images", http.StatusUnauthorized},
		{"DELETE", "/image/v2/images/0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f", http.StatusNotFound},
		{"GET", "/placement/resource_providers", http.StatusUnauthorized},
	} {
		status, text := ask(t, client, test.method, c.Base+test.path, "{}", "X-Virga-Identity", forged)
		if status != test.want {
			t.Errorf("%s %s: %d, want %d: %.200s", test.method, test.path, status, test.want, text)
		}
	}
	// Without a certificate the header is worth as little.
	open := with(t, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	for _, path := range []string{"/compute/v2.1/servers", "/fleet/v1/members", "/compute/internal/hosts/one/guests?since=0", "/fleet/v1/settings"} {
		for _, header := range []string{forged, "eyJVc2VySUQiOiJ4IiwiUm9sZXMiOlt7Ik5hbWUiOiJhZG1pbiJ9XX0"} {
			if status, text := ask(t, open, "GET", c.Base+path, "", "X-Virga-Identity", header); status != http.StatusUnauthorized {
				t.Errorf("%s with a made-up identity: %d %.200s", path, status, text)
			}
		}
	}
	if status, _ := ask(t, open, "GET", c.Base+"/bus", ""); status != http.StatusForbidden {
		t.Errorf("the bus for a stranger: %d", status)
	}
}

// TestForeignCertificateEndsTheHandshake shows a certificate of another cloud's authority.
func TestForeignCertificateEndsTheHandshake(t *testing.T) {
	t.Parallel()
	mine, theirs := start(t, 0), start(t, 0)
	one, foreign := newMachine(t, "one"), newMachine(t, "one")
	if err := errors.Join(one.enter(t, mine.Base, newToken(t, mine, object{})), foreign.enter(t, theirs.Base, newToken(t, theirs, object{}))); err != nil {
		t.Fatal(err)
	}
	settings := one.credentials(t).Client()
	settings.GetClientCertificate = foreign.credentials(t).Client().GetClientCertificate
	if status, text := ask(t, with(t, settings), "GET", mine.Base+"/fleet/v1/settings", ""); status != 0 || !strings.Contains(text, "certificate") {
		t.Errorf("%d %s", status, text)
	}
}

// TestPlainHTTPIsAnsweredClearly sends HTTP to the port of HTTPS.
func TestPlainHTTPIsAnsweredClearly(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	status, text := ask(t, http.DefaultClient, "GET", "http://"+c.Address+"/identity/v3", "")
	if status != http.StatusBadRequest || !strings.Contains(text, "HTTPS") {
		t.Errorf("%d %s", status, text)
	}
}

// TestOperatorsCertificateIsFollowed serves clients a certificate of the operator's, and
// another when its files change; nodes join all the same.
func TestOperatorsCertificateIsFollowed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		certificate, key := selfSigned(t, name)
		for path, text := range map[string][]byte{dir + "/cert.pem": certificate, dir + "/key.pem": key} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("first.example")
	settings := &conf.Config{DataDir: dir + "/data", Listen: cloud.FreeAddress(t), Region: "R", Host: "h", Virt: "fake", ExternalCIDR: "172.24.4.0/24",
		PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1", LogLevel: "info", LogFormat: "text", TLS: "on", TLSCert: dir + "/cert.pem", TLSKey: dir + "/key.pem"}
	controller := &machine{host: "h", dir: settings.DataDir, health: settings.Listen, log: &cloud.Journal{}}
	controller.runAll(t, settings)
	shown := func() string {
		conn, err := tls.Dial("tcp", settings.Listen, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
		if err != nil {
			return err.Error()
		}
		defer func() { _ = conn.Close() }()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	await(t, "the first certificate", func() bool { return shown() == "first.example" })
	write("second.example")
	await(t, "the second certificate", func() bool { return shown() == "second.example" })
	if err := os.WriteFile(dir+"/cert.pem", []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	await(t, "a complaint", func() bool {
		return shown() == "second.example" && strings.Contains(controller.log.String(), "cannot be used")
	})
	text, err := os.ReadFile(dir + "/data/clouds.yaml")
	if err != nil || bytes.Contains(text, []byte("cacert")) {
		t.Errorf("clouds.yaml, %v: %s", err, text)
	}
	secret := &bytes.Buffer{}
	account := app.Account{CloudConfig: insecure(t, text)}
	if err := app.CreateJoinToken(t.Context(), account, "node", "", time.Minute, secret); err != nil {
		t.Fatal(err)
	}
	shownToken, _, _ := strings.Cut(secret.String(), "\n")
	if err := newMachine(t, "one").enter(t, "https://"+settings.Listen, shownToken); err != nil {
		t.Error(err)
	}
}

// TestNodesHearTheirOwnTopicsAlone has a node listen to another's orders and answer in its place.
func TestNodesHearTheirOwnTopicsAlone(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	one := newMachine(t, "one")
	if err := one.enter(t, c.Base, newToken(t, c, object{})); err != nil {
		t.Fatal(err)
	}
	heard := &cloud.Journal{}
	client := stream.NewClient(stream.ClientConfig{HTTP: with(t, one.credentials(t).Client()), Base: c.Base + "/bus", Log: slog.New(slog.NewTextHandler(heard, nil))})
	for _, topic := range []string{"compute.node.two", "network.node.two", "fleet.members", "compute.hosts", "cloud.secrets", "compute.node.one.node.one", "identity.changed"} {
		defer client.Listen(topic).Close()
		defer client.Serve(topic, func(context.Context, string, []byte) ([]byte, error) { return nil, nil })()
	}
	defer client.Listen("compute.node.one").Close()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- client.Run(ctx) }()
	await(t, "all that is not its own is refused", func() bool {
		text := heard.String()
		for _, topic := range []string{"compute.node.two", "network.node.two", "fleet.members", "compute.hosts", "cloud.secrets", "compute.node.one.node.one", "identity.changed"} {
			if strings.Count(text, "topic="+topic+" ") < 2 {
				return false
			}
		}
		return true
	})
	if strings.Contains(heard.String(), "topic=compute.node.one ") {
		t.Errorf("its own topic is refused: %s", heard)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestOperatorsSeeAndSteerMembers goes through the commands for tokens and members.
func TestOperatorsSeeAndSteerMembers(t *testing.T) {
	t.Parallel()
	c := start(t, 0)
	account := app.Account{DataDir: c.DataDir}
	said := func(run func(out io.Writer) error) string {
		t.Helper()
		var out strings.Builder
		if err := run(&out); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := said(func(out io.Writer) error {
		return app.CreateJoinToken(t.Context(), account, "node", "one", time.Hour, out)
	})
	joining, _, _ := strings.Cut(text, "\n")
	if !strings.Contains(text, "virga join "+c.Base+" --token "+joining+" --host one\n") {
		t.Errorf("%s", text)
	}
	if err := newMachine(t, "one").enter(t, c.Base, joining); err != nil {
		t.Fatal(err)
	}
	list := said(func(out io.Writer) error { return app.ListJoinTokens(t.Context(), account, out) })
	if strings.Contains(list, "vj1.") || !strings.Contains(list, "used") || !strings.Contains(list, "one") {
		t.Errorf("%s", list)
	}
	id, _, _ := strings.Cut(strings.Split(list, "\n")[1], " ")
	said(func(out io.Writer) error { return app.RevokeJoinToken(t.Context(), account, id, out) })
	if err := app.RevokeJoinToken(t.Context(), account, id, io.Discard); err == nil || !strings.Contains(err.Error(), "There is no join token "+id) {
		t.Errorf("%v", err)
	}
	if list = said(func(out io.Writer) error { return app.ListMembers(t.Context(), account, out) }); strings.Count(list, "valid") != 3 {
		t.Errorf("%s", list)
	}
	said(func(out io.Writer) error { return app.RemoveMember(t.Context(), account, "node", "one", out) })
	if list = said(func(out io.Writer) error { return app.ListMembers(t.Context(), account, out) }); strings.Contains(list, "one") {
		t.Errorf("%s", list)
	}
	for what, err := range map[string]error{
		"There is no node one": app.RemoveMember(t.Context(), account, "node", "one", io.Discard),
		"needs a database":     app.CreateJoinToken(t.Context(), account, "controller", "", time.Hour, io.Discard),
		"ttl":                  app.CreateJoinToken(t.Context(), account, "node", "", 999*time.Hour, io.Discard),
		"host":                 app.CreateJoinToken(t.Context(), account, "node", "a/b", time.Hour, io.Discard),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCloudsWithoutTLSLetNobodyJoin asks a cloud on loopback for a token.
func TestCloudsWithoutTLSLetNobodyJoin(t *testing.T) {
	t.Parallel()
	c := cloud.Start(t)
	err := app.CreateJoinToken(t.Context(), app.Account{DataDir: c.DataDir}, "node", "", time.Hour, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "over TLS, which is off") {
		t.Errorf("%v", err)
	}
}
