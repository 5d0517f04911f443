package compute

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"virga/core/api"
	"virga/core/authz"
	"virga/core/db"
	"virga/core/work"
)

type serverBrief struct {
	ID    string     `json:"id"`
	Name  string     `json:"name"`
	Links []linkView `json:"links"`
}

type addressView struct {
	Address string `json:"addr"`
	Version int    `json:"version"`
	Type    string `json:"OS-EXT-IPS:type"`
	MAC     string `json:"OS-EXT-IPS-MAC:mac_addr"`
}

type flavorRefView struct {
	ID    string     `json:"id"`
	Links []linkView `json:"links"`
}

// flavorEmbedded is the flavor inside a server since 2.47.
type flavorEmbedded struct {
	VCPUs        int                `json:"vcpus"`
	RAM          int64              `json:"ram"`
	Disk         int64              `json:"disk"`
	Ephemeral    int64              `json:"ephemeral"`
	Swap         int64              `json:"swap"`
	OriginalName string             `json:"original_name"`
	ExtraSpecs   *map[string]string `json:"extra_specs,omitempty"`
}

type faultView struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Created string `json:"created"`
	Details string `json:"details,omitempty"`
}

// serverView is a server in detail. A field of type **T is left out when nil and null when
// it points to nil.
type serverView struct {
	ID              string                   `json:"id"`
	Name            string                   `json:"name"`
	Status          string                   `json:"status"`
	TenantID        string                   `json:"tenant_id"`
	UserID          string                   `json:"user_id"`
	Metadata        map[string]string        `json:"metadata"`
	HostID          string                   `json:"hostId"`
	Image           any                      `json:"image"`
	Flavor          any                      `json:"flavor"`
	Created         string                   `json:"created"`
	Updated         string                   `json:"updated"`
	Addresses       map[string][]addressView `json:"addresses"`
	AccessIPv4      string                   `json:"accessIPv4"`
	AccessIPv6      string                   `json:"accessIPv6"`
	Links           []linkView               `json:"links"`
	DiskConfig      string                   `json:"OS-DCF:diskConfig"`
	Progress        *int                     `json:"progress,omitempty"`
	Zone            string                   `json:"OS-EXT-AZ:availability_zone"`
	ConfigDrive     string                   `json:"config_drive"`
	KeyName         *string                  `json:"key_name"`
	LaunchedAt      *string                  `json:"OS-SRV-USG:launched_at"`
	TerminatedAt    *string                  `json:"OS-SRV-USG:terminated_at"`
	TaskState       *string                  `json:"OS-EXT-STS:task_state"`
	VMState         string                   `json:"OS-EXT-STS:vm_state"`
	PowerState      int                      `json:"OS-EXT-STS:power_state"`
	VolumesAttached []any                    `json:"os-extended-volumes:volumes_attached"`
	SecurityGroups  []map[string]string      `json:"security_groups,omitempty"`
	Fault           *faultView               `json:"fault,omitempty"`
	Host            **string                 `json:"OS-EXT-SRV-ATTR:host,omitempty"`
	InstanceName    *string                  `json:"OS-EXT-SRV-ATTR:instance_name,omitempty"`
	HypervisorName  **string                 `json:"OS-EXT-SRV-ATTR:hypervisor_hostname,omitempty"`
	HostName        *string                  `json:"OS-EXT-SRV-ATTR:hostname,omitempty"`
	ReservationID   *string                  `json:"OS-EXT-SRV-ATTR:reservation_id,omitempty"`
	LaunchIndex     *int                     `json:"OS-EXT-SRV-ATTR:launch_index,omitempty"`
	KernelID        *string                  `json:"OS-EXT-SRV-ATTR:kernel_id,omitempty"`
	RamdiskID       *string                  `json:"OS-EXT-SRV-ATTR:ramdisk_id,omitempty"`
	RootDeviceName  *string                  `json:"OS-EXT-SRV-ATTR:root_device_name,omitempty"`
	UserData        **string                 `json:"OS-EXT-SRV-ATTR:user_data,omitempty"`
	Locked          *bool                    `json:"locked,omitempty"`
	LockedReason    **string                 `json:"locked_reason,omitempty"`
	HostStatus      *string                  `json:"host_status,omitempty"`
	Description     **string                 `json:"description,omitempty"`
	Tags            *[]string                `json:"tags,omitempty"`
	Certificates    **[]string               `json:"trusted_image_certificates,omitempty"`
	ServerGroups    *[]string                `json:"server_groups,omitempty"`
	PinnedZone      **string                 `json:"pinned_availability_zone,omitempty"`
	Hints           *map[string][]string     `json:"scheduler_hints,omitempty"`
}

