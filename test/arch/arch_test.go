// Package arch asserts the rules that keep the house in order: who may import whom, where
// SQL stands, how long a file may grow. Each rule says why it is there.
package arch

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// source is one Go file of the project.
type source struct {
	path    string // from the project's root
	folder  string
	test    bool
	imports []string // of Virga alone, without "virga/"
	outside []string
	lines   int
	text    string
	syntax  *ast.File
	files   *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == "node_modules" || name == "bin" || name == "build" || (strings.HasPrefix(name, ".") && name != ".." && path != root) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		s, err := read(path)
		list = append(list, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d files were found: the walk goes wrong", len(list))
	}
	return list
}

func read(path string) (source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return source{}, err
	}
	files := token.NewFileSet()
	syntax, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	rel, err := filepath.Rel(root, path)
	s := source{path: rel, folder: filepath.Dir(rel), test: strings.HasSuffix(path, "_test.go"),
		lines: strings.Count(string(text), "\n"), text: string(text), syntax: syntax, files: files}
	for _, spec := range syntax.Imports {
		name := strings.Trim(spec.Path.Value, `"`)
		if inner, ok := strings.CutPrefix(name, "virga/"); ok {
			s.imports = append(s.imports, inner)
		} else {
			s.outside = append(s.outside, name)
		}
	}
	return s, err
}

func under(folder, place string) bool {
	return folder == place || strings.HasPrefix(folder, place+"/")
}

// service names the service that a folder belongs to, or "".
func service(folder string) string {
	rest, ok := strings.CutPrefix(folder, "service/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

func TestImportsPointOneWay(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			why := ""
			switch {
			case under(s.folder, "core") && !under(imported, "core"):
				why = "core is the kit; it knows no service"
			case service(s.folder) != "" && service(imported) != "" && service(imported) != service(s.folder):
				why = "services are strangers: state the need as an interface in service.go and let app wire it"
			case under(s.folder, "service") && (under(imported, "app") || under(imported, "cmd") || under(imported, "dashboard")):
				why = "a service does not know who wires it"
			case under(imported, "app") && !under(s.folder, "app") && !under(s.folder, "cmd") && !under(s.folder, "test"):
				why = "only cmd starts the application"
			case under(imported, "test") && !s.test && !under(s.folder, "test"):
				why = "the product does not depend on its tests"
			case strings.HasPrefix(imported, "core/api/apitest") && !s.test:
				why = "apitest is for tests"
			}
			if why != "" {
				t.Errorf("%s imports %s: %s", s.path, imported, why)
			}
		}
	}
}

// coreOrder is the order of the kit's packages: each may import those before it.
var coreOrder = []string{"core/clock", "core/conf", "core/vault", "core/obs", "core/pulse", "core/pki", "core/db", "core/bus", "core/feed", "core/work", "core/token", "core/authz", "core/api"}

func TestCorePackagesFormALine(t *testing.T) {
	rank := func(folder string) int {
		return slices.IndexFunc(coreOrder, func(place string) bool { return under(folder, place) })
	}
	for _, s := range sources(t) {
		if !under(s.folder, "core") || s.test {
			continue
		}
		if rank(s.folder) < 0 {
			t.Errorf("%s: the package is not in the line of core", s.path)
		}
		for _, imported := range s.imports {
			if rank(imported) > rank(s.folder) {
				t.Errorf("%s imports %s, which comes later in the line", s.path, imported)
			}
		}
	}
}

func TestDriversKnowNeitherHTTPAPIsNorSQLNorTokens(t *testing.T) {
	drivers := regexp.MustCompile(`^service/(compute/hypervisor|network/fabric|image/store)(/|$)`)
	for _, s := range sources(t) {
		if !drivers.MatchString(s.folder) {
			continue
		}
		for _, imported := range s.imports {
			for _, forbidden := range []string{"core/api", "core/db", "core/token", "core/work"} {
				if under(imported, forbidden) {
					t.Errorf("%s imports %s: a driver is given what it needs by its agent or service", s.path, imported)
				}
			}
		}
	}
}

var sqlText = regexp.MustCompile("(?m)[\"`](SELECT|INSERT INTO|UPDATE|DELETE FROM) ")

func TestSQLStandsInStores(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || under(s.folder, "core") || under(s.folder, "test") || strings.HasSuffix(s.path, "_store.go") {
			continue
		}
		if found := sqlText.FindString(s.text); found != "" {
			t.Errorf("%s holds SQL (%s…): it belongs into a *_store.go file, where one looks for it", s.path, strings.Trim(found, "\"` "))
		}
	}
}

// TestEveryEngineIsProved looks for a test with the generic proofs wherever a service has an
// engine of durable operations.
func TestEveryEngineIsProved(t *testing.T) {
	engines, proved := map[string]bool{}, map[string]bool{}
	for _, s := range sources(t) {
		if under(s.folder, "service") && !s.test && strings.Contains(s.text, "work.New(") {
			engines[s.folder] = true
		}
		if s.test && slices.Contains(s.imports, "core/work/worktest") && strings.Contains(s.text, "worktest.Run(") {
			proved[s.folder] = true
		}
	}
	if len(engines) == 0 {
		t.Error("no service with an engine was found: the test looks at the wrong thing")
	}
	for folder := range engines {
		if !proved[folder] {
			t.Errorf("%s has operations and no test runs worktest.Run: nobody knows whether they survive anything", folder)
		}
	}
}

func TestNamesSayWhatAPackageIsAbout(t *testing.T) {
	for _, s := range sources(t) {
		switch filepath.Base(s.folder) {
		case "util", "utils", "common", "helper", "helpers", "misc", "base", "pkg", "shared":
			t.Errorf("%s: the folder's name says nothing about what is in it", s.path)
		}
	}
}

// maxLines and maxFunction are generous; what is longer holds more than one idea.
const (
	maxLines    = 800
	maxFunction = 100
)

func TestFilesAndFunctionsStayShort(t *testing.T) {
	for _, s := range sources(t) {
		if s.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", s.path, s.lines, maxLines)
		}
		if s.test {
			continue
		}
		for _, decl := range s.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.files.Position(fn.End()).Line - s.files.Position(fn.Pos()).Line; n > maxFunction && !isTable(fn) {
				t.Errorf("%s: %s has %d lines, more than %d", s.path, fn.Name.Name, n, maxFunction)
			}
		}
	}
}

// isTable tells whether a function does nothing but return one literal: a route table may be as long as the API.
func isTable(fn *ast.FuncDecl) bool {
	if fn.Body == nil || len(fn.Body.List) != 1 {
		return false
	}
	ret, ok := fn.Body.List[0].(*ast.ReturnStmt)
	if !ok || len(ret.Results) == 0 {
		return false
	}
	_, literal := ret.Results[0].(*ast.CompositeLit)
	return literal
}

func TestNothingRunsAtImport(t *testing.T) {
	for _, s := range sources(t) {
		for _, decl := range s.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s has an init function: constructors take what they need, nothing registers itself", s.path)
			}
		}
	}
}

// TestNoPathOfABuildMachine looks for absolute paths into homes, which mean something on one machine only.
func TestNoPathOfABuildMachine(t *testing.T) {
	foreign := regexp.MustCompile(`/(home|Users)/[a-z]+/|/root/go/`)
	for _, s := range sources(t) {
		if s.path == "test/arch/arch_test.go" {
			continue
		}
		scanner := bufio.NewScanner(strings.NewReader(s.text))
		for line := 1; scanner.Scan(); line++ {
			if foreign.MatchString(scanner.Text()) {
				t.Errorf("%s:%d names a path of one machine", s.path, line)
			}
		}
	}
}
