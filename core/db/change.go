package db

import (
	"fmt"
	"math/bits"
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

// UpdateGet changes at most one row and reads columns of it, as they are then, into dst as
// Get does; ErrNotFound when no row fits. Condition, with args behind those of set, is that
// of both: what is set must not change whether it holds.
func (t *Tx) UpdateGet(dst any, table, set string, setArgs []any, columns, condition string, args ...any) error {
	text := "UPDATE " + table + " SET " + set + " WHERE " + condition
	if t.db.dialect.returning() {
		return t.Get(dst, text+" RETURNING "+columns, slices.Concat(setArgs, args)...)
	}
	changed, err := t.Exec(text, slices.Concat(setArgs, args)...)
	switch {
	case err != nil:
		return err
	case changed == 0:
		return ErrNotFound
	}
	return t.Get(dst, "SELECT "+columns+" FROM "+table+" WHERE "+condition, args...)
}

// In renders "(?, ?, …)" for values and returns them as arguments; an empty list
// renders a list that nothing is in. The last value of longer lists is repeated until their
// length is a power of two, so that few texts are prepared for lists of any length.
func In[T any](values []T) (string, []any) {
	if len(values) == 0 {
		return "(NULL)", nil
	}
	room := len(values)
	if room > 2 {
		room = 1 << bits.Len(uint(room-1))
	}
	args := make([]any, room)
	for i := range args {
		args[i] = values[min(i, len(values)-1)]
	}
	return "(" + strings.Repeat("?, ", room-1) + "?)", args
}
