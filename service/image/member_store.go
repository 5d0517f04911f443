package image

import "virga/core/db"

// findMember finds a member of an image, or db.ErrNotFound.
func findMember(tx *db.Tx, imageID, memberID string) (member, error) {
	var m member
	err := tx.Get(&m, "SELECT "+db.Columns(member{}, "")+" FROM image_members WHERE image_id = ? AND member_id = ?", imageID, memberID)
	return m, err
}

// listMembers lists all members of an image; there are at most maxLabels.
func listMembers(tx *db.Tx, imageID string) ([]member, error) {
	var members []member
	err := tx.Select(&members, "SELECT "+db.Columns(member{}, "")+" FROM image_members WHERE image_id = ? ORDER BY member_id", imageID)
	return members, err
}

func countMembers(tx *db.Tx, imageID string) (int, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM image_members WHERE image_id = ?", imageID)
	return n, err
}

func insertMember(tx *db.Tx, m member) error { return tx.Insert("image_members", m) }

// updateMember writes a member's status, or returns db.ErrNotFound.
func updateMember(tx *db.Tx, m member) error {
	n, err := tx.Exec("UPDATE image_members SET status = ?, updated_at = ? WHERE image_id = ? AND member_id = ?",
		m.Status, m.UpdatedAt, m.ImageID, m.MemberID)
	return oneRow(n, err)
}

// deleteMember removes a member, or returns db.ErrNotFound.
func deleteMember(tx *db.Tx, m member) error {
	n, err := tx.Exec("DELETE FROM image_members WHERE image_id = ? AND member_id = ?", m.ImageID, m.MemberID)
	return oneRow(n, err)
}

func oneRow(n int64, err error) error {
	if err == nil && n == 0 {
		return db.ErrNotFound
	}
	return err
}
