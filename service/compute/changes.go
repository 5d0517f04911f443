package compute

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// The feed gets every change of what users and operators know of; serverDocument and its
// siblings are what it keeps of a resource.

// serverDocument is a server in the feed: the API's names where it has one, and what is
// needed to tell others of the server. User data, files and passwords are not in it.
type serverDocument struct {
	ID             string                   `json:"id"`
	Name           string                   `json:"name"`
	HostName       string                   `json:"OS-EXT-SRV-ATTR:hostname"`
	TenantID       string                   `json:"tenant_id"`
	UserID         string                   `json:"user_id"`
	VMState        string                   `json:"OS-EXT-STS:vm_state"`
	PowerState     int                      `json:"OS-EXT-STS:power_state"`
	Host           string                   `json:"OS-EXT-SRV-ATTR:host"`
	ReservationID  string                   `json:"OS-EXT-SRV-ATTR:reservation_id"`
	Zone           string                   `json:"OS-EXT-AZ:availability_zone"`
	ImageID        string                   `json:"image_id"`
	ImageMeta      map[string]string        `json:"image_properties,omitempty"`
	RescueImageID  string                   `json:"rescue_image_id,omitempty"`
	Flavor         flavorSnapshot           `json:"flavor"`
	KeyName        string                   `json:"key_name,omitempty"`
	ConfigDrive    bool                     `json:"config_drive"`
	Locked         bool                     `json:"locked"`
	LockedReason   string                   `json:"locked_reason,omitempty"`
	Description    *string                  `json:"description"`
	Metadata       map[string]string        `json:"metadata"`
	Addresses      map[string][]addressView `json:"addresses"`
	Ports          []portDocument           `json:"ports"`
	SecurityGroups []map[string]string      `json:"security_groups,omitempty"`
	AccessIPv4     string                   `json:"accessIPv4"`
	AccessIPv6     string                   `json:"accessIPv6"`
	DiskConfig     string                   `json:"OS-DCF:diskConfig"`
	Tags           []string                 `json:"tags,omitempty"`
	Fault          *faultView               `json:"fault,omitempty"`
	Created        string                   `json:"created"`
	Updated        string                   `json:"updated"`
	LaunchedAt     *string                  `json:"OS-SRV-USG:launched_at"`
	TerminatedAt   *string                  `json:"OS-SRV-USG:terminated_at"`
}

// portDocument names an interface of a server.
type portDocument struct {
	PortID      string   `json:"port_id"`
	NetworkID   string   `json:"network_id"`
	NetworkName string   `json:"network_name"`
	MAC         string   `json:"mac_addr"`
	Addresses   []string `json:"addresses"`
}

func documentOfServer(row *server) *serverDocument {
	d := &row.Detail
	doc := &serverDocument{ID: row.ID, Name: row.Name, HostName: row.HostName, TenantID: row.ProjectID, UserID: row.UserID, VMState: shownState(row.VMState),
		PowerState: row.PowerState, Host: row.Host, ReservationID: row.ReservationID, Zone: row.Zone, ImageID: row.ImageID,
		ImageMeta: d.Image.Properties, Flavor: d.Flavor, KeyName: row.KeyName, ConfigDrive: row.ConfigDrive, Locked: row.Locked,
		LockedReason: d.LockedReason, Description: d.Description, Metadata: nonNil(d.Metadata), Addresses: viewAddresses(row.NICs),
		Ports: make([]portDocument, len(row.NICs)), SecurityGroups: viewGroupNames(row), AccessIPv4: d.AccessIPv4, AccessIPv6: d.AccessIPv6,
		DiskConfig: d.DiskConfig, Fault: viewFault(d.Fault, false), Created: secondTime(row.CreatedAt), Updated: secondTime(row.UpdatedAt),
		LaunchedAt: optionalMicroTime(row.LaunchedAt), TerminatedAt: optionalMicroTime(row.DeletedAt)}
	if d.Rescue != nil {
		doc.RescueImageID = d.Rescue.ImageID
	}
	for i, n := range row.NICs {
		doc.Ports[i] = portDocument{PortID: n.PortID, NetworkID: n.NetworkID, NetworkName: n.NetworkName, MAC: n.MAC, Addresses: make([]string, len(n.FixedIPs))}
		for j, fixed := range n.FixedIPs {
			doc.Ports[i].Addresses[j] = fixed.Address
		}
	}
	return doc
}

// frozen is a server's document that does not follow what becomes of the row.
func frozen(row *server, tags []string) (json.RawMessage, error) {
	doc := documentOfServer(row)
	doc.Tags = tags
	return json.Marshal(doc)
}

// record writes a caller's change into the feed.
func (s *Service) record(tx *db.Tx, r *api.Request, c feed.Change) error {
	c.At, c.RequestID, c.UserID, c.ProjectID = s.clock.Now(), r.ID, r.UserID(), r.ProjectID()
	return s.feed.Record(tx, c)
}

// ofOperation is a change of the operation's server, made in the name of whoever started it.
func (s *Service) ofOperation(o work.Operation, action string) feed.Change {
	return feed.Change{At: s.clock.Now(), RequestID: o.RequestID, UserID: o.UserID, ProjectID: o.ProjectID, OperationID: o.ID,
		Kind: "server", ID: o.ResourceID, Action: action}
}

// ofRoutine is a change that nobody asked for at the moment.
func (s *Service) ofRoutine(name, serverID string) feed.Change {
	return feed.Change{At: s.clock.Now(), OperationID: name, Kind: "server", ID: serverID, Action: "update"}
}

