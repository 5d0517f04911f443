package placement

import "virga/core/db"

// usageRow is how much a project's consumers of one type use of one class.
type usageRow struct {
	Type  string `db:"consumer_type"`
	Class string `db:"resource_class"`
	Used  int64  `db:"used"`
}

// consumerCountRow is how many consumers of one type a project has.
type consumerCountRow struct {
	Type  string `db:"consumer_type"`
	Count int64  `db:"consumers"`
}

// ofProject is the condition on consumers c of a project and, if given, a user.
func ofProject(project, user string) (string, []any) {
	if user == "" {
		return "c.project_id = ?", []any{project}
	}
	return "c.project_id = ? AND c.user_id = ?", []any{project, user}
}

func usagesOfProject(tx *db.Tx, project, user string) ([]usageRow, error) {
	where, args := ofProject(project, user)
	var rows []usageRow
	err := tx.Select(&rows, `SELECT c.consumer_type, a.resource_class, SUM(a.used) AS used
		FROM consumers c JOIN allocations a ON a.consumer = c.uuid WHERE `+where+" GROUP BY c.consumer_type, a.resource_class", args...)
	return rows, err
}

func consumerCounts(tx *db.Tx, project, user string) ([]consumerCountRow, error) {
	where, args := ofProject(project, user)
	var rows []consumerCountRow
	err := tx.Select(&rows, "SELECT c.consumer_type, COUNT(*) AS consumers FROM consumers c WHERE "+where+
		" GROUP BY c.consumer_type", args...)
	return rows, err
}
