package db

import (
	"errors"
	"reflect"
	"strings"
)

// ErrMarker is returned by List when the marker names no row that the filter lets through.
var ErrMarker = errors.New("marker not found")

// Order is one sort key of a list. The column holds no NULL.
type Order struct {
	Column     string
	Descending bool
}

// List describes one page of a keyset-paged list.
type List struct {
	// From is the table, possibly with joins; its rows are told apart by Key.
	From string
	Key  string
	// Columns are selected; empty means all columns of the row struct.
	Columns string
	where   []string
	args    []any
	Order   []Order
	// Marker is the Key of the last row of the page before, or empty. It must be a row
	// that the filter lets through unless LooseMarker is set (then only Key counts).
	Marker      string
	LooseMarker bool
	// Backwards asks for the page that ends before the marker; rows come in list order.
	Backwards bool
	// Limit is how many rows are returned at most; it is required.
	Limit int
}

// Where adds a condition with bound arguments; conditions are joined by AND.
func (l *List) Where(condition string, args ...any) *List {
	l.where = append(l.where, condition)
	l.args = append(l.args, args...)
	return l
}

// WhereIn adds the condition that column is one of values.
func WhereIn[T any](l *List, column string, values []T) *List {
	marks, args := In(values)
	return l.Where(column+" IN "+marks, args...)
}

// List appends the page to dst, a pointer to a slice of row structs. The order is made
// total by the key as the last sort column.
func (t *Tx) List(dst any, l *List) error {
	if l.Limit <= 0 {
		return errors.New("list: a limit is required")
	}
	columns := l.Columns
	if columns == "" {
		columns = Columns(reflect.New(structType(reflect.TypeOf(dst))).Interface(), "")
	}
	order := append([]Order{}, l.Order...)
	if len(order) == 0 || order[len(order)-1].Column != l.Key {
		order = append(order, Order{Column: l.Key, Descending: len(order) > 0 && order[len(order)-1].Descending})
	}
	if l.Backwards {
		for i := range order {
			order[i].Descending = !order[i].Descending
		}
	}
	where, args := append([]string{}, l.where...), append([]any{}, l.args...)
	if l.Marker != "" {
		condition, values, err := t.after(l, order)
		if err != nil {
			return err
		}
		where, args = append(where, condition), append(args, values...)
	}
	text := "SELECT " + columns + " FROM " + l.From + whereText(where) + orderText(order) + " LIMIT ?"
	if err := t.Select(dst, text, append(args, l.Limit)...); err != nil {
		return err
	}
	if l.Backwards {
		list := reflect.ValueOf(dst).Elem()
		swap := reflect.Swapper(list.Interface())
		for i, j := 0, list.Len()-1; i < j; i, j = i+1, j-1 {
			swap(i, j)
		}
	}
	return nil
}

// Count is how many rows the filter of l lets through, the marker not regarded.
func (t *Tx) Count(l *List) (int, error) {
	var n int
	err := t.Get(&n, "SELECT COUNT(*) FROM "+l.From+whereText(l.where), l.args...)
	return n, err
}

// after renders the condition that lets through what comes behind the marker's row.
func (t *Tx) after(l *List, order []Order) (string, []any, error) {
	names := make([]string, len(order))
	for i, o := range order {
		names[i] = o.Column
	}
	where, args := []string{l.Key + " = ?"}, []any{l.Marker}
	if !l.LooseMarker {
		where, args = append(where, l.where...), append(args, l.args...)
	}
	rows, err := t.query("SELECT "+strings.Join(names, ", ")+" FROM "+l.From+whereText(where), args...)
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = rows.Close() }()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return "", nil, t.wrap(err)
		}
		return "", nil, ErrMarker
	}
	values := make([]any, len(order))
	targets := make([]any, len(order))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return "", nil, err
	}
	for i, value := range values {
		if value == nil {
			return "", nil, errors.New("list: the sort column " + order[i].Column + " is NULL, which has no place in the order")
		}
		values[i] = textual(value)
	}
	condition, bound := beyond(order, values)
	return condition, bound, nil
}

// beyond renders a >= ? AND (a > ? OR (a = ? AND b > ?) …); the part in front lets an index be used.
func beyond(order []Order, values []any) (string, []any) {
	var alternatives []string
	var bound []any
	comparison := func(o Order) string {
		if o.Descending {
			return " < ?"
		}
		return " > ?"
	}
	for i, o := range order {
		var parts []string
		for j := range i {
			parts = append(parts, order[j].Column+" = ?")
		}
		bound = append(bound, values[:i+1]...)
		alternatives = append(alternatives, "("+strings.Join(append(parts, o.Column+comparison(o)), " AND ")+")")
	}
	condition := "(" + strings.Join(alternatives, " OR ") + ")"
	if len(order) > 1 {
		bound = append([]any{values[0]}, bound...)
		condition = order[0].Column + strings.Replace(comparison(order[0]), " ?", "= ?", 1) + " AND " + condition
	}
	return condition, bound
}

// textual undoes the []byte form in which some drivers hand out text.
func textual(value any) any {
	if b, ok := value.([]byte); ok {
		return string(b)
	}
	return value
}

func whereText(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(conditions, " AND ")
}

func orderText(order []Order) string {
	parts := make([]string, len(order))
	for i, o := range order {
		parts[i] = o.Column
		if o.Descending {
			parts[i] += " DESC"
		}
	}
	return " ORDER BY " + strings.Join(parts, ", ")
}
