package image

import (
	"maps"
	"net/url"
	"strings"

	"virga/core/api"
)

const (
	namespacesPath   = "/v2/metadefs/namespaces"
	namespaceSchema  = "/v2/schemas/metadefs/namespace"
	namespacesSchema = "/v2/schemas/metadefs/namespaces"
	objectSchema     = "/v2/schemas/metadefs/object"
	objectsSchema    = "/v2/schemas/metadefs/objects"
	tagsSchema       = "/v2/schemas/metadefs/tags"
)

// namespaceView is a namespace; definitions are set where its details are shown.
type namespaceView struct {
	Namespace    string         `json:"namespace"`
	DisplayName  string         `json:"display_name,omitempty"`
	Description  string         `json:"description,omitempty"`
	Visibility   string         `json:"visibility"`
	Protected    bool           `json:"protected"`
	Owner        string         `json:"owner,omitempty"`
	CreatedAt    string         `json:"created_at"`
	UpdatedAt    string         `json:"updated_at"`
	Self         string         `json:"self"`
	Schema       string         `json:"schema"`
	Associations []document     `json:"resource_type_associations,omitempty"`
	Objects      []document     `json:"objects,omitempty"`
	Properties   map[string]any `json:"properties,omitempty"`
	Tags         []document     `json:"tags,omitempty"`
}

type namespacesView struct {
	Namespaces []namespaceView `json:"namespaces"`
	First      string          `json:"first"`
	Next       string          `json:"next,omitempty"`
	Schema     string          `json:"schema"`
}

func namespacePath(name string) string { return namespacesPath + "/" + url.PathEscape(name) }

func viewNamespace(n *namespace) namespaceView {
	return namespaceView{Namespace: n.Name, DisplayName: n.DisplayName, Description: n.Description, Visibility: n.Visibility, Protected: n.Protected,
		Owner: n.Owner, CreatedAt: isoTime(n.CreatedAt), UpdatedAt: isoTime(n.UpdatedAt), Self: namespacePath(n.Name), Schema: namespaceSchema}
}

// fill shows definitions of the namespace.
func (v *namespaceView) fill(list []definition) {
	for _, d := range list {
		switch d.Kind {
		case definedObject:
			v.Objects = append(v.Objects, viewDefinition(v.Namespace, d))
		case definedProperty:
			if v.Properties == nil {
				v.Properties = map[string]any{}
			}
			v.Properties[d.Name] = d.Document
		case definedTag:
			v.Tags = append(v.Tags, document{"name": d.Name})
		case definedResourceType:
			association := d.Document.without()
			association["name"] = d.Name
			v.Associations = append(v.Associations, association)
		}
	}
}

// prefixed names the properties as resources of a type have them.
func (v *namespaceView) prefixed(prefix string) {
	v.Properties = prefixedNames(v.Properties, prefix)
	for _, object := range v.Objects {
		if properties, ok := object["properties"].(map[string]any); ok {
			object["properties"] = prefixedNames(properties, prefix)
		}
		if required, ok := object["required"].([]any); ok {
			names := make([]any, len(required))
			for i, name := range required {
				text, _ := name.(string)
				names[i] = prefix + text
			}
			object["required"] = names
		}
	}
}

func prefixedNames(properties map[string]any, prefix string) map[string]any {
	named := make(map[string]any, len(properties))
	for name, property := range properties {
		named[prefix+name] = property
	}
	return named
}

// viewDefinition is one definition of a namespace.
func viewDefinition(namespace string, d definition) document {
	view := d.Document.without()
	view["name"] = d.Name
	if d.Kind == definedProperty {
		return view
	}
	view["created_at"], view["updated_at"] = isoTime(d.CreatedAt), isoTime(d.UpdatedAt)
	if d.Kind == definedObject {
		view["self"], view["schema"] = namespacePath(namespace)+"/objects/"+url.PathEscape(d.Name), objectSchema
	}
	return view
}

// listLink is the address of a page of a list, relative as clients expect it.
func listLink(path string, query url.Values, marker string) string {
	query = maps.Clone(query)
	query.Del("marker")
	if marker != "" {
		query.Set("marker", marker)
	}
	if len(query) == 0 {
		return path
	}
	return path + "?" + query.Encode()
}

type resourceTypeView struct {
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// readResourceTypes reads the list of names that narrows a list of namespaces.
func readResourceTypes(r *api.Request) ([]string, error) {
	text := r.Query.Get("resource_types")
	if text == "" {
		return nil, nil
	}
	names := strings.Split(text, ",")
	if len(names) > maxFilters {
		return nil, api.BadRequest("More than %d values for filter resource_types.", maxFilters)
	}
	return names, nil
}
