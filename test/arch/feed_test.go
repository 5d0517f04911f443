package arch

import (
	"go/ast"
	"strings"
	"testing"
)

// unrecorded are the writing rows that change nothing which anybody is to hear of, with the reason.
var unrecorded = map[string]string{
	"compute PUT /internal/hosts/{host}/alive": "a sign of life",
	"network PUT /internal/hosts/{host}/alive": "a sign of life",
	"network PUT /internal/hosts/{host}":       "a sign of life, with what the host can do",
}

// changesNothing are handlers of writing rows that change nothing of their service: refusals, and what is passed on to
// another service, which tells of it.
var changesNothing = map[string]string{
	"gone": "a refusal", "noVolumes": "a refusal", "noBareMetalChange": "a refusal", "noBareMetalAction": "a refusal", "volumeAttach": "a refusal",
	"volumeAttachmentShow": "a refusal", "volumeDetach": "a refusal", "volumeSnapshotCreate": "a refusal", "volumeSnapshotDelete": "a refusal",
	"placementDryRun": "it changes nothing", "shareAttach": "a refusal", "shareShow": "a refusal",
	"imageDelete": "passed on", "imageMetadataMerge": "passed on", "imageMetadataReplace": "passed on", "imageMetadataSet": "passed on", "imageMetadataDelete": "passed on",
	"floatingIPCreate": "passed on", "floatingIPDelete": "passed on", "securityGroupCreate": "passed on", "securityGroupUpdate": "passed on",
	"securityGroupDelete": "passed on", "securityGroupRuleCreate": "passed on", "securityGroupRuleDelete": "passed on",
}

// writing are the words by which rows say that they change something.
var writing = map[string]string{"post": "POST", "put": "PUT", "del": "DELETE", "patch": "PATCH", "MethodPost": "POST", "MethodPut": "PUT",
	"MethodPatch": "PATCH", "MethodDelete": "DELETE", `"POST"`: "POST", `"PUT"`: "PUT", `"PATCH"`: "PATCH", `"DELETE"`: "DELETE"}

// TestEveryChangeIsTold follows the handler of each writing row of a service: one of the
// functions that it comes to must write into the feed.
func TestEveryChangeIsTold(t *testing.T) {
	functions := map[string]map[string][]*ast.FuncDecl{} // by service and name
	var routes []source
	for _, s := range sources(t) {
		name := service(s.folder)
		if name == "" || s.test || s.folder != "service/"+name {
			continue
		}
		if functions[name] == nil {
			functions[name] = map[string][]*ast.FuncDecl{}
		}
		for _, decl := range s.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				functions[name][fn.Name.Name] = append(functions[name][fn.Name.Name], fn)
			}
		}
		if strings.HasSuffix(s.path, "routes.go") {
			routes = append(routes, s)
		}
	}
	rows, excused := 0, 0
	for _, s := range routes {
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			row, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			method, path, handler := readRow(row)
			if method == "" || handler == nil {
				return true
			}
			rows++
			if _, known := unrecorded[service(s.folder)+" "+method+" "+path]; known {
				excused++
			} else if changesNothing[lastName(handler)] != "" {
				return true
			} else if !tells(functions[service(s.folder)], handler, map[string]bool{}) {
				t.Errorf("%s: %s %s changes something, and its handler writes nothing into the feed", s.path, method, path)
			}
			return true
		})
	}
	if rows < 100 || excused != len(unrecorded) {
		t.Errorf("%d writing rows were found, %d of those that are excused", rows, excused)
	}
}

// readRow reads a row of a table of routes; the method is empty where it is none that writes.
func readRow(row *ast.CompositeLit) (method, path string, handler ast.Expr) {
	for _, element := range row.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return "", "", nil
		}
		key, ok := pair.Key.(*ast.Ident)
		if !ok {
			return "", "", nil
		}
		switch key.Name {
		case "Method":
			method = writing[lastName(pair.Value)]
		case "Path":
			path = textOf(pair.Value)
		case "Handle":
			handler = pair.Value
		}
	}
	return method, path, handler
}

// lastName is the name or the literal that an expression ends with.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.BasicLit:
		return e.Value
	}
	return ""
}

// textOf is a string as far as it is written out; names of constants stand for themselves.
func textOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		return strings.Trim(e.Value, `"`)
	case *ast.BinaryExpr:
		return textOf(e.X) + textOf(e.Y)
	case *ast.Ident:
		return "<" + e.Name + ">"
	}
	return ""
}

// tells tells whether an expression, or a function of the package that it names, directly
// or not, calls Record of a feed.
func tells(functions map[string][]*ast.FuncDecl, n ast.Node, seen map[string]bool) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if found {
			return false
		}
		name := ""
		switch n := n.(type) {
		case *ast.SelectorExpr:
			name = n.Sel.Name
			if name == "Record" && lastName(n.X) == "feed" {
				found = true
				return false
			}
		case *ast.Ident:
			name = n.Name
		}
		if name == "" || seen[name] {
			return true
		}
		seen[name] = true
		for _, fn := range functions[name] {
			found = found || tells(functions, fn.Body, seen)
		}
		return true
	})
	return found
}

// TestChangesSayBeforeAndAfter looks at every change that is written out: what is created
// has an after, what is deleted a before, what is updated both.
func TestChangesSayBeforeAndAfter(t *testing.T) {
	seen := 0
	for _, s := range sources(t) {
		if s.test || !under(s.folder, "service") {
			continue
		}
		ast.Inspect(s.syntax, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok || lastName(literal.Type) != "Change" {
				return true
			}
			has := map[string]string{}
			for _, element := range literal.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok {
					has[lastName(pair.Key)] = lastName(pair.Value)
				}
			}
			if _, named := has["Kind"]; !named && has["ID"] == "" {
				return true
			}
			_, before := has["Before"]
			_, after := has["After"]
			seen++
			switch has["Action"] {
			case `"create"`, `"member.create"`:
				if !after || before {
					t.Errorf("%s: a change of %s says create and not just what is after", s.files.Position(literal.Pos()), has["Kind"])
				}
			case `"update"`, `"status"`, `"tags"`:
				if (!before || !after) && has["OperationID"] == "" { // those are filled in by their caller
					t.Errorf("%s: a change of %s says update and not what was before and is after", s.files.Position(literal.Pos()), has["Kind"])
				}
			case `"delete"`, `"member.delete"`:
				if !before || after {
					t.Errorf("%s: a change of %s says delete and not just what was before", s.files.Position(literal.Pos()), has["Kind"])
				}
			}
			return true
		})
	}
	if seen < 40 {
		t.Errorf("only %d changes were found", seen)
	}
}
