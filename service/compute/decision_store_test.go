package compute

import (
	"fmt"
	"testing"

	"virga/core/db"
	"virga/core/db/dbtest"
)

func TestDecisionsAreBoundedAndForgotten(t *testing.T) {
	d := dbtest.Open(t)
	if err := migrate(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	write := func(fn func(tx *db.Tx) error) {
		t.Helper()
		if err := d.Write(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(id, operation, chosen string) {
		write(func(tx *db.Tx) error {
			return insertDecision(tx, &keptDecision{ID: id, ServerID: "s", OperationID: operation, Kind: opCreate, BeganAt: noon, DecidedAt: noon, Chosen: chosen, Wanted: "{}", Decision: "{}"})
		})
	}
	list := func() (rows []keptDecision) {
		write(func(tx *db.Tx) (err error) { rows, err = decisionsOfServer(tx, "s", "", 100); return err })
		return rows
	}
	for range 3 {
		keep(fmt.Sprint("looks ", len(list())), "waits", "")
	}
	keep("found", "waits", "host")
	if rows := list(); len(rows) != 1 || rows[0].Looks != 4 || rows[0].Chosen != "host" || rows[0].Attempt != 1 {
		t.Errorf("one that looked until it found a host: %+v", rows)
	}
	for i := range maxAttempts + 5 {
		keep(fmt.Sprint("refused ", i), "", "")
		keep(fmt.Sprint("chosen ", i), "o", "host")
	}
	if rows := list(); len(rows) != 2*maxAttempts+1 {
		t.Errorf("%d decisions are kept", len(rows))
	}
	write(func(tx *db.Tx) error { return forgetDecisions(tx, []string{"o", "waits"}) })
	if rows := list(); len(rows) != maxAttempts || rows[0].OperationID != "" {
		t.Errorf("%d decisions are left, %+v", len(rows), rows[0])
	}
	for before, want := range map[int]int{0: 0, 1: maxAttempts} {
		write(func(tx *db.Tx) error {
			n, err := purgeDecisions(tx, noon.Add(0).AddDate(0, 0, before), 100)
			if n != want {
				t.Errorf("%d were purged after %d days", n, before)
			}
			return err
		})
	}
}
