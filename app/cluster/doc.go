// Package cluster is what the processes of one cloud share of themselves: the cloud's id,
// who runs, facts that all must agree on, and secrets.
//
// It owns the part "cloud" of the database and, in the data folder, secrets/cluster-key and
// secrets/cloud-id. Secrets are in the database, sealed under the cluster key, which is in
// the data folder of every controller and nowhere else: a copy of the database opens
// nothing. It does not own what the secrets are for. Only app imports it.
package cluster
