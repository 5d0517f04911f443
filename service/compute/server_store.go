package compute

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"virga/core/db"
)

// The vm_states that are stored.
const (
	vmBuilding  = "building"
	vmActive    = "active"
	vmPaused    = "paused"
	vmSuspended = "suspended"
	vmRescued   = "rescued"
	vmStopped   = "stopped"
	vmShelved   = "shelved"
	vmOffloaded = "offloaded" // so that the column holds it; see shownState
	vmResized   = "resized"
	vmError     = "error"
	vmSoft      = "soft-delete"
	vmDeleted   = "deleted"
)

// The power states of the compute API.
const (
	powerNone     = 0
	powerRunning  = 1
	powerPaused   = 3
	powerShutdown = 4
	powerCrashed  = 6
	// powerSuspended is a guest that sleeps by its own will.
	powerSuspended = 7
)

// server is a row of the table servers.
type server struct {
	ID            string       `db:"id"`
	ProjectID     string       `db:"project_id"`
	UserID        string       `db:"user_id"`
	Name          string       `db:"name"`
	HostName      string       `db:"hostname"`
	VMState       string       `db:"vm_state"`
	PowerState    int          `db:"power_state"`
	Host          string       `db:"host"`
	Zone          string       `db:"zone"` // as asked for, empty when it was not
	ImageID       string       `db:"image_id"`
	FlavorID      string       `db:"flavor_id"`
	VCPUs         int          `db:"vcpus"`
	MemoryMiB     int64        `db:"memory_mb"`
	DiskGiB       int64        `db:"disk_gb"` // what the host must have free
	KeyName       string       `db:"key_name"`
	ConfigDrive   bool         `db:"config_drive"`
	Locked        bool         `db:"locked"`
	ReservationID string       `db:"reservation_id"`
	CreatedAt     time.Time    `db:"created_at"`
	UpdatedAt     time.Time    `db:"updated_at"`
	LaunchedAt    time.Time    `db:"launched_at"`
	DeletedAt     time.Time    `db:"deleted_at"`
	Detail        serverDetail `db:"detail,json"`
	NICs          []nic        `db:"nics,json"`
}

// serverDetail is what no list is filtered by; it is kept as JSON.
type serverDetail struct {
	Description *string        `json:"description,omitempty"`
	Flavor      flavorSnapshot `json:"flavor"`
	Image       imageSnapshot  `json:"image"`
	// Edition numbers the disks that the server has, LastEdition the newest that it ever had, or was to have.
	Edition        int64             `json:"edition,omitempty"`
	LastEdition    int64             `json:"last_edition,omitempty"`
	Shelved        *shelved          `json:"shelved,omitempty"`
	Disk           *diskImage        `json:"disk,omitempty"`     // what the root disk stands on, if not on Image
	GrownGiB       int64             `json:"grown_gb,omitempty"` // the root disk grew to this much in its place, whatever the flavor says
	Disks          *localDisks       `json:"disks,omitempty"`
	KeyPublic      string            `json:"key_public,omitempty"`
	KeyType        string            `json:"key_type,omitempty"`
	LaunchIndex    int               `json:"launch_index,omitempty"`
	DiskConfig     string            `json:"disk_config,omitempty"`
	AccessIPv4     string            `json:"access_ip_v4,omitempty"`
	AccessIPv6     string            `json:"access_ip_v6,omitempty"`
	Metadata       map[string]string `json:"metadata,omitempty"`
	SecurityGroups []string          `json:"security_groups,omitempty"` // as asked for at the create
	LockedReason   string            `json:"locked_reason,omitempty"`
	LockedBy       string            `json:"locked_by,omitempty"` // owner or admin
	Fault          *fault            `json:"fault,omitempty"`
	ProjectName    string            `json:"project_name,omitempty"`
	UserName       string            `json:"user_name,omitempty"`
	Seed           []byte            `json:"seed,omitempty"`
	Files          []injectedFile    `json:"files,omitempty"`
	Rescue         *rescue           `json:"rescue,omitempty"`      // while the server is rescued or is about to be
	SoftDelete     *softDelete       `json:"soft_delete,omitempty"` // while the server can be restored
	// Password is what the guest has deposited, sealed for its owner's key.
	Password string `json:"password,omitempty"`
	// PlainPass and PlainNewPass are where passwords stood in rows of releases without a table of
	// them; they are read alone, until a backfill has sealed or dropped them.
	PlainPass    string `json:"admin_pass,omitempty"`
	PlainNewPass string `json:"new_password,omitempty"`
	// Hints are the scheduler hints of the create.
	Hints map[string][]string `json:"hints,omitempty"`
}

