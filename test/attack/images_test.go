package attack

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"virga/test/cloud"
)

const images = "/image/v2/images"

func imageAttacks() []attack {
	return []attack{
		{"OSSA-2024-001 CVE-2024-32498", "a qcow2 whose data is a file of the host", dataFile},
		{"OSSA-2015-014", "a qcow2 on top of a file of the host", backingFile},
		{"OSSA-2024-002 CVE-2024-40767", "a qcow2 that says it is raw", disguised},
		{"OSSA-2023-002 CVE-2022-47951", "a VMDK that describes files of the host", flatVMDK},
		{"OSSA-2013-012", "a disk of exabytes in a few bytes", virtualBomb},
		{"OSSA-2014-041 CVE-2014-9493", "a place of one's own choice", locations},
		{"OSSA-2016-006 CVE-2016-0757", "new data for an image that is in use", secondUpload},
		{"OSSA-2014-028 CVE-2014-5356", "a length that is not the length", wrongLength},
		{"OSSN-0105", "imports from the inside of the cloud", imports},
		{"", "attributes that only the service sets", serviceAttributes},
		{"", "images of others in lists", foreignImages},
		{"OSSN-0065", "a member who is more than a member", members},
		{"", "ranges of any kind", ranges},
		{"", "patches with strange paths", patches},
	}
}

// newImage makes an image of Mallory's without data.
func newImage(t *testing.T, s *scene, format string) string {
	t.Helper()
	return s.mallory.owner.Must(t, "POST", images, object{"disk_format": format, "container_format": "bare"}, "id")
}

// mustRefuseData uploads what must not be taken, and looks that no data came of it.
func mustRefuseData(t *testing.T, s *scene, format string, data []byte) {
	t.Helper()
	id := newImage(t, s, format)
	a := s.mallory.owner.Do(t, "PUT", images+"/"+id+"/file", bytes.NewReader(data), "Content-Type", "application/octet-stream")
	refused(t, "data as "+format, a, http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge)
	if shown := s.mallory.owner.Do(t, "GET", images+"/"+id, nil); shown.Value("status") == "active" {
		t.Errorf("the image is active: %s", shown)
	}
	if bytes.Contains(a.Body, []byte("/etc/")) {
		t.Errorf("the refusal repeats the path: %s", a)
	}
	s.mallory.owner.Do(t, "DELETE", images+"/"+id, nil)
}

// qcow2 is the header of QEMU's format, version 3, with a name of a backing file at its end or extensions behind it.
func qcow2(virtual uint64, incompatible uint64, backing string, extensions ...[]byte) []byte {
	head := make([]byte, 112)
	copy(head, "QFI\xfb")
	binary.BigEndian.PutUint32(head[4:], 3)
	binary.BigEndian.PutUint32(head[20:], 16)
	binary.BigEndian.PutUint64(head[24:], virtual)
	binary.BigEndian.PutUint32(head[36:], 1)
	binary.BigEndian.PutUint64(head[40:], 0x30000)
	binary.BigEndian.PutUint64(head[48:], 0x10000)
	binary.BigEndian.PutUint32(head[56:], 1)
	binary.BigEndian.PutUint64(head[72:], incompatible)
	binary.BigEndian.PutUint32(head[96:], 4)
	binary.BigEndian.PutUint32(head[100:], 112)
	body := append(head, bytes.Join(extensions, nil)...)
	body = append(body, make([]byte, 8)...)
	if backing != "" {
		binary.BigEndian.PutUint64(body[8:], uint64(len(body)))
		binary.BigEndian.PutUint32(body[16:], uint32(len(backing)))
		body = append(body, backing...)
	}
	return append(body, make([]byte, 0x50000-len(body))...)
}

// extension is a header extension, padded to eight bytes.
func extension(kind uint32, text string) []byte {
	body := make([]byte, 8, 8+len(text)+8)
	binary.BigEndian.PutUint32(body, kind)
	binary.BigEndian.PutUint32(body[4:], uint32(len(text)))
	body = append(body, text...)
	return append(body, make([]byte, (8-len(text)%8)%8)...)
}

