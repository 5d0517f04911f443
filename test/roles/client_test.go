package roles

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
)

type fields = map[string]any

// browser takes any certificate: who is there is not what is looked at.
var browser = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// client talks to a cloud by way of one process.
type client struct {
	t           *testing.T
	base, token string
}

// ask makes a request; a status of 0 is a connection that failed.
func (c *client) ask(method, path string, body any) (int, http.Header, []byte) {
	var content io.Reader
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case []byte:
		content, kind = bytes.NewReader(body), "application/octet-stream"
	default:
		text, err := json.Marshal(body)
		if err != nil {
			panic(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequest(method, c.base+path, content)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Openstack-Nova-Api-Version", "2.90")
	if c.token != "" {
		r.Header.Set("X-Auth-Token", c.token)
	}
	answer, err := browser.Do(r)
	if err != nil {
		return 0, nil, nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, nil
	}
	return answer.StatusCode, answer.Header, text
}

// must makes a request that has to succeed.
func (c *client) must(method, path string, body any) fields {
	c.t.Helper()
	status, _, text := c.ask(method, path, body)
	if status < 200 || status > 299 {
		c.t.Fatalf("%s %s%s: %d %s", method, c.base, path, status, text)
	}
	var decoded fields
	if err := json.Unmarshal(text, &decoded); err != nil && len(text) > 0 {
		c.t.Fatalf("%s %s: %v", method, path, errors.Join(err, errors.New(string(text))))
	}
	return decoded
}

// list is a collection.
func (c *client) list(path, name string) (items []fields) {
	c.t.Helper()
	for _, item := range c.must("GET", path, nil)[name].([]any) {
		items = append(items, item.(fields))
	}
	return items
}

// login gets a token of the administrator by way of a process.
func (p *process) login() *client {
	p.fleet.t.Helper()
	c := &client{t: p.fleet.t, base: p.base}
	user := fields{"name": "admin", "domain": fields{"id": "default"}, "password": adminPassword}
	body := fields{"auth": fields{
		"identity": fields{"methods": []string{"password"}, "password": fields{"user": user}},
		"scope":    fields{"project": fields{"name": "admin", "domain": fields{"id": "default"}}}}}
	status, header, text := c.ask("POST", "/identity/v3/auth/tokens", body)
	if status != http.StatusCreated {
		p.fleet.t.Fatalf("log in at %s: %d %s", p.name, status, text)
	}
	c.token = header.Get("X-Subject-Token")
	return c
}

// at is the same caller by way of another process.
func (c *client) at(p *process) *client { return &client{t: c.t, base: p.base, token: c.token} }
