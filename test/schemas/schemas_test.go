package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"virga/core/db"
	"virga/core/db/dbtest"
)

func releases(t *testing.T) []db.Released {
	t.Helper()
	list, err := db.Releases()
	ok(t, err)
	if len(list) == 0 {
		t.Fatal("there is no release")
	}
	return list
}

// folders are the folders of all owners' migrations.
func folders() map[string]string {
	all := map[string]string{}
	for _, owners := range parts() {
		for _, o := range owners {
			all[o.name] = o.folder
		}
	}
	return all
}

func TestReleasedMigrationsDoNotChange(t *testing.T) {
	for _, r := range releases(t) {
		text, err := os.ReadFile(filepath.Join(top, folders()[r.Owner], r.File))
		if err != nil {
			t.Errorf("%s of %s was released in %s: %v", r.File, r.Owner, r.Release, err)
			continue
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != r.SHA256 {
			t.Errorf("%s of %s was released in %s and has changed since: databases that have it would never know; write a new one", r.File, r.Owner, r.Release)
		}
	}
}

// TestEveryOwnerIsKnown finds folders of migrations that parts does not name.
func TestEveryOwnerIsKnown(t *testing.T) {
	known := map[string]bool{}
	for _, folder := range folders() {
		known[folder] = true
	}
	found := 0
	for _, place := range []string{"app", "core", "service"} {
		ok(t, filepath.WalkDir(filepath.Join(top, place), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() || entry.Name() != "migrations" {
				return err
			}
			folder, err := filepath.Rel(top, path)
			found++
			if !known[folder] {
				t.Errorf("the migrations in %s belong to no part", folder)
			}
			return err
		}))
	}
	if found != len(known) {
		t.Errorf("%d folders of migrations were found, %d are known", found, len(known))
	}
}

var (
	comment    = regexp.MustCompile(`(?m)--.*$`)
	creates    = regexp.MustCompile(`(?is)^CREATE TABLE (\w+) `)
	indexes    = regexp.MustCompile(`(?is)^CREATE (UNIQUE )?INDEX \w+ ON (\w+) \((.*)\)$`)
	addsColumn = regexp.MustCompile(`(?is)^ALTER TABLE (\w+) ADD COLUMN (\w+) (.*)$`)
)

// expansion judges the statements of one file.
type expansion struct {
	// free are the tables and columns that the version before does not write: new tables, and new columns that it leaves
	// empty, of which no two are the same.
	free []string
}

// objection tells why a statement does more than add.
func (e *expansion) objection(statement string) string {
	const twins = "the version before does not know that it must not write two"
	if table := creates.FindStringSubmatch(statement); table != nil {
		e.free = append(e.free, table[1])
		return ""
	}
	if strings.HasPrefix(strings.ToUpper(statement), "INSERT INTO ") {
		return ""
	}
	if index := indexes.FindStringSubmatch(statement); index != nil {
		if index[1] != "" && !slices.Contains(e.free, index[2]) && !slices.ContainsFunc(strings.Split(index[3], ","), func(column string) bool {
			return slices.Contains(e.free, index[2]+"."+strings.TrimSpace(column))
		}) {
			return twins
		}
		return ""
	}
	if column := addsColumn.FindStringSubmatch(statement); column != nil {
		text := " " + strings.ToUpper(column[3])
		byDefault := strings.Contains(text, " DEFAULT ")
		switch {
		case strings.Contains(text, " NOT NULL") && !byDefault:
			return "the version before does not fill the column, so it needs a default"
		case strings.Contains(text, " UNIQUE"):
			return twins
		case !byDefault:
			e.free = append(e.free, column[1]+"."+column[2])
		}
		return ""
	}
	return "an expansion makes tables and indexes and adds columns, nothing else"
}

// TestExpansionsOnlyAdd looks at all files that came after the first release; before it nobody had to be considered.
func TestExpansionsOnlyAdd(t *testing.T) {
	first := releases(t)[0].Release
	for name, folder := range folders() {
		files, err := filepath.Glob(filepath.Join(top, folder, "*.sql"))
		ok(t, err)
		for _, file := range files {
			if strings.Count(filepath.Base(file), ".") > 1 || slices.ContainsFunc(releases(t), func(r db.Released) bool {
				return r.Release == first && r.Owner == name && r.File == filepath.Base(file)
			}) {
				continue
			}
			text, err := os.ReadFile(file)
			ok(t, err)
			e := &expansion{}
			for statement := range strings.SplitSeq(comment.ReplaceAllString(string(text), ""), ";") {
				statement = strings.TrimSpace(statement)
				if statement == "" {
					continue
				}
				if why := e.objection(statement); why != "" {
					t.Errorf("%s: %.80s…: %s", file, statement, why)
				}
			}
		}
	}
}

