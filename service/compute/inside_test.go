package compute_test

import (
	"context"

	"virga/core/db"
	"virga/core/work"
	"virga/service/compute"
)

// ownPort is a port that the user made.
var ownPort = compute.Port{ID: ownPortID, NetworkID: networkID, ProjectID: projectID, MAC: "fa:16:3e:ff:ff:ff", Status: "DOWN",
	FixedIPs: []compute.FixedIP{{SubnetID: subnetID, Address: "10.0.9.9"}}, SecurityGroupIDs: []string{groupID}}

// twoNICs asks for a server on a network and on the user's own port.
const twoNICs = `{"server":{"name":"vm","imageRef":"` + imageID + `","flavorRef":"1","networks":[{"uuid":"` + networkID + `"},{"port":"` + ownPortID + `"}]}}`

// readOperations reads what was done with a server.
func readOperations(r *rig, id string, list *[]work.Operation) error {
	return r.db.Read(context.Background(), func(tx *db.Tx) (err error) {
		*list, err = work.OfResource(tx, id, 100)
		return err
	})
}
