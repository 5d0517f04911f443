package db

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// A row struct names its columns with tags: `db:"name"`. Options behind a comma:
// json (the value is kept as JSON text) and null (the zero value is NULL). Fields
// without a tag are not columns; embedded structs contribute theirs.
type column struct {
	name  string
	index []int
	json  bool
	null  bool
}

type shape struct {
	columns []column
	byName  map[string]*column
}

var timeType = reflect.TypeFor[time.Time]()

type shapes struct{ byType sync.Map }

// known caches what reflection finds out about row structs; it holds no state.
var known shapes

func (s *shapes) of(t reflect.Type) *shape {
	if found, ok := s.byType.Load(t); ok {
		return found.(*shape)
	}
	sh := &shape{byName: map[string]*column{}}
	collectColumns(t, nil, sh)
	for i := range sh.columns {
		sh.byName[sh.columns[i].name] = &sh.columns[i]
	}
	s.byType.Store(t, sh)
	return sh
}

func collectColumns(t reflect.Type, prefix []int, sh *shape) {
	for i := range t.NumField() {
		field := t.Field(i)
		index := append(append([]int{}, prefix...), i)
		if field.Anonymous && field.Type.Kind() == reflect.Struct {
			collectColumns(field.Type, index, sh)
			continue
		}
		tag, ok := field.Tag.Lookup("db")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		sh.columns = append(sh.columns, column{
			name: name, index: index,
			json: strings.Contains(options, "json"), null: strings.Contains(options, "null"),
		})
	}
}

// Columns lists the column names of a row struct, each behind prefix, for a SELECT.
func Columns(row any, prefix string) string {
	sh := known.of(structType(reflect.TypeOf(row)))
	names := make([]string, len(sh.columns))
	for i, c := range sh.columns {
		names[i] = prefix + c.name
	}
	return strings.Join(names, ", ")
}

func structType(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// value is what is bound for a column of row.
func (c *column) value(row reflect.Value) (any, error) {
	field := row.FieldByIndex(c.index)
	if c.null && field.IsZero() {
		return nil, nil
	}
	if c.json {
		text, err := json.Marshal(field.Interface())
		if err != nil {
			return nil, fmt.Errorf("encode column %s: %w", c.name, err)
		}
		return string(text), nil
	}
	return bindValue(field.Interface()), nil
}

func bindArgs(args []any) ([]any, error) {
	bound := make([]any, len(args))
	for i, arg := range args {
		bound[i] = bindValue(arg)
	}
	return bound, nil
}

func bindValue(value any) any {
	switch v := value.(type) {
	case time.Time:
		if v.IsZero() {
			return int64(0)
		}
		return v.UnixMicro()
	case bool:
		if v {
			return int64(1)
		}
		return int64(0)
	case driver.Valuer:
		return value
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Bool:
		return bindValue(v.Bool())
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return bindValue(v.Elem().Interface())
	}
	return value
}

// field is a scan target that converts the kit's few forms.
type field struct {
	target reflect.Value
	column *column
}

// Scan implements sql.Scanner.
func (f *field) Scan(src any) error {
	if src == nil {
		f.target.SetZero()
		return nil
	}
	target := f.target
	if f.column.json {
		return f.scanJSON(src)
	}
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	if target.Type() == timeType {
		return scanTime(target, src)
	}
	switch target.Kind() {
	case reflect.String:
		return scanString(target, src)
	case reflect.Bool:
		n, err := toInt(src)
		target.SetBool(n != 0)
		return err
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := toInt(src)
		target.SetInt(n)
		return err
	case reflect.Float64, reflect.Float32:
		var n sql.NullFloat64
		err := n.Scan(src)
		target.SetFloat(n.Float64)
		return err
	case reflect.Slice:
		return scanBytes(target, src)
	}
	return fmt.Errorf("scan column %s: no form for %s", f.column.name, target.Type())
}

func (f *field) scanJSON(src any) error {
	var text []byte
	switch v := src.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("scan column %s: JSON is text, not %T", f.column.name, src)
	}
	f.target.SetZero()
	if len(text) == 0 {
		return nil
	}
	return json.Unmarshal(text, f.target.Addr().Interface())
}

