package cloud

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Client acts for one user with one token.
type Client struct {
	cloud *Cloud
	// Name and Password are the user's, Project is the name of the project that the token is scoped to; all in the domain default.
	Name, Project, Password string
	UserID, ProjectID       string
	// Token goes into X-Auth-Token; empty: none does.
	Token string
}

// Answer is what a request got.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// String shows the beginning of an answer.
func (a *Answer) String() string { return fmt.Sprintf("%d %.600s", a.Status, a.Body) }

// OK tells whether the request did what it asked for.
func (a *Answer) OK() bool { return a.Status < 300 }

// Value reads one value of a JSON answer: "server.id" is {"server": {"id": …}}, "ports.0.id" the first of a list. It is
// empty when there is none.
func (a *Answer) Value(path string) string {
	var at any
	if json.Unmarshal(a.Body, &at) != nil {
		return ""
	}
	for key := range strings.SplitSeq(path, ".") {
		switch container := at.(type) {
		case map[string]any:
			at = container[key]
		case []any:
			index := -1
			if _, err := fmt.Sscan(key, &index); err != nil || index < 0 || index >= len(container) {
				return ""
			}
			at = container[index]
		default:
			return ""
		}
	}
	if at == nil {
		return ""
	}
	return fmt.Sprint(at)
}

// Anonymous is a client without a token.
func (c *Cloud) Anonymous() *Client { return &Client{cloud: c} }

// With is a client with any token.
func (c *Cloud) With(token string) *Client { return &Client{cloud: c, Token: token} }

// Do sends a request; path begins with the service ("/compute/v2.1/servers"). Body is JSON text, a value to be encoded, or
// nil. Header has names and values in turn; an empty value takes a header away that is sent otherwise: the newest
// microversion, the content type and the token.
func (u *Client) Do(t testing.TB, method, path string, body any, header ...string) *Answer {
	t.Helper()
	request, err := u.request(method, path, body, header)
	if err != nil {
		t.Fatalf("%s %.200s: %v", method, path, err)
	}
	response, err := u.cloud.http.Do(request)
	if err != nil {
		t.Fatalf("%s %.200s: %v", method, path, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %.200s: %v", method, path, err)
	}
	return &Answer{response.StatusCode, response.Header, text}
}

func (u *Client) request(method, path string, body any, header []string) (*http.Request, error) {
	var content io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	case io.Reader:
		content = body
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = strings.NewReader(string(text))
	}
	request, err := http.NewRequest(method, u.cloud.Base+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if u.Token != "" {
		request.Header.Set("X-Auth-Token", u.Token)
	}
	switch {
	case strings.HasPrefix(path, "/compute"):
		request.Header.Set("OpenStack-API-Version", "compute latest")
	case strings.HasPrefix(path, "/placement"):
		request.Header.Set("OpenStack-API-Version", "placement latest")
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] == "" {
			request.Header.Del(header[i])
			continue
		}
		request.Header.Set(header[i], header[i+1])
	}
	return request, nil
}

// Must sends a request that has to succeed and returns one value of the answer, where one is asked for.
func (u *Client) Must(t testing.TB, method, path string, body any, value string, header ...string) string {
	t.Helper()
	a := u.Do(t, method, path, body, header...)
	if !a.OK() {
		t.Fatalf("%s %s by %s: %s", method, path, u.Name, a)
	}
	if value == "" {
		return ""
	}
	found := a.Value(value)
	if found == "" {
		t.Fatalf("%s %s: no %s in %s", method, path, value, a)
	}
	return found
}

// IDs lists the ids in a collection, "/network/v2.0/ports" with the key "ports".
func (u *Client) IDs(t testing.TB, path, key string) []string {
	t.Helper()
	a := u.Do(t, "GET", path, nil)
	var body map[string]json.RawMessage
	var rows []struct{ ID string }
	if err := json.Unmarshal(a.Body, &body); err != nil || !a.OK() {
		t.Fatalf("GET %s: %v: %s", path, err, a)
	}
	if err := json.Unmarshal(body[key], &rows); err != nil {
		t.Fatalf("GET %s: no list %s: %v in %s", path, key, err, a)
	}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	return ids
}

