package db

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// phase is when a migration is carried out.
type phase string

const (
	// expand is carried out before a process serves; the version before goes on beside it.
	expand phase = "expand"
	// backfill fills what an expansion added, in batches, while processes serve.
	backfill phase = "backfill"
	// contract takes away what no living process needs any more.
	contract phase = "contract"
)

// Batch fills the rows behind the key after, limit of them at most, and returns the last
// key that it has seen; an empty one when there was none left. Filling a row twice does no
// harm: a batch can come again.
type Batch func(tx *Tx, after string, limit int) (last string, err error)

// Backfill is a backfill that is written in Go; it has a number among the files of its owner.
type Backfill struct {
	Version int64
	Batch   Batch
}

// migration is one file, or one Backfill.
type migration struct {
	version int64
	phase   phase
	// file is empty for those in Go.
	file       string
	statements []string
	// needs is the oldest level that a process may have beside a contraction.
	needs int64
	batch Batch
}

func (m *migration) String() string {
	if m.file == "" {
		return fmt.Sprintf("%04d", m.version)
	}
	return strings.TrimSuffix(m.file, ".sql")
}

var (
	migrationFile = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+(\.backfill|\.contract)?\.sql$`)
	identifier    = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

// readMigrations reads the files in the root of a file system, in the order of their numbers.
func readMigrations(files fs.FS, words *strings.Replacer, more []Backfill) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		m, err := parseMigration(path.Base(name), words.Replace(string(text)))
		if err != nil {
			return nil, fmt.Errorf("read migration %s: %w", name, err)
		}
		list = append(list, m)
	}
	for _, b := range more {
		list = append(list, migration{version: b.Version, phase: backfill, batch: b.Batch})
	}
	slices.SortFunc(list, func(a, b migration) int { return int(a.version - b.version) })
	for i := 1; i < len(list); i++ {
		if list[i].version == list[i-1].version {
			return nil, fmt.Errorf("two migrations have the number %04d", list[i].version)
		}
	}
	return list, nil
}

func parseMigration(name, text string) (migration, error) {
	parts := migrationFile.FindStringSubmatch(name)
	if parts == nil {
		return migration{}, errors.New("it is not named as NNNN_what.sql, NNNN_what.backfill.sql or NNNN_what.contract.sql")
	}
	version, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return migration{}, err
	}
	m := migration{version: version, phase: expand, file: name}
	if parts[2] != "" {
		m.phase = phase(parts[2][1:])
	}
	if strings.Contains(text, "-- +goose Down") {
		return m, errors.New("there is no way back")
	}
	m.statements = splitStatements(text)
	said, err := headers(text)
	if err != nil {
		return m, err
	}
	switch m.phase {
	case backfill:
		return m, m.fills(said)
	case contract:
		m.needs, err = strconv.ParseInt(said["needs"], 10, 64)
		if err != nil || m.needs < 1 || m.needs >= m.version {
			return m, errors.New("a contraction says with a line \"-- needs: NNNN\" which older migration every living process has to know")
		}
	}
	return m, nil
}

// fills makes the batches of a backfill in SQL.
func (m *migration) fills(said map[string]string) error {
	table, key := said["table"], said["key"]
	key, counting := strings.CutSuffix(key, " number")
	if !identifier.MatchString(table) || !identifier.MatchString(key) || len(m.statements) != 1 {
		return errors.New("a backfill is one statement behind the lines \"-- table: NAME\" and \"-- key: COLUMN\", or \"-- key: COLUMN number\"")
	}
	text := m.statements[0]
	if strings.Count(text, "?") != 2 {
		return errors.New("a backfill's statement has two placeholders, for the first and the last key of a batch")
	}
	if counting {
		m.batch = sqlBatch(table, key, text, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	} else {
		m.batch = sqlBatch(table, key, text, func(s string) (string, error) { return s, nil })
	}
	return nil
}

// headers reads the lines "-- name: value" in front of the first statement.
func headers(text string) (map[string]string, error) {
	said := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		comment, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "--")
		if !ok {
			break
		}
		name, value, ok := strings.Cut(comment, ":")
		if name = strings.TrimSpace(name); ok && slices.Contains([]string{"table", "key", "needs"}, name) {
			said[name] = strings.TrimSpace(value)
		}
	}
	return said, lines.Err()
}

// splitStatements cuts a text at its semicolons and drops comments.
func splitStatements(text string) []string {
	var list []string
	var one strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0 // a doubled mark opens again at once
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '-' && strings.HasPrefix(text[i:], "--"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				end = len(text) - i
			}
			i += end - 1
			continue
		case c == ';':
			list = appendStatement(list, one.String())
			one.Reset()
			continue
		}
		one.WriteByte(c)
	}
	return appendStatement(list, one.String())
}

func appendStatement(list []string, text string) []string {
	if text = strings.TrimSpace(text); text != "" {
		list = append(list, text)
	}
	return list
}