func dataFile(t *testing.T, s *scene) {
	const external = 1 << 2
	mustRefuseData(t, s, "qcow2", qcow2(1<<20, external, "", extension(0x44415441, "/etc/shadow")))
	mustRefuseData(t, s, "qcow2", qcow2(1<<20, external, ""))
	mustRefuseData(t, s, "qcow2", qcow2(1<<20, 0, "", extension(0x44415441, "/etc/shadow")))
	mustRefuseData(t, s, "raw", qcow2(1<<20, external, "", extension(0x44415441, "/etc/shadow")))
}

func backingFile(t *testing.T, s *scene) {
	for _, name := range []string{"/etc/passwd", "json:{\"driver\": \"file\", \"filename\": \"/etc/passwd\"}", "nbd://127.0.0.1/x", "../x"} {
		mustRefuseData(t, s, "qcow2", qcow2(1<<20, 0, name))
	}
}

func disguised(t *testing.T, s *scene) {
	good := qcow2(1<<20, 0, "")
	for _, format := range []string{"raw", "iso", "vmdk", "vhd", "vdi"} {
		mustRefuseData(t, s, format, good)
	}
	mustRefuseData(t, s, "qcow2", bytes.Repeat([]byte("raw data"), 1000))
	mustRefuseData(t, s, "qcow2", good[:60])
}

func flatVMDK(t *testing.T, s *scene) {
	for _, kind := range []string{"monolithicFlat", "twoGbMaxExtentFlat", "fullDevice", "vmfs"} {
		text := "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"" + kind + "\"\n\nRW 2048 FLAT \"/etc/passwd\" 0\n"
		mustRefuseData(t, s, "vmdk", []byte(text))
		mustRefuseData(t, s, "raw", []byte(text))
	}
}

func virtualBomb(t *testing.T, s *scene) {
	for _, size := range []uint64{1 << 60, 1 << 62, 1<<64 - 1} {
		mustRefuseData(t, s, "qcow2", qcow2(size, 0, ""))
	}
	// What is allowed as an image does not become a disk that is larger than the flavor's.
	id := newImage(t, s, "qcow2")
	u := s.mallory.owner
	if a := u.Do(t, "PUT", images+"/"+id+"/file", bytes.NewReader(qcow2(40<<30, 0, "")), "Content-Type", "application/octet-stream"); !a.OK() {
		return
	}
	refused(t, "a server with a disk of 40 GiB", u.Do(t, "POST", servers, serverOf(s, object{"imageRef": id})), http.StatusBadRequest)
}

