package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"virga/core/api"
	"virga/core/token"
)

// Account says with whose credentials a running cloud is to be used.
type Account struct {
	// CloudConfig is a clouds.yaml; empty: that in DataDir.
	CloudConfig string
	// DataDir is the data folder of a cloud on this machine.
	DataDir string
	// Cloud is the entry in the file; empty: virga, or the only one.
	Cloud string
}

// cloudEntry is one cloud of a clouds.yaml, in the form of OpenStack's clients.
type cloudEntry struct {
	Auth struct {
		AuthURL           string `yaml:"auth_url"`
		Username          string `yaml:"username"`
		UserID            string `yaml:"user_id"`
		Password          string `yaml:"password"`
		UserDomainID      string `yaml:"user_domain_id"`
		UserDomainName    string `yaml:"user_domain_name"`
		ProjectID         string `yaml:"project_id"`
		ProjectName       string `yaml:"project_name"`
		ProjectDomainID   string `yaml:"project_domain_id"`
		ProjectDomainName string `yaml:"project_domain_name"`
		Token             string `yaml:"token"`
		CredentialID      string `yaml:"application_credential_id"`
		CredentialSecret  string `yaml:"application_credential_secret"`
	} `yaml:"auth"`
	RegionName string `yaml:"region_name"`
	Interface  string `yaml:"interface"`
	Verify     *bool  `yaml:"verify"`
	CACert     string `yaml:"cacert"`
}

