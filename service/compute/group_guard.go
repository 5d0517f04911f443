package compute

import (
	"errors"

	"virga/core/db"
	"virga/core/work"
)

// errGroupMoved is why a host that was chosen for a member of a server group is not taken.
var errGroupMoved = errors.New("another member of the server group was placed meanwhile")

// keepGroup is for the transaction that writes which host a server gets: the members of its group that others placed
// since the scheduler looked count as well. If its policy no longer lets the host be, the step "schedule" begins anew.
// Transactions are serializable, so of two members that would break the policy together one sees the other.
func keepGroup(tx *db.Tx, serverID, host string) error {
	g, err := groupWishOf(tx, serverID)
	if err != nil || g == nil {
		return err
	}
	if m := groupMiss(host, g); m.text != "" {
		return work.Back("schedule", errGroupMoved)
	}
	return nil
}