func scanTime(target reflect.Value, src any) error {
	micros, err := toInt(src)
	if err != nil {
		return err
	}
	if micros == 0 {
		target.SetZero()
		return nil
	}
	target.Set(reflect.ValueOf(time.UnixMicro(micros).UTC()))
	return nil
}

func scanString(target reflect.Value, src any) error {
	if text, ok := src.(string); ok {
		target.SetString(text)
		return nil
	}
	var s sql.NullString
	err := s.Scan(src)
	target.SetString(s.String)
	return err
}

func scanBytes(target reflect.Value, src any) error {
	if target.Type().Elem().Kind() != reflect.Uint8 {
		return fmt.Errorf("scan into %s: only bytes are kept as they are", target.Type())
	}
	switch v := src.(type) {
	case []byte:
		target.SetBytes(append([]byte{}, v...))
	case string:
		target.SetBytes([]byte(v))
	default:
		return fmt.Errorf("scan bytes: %T", src)
	}
	return nil
}

func toInt(src any) (int64, error) {
	if n, ok := src.(int64); ok {
		return n, nil
	}
	var n sql.NullInt64
	err := n.Scan(src)
	return n.Int64, err
}

// Get fills dst, a pointer to a row struct or to a single value, from the first row;
// ErrNotFound when there is none. The columns of the query must be columns of the struct.
func (t *Tx) Get(dst any, text string, args ...any) error {
	rows, err := t.query(text, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return t.wrap(err)
		}
		return ErrNotFound
	}
	scan, err := newScanner(rows, reflect.TypeOf(dst).Elem())
	if err != nil {
		return err
	}
	if err := scan.into(reflect.ValueOf(dst).Elem()); err != nil {
		return err
	}
	return rows.Close()
}

// Select appends every row to dst, a pointer to a slice of row structs or of single values.
func (t *Tx) Select(dst any, text string, args ...any) error {
	rows, err := t.query(text, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	list := reflect.ValueOf(dst).Elem()
	element := list.Type().Elem()
	scan, err := newScanner(rows, element)
	if err != nil {
		return err
	}
	for rows.Next() {
		n := list.Len()
		if n == list.Cap() {
			list.Grow(max(n, 16))
		}
		list.SetLen(n + 1)
		row := list.Index(n)
		row.SetZero()
		if err := scan.into(row); err != nil {
			list.SetLen(n)
			return err
		}
	}
	return t.wrap(rows.Err())
}

// scanner reads rows of one query into values of one type.
type scanner struct {
	rows    *sql.Rows
	columns []*column
	scalar  bool
	// fields and targets are used again for each row.
	fields  []field
	targets []any
}

func newScanner(rows *sql.Rows, t reflect.Type) (*scanner, error) {
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	if t.Kind() != reflect.Struct || t == timeType {
		if len(names) != 1 {
			return nil, fmt.Errorf("scan into %s: the query has %d columns", t, len(names))
		}
		return &scanner{rows: rows, scalar: true, columns: []*column{{name: names[0]}}}, nil
	}
	sh := known.of(t)
	s := &scanner{rows: rows, columns: make([]*column, len(names))}
	for i, name := range names {
		c, ok := sh.byName[name]
		if !ok {
			return nil, fmt.Errorf("scan into %s: it has no column %q", t, name)
		}
		s.columns[i] = c
	}
	return s, nil
}

func (s *scanner) into(row reflect.Value) error {
	if s.fields == nil {
		s.fields, s.targets = make([]field, len(s.columns)), make([]any, len(s.columns))
		for i := range s.fields {
			s.targets[i] = &s.fields[i]
		}
	}
	for i, c := range s.columns {
		target := row
		if !s.scalar {
			target = row.FieldByIndex(c.index)
		}
		s.fields[i] = field{target: target, column: c}
	}
	return s.rows.Scan(s.targets...)
}
