package db

import "context"

// Interception stands between a program and its database: simulations decide with it when
// a transaction runs, and end a process at one of them.
type Interception struct {
	// Begin is called before each attempt of a transaction; its error takes the place of it.
	Begin func(ctx context.Context, write bool) error
	// Committed is called after a commit and before what AfterCommit asked for. With an error
	// the transaction stays committed and nobody learns of it, as when the process dies there.
	Committed func(ctx context.Context, write bool) error
}

// Intercepted is the same database, with the same connections and prepared statements, whose
// transactions go through i. One of the two is closed, and both are then.
func (d *DB) Intercepted(i Interception) *DB {
	other := *d
	other.interception = i
	return &other
}

func (i Interception) begin(ctx context.Context, write bool) error {
	if i.Begin == nil {
		return nil
	}
	return i.Begin(ctx, write)
}

func (i Interception) committed(ctx context.Context, write bool) error {
	if i.Committed == nil {
		return nil
	}
	return i.Committed(ctx, write)
}
