package network

import (
	"errors"
	"fmt"

	"virga/core/db"
)

// quotaKind is a resource that is counted.
type quotaKind string

// The resources that are counted, in the words of the quotas API.
const (
	quotaNetwork    quotaKind = "network"
	quotaSubnet     quotaKind = "subnet"
	quotaPort       quotaKind = "port"
	quotaRouter     quotaKind = "router"
	quotaFloatingIP quotaKind = "floatingip"
	quotaGroup      quotaKind = "security_group"
	quotaGroupRule  quotaKind = "security_group_rule"
)

// counted lists them with their tables and their default limits, which are Neutron's.
var counted = []struct {
	kind     quotaKind
	table    string
	standard int
}{
	{quotaNetwork, "networks", 100}, {quotaSubnet, "subnets", 100}, {quotaPort, "ports", 500}, {quotaRouter, "routers", 10},
	{quotaFloatingIP, "floating_ips", 50}, {quotaGroup, "security_groups", 10}, {quotaGroupRule, "security_group_rules", 100},
}

// admitAll counts new rows against the quotas of their projects, in the transaction that
// will insert them, so that no race can pass a limit.
func admitAll[R identified](s *Service, tx *db.Tx, kind quotaKind, rows []R) error {
	perProject := map[string]int{}
	for _, row := range rows {
		perProject[row.common().ProjectID]++
	}
	for project, n := range perProject {
		if err := s.admit(tx, kind, project, n); err != nil {
			return err
		}
	}
	return nil
}

// admit counts n new resources of a project against its quota.
func (s *Service) admit(tx *db.Tx, kind quotaKind, project string, n int) error {
	if project == "" {
		return nil
	}
	limit, err := s.quotaOf(tx, kind, project)
	if err != nil || limit < 0 {
		return err
	}
	used, err := usedOf(tx, kind, project)
	if err != nil {
		return err
	}
	if used+n > limit {
		return conflict("OverQuota", "Quota exceeded for resources: ['%s'].", kind)
	}
	return nil
}

// quotaOf is the limit of a project; -1 means none.
func (s *Service) quotaOf(tx *db.Tx, kind quotaKind, project string) (int, error) {
	var limit int
	err := tx.Get(&limit, "SELECT amount FROM quotas WHERE project_id = ? AND resource = ?", project, string(kind))
	if errors.Is(err, db.ErrNotFound) {
		return s.defaultQuota(kind), nil
	}
	return limit, err
}

// defaultQuota is the limit of projects that have none of their own.
func (s *Service) defaultQuota(kind quotaKind) int {
	if limit, set := s.deps.DefaultQuotas[string(kind)]; set {
		return limit
	}
	for _, c := range counted {
		if c.kind == kind {
			return c.standard
		}
	}
	return -1
}

func usedOf(tx *db.Tx, kind quotaKind, project string) (int, error) {
	for _, c := range counted {
		if c.kind == kind {
			var used int
			err := tx.Get(&used, "SELECT COUNT(*) FROM "+c.table+" WHERE project_id = ?", project)
			return used, err
		}
	}
	return 0, fmt.Errorf("count %s: no such kind", kind)
}

// quotaRow is a limit that an administrator set.
type quotaRow struct {
	ProjectID string `db:"project_id"`
	Resource  string `db:"resource"`
	Amount    int    `db:"amount"`
}

// quotaRows are the limits set for one project, or for all.
func quotaRows(tx *db.Tx, project string) ([]quotaRow, error) {
	text, args := "SELECT project_id, resource, amount FROM quotas", []any{}
	if project != "" {
		text, args = text+" WHERE project_id = ?", append(args, project)
	}
	var rows []quotaRow
	err := tx.Select(&rows, text+" ORDER BY project_id, resource LIMIT 10000", args...)
	return rows, err
}

func setQuota(tx *db.Tx, row quotaRow) error {
	return tx.Upsert("quotas", row, "project_id", "resource")
}

func deleteQuotas(tx *db.Tx, project string) (int64, error) {
	return tx.Exec("DELETE FROM quotas WHERE project_id = ?", project)
}
