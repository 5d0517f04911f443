package image

import (
	"net/http"
	"strings"
	"testing"
)

func TestTaskThatImports(t *testing.T) {
	base, bend := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("from the web")) })
	c := newCloud(t, bend)
	c.run()
	body := func(uri, properties string) string {
		return `{"type":"import","input":{"import_from":"` + uri + `","import_from_format":"raw","image_properties":` + properties + `}}`
	}
	task := c.must(201, root(), "POST", "/v2/tasks", body(base+"/disk", `{"name":"by task","visibility":"public","colour":"blue"}`))
	id, _ := task["image_id"].(string)
	if task["status"] != "processing" || task["id"] == "" || id == "" {
		t.Fatalf("the task: %v", task)
	}
	c.eventually("the image is active", func() bool { return c.status(id) == statusActive })
	img := c.must(200, alice(), "GET", "/v2/images/"+id, "")
	if img["name"] != "by task" || img["disk_format"] != "raw" || img["container_format"] != "bare" || img["colour"] != "blue" || img["size"] != 12.0 {
		t.Errorf("the image: %v", img)
	}
	if shown := c.must(200, root(), "GET", "/v2/tasks/"+task["id"].(string), ""); shown["status"] != "success" {
		t.Errorf("the task at its end: %v", shown)
	}
	c.must(403, alice(), "POST", "/v2/tasks", body(base+"/disk", `{}`))
	for what, refused := range map[string]string{
		"a file": body("file:///etc/passwd", `{}`), "an address inside": body("http://127.1/", `{}`), "a property of the system": body(base, `{"status":"active"}`),
		"no properties": `{"type":"import","input":{"import_from":"http://example.org/","import_from_format":"raw"}}`, "another type": `{"type":"export","input":{}}`, "nothing": `{}`,
	} {
		if answer := c.do(root(), "POST", "/v2/tasks", strings.NewReader(refused)); answer.Code/100 != 4 {
			t.Errorf("%s: %d %s", what, answer.Code, answer.Body)
		}
	}
	if answer := c.must(200, root(), "GET", "/v2/tasks", ""); len(answer["tasks"].([]any)) != 1 {
		t.Errorf("all tasks: %v", answer)
	}
	c.clean(1)
}
