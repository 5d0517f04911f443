package identity

import (
	"maps"
	"slices"
	"strings"

	"virga/core/db"
	"virga/core/token"
)

const (
	actorUser  = "user"
	actorGroup = "group"

	targetProject = "project"
	targetDomain  = "domain"
	targetSystem  = "system"
	// systemID is the id of the only target of type system.
	systemID = "system"
)

// assignmentRow gives an actor a role on a target.
type assignmentRow struct {
	ActorType  string `db:"actor_type"`
	ActorID    string `db:"actor_id"`
	TargetType string `db:"target_type"`
	TargetID   string `db:"target_id"`
	RoleID     string `db:"role_id"`
	Inherited  bool   `db:"inherited"`
}

const assignmentKey = "actor_id = ? AND target_id = ? AND role_id = ? AND target_type = ? AND inherited = ?"

func (a assignmentRow) key() []any {
	return []any{a.ActorID, a.TargetID, a.RoleID, a.TargetType, a.Inherited}
}

func insertAssignment(c *change, row assignmentRow) error {
	if err := c.Upsert("assignments", row, "actor_id", "target_id", "role_id", "target_type", "inherited"); err != nil {
		return err
	}
	c.forgetActor(row.ActorType, row.ActorID)
	return c.record("role_assignment", "create", row.RoleID, nil, documentOfAssignment(row))
}

// removeAssignment tells whether there was one.
func removeAssignment(c *change, row assignmentRow) (bool, error) {
	n, err := c.Exec("DELETE FROM assignments WHERE "+assignmentKey, row.key()...)
	if err != nil || n == 0 {
		return false, err
	}
	if row.TargetType == targetProject && row.ActorType == actorUser {
		const own = "DELETE FROM application_credentials WHERE user_id = ? AND project_id = ?"
		if _, err := c.Exec(own, row.ActorID, row.TargetID); err != nil {
			return false, err
		}
	}
	c.forgetActor(row.ActorType, row.ActorID)
	return true, c.record("role_assignment", "delete", row.RoleID, documentOfAssignment(row), nil)
}

func assignmentExists(tx *db.Tx, row assignmentRow) (bool, error) {
	var n int
	err := tx.Get(&n, "SELECT COUNT(*) FROM assignments WHERE "+assignmentKey, row.key()...)
	return n > 0, err
}

// rolesGranted lists the roles of direct assignments of an actor on a target.
func rolesGranted(tx *db.Tx, row assignmentRow) ([]roleRow, error) {
	var rows []roleRow
	err := tx.Select(&rows, "SELECT "+db.Columns(roleRow{}, "")+" FROM roles WHERE id IN (SELECT role_id FROM assignments"+
		" WHERE actor_id = ? AND target_id = ? AND target_type = ? AND inherited = ?) ORDER BY name, id LIMIT ?",
		row.ActorID, row.TargetID, row.TargetType, row.Inherited, maxList+1)
	return rows, err
}

// ofActor is the condition that an assignment belongs to a user or one of the user's groups. With an OR
// the engines would walk all assignments.
const ofActor = "actor_id IN (SELECT id FROM (SELECT group_id AS id FROM memberships WHERE user_id = ? UNION ALL SELECT ?) AS actors)"

// rolesOnProject computes the roles of a user on a project: assigned or inherited, to the
// user or a group, and those implied.
func rolesOnProject(tx *db.Tx, userID string, project projectRow) ([]token.Role, error) {
	above := []string{project.owner()}
	parents, err := parentsOf(tx, project)
	if err != nil {
		return nil, err
	}
	for _, parent := range parents {
		above = append(above, parent.ID)
	}
	marks, aboveArgs := db.In(above)
	args := append([]any{userID, userID, project.ID, targetProject}, aboveArgs...)
	var ids []string
	if err := tx.Select(&ids, "SELECT DISTINCT role_id FROM assignments WHERE "+ofActor+
		" AND ((target_id = ? AND target_type = ? AND inherited = 0) OR (inherited = 1 AND target_id IN "+marks+"))", args...); err != nil {
		return nil, err
	}
	return expandRoles(tx, ids)
}

// rolesOn computes the roles of a user on a domain or on the system.
func rolesOn(tx *db.Tx, userID, targetType, targetID string) ([]token.Role, error) {
	var ids []string
	if err := tx.Select(&ids, "SELECT DISTINCT role_id FROM assignments WHERE "+ofActor+
		" AND target_id = ? AND target_type = ? AND inherited = 0", userID, userID, targetID, targetType); err != nil {
		return nil, err
	}
	return expandRoles(tx, ids)
}

