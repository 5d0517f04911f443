package identity

import (
	"virga/core/db"
)

// policyRow is a policy file in any language, kept for services that fetch it.
type policyRow struct {
	ID    string         `db:"id"`
	Type  string         `db:"type"`
	Blob  string         `db:"blob_text"`
	Extra map[string]any `db:"extra,json"`
}

// policyAssociationRow says for what a policy is: an endpoint, a service, or a service in a
// region. The others are empty.
type policyAssociationRow struct {
	EndpointID string `db:"endpoint_id"`
	ServiceID  string `db:"service_id"`
	RegionID   string `db:"region_id"`
	PolicyID   string `db:"policy_id"`
}

func policyByID(tx *db.Tx, id string) (policyRow, error) {
	var row policyRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM policies WHERE id = ?", id)
	return row, err
}

func removePolicy(c *change, row policyRow) error {
	if _, err := c.Exec("DELETE FROM policy_associations WHERE policy_id = ?", row.ID); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM policies WHERE id = ?", row.ID); err != nil {
		return err
	}
	return c.record("policy", "delete", row.ID, row, nil)
}

func policyAssociation(tx *db.Tx, place policyAssociationRow) (policyAssociationRow, error) {
	var row policyAssociationRow
	err := tx.Get(&row, "SELECT "+db.Columns(row, "")+" FROM policy_associations WHERE endpoint_id = ? AND service_id = ? AND region_id = ?",
		place.EndpointID, place.ServiceID, place.RegionID)
	return row, err
}

func removePolicyAssociation(c *change, row policyAssociationRow) error {
	if _, err := c.Exec("DELETE FROM policy_associations WHERE endpoint_id = ? AND service_id = ? AND region_id = ?",
		row.EndpointID, row.ServiceID, row.RegionID); err != nil {
		return err
	}
	return c.record("policy_association", "delete", row.PolicyID, row, nil)
}

// policyFor finds the policy of an endpoint: its own, that of its service in its region or the
// nearest region above, or that of its service.
func policyFor(tx *db.Tx, e endpointRow) (policyRow, error) {
	places := []policyAssociationRow{{EndpointID: e.ID}}
	for region, depth := e.RegionID, 0; region != "" && depth < maxRegionDepth; depth++ {
		places = append(places, policyAssociationRow{ServiceID: e.ServiceID, RegionID: region})
		above, err := regionByID(tx, region)
		if isGone(err) {
			break
		}
		if err != nil {
			return policyRow{}, err
		}
		region = above.ParentID
	}
	places = append(places, policyAssociationRow{ServiceID: e.ServiceID})
	for _, place := range places {
		row, err := policyAssociation(tx, place)
		if isGone(err) {
			continue
		}
		if err != nil {
			return policyRow{}, err
		}
		return policyByID(tx, row.PolicyID)
	}
	return policyRow{}, db.ErrNotFound
}
