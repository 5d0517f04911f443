package compute

import (
	"encoding/json"
	"strconv"
	"time"

	"virga/core/api"
)

// pageText writes a page of servers in detail as JSON, from rows with cards. What it writes
// is what serverView is as JSON; a test holds the two together.
type pageText struct {
	text []byte
	s    *Service
	c    *serverContext
	now  time.Time
	// The beginnings of links, as they stand in JSON.
	self, bookmark, image, flavor string
	// hostIDs remembers hostId by project and host.
	hostIDs map[[2]string]string

	embedded, locked, description, tags, certificates, lockedReason, hostname, extended, hostStatus, pinned, imageProperties, hints bool
}

func (s *Service) newPageText(r *api.Request, c *serverContext, servers int) *pageText {
	v := r.Version
	const usual = 1800 // bytes of one server
	return &pageText{
		text: make([]byte, 0, servers*usual+200), s: s, c: c, now: s.clock.Now(), hostIDs: map[[2]string]string{},
		self: inner(r.URL("/v2.1/servers/")), bookmark: inner(r.URL("/servers/")), image: inner(r.URL("/images/")), flavor: inner(r.URL("/flavors/")),
		embedded: !v.Before(vEmbeddedFlavor), locked: v.AtLeast(vLocked), description: v.AtLeast(vDescription), tags: v.AtLeast(vTags),
		certificates: v.AtLeast(vCertificates), lockedReason: v.AtLeast(vLockedReason), pinned: v.AtLeast(vPinnedZone),
		imageProperties: v.AtLeast(vImageProperties), hints: v.AtLeast(vHintsShown),
		hostname: v.AtLeast(vHostname) || c.extended && v.AtLeast(vExtendedAttributes), extended: !v.Before(vExtendedAttributes),
		hostStatus: c.hostStatus && v.AtLeast(vHostStatus),
	}
}

// inner is a text as it stands between the quotes of JSON.
func inner(text string) string {
	quoted := string(appendText(nil, text))
	return quoted[1 : len(quoted)-1]
}

// appendText writes a string as JSON.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil {
				return append(b, `""`...) // a string is always encoded
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, text...)
	return append(b, '"')
}

// put writes a member whose value is text.
func (p *pageText) put(key, value string) {
	p.key(key)
	p.text = appendText(p.text, value)
}

// raw writes a member whose value is JSON already.
func (p *pageText) raw(key, value string) {
	p.key(key)
	p.text = append(p.text, value...)
}

// key begins a member; the first of an object has no comma before it.
func (p *pageText) key(key string) {
	if p.text[len(p.text)-1] != '{' {
		p.text = append(p.text, ',')
	}
	p.text = append(p.text, '"')
	p.text = append(p.text, key...)
	p.text = append(p.text, `":`...)
}

// orNull writes a member that is null when it is empty.
func (p *pageText) orNull(key, value string) {
	if value == "" {
		p.raw(key, "null")
		return
	}
	p.put(key, value)
}

func (p *pageText) time(key string, t time.Time, form string) {
	p.key(key)
	if t.IsZero() && form == microForm {
		p.text = append(p.text, "null"...)
		return
	}
	p.text = append(p.text, '"')
	p.text = t.UTC().AppendFormat(p.text, form)
	p.text = append(p.text, '"')
}

const (
	secondForm = "2006-01-02T15:04:05Z"
	microForm  = "2006-01-02T15:04:05.000000"
)

func (p *pageText) bool(key string, value bool) { p.raw(key, strconv.FormatBool(value)) }

func (p *pageText) int(key string, value int) {
	p.key(key)
	p.text = strconv.AppendInt(p.text, int64(value), 10)
}

// server writes one server.
func (p *pageText) server(row *server, pieces card) {
	t := p.c.tasks[row.ID]
	vmState := vmStateOf(row, t)
	status := statusOf(vmState, t)
	p.text = append(p.text, '{')
	p.put("id", row.ID)
	p.put("name", row.Name)
	p.put("status", status)
	p.put("tenant_id", row.ProjectID)
	p.put("user_id", row.UserID)
	p.raw("metadata", pieces[cardMetadata])
	p.put("hostId", p.hostID(row))
	p.linkedImage(row, pieces)
	p.linkedFlavor(pieces)
	p.time("created", row.CreatedAt, secondForm)
	p.time("updated", row.UpdatedAt, secondForm)
	p.raw("addresses", pieces[cardAddresses])
	p.raw("accessIPv4", pieces[cardAccessIPv4])
	p.raw("accessIPv6", pieces[cardAccessIPv6])
	p.raw("links", `[{"rel":"self","href":"`+p.self+row.ID+`"},{"rel":"bookmark","href":"`+p.bookmark+row.ID+`"}]`)
	p.raw("OS-DCF:diskConfig", pieces[cardDiskConfig])
	switch status {
	case "ACTIVE", "BUILD":
		p.raw("progress", "0")
	case "ERROR", "DELETED":
		fault := pieces[cardFault]
		if p.c.admin {
			fault = pieces[cardFaultForAdmins]
		}
		if fault != "" {
			p.raw("fault", fault)
		}
	}
	p.put("OS-EXT-AZ:availability_zone", zoneShown(row, p.c))
	configDrive := ""
	if row.ConfigDrive {
		configDrive = "True"
	}
	p.put("config_drive", configDrive)
	p.orNull("key_name", row.KeyName)
	p.time("OS-SRV-USG:launched_at", row.LaunchedAt, microForm)
	p.time("OS-SRV-USG:terminated_at", row.DeletedAt, microForm)
	p.orNull("OS-EXT-STS:task_state", t.state)
	p.put("OS-EXT-STS:vm_state", vmState)
	p.int("OS-EXT-STS:power_state", row.PowerState)
	p.raw("os-extended-volumes:volumes_attached", "[]")
	if pieces[cardGroups] != "" {
		p.raw("security_groups", pieces[cardGroups])
	}
	p.attributes(row, pieces)
	p.versioned(row, pieces)
	p.text = append(p.text, '}')
}