// expandRoles adds implied roles and names them. Roles of a domain count only for what
// they imply: tokens show roles of the cloud alone.
func expandRoles(tx *db.Tx, ids []string) ([]token.Role, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	implied, err := implications(tx)
	if err != nil {
		return nil, err
	}
	all, _ := withImplied(ids, implied)
	rows, err := rolesByID(tx, all)
	if err != nil {
		return nil, err
	}
	var roles []token.Role
	for _, row := range rows {
		if row.DomainID == "" {
			roles = append(roles, token.Role{ID: row.ID, Name: row.Name})
		}
	}
	return roles, nil
}

// targetRow is one place where a user has a role.
type targetRow struct {
	TargetType string `db:"target_type"`
	TargetID   string `db:"target_id"`
	Inherited  bool   `db:"inherited"`
}

// Conditions for the targets of a user: those that projects come of, and domains.
const (
	givesProjects = "(target_type = 'project' OR inherited = 1)"
	isDomain      = "target_type = 'domain' AND inherited = 0"
)

// targetsOf lists where a user has roles, also by groups, that a condition lets through; more
// tells that there are others.
func targetsOf(tx *db.Tx, userID, condition string) (rows []targetRow, more bool, err error) {
	err = tx.Select(&rows, "SELECT DISTINCT target_type, target_id, inherited FROM assignments WHERE "+ofActor+" AND "+condition+
		" ORDER BY target_type, target_id, inherited LIMIT ?", userID, userID, maxList+1)
	return rows[:min(len(rows), maxList)], len(rows) > maxList, err
}

// projectsOfUser lists the projects on which a user has a role; more tells that there are others.
func projectsOfUser(tx *db.Tx, userID string) (projects []projectRow, more bool, err error) {
	targets, more, err := targetsOf(tx, userID, givesProjects)
	if err != nil {
		return nil, false, err
	}
	found := map[string]projectRow{}
	var direct []string
	for _, target := range targets {
		switch {
		case target.TargetType == targetProject && !target.Inherited:
			direct = append(direct, target.TargetID)
		case len(found)+len(direct) > maxList:
			more = true
		default:
			below, err := subtreeOf(tx, target.TargetID)
			if err != nil {
				return nil, false, err
			}
			for _, project := range below {
				found[project.ID] = project
			}
		}
	}
	rows, err := projectsByID(tx, direct)
	if err != nil {
		return nil, false, err
	}
	for _, row := range rows {
		found[row.ID] = row
	}
	return slices.SortedFunc(maps.Values(found), func(a, b projectRow) int { return strings.Compare(a.ID, b.ID) }), more, nil
}

// selectAssignments reads the stored assignments from which a list is made, one more than it
// shows at most. In an effective list those count, too, whose role implies the one asked for.
func selectAssignments(tx *db.Tx, q assignmentQuery, scope assignmentScope, implied []impliedRow) ([]assignmentRow, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(text string, values ...any) {
		where, args = append(where, text), append(args, values...)
	}
	switch {
	case q.user != "" && q.effective:
		add(ofActor, q.user, q.user)
	case q.user != "" || q.group != "":
		add("actor_id = ?", q.user+q.group)
	}
	if q.role != "" {
		roles := []string{q.role}
		if q.effective {
			roles = implying(q.role, implied)
		}
		marks, values := db.In(roles)
		add("role_id IN "+marks, values...)
	}
	if q.inherited != nil {
		add("inherited = ?", *q.inherited)
	}
	switch {
	case q.system:
		add("target_type = ?", targetSystem)
	case q.domain != "":
		add("target_type = ? AND target_id = ?", targetDomain, q.domain)
		if q.effective {
			add("inherited = 0")
		}
	case q.project != "":
		text, values := projectCondition(q, scope)
		add(text, values...)
	}
	if q.confined != "" {
		add("target_id IN (SELECT id FROM projects WHERE id = ? OR domain_id = ?)", q.confined, q.confined)
	}
	var rows []assignmentRow
	err := tx.Select(&rows, "SELECT "+db.Columns(assignmentRow{}, "")+" FROM assignments WHERE "+strings.Join(where, " AND ")+
		" ORDER BY actor_id, target_id, role_id, inherited LIMIT ?", append(args, maxList+1)...)
	return rows, err
}

// projectCondition selects assignments on projects, and in an effective list those that
// they inherit.
func projectCondition(q assignmentQuery, scope assignmentScope) (string, []any) {
	marks, args := db.In(scope.projects[:min(len(scope.projects), maxList)])
	if !q.effective {
		return "target_type = 'project' AND target_id IN " + marks, args
	}
	above, aboveArgs := db.In(scope.above)
	text := "((target_type = 'project' AND inherited = 0 AND target_id IN " + marks + ") OR (inherited = 1 AND target_id IN " + above + ")"
	args = append(args, aboveArgs...)
	if q.wholly { // those below inherit from the asked project and from each other, too
		text += " OR (inherited = 1 AND target_id IN " + marks + ")"
		args = append(args, args[:len(args)-len(aboveArgs)]...)
	}
	return text + ")", args
}
