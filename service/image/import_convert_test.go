package image

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"virga/core/token"
	"virga/service/image/convert"
	"virga/service/image/inspect"
)

// converting is a cloud whose imports are converted.
func converting(t *testing.T, to string, bend ...func(*Deps)) (c *cloud, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "shop")
	shop, err := convert.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	c, _ = shelved(t, append(bend, func(d *Deps) {
		d.Converter, d.ConvertTo, d.Unpack = shop, to, true
		d.Inject, d.InjectNotFor = map[string]string{"imported_by": "virga", "colour": "grey"}, []string{"admin"}
	})...)
	return c, dir
}

// stagedImport imports data for a new image of somebody and returns what became of it.
func (c *cloud) stagedImport(who *token.Identity, attributes string, data io.Reader, rest string) (task, img map[string]any) {
	c.t.Helper()
	id := c.must(201, who, "POST", "/v2/images", `{"name":"x",`+attributes+`}`)["id"].(string)
	if w := c.do(who, "PUT", "/v2/images/"+id+"/stage", data, "Content-Type", octets); w.Code != 204 {
		c.t.Fatalf("stage: %d %s", w.Code, w.Body)
	}
	c.must(202, who, "POST", "/v2/images/"+id+"/import", `{"method":{"name":"glance-direct"}`+rest+`}`)
	c.eventually("the import ends", func() bool { return c.unfinished() == 0 })
	list, _ := c.must(200, root(), "GET", "/v2/images/"+id+"/tasks", "")["tasks"].([]any)
	task, _ = list[0].(map[string]any)
	return task, c.must(200, root(), "GET", "/v2/images/"+id, "")
}

func packed(t *testing.T, data []byte) io.Reader {
	t.Helper()
	var text bytes.Buffer
	w := gzip.NewWriter(&text)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &text
}

func TestConversionOnImport(t *testing.T) {
	c, dir := converting(t, inspect.Raw)
	task, img := c.stagedImport(alice(), `"disk_format":"qcow2","container_format":"bare","colour":"blue"`, bytes.NewReader(qcow2(func(b []byte) { binary.BigEndian.PutUint64(b[24:], 1<<20) })), `,"all_stores":true`)
	if task["status"] != "success" || img["disk_format"] != "raw" || img["size"] != float64(1<<20) || img["virtual_size"] != float64(1<<20) || img["stores"] != "file,shelf" ||
		img["imported_by"] != "virga" || img["colour"] != "grey" || img["os_hash_value"] == nil {
		t.Errorf("the task: %v; the image: %v", task, img)
	}
	task, img = c.stagedImport(root(), `"disk_format":"raw","container_format":"bare"`, strings.NewReader("raw already"), "")
	if task["status"] != "success" || img["disk_format"] != "raw" || img["size"] != 11.0 || img["imported_by"] != nil {
		t.Errorf("what is raw already: %v", img)
	}
	task, img = c.stagedImport(alice(), `"disk_format":"raw","container_format":"compressed"`, packed(t, []byte("unpacked")), "")
	if task["status"] != "success" || img["container_format"] != "bare" || img["size"] != 8.0 {
		t.Errorf("what was packed: %v %v", task, img)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("the workshop has %v: %v", entries, err)
	}
}

func TestConversionThatIsRefused(t *testing.T) {
	c, _ := converting(t, inspect.Raw, func(d *Deps) { d.MaxImageBytes = 1 << 20 })
	foreign := qcow2(func(b []byte) { // a backing file: OSSA-2015-014
		b[15], b[19] = 200, 11
		copy(b[200:], "/etc/shadow")
	})
	for name, data := range map[string][]byte{"a backing file": foreign, "a disk over the bound": qcow2(nil), "no qcow2": []byte("x")} {
		task, img := c.stagedImport(alice(), `"disk_format":"qcow2","container_format":"bare"`, bytes.NewReader(data), "")
		if task["status"] != "failure" || img["status"] != statusQueued || img["disk_format"] != "qcow2" || img["imported_by"] != nil {
			t.Errorf("%s: %v %v", name, task, img)
		}
	}
	// A gzip bomb: a few kilobytes that unpack to more than an image may have.
	task, img := c.stagedImport(alice(), `"disk_format":"raw","container_format":"compressed"`, packed(t, make([]byte, 8<<20)), "")
	if task["status"] != "failure" || !strings.Contains(task["message"].(string), "too large") || img["container_format"] != "compressed" {
		t.Errorf("a bomb: %v %v", task, img)
	}
	broken := io.LimitReader(packed(t, bytes.Repeat([]byte("virga"), 10000)), 40)
	if task, _ := c.stagedImport(alice(), `"disk_format":"raw","container_format":"compressed"`, broken, ""); task["status"] != "failure" || !strings.Contains(task["message"].(string), "not packed") {
		t.Errorf("broken data: %v", task)
	}
	c.clean(0)
}
