package identity

import (
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// projectRow is a project, or a domain when IsDomain is set.
type projectRow struct {
	ID          string         `db:"id"`
	Name        string         `db:"name"`
	DomainID    string         `db:"domain_id"`
	ParentID    string         `db:"parent_id"`
	IsDomain    bool           `db:"is_domain"`
	Enabled     bool           `db:"enabled"`
	Description string         `db:"description"`
	Options     map[string]any `db:"options,json"`
	Extra       map[string]any `db:"extra,json"`
}

// owner is the domain that the project belongs to; a domain belongs to itself.
func (p projectRow) owner() string {
	if p.IsDomain {
		return p.ID
	}
	return p.DomainID
}

// projectByID finds a project or a domain; db.ErrNotFound when there is none.
func projectByID(tx *db.Tx, id string) (projectRow, error) {
	var row projectRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM projects WHERE id = ?", id)
	return row, err
}

// projectByName finds a project by its name in a domain; an empty domainID finds domains.
func projectByName(tx *db.Tx, domainID, name string) (projectRow, error) {
	var row projectRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM projects WHERE domain_id = ? AND name = ?", domainID, name)
	return row, err
}

func projectsByID(tx *db.Tx, ids []string) ([]projectRow, error) {
	return selectIn[projectRow](tx, "SELECT "+db.Columns(projectRow{}, "")+" FROM projects WHERE id IN", ids, "")
}

func insertProject(c *change, row projectRow) error {
	if err := c.Insert("projects", row); err != nil {
		return err
	}
	return c.record(kindOf(row), "create", row.ID, nil, documentOfProject(row, nil))
}

func updateProject(c *change, row projectRow) error {
	before, err := projectByID(c.Tx, row.ID)
	if err != nil {
		return err
	}
	tags, err := tagsOf(c.Tx, []string{row.ID})
	if err != nil {
		return err
	}
	if err := c.Update("projects", row, "id"); err != nil {
		return err
	}
	return c.record(kindOf(row), "update", row.ID, documentOfProject(before, tags[row.ID]), documentOfProject(row, tags[row.ID]))
}

func kindOf(row projectRow) string {
	if row.IsDomain {
		return "domain"
	}
	return "project"
}

// parentsOf lists the projects above one, the nearest first; the domain, which is above
// all of them, is not among them.
func parentsOf(tx *db.Tx, row projectRow) ([]projectRow, error) {
	var parents []projectRow
	for at := row; at.ParentID != "" && at.ParentID != at.DomainID && len(parents) < maxDepth; {
		parent, err := projectByID(tx, at.ParentID)
		if err != nil {
			return nil, err
		}
		parents = append(parents, parent)
		at = parent
	}
	return parents, nil
}

// childrenOf lists the projects right below those of ids.
func childrenOf(tx *db.Tx, ids []string) ([]projectRow, error) {
	return selectIn[projectRow](tx, "SELECT "+db.Columns(projectRow{}, "")+" FROM projects WHERE parent_id IN", ids, "ORDER BY id")
}

// subtreeOf lists all projects below one, level by level.
func subtreeOf(tx *db.Tx, id string) ([]projectRow, error) {
	var all []projectRow
	for level, depth := []string{id}, 0; len(level) > 0 && depth <= maxDepth; depth++ {
		children, err := childrenOf(tx, level)
		if err != nil {
			return nil, err
		}
		all, level = append(all, children...), nil
		for _, child := range children {
			level = append(level, child.ID)
		}
	}
	return all, nil
}

// removeProjects deletes projects with what hangs on them: assignments, tags,
// application credentials. The caller has the cache forget them.
func removeProjects(c *change, rows []projectRow) error {
	for _, row := range rows {
		if err := removeProjectFilters(c, row.ID); err != nil {
			return err
		}
		if err := removeTrustsWhere(c, "project_id", row.ID); err != nil {
			return err
		}
		if err := removeCredentialsWhere(c, "project_id", row.ID); err != nil {
			return err
		}
		if err := removeOAuthWhere(c, "project_id", row.ID); err != nil {
			return err
		}
		for _, text := range []string{
			"DELETE FROM assignments WHERE target_id = ?",
			"DELETE FROM project_tags WHERE project_id = ?",
			"DELETE FROM domain_options WHERE domain_id = ?",
			"DELETE FROM limits WHERE project_id = ?",
			"DELETE FROM limits WHERE domain_id = ?",
			"DELETE FROM application_credentials WHERE project_id = ?",
			"UPDATE users SET default_project_id = '' WHERE default_project_id = ?",
			"DELETE FROM projects WHERE id = ?",
		} {
			if _, err := c.Exec(text, row.ID); err != nil {
				return err
			}
		}
		if err := c.record(kindOf(row), "delete", row.ID, documentOfProject(row, nil), nil); err != nil {
			return err
		}
	}
	return nil
}

type tagRow struct {
	ProjectID string `db:"project_id"`
	Name      string `db:"name"`
}

// tagsOf reads the tags of projects in one query.
func tagsOf(tx *db.Tx, projectIDs []string) (map[string][]string, error) {
	rows, err := selectIn[tagRow](tx, "SELECT project_id, name FROM project_tags WHERE project_id IN", projectIDs, "ORDER BY name")
	if err != nil {
		return nil, err
	}
	tags := map[string][]string{}
	for _, row := range rows {
		tags[row.ProjectID] = append(tags[row.ProjectID], row.Name)
	}
	return tags, nil
}

// replaceTags gives the project exactly these tags.
func replaceTags(c *change, projectID string, tags []string) error {
	if _, err := c.Exec("DELETE FROM project_tags WHERE project_id = ?", projectID); err != nil {
		return err
	}
	for _, tag := range tags {
		if err := c.Insert("project_tags", tagRow{projectID, tag}); err != nil {
			return err
		}
	}
	return nil
}

// tagConditions adds the filters tags (all of them), tags-any, not-tags and not-tags-any.
func tagConditions(list *db.List, r *api.Request) {
	for parameter, condition := range map[string]struct {
		having  string
		allOnly bool
	}{
		"tags": {"id IN", true}, "tags-any": {"id IN", false}, "not-tags": {"id NOT IN", true}, "not-tags-any": {"id NOT IN", false},
	} {
		if !r.Query.Has(parameter) {
			continue
		}
		tags := strings.Split(r.Query.Get(parameter), ",")
		marks, args := db.In(tags)
		text := condition.having + " (SELECT project_id FROM project_tags WHERE name IN " + marks
		if condition.allOnly {
			text += " GROUP BY project_id HAVING COUNT(*) = ?"
			args = append(args, len(tags))
		}
		list.Where(text+")", args...)
	}
}
