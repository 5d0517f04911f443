package main

import (
	"fmt"
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/authz"
)

const generated = "<!-- Written by `make docs` from the services' rules: change those, not this. -->\n\n"

// index is the page that explains and lists the others.
func index(tables []*api.Table) string {
	var out strings.Builder
	out.WriteString("# Who may do what\n\n" + generated)
	out.WriteString(`Every request is judged by a rule in the policy language of oslo.policy; the pages below list the rules of each service with
their defaults. Roles imply each other: ` + "`admin` ⊃ `manager` ⊃ `member` ⊃ `reader`" + `.

## Overriding rules

An operator writes other checks into a file per service, YAML or JSON, a map of rule names to checks:

` + "```yaml" + `
# /var/lib/virga/policy/compute.yaml
"os_compute_api:servers:create": "role:member and project_id:%(project_id)s and not role:trainee"
` + "```" + `

- The folder is ` + "`policy`" + ` in the data folder, or what ` + "`--policy-dir`" + ` (` + "`VIRGA_POLICY_DIR`" + `) names. The files are named for the services:
  ` + "`SERVICE.yaml`, `SERVICE.yml` or `SERVICE.json`" + `, one for each. Every process that serves an API reads its own folder.
- Changes are seen within seconds, without a restart; requests under way go on. A removed file gives the defaults back.
- A file with anything wrong in it is refused as a whole: the log names line, rule and reason, and the rules from before stay in
  force. At start-up it is an error. Names that no rule has are warned of.
- A file that everybody can write is refused.
- A check takes the place of the whole default. Where the default lets in ` + "`role:service` or `role:node`" + `, parts of the cloud
  pass by it: keep those. Leaving them out is warned of.
- Rules marked *internal* can only be met by services and agents of nodes, and what they guard believes its caller. They
  cannot be overridden: a file that tries is refused. (Rules that they refer to may change; they stay narrow nonetheless.)

## Services

`)
	for _, table := range tables {
		fmt.Fprintf(&out, "- [%s](%s.md): %d rules\n", table.Service, table.Service, len(table.Policy.Rules()))
	}
	return out.String()
}

// page lists the rules of one service.
func page(table *api.Table) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Rules of the %s service\n\n%s", table.Service, generated)
	fmt.Fprintf(&out, "Overrides go into `%s.yaml` or `%s.json`, see [the overview](README.md).\n", table.Service, table.Service)
	internal := table.Policy.Internal()
	rules := table.Policy.Rules()
	slices.SortStableFunc(rules, func(a, b authz.Rule) int { return strings.Compare(a.Name, b.Name) })
	for _, rule := range rules {
		fmt.Fprintf(&out, "\n## `%s`\n\n", rule.Name)
		if internal[rule.Name] {
			out.WriteString("*Internal: cannot be overridden.* ")
		}
		if rule.Description != "" {
			out.WriteString(strings.Join(strings.Fields(rule.Description), " ") + "\n\n")
		}
		fmt.Fprintf(&out, "- Default: %s\n", checkText(rule.Check))
		if len(rule.Scopes) > 0 {
			fmt.Fprintf(&out, "- Scopes: %s\n", strings.Join(rule.Scopes, ", "))
		}
		for _, operation := range operations(table, rule) {
			fmt.Fprintf(&out, "- `%s`\n", operation)
		}
	}
	return out.String()
}

func checkText(check string) string {
	if check == "" {
		return "everybody"
	}
	return "`" + check + "`"
}

// operations are the requests that a rule says it governs, and the rows of the table that name it.
func operations(table *api.Table, rule authz.Rule) []string {
	var list []string
	add := func(method, path string) {
		if text := method + " " + path; !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	for _, operation := range rule.Operations {
		add(operation.Method, operation.Path)
	}
	for _, row := range table.Routes {
		if row.Policy == rule.Name {
			add(row.Method, row.Path)
		}
	}
	return list
}