// rescue is what a server is rescued with.
type rescue struct {
	ImageID string        `json:"image_id"`
	Image   imageSnapshot `json:"image"`
	// PlainPass is like that of a server's detail.
	PlainPass string `json:"admin_pass,omitempty"`
}

// flavorSnapshot is the flavor as it was when the server was made.
type flavorSnapshot struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	VCPUs      int               `json:"vcpus"`
	MemoryMiB  int64             `json:"ram"`
	RootGiB    int64             `json:"disk"`
	Ephemeral  int64             `json:"ephemeral"`
	SwapMiB    int64             `json:"swap"`
	ExtraSpecs map[string]string `json:"extra_specs,omitempty"`
}

// imageSnapshot is the image as it was when the server was made.
type imageSnapshot struct {
	Name        string            `json:"name,omitempty"`
	SHA512      string            `json:"sha512,omitempty"`
	Size        int64             `json:"size,omitempty"`
	VirtualSize int64             `json:"virtual_size,omitempty"`
	DiskFormat  string            `json:"disk_format,omitempty"`
	MinDisk     int64             `json:"min_disk,omitempty"`
	MinRAM      int64             `json:"min_ram,omitempty"`
	Properties  map[string]string `json:"properties,omitempty"`
	// Kernel and Ramdisk are those that the properties name.
	Kernel  *bootFile `json:"kernel,omitempty"`
	Ramdisk *bootFile `json:"ramdisk,omitempty"`
}

// injectedFile is a file of the field personality (microversions up to 2.56).
type injectedFile struct {
	Path     string `json:"path"`
	Contents []byte `json:"contents"`
}

// fault is why a server is in ERROR.
type fault struct {
	Code    int       `json:"code"`
	Message string    `json:"message"`
	Created time.Time `json:"created"`
	// Details is for administrators: the decision table of the scheduler.
	Details string `json:"details,omitempty"`
}

// nic is a network interface of a server as last seen: the cached network information.
type nic struct {
	PortID      string        `json:"port_id"`
	NetworkID   string        `json:"network_id"`
	NetworkName string        `json:"network_name"`
	MAC         string        `json:"mac"`
	MTU         int           `json:"mtu"`
	Status      string        `json:"status"`
	VIFType     string        `json:"vif_type,omitempty"`
	Tag         string        `json:"tag,omitempty"`
	FixedIPs    []nicAddress  `json:"fixed_ips"`
	Groups      []groupOfPort `json:"groups"`
	Subnets     []Subnet      `json:"subnets"`
}

type nicAddress struct {
	SubnetID string   `json:"subnet_id"`
	Address  string   `json:"address"`
	Floating []string `json:"floating,omitempty"`
}

type groupOfPort struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

var serverColumns = db.Columns(server{}, "")

// serverWithCard is a row as it is written, and as lists read it: there with the card
// instead of the columns that the card is made of.
type serverWithCard struct {
	server
	Card string `db:"card"`
}

// briefColumns are the columns without those of JSON; listedColumns have the card besides.
// namedColumns are enough to name servers, a thousand times.
var (
	briefColumns  = strings.Join(slices.DeleteFunc(strings.Split(serverColumns, ", "), func(c string) bool { return c == "detail" || c == "nics" }), ", ")
	listedColumns = briefColumns + ", card"
	namedColumns  = "id, name"
)

