package compute

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sort"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// The metadata service as guests see it at 169.254.169.254; the node agents find out which
// server asks, by the port that the packet came in on, and pass the path on.

// openstackDocuments are the documents of the OpenStack form with the version that brought each.
var openstackDocuments = []struct{ name, since string }{
	{"meta_data.json", "2012-08-10"}, {"user_data", "2012-08-10"}, {"password", "2013-04-04"}, {"vendor_data.json", "2013-10-17"},
	{"network_data.json", "2015-10-15"}, {"vendor_data2.json", "2016-10-06"},
}

var openstackVersions = []string{"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30", "2016-10-06", "2017-02-22",
	"2018-08-27", "2020-10-14", "latest"}

var ec2Versions = []string{"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15", "2008-02-01", "2008-09-01", "2009-04-04", "latest"}

// metadataShow answers GET /internal/metadata/{server_id}/{path...}.
func (s *Service) metadataAnswer(ctx context.Context, r *api.Request) (any, error) {
	id := r.Param("server_id")
	var row *server
	userData, zone := "", ""
	err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		if row, err = findServer(tx, id); err != nil {
			return err
		}
		if h, err := findHost(tx, row.Host); err == nil {
			zone = h.Zone
		}
		userData, err = findUserData(tx, id)
		return err
	})
	if isNotFound(err) || err == nil && r.UserID() != nodeUser(row.Host) { // each node serves its own guests alone
		return nil, noSuchServer(oneLine(id, 60))
	}
	if err != nil {
		return nil, err
	}
	s.freshen(ctx, []*server{row})
	m, err := newInstanceMetadata(row, userData, zone)
	if err != nil {
		return nil, err
	}
	contentType, text, err := m.answer(r.Param("path"))
	if err != nil {
		return nil, err
	}
	return &api.Response{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Stream: io.NopCloser(bytes.NewReader(text))}, nil
}

const (
	plainText = "text/plain; charset=utf-8"
	jsonText  = "application/json"
)

var errNoMetadata = api.NotFound("The resource could not be found.")

// answer finds the document or the listing at a path.
func (m *instanceMetadata) answer(path string) (contentType string, text []byte, err error) {
	parts := strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
	switch {
	case len(parts) == 0:
		return plainText, []byte(strings.Join(ec2Versions, "\n")), nil
	case parts[0] == "openstack":
		return m.openstackAnswer(parts[1:])
	case !slices.Contains(ec2Versions, parts[0]):
		return "", nil, errNoMetadata
	case len(parts) == 1:
		listing := "meta-data/"
		if m.userData != nil {
			listing += "\nuser-data"
		}
		return plainText, []byte(listing), nil
	case parts[1] == "user-data" && len(parts) == 2 && m.userData != nil:
		return plainText, m.userData, nil
	case parts[1] == "meta-data":
		text, found := ec2Find(m.ec2Document(), parts[2:])
		if !found {
			return "", nil, errNoMetadata
		}
		return plainText, []byte(text), nil
	}
	return "", nil, errNoMetadata
}

// ec2Find walks the EC2 document; maps answer with a listing, "/" behind those that go deeper.
func ec2Find(at any, parts []string) (string, bool) {
	for _, part := range parts {
		folder, isFolder := at.(map[string]any)
		if !isFolder || part == "_name" {
			return "", false
		}
		next, there := folder[part]
		if !there {
			return "", false
		}
		at = next
	}
	folder, isFolder := at.(map[string]any)
	if !isFolder {
		text, _ := at.(string)
		return text, true
	}
	var lines []string
	for name, child := range folder {
		inner, deeper := child.(map[string]any)
		switch {
		case name == "_name":
			continue
		case deeper && inner["_name"] != nil:
			name, _ = inner["_name"].(string)
		case deeper:
			name += "/"
		}
		lines = append(lines, name)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n"), true
}

func (m *instanceMetadata) openstackAnswer(parts []string) (string, []byte, error) {
	if len(parts) == 0 {
		return plainText, []byte(strings.Join(openstackVersions, "\n")), nil
	}
	version := parts[0]
	if version == "content" && len(parts) == 2 {
		return m.contentAnswer(parts[1])
	}
	if !slices.Contains(openstackVersions, version) || len(parts) > 2 {
		return "", nil, errNoMetadata
	}
	var names []string
	for _, d := range openstackDocuments {
		if d.since <= version && (d.name != "user_data" || m.userData != nil) { // "latest" sorts behind all dates
			names = append(names, d.name)
		}
	}
	if len(parts) == 1 {
		return plainText, []byte(strings.Join(names, "\n")), nil
	}
	if !slices.Contains(names, parts[1]) {
		return "", nil, errNoMetadata
	}
	var document any = struct{}{}
	switch parts[1] {
	case "user_data":
		return "application/octet-stream", m.userData, nil
	case "password":
		return plainText, []byte(m.row.Detail.Password), nil
	case "meta_data.json":
		document = m.metaData()
	case "network_data.json":
		document = m.networkData()
	}
	text, err := json.Marshal(document)
	return jsonText, text, err
}

// contentAnswer serves an injected file by its number.
func (m *instanceMetadata) contentAnswer(name string) (string, []byte, error) {
	for i, file := range m.row.Detail.Files {
		if contentName(i) == name {
			return "application/octet-stream", file.Contents, nil
		}
	}
	return "", nil, errNoMetadata
}

// maxDeposit bounds a sealed password in bytes, as nova does.
const maxDeposit = 4 * 255

// metadataPassword answers PUT /internal/metadata/{server_id}/password: a guest deposits its
// password, sealed for its owner's key. It can do so once, until the owner forgets it.
func (s *Service) metadataPassword(ctx context.Context, r *api.Request) (any, error) {
	var body struct {
		Password string `json:"password"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if len(body.Password) > maxDeposit {
		return nil, api.BadRequest("Request is too large.")
	}
	_, err := s.changeServer(ctx, r, "deposit_password", func(_ *db.Tx, row *server) error {
		if r.UserID() != nodeUser(row.Host) {
			return noSuchServer(oneLine(row.ID, 60))
		}
		if row.Detail.Password != "" {
			return api.Conflict("The server has deposited a password already.")
		}
		row.Detail.Password = body.Password
		return nil
	})
	return nil, err
}
