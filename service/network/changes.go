package network

import (
	"strings"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
)

// The feed keeps resources as the API shows them to administrators. Functions of the form
// …Document read one with all that its body has.

// record writes a change into the feed; r is nil for the service's own.
func (s *Service) record(tx *db.Tx, r *api.Request, c feed.Change) error {
	c.At = s.deps.Clock.Now()
	if r != nil {
		c.RequestID, c.UserID, c.ProjectID = r.ID, r.UserID(), r.ProjectID()
	} else {
		c.RequestID = api.RequestID(tx.Context())
	}
	return s.feed.Record(tx, c)
}

// byHost is a change that a host's agent reported.
func byHost(host string, c feed.Change) feed.Change {
	c.UserID = "node:" + host
	return c
}

// networkDocument reads a network.
func networkDocument(tx *db.Tx, id string) (*networkView, error) {
	n, err := getNetwork(tx, id)
	if err != nil {
		return nil, err
	}
	if err := completeNetworks(tx, []*network{n}); err != nil {
		return nil, err
	}
	if err := loadTags(tx, []*network{n}); err != nil {
		return nil, err
	}
	return documentOfNetwork(n), nil
}

func documentOfNetwork(n *network) *networkView {
	view := viewNetwork(n)
	view.providerView = viewProvider(n)
	return &view
}

func subnetDocument(tx *db.Tx, id string) (*subnetView, error) {
	row, err := getSubnet(tx, id)
	if err != nil {
		return nil, err
	}
	if err := loadTags(tx, []*subnet{row}); err != nil {
		return nil, err
	}
	view := showSubnet(row)
	return &view, nil
}

func documentOfPort(p *port) *portView {
	view := viewPort(p)
	view.bindingView = showBinding(p)
	return &view
}

func routerDocument(tx *db.Tx, id string) (*routerView, error) {
	row, err := getRouter(tx, id)
	if err != nil {
		return nil, err
	}
	if err := completeRouters(tx, []*router{row}); err != nil {
		return nil, err
	}
	if err := loadTags(tx, []*router{row}); err != nil {
		return nil, err
	}
	view := showRouter(row)
	return &view, nil
}

func floatingIPDocument(tx *db.Tx, id string) (*floatingIPView, error) {
	f, err := getFloatingIP(tx, id)
	if err != nil {
		return nil, err
	}
	if err := completeFloatingIPs(tx, []*floatingIP{f}); err != nil {
		return nil, err
	}
	if err := loadTags(tx, []*floatingIP{f}); err != nil {
		return nil, err
	}
	view := showFloatingIP(f)
	return &view, nil
}

func groupDocument(tx *db.Tx, id string) (*groupView, error) {
	g, err := getGroup(tx, id)
	if err != nil {
		return nil, err
	}
	if err := completeGroups(tx, []*securityGroup{g}); err != nil {
		return nil, err
	}
	if err := loadTags(tx, []*securityGroup{g}); err != nil {
		return nil, err
	}
	view := showGroup(g)
	return &view, nil
}

// statusDocument is a resource of which a host's agent told the status.
type statusDocument struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Detail string `json:"status_detail,omitempty"`
}

// tagsDocument is a resource whose tags changed.
type tagsDocument struct {
	ID   string   `json:"id"`
	Tags []string `json:"tags"`
}

// kindOfTable is the feed's word for what a table holds.
func kindOfTable(table string) string {
	return strings.ReplaceAll(strings.TrimSuffix(table, "s"), "floating_ip", "floatingip")
}