func insertServer(tx *db.Tx, row *server, userData string, tags []string) error {
	text, err := makeCard(row)
	if err != nil {
		return err
	}
	if err := tx.Insert("servers", serverWithCard{*row, text}); err != nil {
		return fmt.Errorf("insert server %s: %w", row.ID, err)
	}
	if userData != "" {
		if _, err := tx.Exec("INSERT INTO server_user_data (server_id, user_data) VALUES (?, ?)", row.ID, userData); err != nil {
			return fmt.Errorf("insert user data of server %s: %w", row.ID, err)
		}
	}
	return addServerTags(tx, row.ID, tags)
}

// findServer returns a server that is not deleted, or db.ErrNotFound.
func findServer(tx *db.Tx, id string) (*server, error) {
	row := &server{}
	err := tx.Get(row, "SELECT "+serverColumns+" FROM servers WHERE id = ? AND deleted_at = 0", id)
	return row, err
}

// findServerEver returns a server, deleted or not.
func findServerEver(tx *db.Tx, id string) (*server, error) {
	row := &server{}
	err := tx.Get(row, "SELECT "+serverColumns+" FROM servers WHERE id = ?", id)
	return row, err
}

func updateServer(tx *db.Tx, row *server) error {
	text, err := makeCard(row)
	if err != nil {
		return err
	}
	if err := tx.Update("servers", serverWithCard{*row, text}, "id"); err != nil {
		return fmt.Errorf("update server %s: %w", row.ID, err)
	}
	return nil
}

// changeServer reads a server in the transaction, changes and writes it; a server that is
// gone is left alone.
func changeServer(tx *db.Tx, id string, change func(*server)) error {
	row, err := findServer(tx, id)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	change(row)
	return updateServer(tx, row)
}

func serversByID(tx *db.Tx, ids []string) ([]*server, error) {
	var rows []server
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 500)]
		ids = ids[len(batch):]
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT "+serverColumns+" FROM servers WHERE deleted_at = 0 AND id IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	list := make([]*server, len(rows))
	for i := range rows {
		list[i] = &rows[i]
	}
	return list, nil
}

// serversEver returns servers, deleted or not.
func serversEver(tx *db.Tx, ids []string) ([]*server, error) {
	var rows []server
	for batch := range slices.Chunk(ids, 500) {
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT "+serverColumns+" FROM servers WHERE id IN "+marks, args...); err != nil {
			return nil, err
		}
	}
	list := make([]*server, len(rows))
	for i := range rows {
		list[i] = &rows[i]
	}
	return list, nil
}

// listShelved pages through the ids of servers that are shelved and still on their hosts.
func listShelved(tx *db.Tx, after string, limit int) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT id FROM servers WHERE deleted_at = 0 AND vm_state = ? AND id > ? ORDER BY id LIMIT ?", vmShelved, after, limit)
	return ids, err
}

// listLiveIDs pages through the ids of all servers that are not deleted.
func listLiveIDs(tx *db.Tx, after string, limit int) ([]string, error) {
	var ids []string
	err := tx.Select(&ids, "SELECT id FROM servers WHERE deleted_at = 0 AND id > ? ORDER BY id LIMIT ?", after, limit)
	return ids, err
}

func findUserData(tx *db.Tx, serverID string) (string, error) {
	var data string
	err := tx.Get(&data, "SELECT user_data FROM server_user_data WHERE server_id = ?", serverID)
	if errors.Is(err, db.ErrNotFound) {
		return "", nil
	}
	return data, err
}

// replaceUserData gives a server other user data; empty: none.
func replaceUserData(tx *db.Tx, serverID, userData string) error {
	if _, err := tx.Exec("DELETE FROM server_user_data WHERE server_id = ?", serverID); err != nil || userData == "" {
		return err
	}
	_, err := tx.Exec("INSERT INTO server_user_data (server_id, user_data) VALUES (?, ?)", serverID, userData)
	return err
}