func locations(t *testing.T, s *scene) {
	u, id := s.mallory.owner, newImage(t, s, "raw")
	for _, place := range []string{"file:///etc/passwd", "filesystem:///etc/passwd", "http://169.254.169.254/", "file://../../db/identity.sqlite", "cinder://x", "swift+config://x"} {
		refused(t, place, u.Do(t, "POST", images, object{"locations": []object{{"url": place, "metadata": object{}}}}), http.StatusForbidden, http.StatusBadRequest)
		for _, path := range []string{"/locations", "/locations/-", "/locations/0"} {
			for _, op := range []string{"add", "replace"} {
				refused(t, op+" "+path, u.Do(t, "PATCH", images+"/"+id, []object{{"op": op, "path": path, "value": object{"url": place, "metadata": object{}}}}, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusForbidden, http.StatusBadRequest)
			}
		}
		for _, name := range []string{"direct_url", "file", "stores", "os_glance_x", "self", "schema"} {
			refused(t, name, u.Do(t, "POST", images, object{name: place}), http.StatusForbidden, http.StatusBadRequest)
		}
		refused(t, "v1", u.Do(t, "POST", "/image/v1/images", nil, "X-Image-Meta-Location", place, "X-Image-Meta-Name", "x"), http.StatusNotFound)
	}
	a := u.Do(t, "PUT", images+"/"+id+"/file", "data", "Content-Type", "application/octet-stream", "X-Image-Meta-Location", "file:///etc/passwd", "X-Glance-API-Copy-From", "file:///etc/passwd")
	if body := u.Do(t, "GET", images+"/"+id+"/file", nil); a.OK() && string(body.Body) != "data" {
		t.Errorf("the image has other data: %s", body)
	}
}

func secondUpload(t *testing.T, s *scene) {
	u, id := s.mallory.owner, newImage(t, s, "raw")
	u.Must(t, "PUT", images+"/"+id+"/file", "the first", "", "Content-Type", "application/octet-stream")
	refused(t, "a second upload", u.Do(t, "PUT", images+"/"+id+"/file", "the second", "Content-Type", "application/octet-stream"), http.StatusConflict)
	for _, op := range []string{"replace", "remove"} {
		refused(t, op+" locations", u.Do(t, "PATCH", images+"/"+id, []object{{"op": op, "path": "/locations", "value": []any{}}}, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusForbidden)
	}
	for name, value := range map[string]any{"status": "queued", "checksum": "x", "os_hash_value": "x", "size": 1, "disk_format": "qcow2", "container_format": "ova", "virtual_size": 1} {
		refused(t, name, u.Do(t, "PATCH", images+"/"+id, []object{{"op": "replace", "path": "/" + name, "value": value}}, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusForbidden, http.StatusBadRequest)
	}
	if a := u.Do(t, "GET", images+"/"+id+"/file", nil); string(a.Body) != "the first" {
		t.Errorf("the data is %s", a)
	}
}

func wrongLength(t *testing.T, s *scene) {
	u := s.mallory.owner
	for _, length := range []string{"1", "-1", "99999999999999999999", "x", "1.5", "0x10"} {
		id := newImage(t, s, "raw")
		refused(t, "size "+length, u.Do(t, "PUT", images+"/"+id+"/file", io.MultiReader(strings.NewReader("four")), "Content-Type", "application/octet-stream", "X-OpenStack-Image-Size", length), http.StatusBadRequest, http.StatusRequestEntityTooLarge)
		if a := u.Do(t, "GET", images+"/"+id, nil); a.Value("status") == "active" {
			t.Errorf("the image is active: %s", a)
		}
	}
}

func imports(t *testing.T, s *scene) {
	u := s.mallory.owner
	for _, address := range []string{"http://169.254.169.254/latest/meta-data", "http://127.0.0.1:22/", "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://localhost/", "file:///etc/passwd", "gopher://127.0.0.1", s.Base + "/metrics"} {
		id := newImage(t, s, "raw")
		a := u.Do(t, "POST", images+"/"+id+"/import", object{"method": object{"name": "web-download", "uri": address}})
		refused(t, address, a, http.StatusAccepted, http.StatusBadRequest)
		if a.Status == http.StatusAccepted { // a name or an address is looked at when it is dialled
			awaitNoImport(t, u, id)
		}
		refused(t, address, u.Do(t, "POST", "/image/v2/tasks", object{"type": "import", "input": object{"import_from": address, "import_from_format": "raw", "image_properties": object{}}}), http.StatusForbidden)
	}
}

// awaitNoImport waits for the end of an import, which has given the image nothing.
func awaitNoImport(t *testing.T, u *cloud.Client, id string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		a := u.Do(t, "GET", images+"/"+id, nil)
		if status := a.Value("status"); status == "queued" && a.Value("os_glance_failed_import") == "file" {
			return
		} else if status != "importing" || time.Now().After(deadline) {
			t.Fatalf("the image is %s", a)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func serviceAttributes(t *testing.T, s *scene) {
	u, v, id := s.mallory.owner, s.victim.owner, newImage(t, s, "raw")
	for name, value := range map[string]any{"owner": v.ProjectID, "visibility": "public", "status": "active", "created_at": "2000-01-01T00:00:00Z", "updated_at": "x", "checksum": "x", "size": 1, "virtual_size": 1, "os_hash_algo": "md5", "os_hash_value": "x", "deleted": true, "is_public": "x\x00",
		"file": "/etc/passwd", "self": "x", "schema": "x", "direct_url": "x", "locations": []any{}} {
		a := u.Do(t, "POST", images, object{name: value})
		refused(t, "create with "+name, a, http.StatusForbidden, http.StatusBadRequest)
		for _, op := range []string{"add", "replace"} {
			refused(t, op+" "+name, u.Do(t, "PATCH", images+"/"+id, []object{{"op": op, "path": "/" + name, "value": value}}, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusForbidden, http.StatusBadRequest, http.StatusConflict)
		}
	}
	refused(t, "the id of another's image", u.Do(t, "POST", images, object{"id": s.victim.ids["image_id"]}), http.StatusConflict)
	for _, bad := range []string{"x", "../../x", "00000000-0000-0000-0000-00000000000g", strings.Repeat("0", 300)} {
		refused(t, "the id "+bad, u.Do(t, "POST", images, object{"id": bad}), http.StatusBadRequest)
	}
}

func foreignImages(t *testing.T, s *scene) {
	v := s.victim.ids
	for _, query := range []string{"owner=" + v["project_id"], "visibility=all", "visibility=private", "visibility=shared&member_status=all", "member_status=all", "visibility=community", "os_hidden=true", "status=active", "name=" + marker, "tag=" + marker, "id=" + v["image_id"], "id=in:" + v["image_id"],
		"size_min=0", "sort_key=owner", "secret=" + marker, "owner=in:" + v["project_id"], "protected=false", "created_at=gt:2000-01-01T00:00:00Z", "marker=" + v["image_id"], "checksum=x", "os_hash_value=x", "is_public=None", "changes-since=2000-01-01T00:00:00Z"} {
		a := s.mallory.owner.Do(t, "GET", images+"?"+query, nil)
		if a.Status >= 500 || a.OK() && strings.Contains(string(a.Body), `"`+v["image_id"]+`"`) {
			t.Errorf("GET images?%s: %s", query, a)
		}
	}
	own, theirs := images+"/"+s.mallory.ids["image_id"], images+"/"+v["image_id"]
	refuseAll(t, s.mallory.owner, []try{{"GET", theirs + "/members/" + s.mallory.owner.ProjectID, nil}, {"PUT", theirs + "/members/" + s.mallory.owner.ProjectID, object{"status": "accepted"}}, {"POST", theirs + "/members", object{"member": s.mallory.owner.ProjectID}}, {"PUT", own + "/members/" + v["member_id"], object{"status": "accepted"}},
		{"POST", theirs + "/actions/deactivate", nil}, {"PUT", theirs + "/tags/x", nil}}, http.StatusNotFound, http.StatusForbidden)
}

// members are given an image to use: they neither change it nor pass it on, and lose it when it is taken back.
func members(t *testing.T, s *scene) {
	owner, member := s.mallory.owner.InNewProject(t, "owner", "member"), s.mallory.owner.InNewProject(t, "member", "member")
	id := owner.Must(t, "POST", images, object{"name": "x", "disk_format": "raw", "container_format": "bare", "visibility": "shared"}, "id")
	path := images + "/" + id
	owner.Must(t, "PUT", path+"/file", "data", "", "Content-Type", "application/octet-stream")
	refused(t, "before it is shared", member.Do(t, "GET", path, nil), http.StatusNotFound)
	owner.Must(t, "POST", path+"/members", object{"member": member.ProjectID}, "")
	owner.Must(t, "POST", path+"/members", object{"member": s.victim.owner.ProjectID}, "")
	member.Must(t, "GET", path+"/file", nil, "")
	refuseAll(t, member, []try{{"DELETE", path, nil}, {"POST", path + "/members", object{"member": s.mallory.owner.ProjectID}}, {"DELETE", path + "/members/" + s.victim.owner.ProjectID, nil}, {"PUT", path + "/members/" + s.victim.owner.ProjectID, object{"status": "accepted"}},
		{"GET", path + "/members/" + s.victim.owner.ProjectID, nil}, {"PUT", path + "/tags/x", nil}, {"POST", path + "/actions/deactivate", nil}}, http.StatusForbidden, http.StatusNotFound)
	refused(t, "a patch", member.Do(t, "PATCH", path, []object{{"op": "replace", "path": "/name", "value": "mine"}}, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusForbidden, http.StatusNotFound)
	refused(t, "an upload", member.Do(t, "PUT", path+"/file", "other", "Content-Type", "application/octet-stream"), http.StatusForbidden, http.StatusNotFound)
	if a := member.Do(t, "GET", path+"/members", nil); strings.Contains(string(a.Body), s.victim.owner.ProjectID) {
		t.Errorf("a member sees the others: %s", a)
	}
	owner.Must(t, "DELETE", path+"/members/"+member.ProjectID, nil, "")
	refuseAll(t, member, []try{{"GET", path, nil}, {"GET", path + "/file", nil}}, http.StatusNotFound)
	owner.Must(t, "DELETE", path+"/members/"+s.victim.owner.ProjectID, nil, "")
}

func ranges(t *testing.T, s *scene) {
	path := images + "/" + s.mallory.ids["image_id"] + "/file"
	whole := s.mallory.owner.Do(t, "GET", path, nil)
	for _, header := range []string{"bytes=0-", "bytes=-1", "bytes=-99999999999999999999", "bytes=99999999999999999999-", "bytes=5-2", "bytes=0-0,1-1", "bytes=" + strings.Repeat("0-1,", 5000) + "0-1", "bytes=", "bytes=--1", "lines=1-2", "bytes=0-9223372036854775807", "bytes=9223372036854775807-9223372036854775807", "\x01"} {
		for _, name := range []string{"Range", "Content-Range"} {
			if len(header) > 10_000 && name == "Content-Range" || header == "\x01" {
				continue
			}
			a := s.mallory.owner.Do(t, "GET", path, nil, name, header)
			if a.Status >= 500 || len(a.Body) > len(whole.Body)+2000 {
				t.Errorf("%s: %.60s: %d bytes, %s", name, header, len(a.Body), a)
			}
		}
	}
}

func patches(t *testing.T, s *scene) {
	u, id := s.mallory.owner, newImage(t, s, "raw")
	for _, path := range []string{"", "name", "/", "//", "/name/x", "/~", "/~2", "/~1etc~1passwd", "/tags/-", "/tags/0", "/owner", "/" + strings.Repeat("x", 70_000), "/\x00", "/os_glance_import_task", "/__proto__", "/é\u202e", strings.Repeat("/x", 10_000)} {
		for _, value := range []any{"x", nil, 1, []any{}, object{}, strings.Repeat("v", 70_000)} {
			if a := u.Do(t, "PATCH", images+"/"+id, []object{{"op": "add", "path": path, "value": value}}, "Content-Type", "application/openstack-images-v2.1-json-patch"); a.Status >= 500 {
				t.Errorf("add %.40q: %s", path, a)
			}
		}
	}
	var many []object
	for i := range 1500 {
		many = append(many, object{"op": "add", "path": fmt.Sprintf("/p%d", i), "value": "v"})
	}
	refused(t, "1500 properties", u.Do(t, "PATCH", images+"/"+id, many, "Content-Type", "application/openstack-images-v2.1-json-patch"), http.StatusRequestEntityTooLarge, http.StatusBadRequest)
	if a := u.Do(t, "GET", images+"/"+id, nil); len(a.Body) > 100_000 {
		t.Errorf("the image has grown to %d bytes", len(a.Body))
	}
}
