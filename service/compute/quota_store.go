package compute

import (
	"virga/core/db"
)

// The resources that have quotas, by the names of os-quota-sets.
const (
	quotaInstances    = "instances"
	quotaCores        = "cores"
	quotaRAM          = "ram"
	quotaKeypairs     = "key_pairs"
	quotaMetadata     = "metadata_items"
	quotaGroups       = "server_groups"
	quotaGroupMembers = "server_group_members"
	quotaFiles        = "injected_files"
	quotaFileBytes    = "injected_file_content_bytes"
	quotaPathBytes    = "injected_file_path_bytes"
)

// defaultQuotas are nova's; -1 means without limit.
func defaultQuotas() map[string]int64 {
	return map[string]int64{quotaInstances: 10, quotaCores: 20, quotaRAM: 51200, quotaKeypairs: 100, quotaMetadata: 128,
		quotaGroups: 10, quotaGroupMembers: 10, quotaFiles: 5, quotaFileBytes: 10240, quotaPathBytes: 255,
		"fixed_ips": -1, "floating_ips": -1, "security_groups": -1, "security_group_rules": -1}
}

// The owners of rows in the table quotas.
const (
	quotaOfProject = "project"
	quotaOfClass   = "class"
	defaultClass   = "default"
)

type quotaRow struct {
	OwnerKind string `db:"owner_kind"`
	OwnerID   string `db:"owner_id"`
	Resource  string `db:"resource"`
	Value     int64  `db:"value"`
}

// quotaLimits are the limits in force for a project: identity's, else its own, else the
// default class's, else the built-in ones.
func (s *Service) quotaLimits(tx *db.Tx, projectID string) (map[string]int64, error) {
	limits, err := ownLimits(tx, projectID)
	if err != nil {
		return nil, err
	}
	return s.withUnified(projectID, limits), nil
}

// ownLimits are the limits that compute itself keeps for a project.
func ownLimits(tx *db.Tx, projectID string) (map[string]int64, error) {
	limits := defaultQuotas()
	for _, owner := range []struct{ kind, id string }{{quotaOfClass, defaultClass}, {quotaOfProject, projectID}} {
		rows, err := quotasOf(tx, owner.kind, owner.id)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			limits[row.Resource] = row.Value
		}
	}
	return limits, nil
}

func quotasOf(tx *db.Tx, kind, id string) ([]quotaRow, error) {
	var rows []quotaRow
	err := tx.Select(&rows, "SELECT owner_kind, owner_id, resource, value FROM quotas WHERE owner_kind = ? AND owner_id = ?", kind, id)
	return rows, err
}

func setQuota(tx *db.Tx, row quotaRow) error {
	return tx.Upsert("quotas", row, "owner_kind", "owner_id", "resource")
}

func deleteQuotas(tx *db.Tx, kind, id string) error {
	_, err := tx.Exec("DELETE FROM quotas WHERE owner_kind = ? AND owner_id = ?", kind, id)
	return err
}

// over tells whether n more than used go beyond a limit.
func over(limit, used, n int64) bool { return limit >= 0 && used+n > limit }