func userDataOf(tx *db.Tx, ids []string) (map[string]string, error) {
	var rows []struct {
		ServerID string `db:"server_id"`
		UserData string `db:"user_data"`
	}
	marks, args := db.In(ids)
	if err := tx.Select(&rows, "SELECT server_id, user_data FROM server_user_data WHERE server_id IN "+marks, args...); err != nil {
		return nil, err
	}
	byID := make(map[string]string, len(rows))
	for _, r := range rows {
		byID[r.ServerID] = r.UserData
	}
	return byID, nil
}

// markServerDeleted turns the row into the memory of a deleted server.
func markServerDeleted(tx *db.Tx, id string, now time.Time) error {
	from := ""
	err := changeServer(tx, id, func(row *server) {
		from = row.Host
		row.VMState, row.DeletedAt, row.UpdatedAt, row.PowerState = vmDeleted, now, now, powerNone
		row.NICs, row.Detail.Seed, row.Detail.Files, row.Detail.PlainPass, row.Detail.Rescue = nil, nil, nil, "", nil
		row.Detail.PlainNewPass, row.Detail.Password = "", ""
	})
	if err != nil {
		return err
	}
	if err := notePlaces(tx, now, from); err != nil {
		return err
	}
	for _, text := range []string{
		"DELETE FROM server_user_data WHERE server_id = ?",
		"DELETE FROM server_passwords WHERE server_id = ?",
		"DELETE FROM server_group_members WHERE server_id = ?",
	} {
		if _, err := tx.Exec(text, id); err != nil {
			return fmt.Errorf("forget server %s: %w", id, err)
		}
	}
	return nil
}

