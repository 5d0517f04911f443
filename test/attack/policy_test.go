package attack

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"virga/core/authz"
)

// TestPolicyFilesDoNotOpenWhatIsInternal overrides, in every service, each rule that is for nodes
// and services alone. (A policy file is often copied from a field whose rules of that name are wider.)
func TestPolicyFilesDoNotOpenWhatIsInternal(t *testing.T) {
	everything := &authz.Creds{UserID: "u", ProjectID: "p", Roles: []string{"admin", "manager", "member", "reader"}}
	nodes := 0
	for prefix, table := range tables(t) {
		internal := table.Policy.Internal()
		effective := table.Policy.Effective()
		for _, row := range table.Routes {
			if strings.Contains(effective[row.Policy], "admin") {
				continue // for people, too
			}
			if strings.HasPrefix(row.Path, "/internal/") && row.Policy != "" {
				nodes++
				if !internal[row.Policy] {
					t.Errorf("%s: %s %s is under rule %s, which can be overridden", prefix, row.Method, row.Path, row.Policy)
				}
			}
		}
		for name := range internal {
			for _, text := range []string{"@", "", "role:member", "rule:admin_required", "not role:nobody"} {
				if err := table.Policy.SetOverrides(map[string]string{name: text, "admin_required": "@"}); err == nil {
					t.Errorf("%s: rule %s can be made %q", prefix, name, text)
				}
			}
			if table.Policy.Allowed(name, everything, authz.Target{"user_id": "u", "project_id": "p"}) {
				t.Errorf("%s: a user passes rule %s", prefix, name)
			}
		}
		// What the rules stand on may be changed; that opens none of them.
		loose := map[string]string{}
		for _, name := range []string{"owner", "project_owner", "admin_or_owner", "context_is_admin", "admin_required"} {
			if table.Policy.Has(name) {
				loose[name] = "@"
			}
		}
		if err := table.Policy.SetOverrides(loose); err != nil {
			t.Fatalf("%s: %v", prefix, err)
		}
		for name := range internal {
			if table.Policy.Allowed(name, everything, authz.Target{"user_id": "u", "project_id": "p"}) {
				t.Errorf("%s: a user passes rule %s when %v are everybody's", prefix, name, slices.Sorted(maps.Keys(loose)))
			}
		}
	}
	if nodes < 5 {
		t.Errorf("only %d rows for nodes were found", nodes)
	}
}
