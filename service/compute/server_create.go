package compute

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"virga/core/api"
	"virga/core/db"
	"virga/core/feed"
	"virga/core/work"
)

// serverBody is the body of a create.
type serverBody struct {
	Server serverFields               `json:"server"`
	Hints  map[string]json.RawMessage `json:"os:scheduler_hints"`
	Hints2 map[string]json.RawMessage `json:"OS-SCH-HNT:scheduler_hints"`
}

type serverFields struct {
	Name           string              `json:"name"`
	ImageRef       string              `json:"imageRef"`
	FlavorRef      flexString          `json:"flavorRef"`
	Networks       json.RawMessage     `json:"networks"`
	KeyName        string              `json:"key_name"`
	UserData       *string             `json:"user_data"`
	Metadata       map[string]string   `json:"metadata"`
	ConfigDrive    *flexBool           `json:"config_drive"`
	SecurityGroups []map[string]string `json:"security_groups"`
	MinCount       *flexInt            `json:"min_count"`
	MaxCount       *flexInt            `json:"max_count"`
	Zone           *string             `json:"availability_zone"`
	Description    *string             `json:"description"`
	Tags           []string            `json:"tags"`
	HostName       *string             `json:"hostname"`
	DiskConfig     string              `json:"OS-DCF:diskConfig"`
	AccessIPv4     string              `json:"accessIPv4"`
	AccessIPv6     string              `json:"accessIPv6"`
	ReservationID  flexBool            `json:"return_reservation_id"`
	Devices        []blockDevice       `json:"block_device_mapping_v2"`
	OldDevices     []json.RawMessage   `json:"block_device_mapping"`
	Personality    []personality       `json:"personality"`
	AdminPass      *string             `json:"adminPass"`
	Certificates   []string            `json:"trusted_image_certificates"`
	Host           string              `json:"host"`
	Hypervisor     string              `json:"hypervisor_hostname"`
}

type personality struct {
	Path     string `json:"path"`
	Contents string `json:"contents"`
}

// createRequest is a create, checked as far as that is possible without the database.
type createRequest struct {
	row      server // all that the servers of the request have in common
	nics     []nicRequest
	host     string
	groupID  string
	tags     []string
	userData string
	min, max int
	// hostName is set when the user chose it.
	hostName string
	// password is told in the answer, and on the config drive if there is one.
	password string
}

// serverCreateRequest admits a create: everything is checked, then the servers with their
// quota and operations are written in one transaction.
func (s *Service) serverCreateRequest(ctx context.Context, r *api.Request) (any, error) {
	var body serverBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	request, err := s.readCreate(ctx, r, &body)
	if err != nil {
		return nil, err
	}
	rows, err := s.admitServers(ctx, r, request)
	if err != nil {
		return nil, err
	}
	if body.Server.ReservationID {
		return map[string]any{"reservation_id": rows[0].ReservationID}, nil
	}
	groups := []map[string]string{}
	for _, name := range rows[0].Detail.SecurityGroups {
		groups = append(groups, map[string]string{"name": name})
	}
	if len(groups) == 0 {
		groups = append(groups, map[string]string{"name": "default"})
	}
	links := linksOf(r, "servers", rows[0].ID)
	return &api.Response{Status: http.StatusAccepted, Header: http.Header{"Location": {links[0].HRef}}, Body: map[string]any{"server": map[string]any{
		"id": rows[0].ID, "links": links, "OS-DCF:diskConfig": rows[0].Detail.DiskConfig, "security_groups": groups,
		"adminPass": request.password,
	}}}, nil
}