// alterServer reads a server in the transaction, changes and writes it, and records the
// change; a server that is gone is left alone. An update that changes nothing is not recorded.
func (s *Service) alterServer(tx *db.Tx, c feed.Change, change func(*server)) error {
	row, err := findServer(tx, c.ID)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	before, err := frozen(row, nil)
	if err != nil {
		return fmt.Errorf("record a change of server %s: %w", c.ID, err)
	}
	from := row.Host
	change(row)
	if err := updateServer(tx, row); err != nil {
		return err
	}
	if from != row.Host {
		if err := notePlaces(tx, s.clock.Now(), from, row.Host); err != nil {
			return err
		}
	}
	after, err := frozen(row, nil)
	if err != nil {
		return fmt.Errorf("record a change of server %s: %w", c.ID, err)
	}
	if c.Action == "update" && string(before) == string(after) {
		return nil
	}
	c.OwnerProjectID, c.Before, c.After = row.ProjectID, before, after
	return s.feed.Record(tx, c)
}

// recordOf notes in the feed that an operation on a server came to an end; the server
// is as the changes before left it.
func (s *Service) recordOf(tx *db.Tx, o work.Operation, action string) error {
	row, err := findServer(tx, o.ResourceID)
	if errors.Is(err, db.ErrNotFound) {
		return nil // a delete came meanwhile and has told of itself
	}
	if err != nil {
		return err
	}
	c := s.ofOperation(o, action)
	doc := documentOfServer(row)
	c.OwnerProjectID, c.Before, c.After = row.ProjectID, doc, doc
	return s.feed.Record(tx, c)
}

// recordAdmitted notes that a caller's operation on a server began.
func (s *Service) recordAdmitted(tx *db.Tx, r *api.Request, row *server, operation, action string) error {
	doc := documentOfServer(row)
	return s.record(tx, r, feed.Change{OperationID: operation, Kind: "server", ID: row.ID, Action: action, OwnerProjectID: row.ProjectID, Before: doc, After: doc})
}

// flavorDocument is a flavor in the feed.
type flavorDocument struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	RAM         int64             `json:"ram"`
	VCPUs       int               `json:"vcpus"`
	Disk        int64             `json:"disk"`
	Ephemeral   int64             `json:"OS-FLV-EXT-DATA:ephemeral"`
	Swap        int64             `json:"swap"`
	RXTXFactor  float64           `json:"rxtx_factor"`
	IsPublic    bool              `json:"os-flavor-access:is_public"`
	Description *string           `json:"description"`
	ExtraSpecs  map[string]string `json:"extra_specs"`
	// Projects are those that may use a private flavor, where the change is about them.
	Projects []string `json:"projects,omitempty"`
}

func documentOfFlavor(f *flavor) *flavorDocument {
	specs := make(map[string]string, len(f.ExtraSpecs))
	for key, value := range f.ExtraSpecs {
		specs[key] = value
	}
	return &flavorDocument{ID: f.ID, Name: f.Name, RAM: f.MemoryMiB, VCPUs: f.VCPUs, Disk: f.RootGiB, Ephemeral: f.Ephemeral, Swap: f.SwapMiB,
		RXTXFactor: f.RXTXFactor, IsPublic: f.IsPublic, Description: f.Description, ExtraSpecs: specs}
}

// hostDocument is a compute host in the feed.
type hostDocument struct {
	Host           string `json:"host"`
	ServiceID      string `json:"id"`
	HypervisorID   string `json:"hypervisor_id"`
	Zone           string `json:"zone"`
	Status         string `json:"status"`
	DisabledReason string `json:"disabled_reason"`
	ForcedDown     bool   `json:"forced_down"`
}

func documentOfHost(h *host) *hostDocument {
	doc := &hostDocument{Host: h.Name, ServiceID: h.ServiceID, HypervisorID: h.HypervisorID, Zone: h.Zone, Status: "enabled",
		DisabledReason: h.Reason, ForcedDown: h.ForcedDown}
	if h.Disabled {
		doc.Status = "disabled"
	}
	return doc
}

// keypairDocument is a key pair in the feed, without what only its owner has.
type keypairDocument struct {
	Name        string    `json:"name"`
	UserID      string    `json:"user_id"`
	Type        string    `json:"type"`
	PublicKey   string    `json:"public_key"`
	Fingerprint string    `json:"fingerprint"`
	CreatedAt   time.Time `json:"created_at"`
}

func documentOfKeypair(k *keypair) *keypairDocument {
	return &keypairDocument{Name: k.Name, UserID: k.UserID, Type: k.Type, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint, CreatedAt: k.CreatedAt}
}

// groupDocument is a server group in the feed.
type groupDocument struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	ProjectID  string `json:"project_id"`
	UserID     string `json:"user_id"`
	Policy     string `json:"policy"`
	MaxPerHost int    `json:"max_server_per_host,omitempty"`
}

func documentOfGroup(g *serverGroup) *groupDocument {
	return &groupDocument{ID: g.ID, Name: g.Name, ProjectID: g.ProjectID, UserID: g.UserID, Policy: g.Policy, MaxPerHost: g.MaxPerHost}
}

// frozenWithTags is frozen with the tags of the server where the change is about them.
func (s *Service) frozenWithTags(tx *db.Tx, row *server, action string) (json.RawMessage, error) {
	if action != "tags" {
		return frozen(row, nil)
	}
	tags, err := tagsOf(tx, []string{row.ID})
	if err != nil {
		return nil, err
	}
	return frozen(row, tags[row.ID])
}