// serverContext is what the views of servers need besides their rows.
type serverContext struct {
	tasks    map[string]task
	tags     map[string][]string
	userData map[string]string
	hosts    map[string]*hostBrief
	groups   map[string][]string
	// What the caller may see; the rules have no target besides the caller's own scope.
	extended, hostStatus, flavorSpecs, admin bool
}

// catchUp reads rows again that were read while an operation still built the server, when
// that operation has ended since: the two together would look like an abandoned server.
func (c *serverContext) catchUp(tx *db.Tx, rows []*server) error {
	var stale []string
	for _, row := range rows {
		if row.VMState == vmBuilding && !c.tasks[row.ID].building {
			stale = append(stale, row.ID)
		}
	}
	if len(stale) == 0 {
		return nil
	}
	fresh, err := serversByID(tx, stale)
	if err != nil {
		return err
	}
	for _, row := range rows {
		for _, now := range fresh {
			if now.ID == row.ID {
				*row = *now
			}
		}
	}
	return nil
}

// readContext reads, in few queries, what the views of the rows need in this version.
func (s *Service) readContext(ctx context.Context, r *api.Request, rows []*server) (*serverContext, error) {
	c := &serverContext{tasks: map[string]task{}, hosts: map[string]*hostBrief{}, extended: r.Can(ruleExtendedAttributes, nil),
		hostStatus: r.Can(ruleShowHostStatus, nil), flavorSpecs: r.Can(ruleFlavorSpecs, nil), admin: r.Can("context_is_admin", nil)}
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		unfinished, err := work.Unfinished(tx, ids...)
		if err != nil {
			return err
		}
		for id, operations := range unfinished {
			c.tasks[id] = taskOf(operations)
		}
		if err := c.catchUp(tx, rows); err != nil {
			return err
		}
		hosts, err := hostBriefs(tx, hostsOf(rows))
		if err != nil {
			return err
		}
		for i := range hosts {
			c.hosts[hosts[i].Name] = &hosts[i]
		}
		if r.Version.AtLeast(vTags) {
			if c.tags, err = tagsOf(tx, ids); err != nil {
				return err
			}
		}
		if c.extended && r.Version.AtLeast(vExtendedAttributes) {
			if c.userData, err = allUserData(tx, ids); err != nil {
				return err
			}
		}
		if r.Version.AtLeast(vServerGroups) && len(ids) == 1 {
			c.groups, err = groupsOfServers(tx, ids)
		}
		return err
	})
	return c, err
}

// hostsOf names the hosts of servers, each once.
func hostsOf(rows []*server) []string {
	var names []string
	seen := map[string]bool{"": true}
	for _, row := range rows {
		if !seen[row.Host] {
			seen[row.Host] = true
			names = append(names, row.Host)
		}
	}
	return names
}

// allUserData reads user data in batches.
func allUserData(tx *db.Tx, ids []string) (map[string]string, error) {
	all := map[string]string{}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 500)]
		ids = ids[len(batch):]
		some, err := userDataOf(tx, batch)
		if err != nil {
			return nil, err
		}
		for id, data := range some {
			all[id] = data
		}
	}
	return all, nil
}

