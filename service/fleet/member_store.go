package fleet

import (
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/pki"
)

// findMember finds a member by who it is, or db.ErrNotFound.
func findMember(tx *db.Tx, subject pki.Subject) (member, error) {
	var m member
	err := tx.Get(&m, "SELECT "+db.Columns(member{}, "")+" FROM members WHERE kind = ? AND host = ?", string(subject.Kind), subject.Name)
	return m, err
}

// findMemberByID finds a member, or db.ErrNotFound.
func findMemberByID(tx *db.Tx, id string) (member, error) {
	var m member
	err := tx.Get(&m, "SELECT "+db.Columns(member{}, "")+" FROM members WHERE id = ?", id)
	return m, err
}

func insertMember(tx *db.Tx, m member) error { return tx.Insert("members", m) }

func updateMember(tx *db.Tx, m member) error { return tx.Update("members", m, "id") }

func listMembers(tx *db.Tx, page api.Page) ([]member, error) {
	var rows []member
	err := tx.List(&rows, &db.List{From: "members", Key: "id", Order: page.Sort, Marker: page.Marker, Backwards: page.Reverse, Limit: page.Limit})
	return rows, err
}

// deleteMember removes a member with all its keys.
func deleteMember(tx *db.Tx, id string) error {
	if _, err := tx.Exec("DELETE FROM member_keys WHERE member_id = ?", id); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM members WHERE id = ?", id)
	return err
}

// findKey finds a key, or db.ErrNotFound.
func findKey(tx *db.Tx, pin string) (memberKey, error) {
	var k memberKey
	err := tx.Get(&k, "SELECT "+db.Columns(memberKey{}, "")+" FROM member_keys WHERE pin = ?", pin)
	return k, err
}

// listKeys lists the keys of a member, oldest first; there are few.
func listKeys(tx *db.Tx, memberID string) ([]memberKey, error) {
	var keys []memberKey
	err := tx.Select(&keys, "SELECT "+db.Columns(memberKey{}, "")+" FROM member_keys WHERE member_id = ? ORDER BY place", memberID)
	return keys, err
}

func putKey(tx *db.Tx, k memberKey) error { return tx.Upsert("member_keys", k, "pin") }

func deleteKey(tx *db.Tx, pin string) error {
	_, err := tx.Exec("DELETE FROM member_keys WHERE pin = ?", pin)
	return err
}

func markKeyUsed(tx *db.Tx, pin string) error {
	_, err := tx.Exec("UPDATE member_keys SET used = ? WHERE pin = ?", true, pin)
	return err
}

// admitted is what Admit has to know of a key.
type admitted struct {
	Kind      string    `db:"kind"`
	Host      string    `db:"host"`
	ExpiresAt time.Time `db:"expires_at"`
	Used      bool      `db:"used"`
}

// findAdmitted finds whose a key is, or db.ErrNotFound.
func findAdmitted(tx *db.Tx, pin string) (admitted, error) {
	var a admitted
	err := tx.Get(&a, `SELECT m.kind, m.host, k.expires_at, k.used FROM member_keys k JOIN members m ON m.id = k.member_id WHERE k.pin = ?`, pin)
	return a, err
}
