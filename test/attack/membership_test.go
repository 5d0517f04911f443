package attack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"virga/app"
	"virga/core/clock"
	"virga/core/conf"
	"virga/core/pki"
	"virga/core/token"
	"virga/service/fleet"
	"virga/test/cloud"
)

// fleetAttacks are tried on a cloud that machines can join, over TLS.
func fleetAttacks() []attack {
	return []attack{
		{"", "somebody between a newcomer and the cloud", middleOfJoin},
		{"", "guessing the secret of a join token", guessedToken},
		{"", "a join token for another host, kind or machine", borrowedToken},
		{"", "a join and a recovery, repeated by who has heard them", repeatedJoin},
		{"CVE-2020-28052", "a request that asks for an authority or for other names", ambitiousRequest},
		{"", "a name of the cloud's own in a request", innerName},
		{"OSSA-2015-016", "giant and odd bodies before any token", oddJoins},
		{"", "the routes of members, by users", membersByUsers},
		{"", "an identity in a header", headerIdentity},
		{"CVE-2011-1473", "thousands of handshakes that are never finished", halfOpen},
		{"", "old versions of TLS", oldTLS},
	}
}

// TestAttacksOnMembership runs them against one cloud, which lets in nobody and works on.
func TestAttacksOnMembership(t *testing.T) {
	c := cloud.Start(t, func(settings *conf.Config) { settings.TLS = "on" })
	s := &scene{Cloud: c, mallory: &estate{owner: c.NewUser(t, "mallory", "member")}}
	before := c.Admin.Do(t, "GET", "/fleet/v1/members", nil).Value("members.1.host")
	t.Run("all", func(t *testing.T) {
		for _, a := range fleetAttacks() {
			t.Run(strings.TrimSpace(a.advisory+" "+a.name), func(t *testing.T) {
				t.Parallel()
				a.run(t, s)
			})
		}
	})
	if got := c.Admin.Do(t, "GET", "/fleet/v1/members", nil); got.Value("members.1.host") != before || got.Value("members.3.host") != "" {
		t.Errorf("the members are now %s", got)
	}
	for line := range strings.Lines(c.Log.String()) {
		if strings.Contains(line, "vj1.") || strings.Contains(line, "PRIVATE KEY") {
			t.Errorf("the log has a secret: %.300s", line)
		}
	}
}

// newcomer has a key and asks for a certificate with it.
func newcomer(t *testing.T, kind pki.Kind, host string) (*pki.Credentials, string) {
	t.Helper()
	c, err := pki.OpenCredentials(t.TempDir(), clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Request(pki.Subject{Kind: kind, Name: host}, pki.Names{})
	if err != nil {
		t.Fatal(err)
	}
	return c, string(text)
}

func joinToken(t *testing.T, s *scene, request object) string {
	t.Helper()
	return s.Admin.Must(t, "POST", "/fleet/v1/join-tokens", request, "join_token.token")
}

func joinWith(t *testing.T, s *scene, text, request string) *cloud.Answer {
	t.Helper()
	return s.Anonymous().Do(t, "POST", "/fleet/v1/join", object{"token": text, "request": request})
}

// middleOfJoin listens where the cloud should be, with certificates of an authority of its
// own, with the cloud's own certificates that everybody can get, and as a mere relay of bytes.
func middleOfJoin(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "middle"})
	real, err := tls.Dial("tcp", s.Address, &tls.Config{InsecureSkipVerify: true, ServerName: pki.Controller.ServerName(), MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	chain := real.ConnectionState().PeerCertificates
	_ = real.Close()
	own, err := pki.NewAuthority(clock.System{}, "middle")
	if err != nil {
		t.Fatal(err)
	}
	c, request := newcomer(t, pki.Controller, "middle")
	parsed, err := pki.ParseRequest([]byte(request))
	if err != nil {
		t.Fatal(err)
	}
	issued, err := own.Issue(parsed, parsed.Subject, pki.Names{Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Accept(issued.Chain, parsed.Subject); err != nil {
		t.Fatal(err)
	}
	mine, err := c.Server().GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, shown := range map[string][][]byte{
		"his own authority": mine.Certificate, "the real authority behind his own leaf": {mine.Certificate[0], chain[len(chain)-1].Raw},
		"the real chain without its key": {chain[0].Raw, chain[len(chain)-1].Raw},
	} {
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: shown, PrivateKey: mine.PrivateKey}}})
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan string, 1)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				heard <- ""
				return
			}
			said, _ := io.ReadAll(io.LimitReader(conn, 4096))
			_ = conn.Close()
			heard <- string(said)
		}()
		settings := &conf.Config{DataDir: t.TempDir(), Listen: "127.0.0.1:1", Host: "middle", Virt: "fake", ExternalCIDR: "172.24.4.0/24", PrivateCIDR: "10.0.0.0/24", TunnelIP: "127.0.0.1"}
		err = app.Join(t.Context(), app.JoinParams{URL: "https://" + listener.Addr().String(), Token: token.Secret(text), Kind: pki.Node, Only: true}, settings, "test", io.Discard, io.Discard)
		if err == nil {
			t.Errorf("%s: the machine has joined", what)
		}
		_ = listener.Close()
		if said := <-heard; strings.Contains(said, "vj1") || said != "" {
			t.Errorf("%s: he heard %.100q", what, said)
		}
	}
}