func (p *pageText) hostID(row *server) string {
	key := [2]string{row.ProjectID, row.Host}
	id, known := p.hostIDs[key]
	if !known {
		id = hostIDOf(row)
		p.hostIDs[key] = id
	}
	return id
}

func (p *pageText) linkedImage(row *server, pieces card) {
	if row.ImageID == "" {
		p.raw("image", `""`)
		return
	}
	p.raw("image", `{"id":"`+row.ImageID+`","links":[{"rel":"bookmark","href":"`+p.image+row.ImageID+`"}]`)
	if p.imageProperties {
		p.raw("properties", pieces[cardImageProperties])
	}
	p.text = append(p.text, '}')
}

func (p *pageText) linkedFlavor(pieces card) {
	if !p.embedded {
		id := pieces[cardFlavorID]
		p.raw("flavor", `{"id":`+id+`,"links":[{"rel":"bookmark","href":"`+p.flavor+id[1:]+`}]}`)
		return
	}
	p.raw("flavor", pieces[cardFlavor])
	if p.c.flavorSpecs {
		p.raw("extra_specs", pieces[cardSpecs])
	}
	p.text = append(p.text, '}')
}

// attributes writes what only administrators see.
func (p *pageText) attributes(row *server, pieces card) {
	h := p.c.hosts[row.Host]
	if p.hostname {
		p.put("OS-EXT-SRV-ATTR:hostname", row.HostName)
	}
	if p.hostStatus {
		p.put("host_status", *hostStatusOf(row, h, p.s))
	}
	if !p.c.extended {
		return
	}
	hypervisor := row.Host
	if h != nil {
		hypervisor = h.HostName
	}
	p.orNull("OS-EXT-SRV-ATTR:host", row.Host)
	p.orNull("OS-EXT-SRV-ATTR:hypervisor_hostname", hypervisor)
	p.put("OS-EXT-SRV-ATTR:instance_name", instanceName(row.ID))
	if !p.extended {
		return
	}
	p.put("OS-EXT-SRV-ATTR:reservation_id", row.ReservationID)
	p.raw("OS-EXT-SRV-ATTR:launch_index", pieces[cardLaunchIndex])
	p.raw("OS-EXT-SRV-ATTR:root_device_name", pieces[cardRootDevice])
	p.raw("OS-EXT-SRV-ATTR:kernel_id", pieces[cardKernel])
	p.raw("OS-EXT-SRV-ATTR:ramdisk_id", pieces[cardRamdisk])
	p.orNull("OS-EXT-SRV-ATTR:user_data", p.c.userData[row.ID])
}

// versioned writes what newer versions have for everybody.
func (p *pageText) versioned(row *server, pieces card) {
	if p.locked {
		p.bool("locked", row.Locked)
	}
	if p.description {
		p.raw("description", pieces[cardDescription])
	}
	if p.tags {
		p.key("tags")
		p.text = append(p.text, '[')
		for i, tag := range p.c.tags[row.ID] {
			if i > 0 {
				p.text = append(p.text, ',')
			}
			p.text = appendText(p.text, tag)
		}
		p.text = append(p.text, ']')
	}
	if p.certificates {
		p.raw("trusted_image_certificates", "null")
	}
	if p.lockedReason {
		p.raw("locked_reason", pieces[cardLockedReason])
	}
	if p.pinned {
		p.orNull("pinned_availability_zone", row.Zone)
	}
	if p.hints {
		p.raw("scheduler_hints", pieces[cardHints])
	}
}

// page writes rows with cards as the answer to a list request.
func (p *pageText) page(rows []*server, cards []card, links []linkView) ([]byte, error) {
	p.text = append(p.text, `{"servers":[`...)
	for i, row := range rows {
		if i > 0 {
			p.text = append(p.text, ',')
		}
		p.server(row, cards[i])
	}
	p.text = append(p.text, ']')
	if len(links) > 0 {
		text, err := json.Marshal(links)
		if err != nil {
			return nil, err
		}
		p.raw("servers_links", string(text))
	}
	return append(p.text, '}'), nil
}