// read finds the entry.
func (a Account) read() (*cloudEntry, error) {
	path := a.CloudConfig
	if path == "" {
		path = filepath.Join(a.DataDir, "clouds.yaml")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	var file struct {
		Clouds map[string]*cloudEntry `yaml:"clouds"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("read credentials %s: it is no clouds.yaml", path) // the error may repeat what the file says
	}
	names := slices.Sorted(maps.Keys(file.Clouds))
	name := a.Cloud
	switch {
	case name != "":
	case len(names) == 1:
		name = names[0]
	default:
		name = "virga"
	}
	entry := file.Clouds[name]
	if entry == nil || entry.Auth.AuthURL == "" {
		return nil, fmt.Errorf("read credentials %s: no cloud %q with an auth_url is in it, only [%s]", path, name, strings.Join(names, ", "))
	}
	return entry, nil
}

// remote is a running cloud, seen with a token.
type remote struct {
	http  *http.Client
	token token.Secret
	// identity is the address of the identity service that let us in, without version.
	identity string
	// roots are the addresses of the services, without versions, in order.
	roots []string
	// types are the roots by the types of services.
	types map[string]string
}

const (
	// logInTimeout bounds the log-in, whose password check is slow on purpose.
	logInTimeout = 20 * time.Second
	// maxCatalog bounds the answer to it.
	maxCatalog = 4 << 20
)

// logIn gets a token and learns the addresses of the services.
func (a Account) logIn(ctx context.Context) (*remote, error) {
	entry, err := a.read()
	if err != nil {
		return nil, err
	}
	client, err := entry.client()
	if err != nil {
		return nil, err
	}
	base := strings.TrimSuffix(strings.TrimSuffix(entry.Auth.AuthURL, "/"), "/v3")
	body, err := json.Marshal(entry.request())
	if err != nil {
		return nil, fmt.Errorf("log in at %s: %w", base, err)
	}
	ctx, cancel := context.WithTimeout(ctx, logInTimeout)
	defer cancel()
	resp, err := (&api.Client{HTTP: client, Base: base}).Open(ctx, http.MethodPost, "/v3/auth/tokens", strings.NewReader(string(body)))
	if statusOf(err) == http.StatusUnauthorized {
		return nil, fmt.Errorf("log in at %s: the credentials are refused", base)
	}
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Token struct {
			Catalog []struct {
				Type      string
				Endpoints []struct{ Interface, Region, URL string }
			}
		}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxCatalog)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("log in at %s: read the catalog: %w", base, err)
	}
	r := &remote{http: client, token: token.Secret(resp.Header.Get("X-Subject-Token")), identity: base, types: map[string]string{}}
	for _, service := range answer.Token.Catalog {
		for _, e := range service.Endpoints {
			root := versionSuffix.ReplaceAllString(strings.TrimSuffix(e.URL, "/"), "")
			if e.Interface == entry.endpointInterface() && (entry.RegionName == "" || e.Region == entry.RegionName) && !slices.Contains(r.roots, root) {
				r.roots = append(r.roots, root)
				r.types[service.Type] = root
			}
		}
	}
	if len(r.roots) == 0 {
		return nil, fmt.Errorf("log in at %s: the catalog has no %s endpoint in region %q", base, entry.endpointInterface(), entry.RegionName)
	}
	slices.Sort(r.roots)
	return r, nil
}

// versionSuffix is what endpoints in catalogs have behind the root of the service.
var versionSuffix = regexp.MustCompile(`/v[0-9]+(\.[0-9]+)?(/.*)?$`)

// client returns an HTTP client that trusts whom the entry trusts.
func (e *cloudEntry) client() (*http.Client, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if e.Verify != nil && !*e.Verify {
		settings.InsecureSkipVerify = true //nolint:gosec // the user's own choice, as with every client of the field
	}
	if e.CACert != "" {
		text, err := os.ReadFile(e.CACert)
		if err != nil {
			return nil, fmt.Errorf("read cacert: %w", err)
		}
		if settings.RootCAs = x509.NewCertPool(); !settings.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read cacert %s: it holds no certificate", e.CACert)
		}
	}
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings}}, nil
}

// request is the body of POST /v3/auth/tokens.
func (e *cloudEntry) request() map[string]any {
	a := e.Auth
	identity := map[string]any{"methods": []string{"password"}, "password": map[string]any{
		"user": named(a.UserID, a.Username, a.UserDomainID, a.UserDomainName, map[string]any{"password": a.Password})}}
	switch {
	case a.CredentialID != "":
		identity = map[string]any{"methods": []string{"application_credential"},
			"application_credential": map[string]any{"id": a.CredentialID, "secret": a.CredentialSecret}}
		return map[string]any{"auth": map[string]any{"identity": identity}}
	case a.Token != "":
		identity = map[string]any{"methods": []string{"token"}, "token": map[string]any{"id": a.Token}}
	}
	auth := map[string]any{"identity": identity}
	if a.ProjectID != "" || a.ProjectName != "" {
		auth["scope"] = map[string]any{"project": named(a.ProjectID, a.ProjectName, a.ProjectDomainID, a.ProjectDomainName, map[string]any{})}
	}
	return map[string]any{"auth": auth}
}

// named adds how a user or project is named: by id, or by name and domain.
func named(id, name, domainID, domainName string, to map[string]any) map[string]any {
	if id != "" {
		to["id"] = id
		return to
	}
	to["name"] = name
	switch {
	case domainID != "":
		to["domain"] = map[string]any{"id": domainID}
	case domainName != "":
		to["domain"] = map[string]any{"name": domainName}
	default:
		to["domain"] = map[string]any{"id": "default"}
	}
	return to
}

func (e *cloudEntry) endpointInterface() string {
	if e.Interface == "" {
		return "public"
	}
	return strings.TrimSuffix(e.Interface, "URL")
}

// service returns a client for the service at one of the roots.
func (r *remote) service(root string) *api.Client {
	return &api.Client{HTTP: r.http, Base: root, Header: http.Header{"X-Auth-Token": {r.token.Reveal()}, "Accept": {"application/json"}}}
}

// statusOf is the status of an answer that is an error; 0 for any other error.
func statusOf(err error) int {
	var status *api.StatusError
	if errors.As(err, &status) {
		return status.Status
	}
	return 0
}

// refusal is a service's answer as an error that a person reads.
func refusal(err error) error {
	var status *api.StatusError
	if !errors.As(err, &status) {
		return err
	}
	var document map[string]struct{ Message string }
	if json.Unmarshal(status.Body, &document) == nil {
		for _, fault := range document {
			if fault.Message != "" {
				return errors.New(fault.Message)
			}
		}
	}
	return err
}