// purgeDeleted removes rows of servers that were deleted before the given time, at most limit.
func purgeDeleted(tx *db.Tx, before time.Time, limit int) (int, error) {
	var ids []string
	if err := tx.Select(&ids, "SELECT id FROM servers WHERE deleted_at > 0 AND deleted_at < ? LIMIT ?", before, limit); err != nil {
		return 0, err
	}
	if len(ids) == 0 {
		return 0, nil
	}
	marks, args := db.In(ids)
	for _, text := range []string{"DELETE FROM server_tags WHERE server_id IN ", "DELETE FROM servers WHERE id IN "} {
		if _, err := tx.Exec(text+marks, args...); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// usedByProject is what a project's servers take of its quota.
type usedByProject struct {
	Instances int64 `db:"instances"`
	Cores     int64 `db:"cores"`
	RAM       int64 `db:"ram"`
}

// sumProject counts what a project has; a server that waits to be restored counts again
// from the restore on.
func sumProject(tx *db.Tx, projectID string) (usedByProject, error) {
	var used usedByProject
	err := tx.Get(&used, "SELECT COUNT(*) AS instances, COALESCE(SUM(vcpus), 0) AS cores, COALESCE(SUM(memory_mb), 0) AS ram"+
		" FROM servers WHERE project_id = ? AND deleted_at = 0 AND (vm_state <> ? OR id IN (SELECT resource_id FROM operations"+
		" WHERE finished_at = 0 AND kind = ?))", projectID, vmSoft, opRestore)
	if err != nil {
		return used, err
	}
	moves, err := sumMoves(tx, projectID)
	used.Cores, used.RAM = used.Cores+moves.Cores, used.RAM+moves.RAM
	return used, err
}

// usedByHost is what the servers of a host take of it.
type usedByHost struct {
	Host      string `db:"host"`
	Instances int64  `db:"instances"`
	VCPUs     int64  `db:"vcpus"`
	MemoryMiB int64  `db:"memory_mb"`
	DiskGiB   int64  `db:"disk_gb"`
}

func sumHosts(tx *db.Tx) (map[string]usedByHost, error) {
	var rows []usedByHost
	err := tx.Select(&rows, "SELECT host, COUNT(*) AS instances, COALESCE(SUM(vcpus), 0) AS vcpus, COALESCE(SUM(memory_mb), 0) AS memory_mb,"+
		" COALESCE(SUM(disk_gb), 0) AS disk_gb FROM servers WHERE host <> '' AND deleted_at = 0 GROUP BY host")
	byHost := make(map[string]usedByHost, len(rows))
	for _, r := range rows {
		byHost[r.Host] = r
	}
	return byHost, err
}

// serversOfHost returns ids and names of the servers of a host, at most limit.
func serversOfHost(tx *db.Tx, host string, limit int) ([]server, error) {
	var rows []server
	err := tx.Select(&rows, "SELECT "+serverColumns+" FROM servers WHERE host = ? AND deleted_at = 0 ORDER BY created_at, id LIMIT ?", host, limit)
	return rows, err
}

// serverIDsOfHosts returns the ids of the servers on hosts, by host, the oldest first.
func serverIDsOfHosts(tx *db.Tx, names []string) (map[string][]string, error) {
	found := map[string][]string{}
	for batch := range slices.Chunk(names, 500) {
		var rows []struct {
			ID   string `db:"id"`
			Host string `db:"host"`
		}
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT id, host FROM servers WHERE deleted_at = 0 AND host IN "+marks+" ORDER BY created_at, id", args...); err != nil {
			return nil, fmt.Errorf("list servers of hosts: %w", err)
		}
		for _, row := range rows {
			found[row.Host] = append(found[row.Host], row.ID)
		}
	}
	return found, nil
}

// softDeletedServers returns the ids of servers that wait to be restored, after an id.
func softDeletedServers(tx *db.Tx, after string, limit int) ([]server, error) {
	var rows []server
	err := tx.Select(&rows, "SELECT id FROM servers WHERE deleted_at = 0 AND vm_state = ? AND id > ? ORDER BY id LIMIT ?", vmSoft, after, limit)
	return rows, err
}

func replaceServerTags(tx *db.Tx, serverID string, tags []string) error {
	if _, err := tx.Exec("DELETE FROM server_tags WHERE server_id = ?", serverID); err != nil {
		return err
	}
	return addServerTags(tx, serverID, tags)
}

func addServerTags(tx *db.Tx, serverID string, tags []string) error {
	for _, tag := range tags {
		if _, err := tx.Exec("INSERT INTO server_tags (server_id, tag) VALUES (?, ?)", serverID, tag); err != nil {
			return fmt.Errorf("insert tag of server %s: %w", serverID, err)
		}
	}
	return nil
}

// tagsOf returns the tags of servers, each list in alphabetical order.
func tagsOf(tx *db.Tx, ids []string) (map[string][]string, error) {
	byID := map[string][]string{}
	for len(ids) > 0 {
		batch := ids[:min(len(ids), 500)]
		ids = ids[len(batch):]
		var rows []struct {
			ServerID string `db:"server_id"`
			Tag      string `db:"tag"`
		}
		marks, args := db.In(batch)
		if err := tx.Select(&rows, "SELECT server_id, tag FROM server_tags WHERE server_id IN "+marks+" ORDER BY tag", args...); err != nil {
			return nil, err
		}
		for _, r := range rows {
			byID[r.ServerID] = append(byID[r.ServerID], r.Tag)
		}
	}
	return byID, nil
}

// serversDuring returns those servers that ran at some time of a period, of all projects for
// an empty id, in the order of projects and ids, after the server that after is.
func serversDuring(tx *db.Tx, projectID string, start, end time.Time, after *server, limit int) ([]server, error) {
	text := "SELECT " + serverColumns + " FROM servers WHERE launched_at > 0 AND launched_at <= ? AND (deleted_at = 0 OR deleted_at > ?)"
	args := []any{end, start}
	if projectID != "" {
		text, args = text+" AND project_id = ?", append(args, projectID)
	}
	if after != nil {
		text, args = text+" AND (project_id > ? OR project_id = ? AND id > ?)", append(args, after.ProjectID, after.ProjectID, after.ID)
	}
	var rows []server
	err := tx.Select(&rows, text+" ORDER BY project_id, id LIMIT ?", append(args, limit)...)
	return rows, err
}