func guessedToken(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "guessed"})
	parts := strings.Split(text, ".")
	_, request := newcomer(t, pki.Node, "guessed")
	var answers []string
	for i := range 12 {
		guess := make([]byte, 32)
		guess[31] = byte(i)
		a := joinWith(t, s, strings.Join([]string{parts[0], parts[1], base64.RawURLEncoding.EncodeToString(guess), parts[3]}, "."), request)
		refused(t, "a guess", a, http.StatusForbidden)
		answers = append(answers, string(a.Body))
	}
	unknown := joinWith(t, s, strings.Replace(text, parts[1], "0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f", 1), request)
	if string(unknown.Body) != answers[0] || answers[11] != answers[0] {
		t.Errorf("answers tell tokens apart: %s, %s", unknown.Body, answers[11])
	}
	refused(t, "the right secret after all the guesses", joinWith(t, s, text, request), http.StatusForbidden)
}

func borrowedToken(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "borrowed"})
	_, other := newcomer(t, pki.Node, "other")
	refused(t, "another host", joinWith(t, s, text, other), http.StatusForbidden)
	_, controller := newcomer(t, pki.Controller, "borrowed")
	refused(t, "a controller", joinWith(t, s, text, controller), http.StatusForbidden)
	any := joinToken(t, s, object{})
	_, self := newcomer(t, pki.Node, s.Host)
	refused(t, "the name of the host that is there", joinWith(t, s, any, self), http.StatusConflict)
	refused(t, "a token for a controller of a cloud in files", s.Admin.Do(t, "POST", "/fleet/v1/join-tokens", object{"kind": "controller"}), http.StatusConflict)
}

func repeatedJoin(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "repeated"})
	c, request := newcomer(t, pki.Node, "repeated")
	first := joinWith(t, s, text, request)
	if !first.OK() {
		t.Fatal(first)
	}
	// Who repeats the very bytes gets a certificate for a key that he does not have; with a key
	// of his own he gets nothing.
	again := joinWith(t, s, text, request)
	if err := c.Accept([]byte(again.Value("certificate")), pki.Subject{Kind: pki.Node, Name: "repeated"}); err != nil {
		t.Errorf("the repeated answer is not for the same key: %v", err)
	}
	_, his := newcomer(t, pki.Node, "repeated")
	refused(t, "another key", joinWith(t, s, text, his), http.StatusConflict)

	_, next := newcomer(t, pki.Node, "repeated")
	signature, key, err := c.Sign(fleet.RecoverMessage(request))
	if err != nil {
		t.Fatal(err)
	}
	recovery := func(request string) *cloud.Answer {
		return s.Anonymous().Do(t, "POST", "/fleet/v1/recover", object{"request": request, "key": key, "signature": signature})
	}
	refused(t, "a signature for another request", recovery(next), http.StatusForbidden)
	s.Admin.Must(t, "DELETE", "/fleet/v1/members/node/repeated", nil, "")
	refused(t, "a recovery after the removal", recovery(request), http.StatusForbidden)
	refused(t, "a join after the removal", joinWith(t, s, text, request), http.StatusConflict)
}

// rawRequest makes a request as no client of ours would.
func rawRequest(t *testing.T, change func(*x509.CertificateRequest)) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.CertificateRequest{URIs: []*url.URL{{Scheme: "virga", Host: "node", Path: "/raw"}}}
	change(template)
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func ambitiousRequest(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "raw"})
	authority, err := asn1.Marshal(struct{ CA bool }{true})
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*x509.CertificateRequest){
		"an authority": func(r *x509.CertificateRequest) {
			r.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 19}, Critical: true, Value: authority}}
		},
		"the endpoint's address": func(r *x509.CertificateRequest) { r.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} },
		"a host name":            func(r *x509.CertificateRequest) { r.DNSNames = []string{"cloud.example"} },
		"two subjects": func(r *x509.CertificateRequest) {
			r.URIs = append(r.URIs, &url.URL{Scheme: "virga", Host: "controller", Path: "/raw"})
		},
		"a path as a name": func(r *x509.CertificateRequest) { r.URIs[0].Path = "/../raw" },
		"a mail address":   func(r *x509.CertificateRequest) { r.EmailAddresses = []string{"root@example.com"} },
	} {
		refused(t, what, joinWith(t, s, text, rawRequest(t, change)), http.StatusBadRequest)
	}
}

func innerName(t *testing.T, s *scene) {
	text := joinToken(t, s, object{"host": "raw"})
	for _, name := range []string{"controller.virga.internal", "*.virga.internal", "CONTROLLER.virga.internal", "virga.internal"} {
		refused(t, name, joinWith(t, s, text, rawRequest(t, func(r *x509.CertificateRequest) { r.DNSNames = []string{name} })), http.StatusBadRequest)
	}
}

