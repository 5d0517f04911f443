package attack

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"virga/core/api"
	"virga/test/cloud"
)

const (
	// seed makes the choice of mutations the same in every run; whoever looks for more holes changes it.
	seed = 20260914
	// perBody is how many mutations of each body are sent, perPassword how many of those with passwords, which take as
	// long as a hundred others.
	perBody, perPassword = 60, 12
)

// withPasswords are the schemas of bodies that have something hashed.
var withPasswords = []string{"auth", "user_create", "user_update", "user_password", "application_credential"}

// strange are values that take the place of a right one.
var strange = []string{`null`, `""`, `0`, `-1`, `1.5`, `9223372036854775808`, `-9223372036854775809`, `1e400`, `1e30`, `true`, `[]`, `{}`, `[[]]`, `[null]`, `[{}]`,
	`"\u0000"`, `"a\nb"`, `"\ud800"`, `"` + strings.Repeat("x", 70_000) + `"`, `{"a":{"b":[1]}}`, `"%s%n"`, `"None"`, `"../../x"`, `"é\u202e"`}

// TestNoMutationIsAnError puts strange values in the place of every part of every right body of every API, doubles its keys
// and writes them in capitals, as an administrator, whom no policy stops on the way inside. Whatever the answer is, it is
// none of an error of the cloud.
func TestNoMutationIsAnError(t *testing.T) {
	c := cloud.Start(t)
	quarry := furnish(t, c, c.NewUser(t, "quarry", "member"), "192.0.2.0/24", "quarry")
	quarry.spareTheCloud(t, c)
	all := tables(t)
	for _, prefix := range slices.Sorted(maps.Keys(all)) {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			for _, row := range all[prefix].Routes {
				if row.Body != "" {
					mutateRow(t, c, quarry, prefix, all[prefix], &row)
				}
			}
		})
	}
}

// spareTheCloud gives the estate a domain and a role of its own, so that no mutation puts out the administrator.
func (e *estate) spareTheCloud(t *testing.T, c *cloud.Cloud) {
	t.Helper()
	e.ids["domain_id"] = c.Admin.Must(t, "POST", "/identity/v3/domains", object{"domain": object{"name": e.word}}, "domain.id")
	e.ids["role_id"] = c.Admin.Must(t, "POST", "/identity/v3/roles", object{"role": object{"name": e.word}}, "role.id")
	e.ids["region_id"] = c.Admin.Must(t, "POST", "/identity/v3/regions", object{"region": object{"id": e.word}}, "region.id")
	e.ids["service_id"] = c.Admin.Must(t, "POST", "/identity/v3/services", object{"service": object{"type": e.word, "name": e.word}}, "service.id")
	e.ids["endpoint_id"] = c.Admin.Must(t, "POST", "/identity/v3/endpoints",
		object{"endpoint": object{"service_id": e.ids["service_id"], "interface": "public", "url": "http://192.0.2.1"}}, "endpoint.id")
}

func mutateRow(t *testing.T, c *cloud.Cloud, e *estate, prefix string, table *api.Table, row *api.Route) {
	t.Helper()
	path, header := e.path(t, prefix, row), version(prefix, table, row)
	if row.Body == "image_patch" {
		header = append(header, "Content-Type", "application/openstack-images-v2.1-json-patch")
	}
	count := perBody
	if slices.Contains(withPasswords, row.Body) {
		count = perPassword
	}
	random := rand.New(rand.NewPCG(seed, uint64(len(row.Path))))
	for _, example := range examples[prefix+" "+row.Body] {
		right := e.fill(t, example)
		mutations := mutate(t, right)
		random.Shuffle(len(mutations), func(i, j int) { mutations[i], mutations[j] = mutations[j], mutations[i] })
		for _, body := range append([]string{right}, mutations[:min(len(mutations), count)]...) {
			a := c.Admin.Do(t, row.Method, path, body, header...)
			if a.Status >= 500 && a.Status != http.StatusServiceUnavailable {
				t.Errorf("%s %s %.700s: %s", row.Method, path, body, a)
			}
			if len(a.Body) > 0 && !json.Valid(a.Body) {
				t.Errorf("%s %s %.700s: the answer is no JSON: %s", row.Method, path, body, a)
			}
		}
	}
}

// mutate lists all bodies that differ from a right one in one place.
func mutate(t *testing.T, right string) []string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(right), &tree); err != nil {
		t.Fatalf("%v in %s", err, right)
	}
	list := []string{"", "{", "null", "1", `"x"`, "[]", "{}", right + right, right[:len(right)-1], strings.Repeat("[", 100_000)}
	visit(tree, func(mutated any) {
		text, err := json.Marshal(mutated)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(text))
	})
	return list
}

// visit yields the mutations of a part of a body.
func visit(part any, yield func(any)) {
	for _, value := range strange {
		yield(json.RawMessage(value))
	}
	switch part := part.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(part)) {
			visit(part[key], func(mutated any) { yield(with(part, key, mutated)) })
			without := maps.Clone(part)
			delete(without, key)
			yield(without)
			yield(with(part, strings.ToUpper(key), json.RawMessage(`[{"x": 1}]`)))
			yield(doubled(part, key))
		}
		yield(with(part, "unknown", "x"))
	case []any:
		for i := range part {
			visit(part[i], func(mutated any) {
				changed := slices.Clone(part)
				changed[i] = mutated
				yield(changed)
			})
		}
		yield(slices.Repeat(part, 300))
	}
}

func with(part map[string]any, key string, value any) map[string]any {
	changed := maps.Clone(part)
	changed[key] = value
	return changed
}

// doubled has a key twice: first with something that no schema allows, then right.
func doubled(part map[string]any, key string) json.RawMessage {
	text, _ := json.Marshal(part)
	name, _ := json.Marshal(key)
	return json.RawMessage(`{` + string(name) + `:[{"x":{"y":1}}],` + string(text[1:]))
}
