package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"

	"virga/core/api"
)

// publicSchemas are the schemas that the API shows. Those of one image and one member are
// the very files that requests are checked with; those of lists are made around them.
func publicSchemas(files fs.FS) (map[string]any, error) {
	schemas := map[string]any{}
	for item, list := range map[string]string{"image": "images", "member": "members", "task": "tasks"} {
		schema, err := readSchema(files, item)
		if err != nil {
			return nil, err
		}
		schemas[item] = schema
		schemas[list] = listSchema(list, schema)
	}
	for item, list := range map[string]string{"namespace": "namespaces", "object": "objects", "property": "properties", "tag": "tags", "association": "resource_types"} {
		schema, err := readSchema(files, "metadef_"+item)
		if err != nil {
			return nil, err
		}
		name := list
		if item == "association" {
			item, name = "resource_type", "resource_type_associations"
		}
		schemas["metadefs/"+item], schemas["metadefs/"+list] = schema, listSchema(name, schema)
	}
	return schemas, nil
}

func readSchema(files fs.FS, name string) (map[string]any, error) {
	text, err := fs.ReadFile(files, name+".json")
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	var schema map[string]any
	if err := json.Unmarshal(text, &schema); err != nil {
		return nil, fmt.Errorf("read schema %s: %w", name, err)
	}
	return schema, nil
}

func listSchema(name string, item any) map[string]any {
	text := map[string]any{"type": "string"}
	link := func(rel, href string) map[string]any { return map[string]any{"rel": rel, "href": href} }
	properties := map[string]any{name: map[string]any{"type": "array", "items": item}, "schema": text}
	links := []any{link("describedby", "{schema}")}
	if name == "properties" { // by their names
		properties[name] = map[string]any{"type": "object", "additionalProperties": item}
	}
	if name == "images" || name == "namespaces" || name == "objects" || name == "tags" || name == "tasks" { // these are paged
		properties["first"], properties["next"] = text, text
		links = append([]any{link("first", "{first}"), link("next", "{next}")}, links...)
	}
	return map[string]any{"name": name, "properties": properties, "links": links}
}

func (s *Service) schemaShow(name string) api.Handler {
	return func(context.Context, *api.Request) (any, error) { return s.schemas[name], nil }
}