// readCreate checks a create against everything but the quota.
func (s *Service) readCreate(ctx context.Context, r *api.Request, body *serverBody) (*createRequest, error) {
	in := &body.Server
	if err := checkCreateVersion(r); err != nil {
		return nil, err
	}
	request := &createRequest{row: server{ProjectID: r.ProjectID(), UserID: r.UserID(), Name: strings.TrimSpace(in.Name), KeyName: in.KeyName, ReservationID: reservationID()}}
	if r.ProjectID() == "" {
		return nil, api.BadRequest("A server needs a project: the token is not scoped to one.")
	}
	if in.ConfigDrive != nil {
		request.row.ConfigDrive = bool(*in.ConfigDrive)
	}
	d := &request.row.Detail
	d.DiskConfig, d.AccessIPv4, d.AccessIPv6, d.Metadata, d.Description = in.DiskConfig, in.AccessIPv4, shortAddress(in.AccessIPv6), in.Metadata, in.Description
	if d.DiskConfig == "" {
		d.DiskConfig = "MANUAL"
	}
	d.ProjectName, d.UserName = r.Identity.Project.Name, r.Identity.UserName
	for _, check := range []func() error{
		func() error { return checkServerName(in.Name) },
		func() error { return request.readCounts(in) },
		func() error { return request.readTags(in.Tags) },
		func() error { return s.readFiles(ctx, in, request) },
		func() error { return request.readHostName(r, in) },
		func() error { return request.readHints(body) },
		func() error { return checkDeviceVersions(r, in.Devices) },
		func() error { return s.readImageAndFlavor(ctx, r, in, request) },
		func() error { return s.readKey(ctx, r, in, request) },
		func() error { return s.readPlace(ctx, r, in, request) },
		func() error { return s.readNetworks(ctx, r, in, request) },
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return request, nil
}

// checkCreateVersion refuses fields that the version does not have, as its schema would.
func checkCreateVersion(r *api.Request) error {
	var body struct {
		Server map[string]json.RawMessage `json:"server"`
	}
	if err := r.Decode(&body); err != nil {
		return err
	}
	for name, bounds := range createFields {
		if _, given := body.Server[name]; given && !r.Relaxed() && !inVersion(r.Version, bounds.since, bounds.until) {
			return unexpectedField("server", name)
		}
	}
	if _, given := body.Server["networks"]; !given && r.Version.AtLeast(vNetworksRequired) {
		return api.BadRequest("Invalid input for field/attribute server. 'networks' is a required property")
	}
	return nil
}

// checkServerName is nova's rule: something visible, no blanks around it, all printable.
func checkServerName(name string) error {
	bad := strings.TrimSpace(name) == "" || strings.TrimSpace(name) != name
	for _, c := range name {
		bad = bad || !unicode.IsPrint(c) && c != '\u00a0'
	}
	if bad {
		return api.BadRequest("Invalid input for field/attribute name. Value: %s. It must be printable and must not begin or end with blanks.", oneLine(name, 60))
	}
	return nil
}

// maxCount bounds how many servers one request can make.
const maxCount = 1000

func (c *createRequest) readCounts(in *serverFields) error {
	c.min, c.max = 1, 1
	if in.MinCount != nil {
		c.min = int(*in.MinCount)
		c.max = c.min
	}
	if in.MaxCount != nil {
		c.max = int(*in.MaxCount)
	}
	switch {
	case c.min < 1 || c.max < 1 || c.max > maxCount:
		return api.BadRequest("Invalid input for field/attribute min_count or max_count. They must be between 1 and %d.", maxCount)
	case c.min > c.max:
		return api.BadRequest("min_count must be <= max_count")
	}
	return nil
}

func (c *createRequest) readTags(tags []string) error {
	c.tags = slices.Compact(slices.Sorted(slices.Values(tags)))
	return checkTags(c.tags)
}

// readFiles reads user data and personality.
func (s *Service) readFiles(ctx context.Context, in *serverFields, c *createRequest) error {
	if in.UserData != nil {
		if _, err := base64.StdEncoding.DecodeString(*in.UserData); err != nil {
			return api.BadRequest("Invalid input for field/attribute user_data. It is not of the format 'base64'")
		}
		c.userData = *in.UserData
	}
	var limits map[string]int64
	if len(in.Personality) > 0 {
		var err error
		if limits, _, err = s.readLimits(ctx, c.row.ProjectID); err != nil {
			return err
		}
		if over(limits[quotaFiles], 0, int64(len(in.Personality))) {
			return api.Forbidden("Personality file limit exceeded")
		}
	}
	for _, file := range in.Personality {
		contents, err := base64.StdEncoding.DecodeString(file.Contents)
		switch {
		case err != nil:
			return api.BadRequest("Personality content for %s cannot be decoded", oneLine(file.Path, 60))
		case over(limits[quotaFileBytes], 0, int64(len(contents))):
			return api.Forbidden("Personality file content too long")
		case file.Path == "" || over(limits[quotaPathBytes], 0, int64(len(file.Path))):
			return api.Forbidden("Personality file path too long")
		}
		c.row.Detail.Files = append(c.row.Detail.Files, injectedFile{file.Path, contents})
	}
	if len(in.Personality) > 0 || in.AdminPass != nil && *in.AdminPass != "" {
		c.row.ConfigDrive = true // the one way in which files and the password reach a guest
	}
	var err error
	if c.password, err = passwordOr(in.AdminPass); err != nil {
		return err
	}
	if len(in.Certificates) > 0 {
		return api.BadRequest("trusted_image_certificates are not supported: image signatures are not verified here.")
	}
	return nil
}

var (
	hostNamePattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
	fqdnPattern     = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$`)
)

func checkHostName(r *api.Request, name string) error {
	pattern := hostNamePattern
	if r.Version.AtLeast(vFQDN) {
		pattern = fqdnPattern
	}
	if len(name) > 255 || !pattern.MatchString(name) {
		return api.BadRequest("Invalid input for field/attribute hostname. Value: %s. It is not a host name.", oneLine(name, 70))
	}
	return nil
}

func (c *createRequest) readHostName(r *api.Request, in *serverFields) error {
	if in.HostName == nil {
		return nil
	}
	if c.max > 1 && r.Version.AtLeast(vFQDN) && strings.Contains(*in.HostName, ".") {
		return api.BadRequest("Unable to specify a FQDN as a hostname when creating multiple servers.")
	}
	c.hostName = *in.HostName
	return checkHostName(r, c.hostName)
}

var notInHostNames = regexp.MustCompile(`[^a-z0-9.-]+`)

// hostNameFrom makes a host name from a display name, as nova's sanitize_hostname does.
func hostNameFrom(name, id string) string {
	text := strings.NewReplacer(" ", "-", "_", "-", ".", "-").Replace(strings.ToLower(strings.TrimSpace(name)))
	text = strings.Trim(notInHostNames.ReplaceAllString(text, ""), ".-")
	text = strings.TrimRight(text[:min(len(text), 63)], ".-")
	if text == "" {
		return "server-" + id
	}
	return text
}

// unsupportedHints are hints of Nova that this scheduler does not know; to ignore them would
// be to break a promise.
var unsupportedHints = []string{"target_cell", "different_cell"}

func (c *createRequest) readHints(body *serverBody) error {
	hints := body.Hints
	if hints == nil {
		hints = body.Hints2
	}
	c.row.Detail.Hints = hintLists(hints)
	for _, name := range unsupportedHints {
		if _, given := hints[name]; given {
			return api.BadRequest("The scheduler hint %s is not supported.", name)
		}
	}
	if _, err := nearHint(c.row.Detail.Hints); err != nil {
		return api.BadRequest("Invalid input for field/attribute build_near_host_ip. With cidr it is no network: %s", oneLine(err.Error(), 100))
	}
	if query := c.row.Detail.Hints["query"]; len(query) > 0 {
		if _, err := parseHostQuery(query[0]); err != nil {
			return api.BadRequest("Invalid input for field/attribute query: %s.", oneLine(err.Error(), 100))
		}
	}
	if raw, given := hints["group"]; given {
		if err := json.Unmarshal(raw, &c.groupID); err != nil {
			return api.BadRequest("Invalid input for field/attribute group. It is the id of a server group.")
		}
	}
	return nil
}

// imageID takes the id from a reference, which may be an address.
func imageID(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

const gib = int64(1) << 30

func (s *Service) readImageAndFlavor(ctx context.Context, r *api.Request, in *serverFields, c *createRequest) error {
	id, err := readDevices(in)
	if err != nil {
		return err
	}
	f, err := s.visibleFlavor(ctx, r, string(in.FlavorRef))
	if err != nil {
		if api.StatusOf(err) == http.StatusNotFound {
			return api.BadRequest("Flavor %s could not be found.", in.FlavorRef)
		}
		return err
	}
	if f.RootGiB == 0 && !r.Can(ruleZeroDisk, nil) {
		return api.Forbidden("Only volume-backed servers are allowed for flavors with zero disk.")
	}
	image, err := s.deps.Images.Image(as(ctx, r), id)
	if err != nil {
		if status := api.StatusOf(err); status >= 400 && status < 500 {
			return api.BadRequest("Can not find requested image").Because(err)
		}
		return unavailable("image", err)
	}
	image = sized(image)
	if err := checkImage(&image, f); err != nil {
		return err
	}
	row := &c.row
	row.ImageID, row.FlavorID, row.VCPUs, row.MemoryMiB = image.ID, f.ID, f.VCPUs, f.MemoryMiB
	row.Detail.Flavor, row.Detail.Image = f.snapshot(), snapshotOf(&image)
	row.DiskGiB = diskOf(f, &row.Detail.Image)
	if row.Detail.Disks, err = localDisksOf(in.Devices, f); err != nil {
		return err
	}
	if image.Properties["img_config_drive"] == "mandatory" {
		row.ConfigDrive = true
	}
	if err := s.addKernel(ctx, r, &row.Detail.Image, f.MemoryMiB); err != nil {
		return err
	}
	if err := checkGuest(&row.Detail.Flavor, &row.Detail.Image); err != nil {
		return err
	}
	return checkDiskCount(row)
}

func (s *Service) readKey(ctx context.Context, r *api.Request, in *serverFields, c *createRequest) error {
	if in.KeyName == "" {
		return nil
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		k, err := findKeypair(tx, r.UserID(), in.KeyName)
		if err == nil {
			c.row.Detail.KeyPublic, c.row.Detail.KeyType = k.PublicKey, k.Type
		}
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return api.BadRequest("Invalid key_name provided.")
	}
	return err
}

// readPlace reads the availability zone, "zone:host" for those who may choose the host,
// and the field host of 2.74.
func (s *Service) readPlace(ctx context.Context, r *api.Request, in *serverFields, c *createRequest) error {
	zone, wantedHost := "", in.Host
	if in.Zone != nil {
		var node string
		zone, wantedHost, _ = strings.Cut(*in.Zone, ":")
		wantedHost, node, _ = strings.Cut(wantedHost, ":")
		if wantedHost == "" {
			wantedHost = node
		}
	}
	rule := ruleForcedHost
	if in.Host != "" || in.Hypervisor != "" {
		if wantedHost != in.Host && wantedHost != "" {
			return api.BadRequest("Host and availability zone name different hosts.")
		}
		rule = ruleRequestedDestination
		wantedHost = in.Host
	}
	if wantedHost == "" && in.Hypervisor == "" && zone == "" {
		return nil
	}
	if wantedHost != "" || in.Hypervisor != "" {
		if err := r.May(rule, nil); err != nil {
			return err
		}
	}
	var hosts []host
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) { hosts, err = listHosts(tx); return err }); err != nil {
		return err
	}
	zoneKnown, hostKnown := zone == defaultZone, wantedHost == "" && in.Hypervisor == ""
	for _, h := range hosts {
		zoneKnown = zoneKnown || h.Zone == zone
		if in.Hypervisor != "" && h.Facts.HostName == in.Hypervisor && (wantedHost == "" || wantedHost == h.Name) {
			wantedHost, hostKnown = h.Name, true
		}
		hostKnown = hostKnown || in.Hypervisor == "" && h.Name == wantedHost
	}
	switch {
	case zone != "" && !zoneKnown:
		return api.BadRequest("The requested availability zone is not available")
	case !hostKnown:
		return api.BadRequest("Compute host %s could not be found.", oneLine(wantedHost+in.Hypervisor, 60))
	}
	c.row.Zone, c.host = zone, wantedHost
	return nil
}

// admitServers writes the servers of a request: quota, rows and operations in one transaction.
func (s *Service) admitServers(ctx context.Context, r *api.Request, c *createRequest) ([]*server, error) {
	leave, err := s.admissions.enter(ctx, c.row.ProjectID)
	if err != nil {
		return nil, err
	}
	defer leave()
	var rows []*server
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		rows = nil
		count, err := s.takeQuota(tx, c)
		if err != nil {
			return err
		}
		if err := s.checkGroup(tx, r, c, count); err != nil {
			return err
		}
		now := s.clock.Now()
		for i := range count {
			row, err := s.newServer(c, i, count, now)
			if err != nil {
				return err
			}
			if err := s.admitServer(tx, r, c, row); err != nil {
				return err
			}
			rows = append(rows, row)
		}
		return nil
	})
	return rows, err
}

// newServer is the row of the i-th server of a request.
func (s *Service) newServer(c *createRequest, i, count int, now time.Time) (*server, error) {
	row := c.row
	row.ID, row.VMState, row.CreatedAt, row.UpdatedAt = s.clock.ID(), vmBuilding, now, now
	row.Detail.LaunchIndex, row.Detail.Seed = i, make([]byte, 32)
	if _, err := rand.Read(row.Detail.Seed); err != nil {
		return nil, fmt.Errorf("make a seed: %w", err)
	}
	if count > 1 {
		row.Name = fmt.Sprintf("%s-%d", c.row.Name, i+1)
	}
	switch {
	case c.hostName == "":
		row.HostName = hostNameFrom(row.Name, row.ID)
	case count > 1:
		row.HostName = fmt.Sprintf("%s-%d", c.hostName, i+1)
	default:
		row.HostName = c.hostName
	}
	return &row, nil
}

func (s *Service) admitServer(tx *db.Tx, r *api.Request, c *createRequest, row *server) error {
	if err := insertServer(tx, row, c.userData, c.tags); err != nil {
		return err
	}
	if row.ConfigDrive {
		if err := s.putPassword(tx, row.ID, forBoot, c.password); err != nil {
			return err
		}
	}
	if c.groupID != "" {
		if err := addGroupMember(tx, c.groupID, row.ID); err != nil {
			return err
		}
	}
	nics := slices.Clone(c.nics)
	for i := range nics {
		nics[i].Key = s.clock.ID()
	}
	operation, err := s.engine.Start(tx, work.Order{Kind: opCreate, ResourceKind: "server", ResourceID: row.ID, ProjectID: row.ProjectID, UserID: row.UserID,
		RequestID: r.ID, Params: createParams{NICs: nics, Host: c.host}})
	if err != nil {
		return err
	}
	doc := documentOfServer(row)
	doc.Tags = c.tags
	return s.record(tx, r, feed.Change{OperationID: operation, Kind: "server", ID: row.ID, Action: "create.start", OwnerProjectID: row.ProjectID, After: doc})
}

// takeQuota tells how many of the servers the quota allows: as many as are asked for at
// most, and not less than the least.
func (s *Service) takeQuota(tx *db.Tx, c *createRequest) (int, error) {
	limits, err := s.quotaLimits(tx, c.row.ProjectID)
	if err != nil {
		return 0, err
	}
	if limit := limits[quotaMetadata]; limit >= 0 && int64(len(c.row.Detail.Metadata)) > limit {
		return 0, api.Forbidden("Maximum number of metadata items exceeds %d", limit)
	}
	used, err := sumProject(tx, c.row.ProjectID)
	if err != nil {
		return 0, err
	}
	for count := c.max; ; count-- {
		err := checkServerQuota(limits, used, int64(count), &c.row)
		if err == nil || count <= c.min {
			return count, err
		}
	}
}

func checkServerQuota(limits map[string]int64, used usedByProject, count int64, row *server) error {
	return checkMoreQuota(limits, used, int64(row.VCPUs)*count, count, row.MemoryMiB*count)
}

// checkMoreQuota tells whether a project may take more than it has.
func checkMoreQuota(limits map[string]int64, used usedByProject, cores, instances, ram int64) error {
	var names, asked, taken, allowed []string
	for _, q := range []struct {
		name       string
		used, more int64
	}{{quotaCores, used.Cores, cores}, {quotaInstances, used.Instances, instances}, {quotaRAM, used.RAM, ram}} {
		if q.more > 0 && over(limits[q.name], q.used, q.more) {
			names, asked = append(names, q.name), append(asked, fmt.Sprint(q.more))
			taken, allowed = append(taken, fmt.Sprint(q.used)), append(allowed, fmt.Sprint(limits[q.name]))
		}
	}
	if len(names) == 0 {
		return nil
	}
	list := func(words []string) string { return strings.Join(words, ", ") }
	return api.Forbidden("Quota exceeded for %s: Requested %s, but already used %s of %s %s",
		list(names), list(asked), list(taken), list(allowed), list(names))
}

// reservationID is the common mark of the servers of one request.
func reservationID() string {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	random := make([]byte, 8)
	_, _ = rand.Read(random) // it never fails: crypto/rand ends the program instead
	for i := range random {
		random[i] = letters[int(random[i])%len(letters)]
	}
	return "r-" + string(random)
}