func TestRuleOfExpansionsFindsOthers(t *testing.T) {
	for text, fits := range map[string]bool{
		"CREATE TABLE a (b TEXT)":   true,
		"CREATE INDEX a_b ON a (b)": true,
		"CREATE TABLE new (b TEXT); CREATE UNIQUE INDEX new_b ON new (b)":              true,
		"ALTER TABLE a ADD COLUMN c BIGINT; CREATE UNIQUE INDEX a_c ON a (b, c)":       true,
		"ALTER TABLE a ADD COLUMN c INTEGER DEFAULT 0; CREATE UNIQUE INDEX i ON a (c)": false,
		"ALTER TABLE a ADD COLUMN c BIGTEXT":                                           true,
		"ALTER TABLE a ADD COLUMN c INTEGER NOT NULL DEFAULT 0":                        true,
		"INSERT INTO a (b) VALUES ('c')":                                               true,
		"CREATE UNIQUE INDEX a_b ON a (b)":                                             false,
		"ALTER TABLE a ADD COLUMN c INTEGER NOT NULL":                                  false,
		"ALTER TABLE a ADD COLUMN c INTEGER UNIQUE":                                    false,
		"ALTER TABLE a RENAME COLUMN b TO c":                                           false,
		"ALTER TABLE a DROP COLUMN b":                                                  false,
		"DROP INDEX a_b":                                                               false,
		"UPDATE a SET b = ''":                                                          false,
	} {
		e, why := &expansion{}, ""
		for statement := range strings.SplitSeq(text, "; ") {
			why = e.objection(statement)
		}
		if (why == "") != fits {
			t.Errorf("%s: %q", text, why)
		}
	}
}

var needs = regexp.MustCompile(`(?m)^-- needs: (\d{4})$`)

// TestContractionsNeedWhatIsReleased keeps the version before able to run.
func TestContractionsNeedWhatIsReleased(t *testing.T) {
	for name, folder := range folders() {
		files, err := filepath.Glob(filepath.Join(top, folder, "*.contract.sql"))
		ok(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			ok(t, err)
			needed := needs.FindSubmatch(text)
			if needed == nil {
				t.Errorf("%s does not say what it needs", file)
				continue
			}
			own := slices.IndexFunc(releases(t), func(r db.Released) bool { return r.Owner == name && r.File == filepath.Base(file) })
			if !slices.ContainsFunc(releases(t), func(r db.Released) bool {
				return r.Owner == name && r.File[:4] >= string(needed[1]) && (own < 0 || r.Release != releases(t)[own].Release)
			}) {
				t.Errorf("%s needs %s, which no release before has", file, needed[1])
			}
		}
	}
}

func TestEveryReleaseIsKept(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres", "mysql"} {
		have := dumps(t, engine)
		for _, r := range releases(t) {
			if !slices.ContainsFunc(have, func(d dump) bool { return d.release == r.Release }) {
				t.Errorf("the tables of %s on %s are missing", r.Release, engine)
			}
		}
	}
}

// TestEveryReleaseMigrates brings the tables of each release to this version and compares them with fresh ones.
func TestEveryReleaseMigrates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		for _, from := range dumps(t, engine) {
			t.Run(from.release+"/"+from.part, func(t *testing.T) {
				old := newPlace(t, engine, from.part)
				old.restore(t, from)
				d := old.open(t)
				before := tables(t, d)
				was := rows(t, d, before)
				if len(was) == 0 {
					t.Fatal("no row was kept")
				}
				migrate(t, d, from.part)
				both := kept(before, tables(t, d))
				lived := rows(t, d, both)
				if len(lived) < len(was) {
					t.Errorf("of %d rows %d are left", len(was), len(lived))
				}
				if len(lost(before, both)) == 0 {
					if diff := cmp.Diff(was, lived); diff != "" {
						t.Errorf("rows have changed: %s", diff)
					}
				}
				fresh := newPlace(t, engine, from.part).open(t)
				migrate(t, fresh, from.part)
				if diff := cmp.Diff(describe(t, fresh), describe(t, d)); diff != "" {
					t.Errorf("the migrated tables (+) are not as fresh ones (-): %s", diff)
				}
			})
		}
	})
}

// TestBackfillsFill looks for what v0.1 did not have and the backfills since have written.
func TestBackfillsFill(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, engine string) {
		for part, table := range map[string]string{
			"compute": "hosts WHERE down_at = last_seen + 60000000",
			"network": "agents WHERE dead_at = heartbeat_at + 30000000",
		} {
			p := newPlace(t, engine, part)
			p.restore(t, dump{"v0.1", engine, part})
			d := p.open(t)
			migrate(t, d, part)
			var filled int
			ok(t, d.Read(t.Context(), func(tx *db.Tx) error { return tx.Get(&filled, "SELECT COUNT(*) FROM "+table) }))
			if filled == 0 {
				t.Errorf("%s: no row of %s", part, table)
			}
		}
	})
}

// lost are the columns of before that are not there any more.
func lost(before, both map[string][]string) (names []string) {
	for table, columns := range before {
		for _, column := range columns {
			if !slices.Contains(both[table], column) {
				names = append(names, table+"."+column)
			}
		}
	}
	return names
}