// Auth is the body of a request for a token; scope is nil for none.
func Auth(identity map[string]any, scope any) map[string]any {
	auth := map[string]any{"identity": identity}
	if scope != nil {
		auth["scope"] = scope
	}
	return map[string]any{"auth": auth}
}

// ByPassword is the identity of a user who proves it with a password.
func ByPassword(name, password string) map[string]any {
	return map[string]any{"methods": []string{"password"}, "password": map[string]any{
		"user": map[string]any{"name": name, "domain": map[string]any{"id": "default"}, "password": password}}}
}

// ByToken is the identity of whoever has a token.
func ByToken(token string) map[string]any {
	return map[string]any{"methods": []string{"token"}, "token": map[string]any{"id": token}}
}

// InProject is the scope of a project of the domain default.
func InProject(name string) map[string]any {
	return map[string]any{"project": map[string]any{"name": name, "domain": map[string]any{"id": "default"}}}
}

// Authenticate asks for a token.
func (c *Cloud) Authenticate(t testing.TB, identity map[string]any, scope any) *Answer {
	t.Helper()
	return c.Anonymous().Do(t, "POST", "/identity/v3/auth/tokens", Auth(identity, scope))
}

// LogIn gives the client a new token.
func (u *Client) LogIn(t testing.TB) {
	t.Helper()
	a := u.cloud.Authenticate(t, ByPassword(u.Name, u.Password), InProject(u.Project))
	if !a.OK() {
		t.Fatalf("log in as %s: %s", u.Name, a)
	}
	u.Token, u.UserID, u.ProjectID = a.Header.Get("X-Subject-Token"), a.Value("token.user.id"), a.Value("token.project.id")
}

// Role is the id of a role.
func (c *Cloud) Role(t testing.TB, name string) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.roles[name] == "" {
		c.roles[name] = c.Admin.Must(t, "GET", "/identity/v3/roles?name="+name, nil, "roles.0.id")
	}
	return c.roles[name]
}

// NewProject makes a project; its name begins with the given one and is not used twice.
func (c *Cloud) NewProject(t testing.TB, name string) (id, unique string) {
	t.Helper()
	c.mu.Lock()
	c.count++
	unique = fmt.Sprintf("%s-%d", name, c.count)
	c.mu.Unlock()
	body := map[string]any{"project": map[string]any{"name": unique, "domain_id": "default"}}
	return c.Admin.Must(t, "POST", "/identity/v3/projects", body, "project.id"), unique
}

// NewUser makes a project and a user with a role on it, and logs that user in.
func (c *Cloud) NewUser(t testing.TB, name, role string) *Client {
	t.Helper()
	id, unique := c.NewProject(t, name)
	return c.UserIn(t, id, unique, unique, role)
}

// UserIn makes a user with a role on a project that is there, and logs that user in.
func (c *Cloud) UserIn(t testing.TB, projectID, project, name, role string) *Client {
	t.Helper()
	u := &Client{cloud: c, Name: name, Project: project, Password: "password of " + name}
	body := map[string]any{"user": map[string]any{"name": name, "domain_id": "default", "password": u.Password}}
	u.UserID = c.Admin.Must(t, "POST", "/identity/v3/users", body, "user.id")
	c.Admin.Must(t, "PUT", "/identity/v3/projects/"+projectID+"/users/"+u.UserID+"/roles/"+c.Role(t, role), nil, "")
	u.LogIn(t)
	return u
}

// InNewProject is the same user with a role on a new project and a token for it. No password is hashed for it, which
// takes longer than all else.
func (u *Client) InNewProject(t testing.TB, name, role string) *Client {
	t.Helper()
	id, unique := u.cloud.NewProject(t, name)
	u.cloud.Admin.Must(t, "PUT", "/identity/v3/projects/"+id+"/users/"+u.UserID+"/roles/"+u.cloud.Role(t, role), nil, "")
	a := u.cloud.Authenticate(t, ByToken(u.Token), InProject(unique))
	if !a.OK() {
		t.Fatalf("a token of %s for %s: %s", u.Name, unique, a)
	}
	return &Client{cloud: u.cloud, Name: u.Name, Password: u.Password, Project: unique, UserID: u.UserID, ProjectID: id, Token: a.Header.Get("X-Subject-Token")}
}