// viewServer is a server in detail, in the request's version and as far as its caller may see.
func (s *Service) viewServer(r *api.Request, row *server, c *serverContext, single bool) serverView {
	t := c.tasks[row.ID]
	d := &row.Detail
	view := serverView{
		ID: row.ID, Name: row.Name, VMState: vmStateOf(row, t), TenantID: row.ProjectID, UserID: row.UserID,
		Metadata: nonNil(d.Metadata), HostID: hostIDOf(row), Image: viewImageOf(r, row), Created: secondTime(row.CreatedAt),
		Updated: secondTime(row.UpdatedAt), Addresses: viewAddresses(row.NICs), AccessIPv4: d.AccessIPv4, AccessIPv6: d.AccessIPv6,
		Links: linksOf(r, "servers", row.ID), DiskConfig: d.DiskConfig, Zone: zoneShown(row, c), KeyName: orNull(row.KeyName),
		LaunchedAt: optionalMicroTime(row.LaunchedAt), TerminatedAt: optionalMicroTime(row.DeletedAt), TaskState: orNull(t.state),
		PowerState: row.PowerState, VolumesAttached: []any{}, SecurityGroups: viewGroupNames(row),
	}
	view.Status = statusOf(view.VMState, t)
	if row.ConfigDrive {
		view.ConfigDrive = "True"
	}
	switch view.Status {
	case "ACTIVE", "BUILD":
		progress := 0
		view.Progress = &progress
	case "ERROR", "DELETED":
		view.Fault = viewFault(d.Fault, c.admin)
	}
	view.Flavor = viewFlavorOf(r, row, c)
	s.viewAttributes(r, &view, row, c)
	viewVersioned(r, &view, row, c, single)
	return view
}

// viewAttributes adds what only administrators see.
func (s *Service) viewAttributes(r *api.Request, view *serverView, row *server, c *serverContext) {
	if r.Version.AtLeast(vHostname) || c.extended && r.Version.AtLeast(vExtendedAttributes) {
		view.HostName = &row.HostName
	}
	if c.hostStatus && r.Version.AtLeast(vHostStatus) {
		view.HostStatus = hostStatusOf(row, c.hosts[row.Host], s)
	}
	if !c.extended {
		return
	}
	hostName, hypervisor, name := orNull(row.Host), orNull(row.Host), instanceName(row.ID)
	if h := c.hosts[row.Host]; h != nil {
		hypervisor = orNull(h.HostName)
	}
	view.Host, view.HypervisorName, view.InstanceName = &hostName, &hypervisor, &name
	if r.Version.Before(vExtendedAttributes) {
		return
	}
	device, userData := rootDevice(row, task{}), orNull(c.userData[row.ID])
	kernel, ramdisk := kernelNames(row.Detail.Image.Properties)
	view.ReservationID, view.LaunchIndex, view.RootDeviceName = &row.ReservationID, &row.Detail.LaunchIndex, &device
	view.KernelID, view.RamdiskID, view.UserData = &kernel, &ramdisk, &userData
}

// viewVersioned adds what newer versions have for everybody.
func viewVersioned(r *api.Request, view *serverView, row *server, c *serverContext, single bool) {
	v := r.Version
	if v.AtLeast(vLocked) {
		view.Locked = &row.Locked
	}
	if v.AtLeast(vDescription) {
		view.Description = &row.Detail.Description
	}
	if v.AtLeast(vTags) {
		tags := c.tags[row.ID]
		if tags == nil {
			tags = []string{}
		}
		view.Tags = &tags
	}
	if v.AtLeast(vCertificates) {
		var none *[]string
		view.Certificates = &none
	}
	if v.AtLeast(vServerGroups) && single {
		groups := c.groups[row.ID]
		if groups == nil {
			groups = []string{}
		}
		view.ServerGroups = &groups
	}
	if v.AtLeast(vLockedReason) {
		reason := orNull(row.Detail.LockedReason)
		view.LockedReason = &reason
	}
	if v.AtLeast(vPinnedZone) {
		zone := orNull(row.Zone)
		view.PinnedZone = &zone
	}
	if v.AtLeast(vHintsShown) {
		hints := hintsShown(row.Detail.Hints)
		view.Hints = &hints
	}
}

func nonNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// orNull is nil for an empty string.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// hostIDOf is the opaque name of a server's host for its project, as Nova makes it.
func hostIDOf(row *server) string {
	if row.Host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(row.ProjectID + row.Host))
	return hex.EncodeToString(sum[:])
}

// instanceName is the name that an operator finds on the host.
func instanceName(id string) string { return "instance-" + id[:min(len(id), 8)] }

func zoneShown(row *server, c *serverContext) string {
	if h := c.hosts[row.Host]; h != nil {
		return h.Zone
	}
	return row.Zone
}

func hostStatusOf(row *server, h *hostBrief, s *Service) *string {
	status := ""
	switch {
	case row.Host == "":
	case h == nil:
		status = "UNKNOWN"
	case h.ForcedDown || !s.clock.Now().Before(h.DownAt):
		status = "DOWN"
	case h.Disabled:
		status = "MAINTENANCE"
	default:
		status = "UP"
	}
	return &status
}

func viewImageOf(r *api.Request, row *server) any {
	if row.ImageID == "" {
		return ""
	}
	view := map[string]any{"id": row.ImageID, "links": []linkView{{"bookmark", r.URL("/images/" + row.ImageID)}}}
	if r.Version.AtLeast(vImageProperties) {
		view["properties"] = imagePropertiesShown(row.Detail.Image.Properties)
	}
	return view
}

func viewFlavorOf(r *api.Request, row *server, c *serverContext) any {
	f := &row.Detail.Flavor
	if r.Version.Before(vEmbeddedFlavor) {
		return flavorRefView{f.ID, []linkView{{"bookmark", r.URL("/flavors/" + f.ID)}}}
	}
	view := flavorEmbedded{VCPUs: f.VCPUs, RAM: f.MemoryMiB, Disk: f.RootGiB, Ephemeral: f.Ephemeral, Swap: f.SwapMiB, OriginalName: f.Name}
	if c.flavorSpecs {
		specs := nonNil(f.ExtraSpecs)
		view.ExtraSpecs = &specs
	}
	return view
}

func viewAddresses(nics []nic) map[string][]addressView {
	addresses := map[string][]addressView{}
	for _, n := range nics {
		for _, fixed := range n.FixedIPs {
			version := ipVersion(fixed.Address)
			addresses[n.NetworkName] = append(addresses[n.NetworkName], addressView{fixed.Address, version, "fixed", n.MAC})
			for _, floating := range fixed.Floating {
				addresses[n.NetworkName] = append(addresses[n.NetworkName], addressView{floating, ipVersion(floating), "floating", n.MAC})
			}
		}
	}
	return addresses
}

func ipVersion(address string) int {
	for _, c := range address {
		if c == ':' {
			return 6
		}
	}
	return 4
}

// viewGroupNames lists the security groups of a server's ports, or those that were asked
// for while there are none.
func viewGroupNames(row *server) []map[string]string {
	var views []map[string]string
	seen := map[string]bool{}
	for _, n := range row.NICs {
		for _, g := range n.Groups {
			name := g.Name
			if name == "" {
				name = g.ID
			}
			if !seen[g.ID] {
				seen[g.ID] = true
				views = append(views, map[string]string{"name": name})
			}
		}
	}
	if len(row.NICs) == 0 {
		for _, name := range row.Detail.SecurityGroups {
			views = append(views, map[string]string{"name": name})
		}
	}
	return views
}

func viewFault(f *fault, admin bool) *faultView {
	if f == nil {
		return nil
	}
	view := &faultView{Code: f.Code, Message: f.Message, Created: secondTime(f.Created)}
	if admin {
		view.Details = f.Details
	}
	return view
}

// ownTarget is a project and user as a policy target.
func ownTarget(projectID, userID string) authz.Target {
	return authz.Target{"project_id": projectID, "tenant_id": projectID, "user_id": userID}
}