func oddJoins(t *testing.T, s *scene) {
	_, request := newcomer(t, pki.Node, "odd")
	for path, bodies := range map[string][]any{
		"/fleet/v1/join": {`{"token":"` + strings.Repeat("x", 1<<20) + `","request":"x"}`, `{"token":"vj1.x","request":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
			object{"token": "vj1.a.b.c", "request": request, "host": "x"}, object{"token": 7, "request": request}, object{"token": "\x00", "request": request}, `{"token":null}`, ``, `[]`,
			object{"token": "x", "request": request, "version": "a\nb"}, object{"token": "x", "request": strings.Repeat("A", 16<<10)}},
		"/fleet/v1/recover": {object{"request": request, "key": "!", "signature": "!"}, object{"request": request, "key": "AAAA", "signature": "AAAA"},
			object{"request": "x", "key": "AAAA", "signature": "AAAA"}, object{"request": request}, `{"request":"` + strings.Repeat("x", 64<<10) + `"}`},
	} {
		for i, body := range bodies {
			if a := s.Anonymous().Do(t, "POST", path, body); a.Status < 400 || a.Status >= 500 {
				t.Errorf("%s with body %d: %s", path, i, a)
			}
		}
	}
}

func membersByUsers(t *testing.T, s *scene) {
	tries := []try{
		{"GET", "/fleet/v1/members", nil}, {"GET", "/fleet/v1/members/node/" + s.Host, nil}, {"DELETE", "/fleet/v1/members/node/" + s.Host, nil},
		{"GET", "/fleet/v1/join-tokens", nil}, {"POST", "/fleet/v1/join-tokens", object{}}, {"DELETE", "/fleet/v1/join-tokens/0f0f0f0f-0000-4000-8000-0f0f0f0f0f0f", nil},
		{"POST", "/fleet/v1/renew", object{"request": "x"}}, {"GET", "/fleet/v1/settings", nil},
	}
	refuseAll(t, s.mallory.owner, tries, http.StatusForbidden)
	refuseAll(t, s.Anonymous(), tries, http.StatusUnauthorized)
	refused(t, "the controller that answers", s.Admin.Do(t, "DELETE", "/fleet/v1/members/controller/"+s.Host, nil), http.StatusConflict)
	_, request := newcomer(t, pki.Node, "admin")
	refused(t, "a renewal by the administrator", s.Admin.Do(t, "POST", "/fleet/v1/renew", object{"request": request}), http.StatusForbidden)
}

func headerIdentity(t *testing.T, s *scene) {
	const root = `{"UserID":"x","Roles":[{"Name":"admin"},{"Name":"service"},{"Name":"node"}]}`
	for _, text := range []string{root, base64.RawURLEncoding.EncodeToString([]byte(root))} {
		for _, path := range []string{"/compute/v2.1/servers", "/fleet/v1/members", "/identity/v3/users", "/compute/internal/operations", "/bus"} {
			a := s.Anonymous().Do(t, "GET", path, nil, "X-Virga-Identity", text, "X-Virga-Token", "x", "X-Virga-Request-Id", "req-0", "X-Virga-Member", "x")
			refused(t, path, a, http.StatusUnauthorized, http.StatusForbidden)
		}
	}
}

// halfOpen opens far more connections than the cloud keeps without a request, in every stage
// of a handshake, and asks something in between.
func halfOpen(t *testing.T, s *scene) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			_ = conn.Close()
		}
	}()
	for i := range 2000 {
		conn, err := net.Dial("tcp", s.Address)
		if err != nil {
			t.Fatalf("after %d connections: %v", i, err)
		}
		held = append(held, conn)
		switch i % 3 {
		case 1:
			_, _ = conn.Write([]byte{22, 3, 1}) // the beginning of a record
		case 2:
			_, _ = conn.Write([]byte("GET / HT"))
		}
		if i%500 == 499 {
			if a := s.Admin.Do(t, "GET", "/fleet/v1/members", nil); !a.OK() {
				t.Errorf("between %d half-open connections: %s", i, a)
			}
		}
	}
	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}}, Timeout: 10 * time.Second}
	answer, err := fresh.Get(s.Base + "/healthz")
	if err != nil {
		t.Fatalf("a client that comes after them: %v", err)
	}
	_ = answer.Body.Close()
	closed := 0
	for _, conn := range held {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := conn.Read(make([]byte, 1)); !isTimeout(err) { // those that do not even speak TLS have an answer
			closed++
		}
	}
	if closed < 900 {
		t.Errorf("%d of 2000 half-open connections were closed", closed)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error) //nolint:errorlint // it comes from the socket as it is
	return ok && timeout.Timeout()
}

func oldTLS(t *testing.T, s *scene) {
	for name, config := range map[string]*tls.Config{
		"TLS 1.0": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, "TLS 1.1": {MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"TLS 1.2 among the cloud's own": {MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ServerName: pki.Controller.ServerName()},
	} {
		config.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", s.Address, config)
		if err == nil {
			t.Errorf("%s is spoken", name)
			_ = conn.Close()
		}
	}
}
