package db

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Insert writes row, a row struct or a pointer to one, as a new row of table.
func (t *Tx) Insert(table string, row any) error {
	text, args, err := insertText(table, row)
	if err != nil {
		return err
	}
	_, err = t.Exec(text, args...)
	return err
}

// Upsert writes row; where a row with the same values of keys exists, that one gets
// all other columns of row.
func (t *Tx) Upsert(table string, row any, keys ...string) error {
	text, args, err := insertText(table, row)
	if err != nil {
		return err
	}
	var others []string
	for _, c := range known.of(structType(reflect.TypeOf(row))).columns {
		if !slices.Contains(keys, c.name) {
			others = append(others, c.name)
		}
	}
	_, err = t.Exec(text+t.db.dialect.upsert(keys, others), args...)
	return err
}

func insertText(table string, row any) (string, []any, error) {
	value := reflect.Indirect(reflect.ValueOf(row))
	sh := known.of(value.Type())
	names := make([]string, len(sh.columns))
	marks := make([]string, len(sh.columns))
	args := make([]any, len(sh.columns))
	for i := range sh.columns {
		arg, err := sh.columns[i].value(value)
		if err != nil {
			return "", nil, err
		}
		names[i], marks[i], args[i] = sh.columns[i].name, "?", arg
	}
	return "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")", args, nil
}

// Update writes all columns of row but key to the row of table that has the same
// value of key. No such row is ErrNotFound.
func (t *Tx) Update(table string, row any, key string) error {
	value := reflect.Indirect(reflect.ValueOf(row))
	sh := known.of(value.Type())
	var sets []string
	var args []any
	var keyArg any
	for i := range sh.columns {
		arg, err := sh.columns[i].value(value)
		if err != nil {
			return err
		}
		if sh.columns[i].name == key {
			keyArg = arg
			continue
		}
		sets = append(sets, sh.columns[i].name+" = ?")
		args = append(args, arg)
	}
	if keyArg == nil {
		return fmt.Errorf("update %s: the row has no column %q", table, key)
	}
	changed, err := t.Exec("UPDATE "+table+" SET "+strings.Join(sets, ", ")+" WHERE "+key+" = ?", append(args, keyArg)...)
	if err != nil {
		return err
	}
	if changed == 0 {
		return ErrNotFound
	}
	return nil
}

// In renders "(?, ?, …)" for values and returns them as arguments; an empty list
// renders a list that nothing is in.
func In[T any](values []T) (string, []any) {
	if len(values) == 0 {
		return "(NULL)", nil
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return "(" + strings.TrimSuffix(strings.Repeat("?, ", len(values)), ", ") + ")", args
}
