package image

import "virga/core/authz"

// checkDefined lets everybody see public namespaces, and a project its own.
const checkDefined = checkAdmin + " or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"

// metadefRules are the rules of metadata definitions with Glance's names. The target of a
// rule has the namespace's project_id, owner, visibility, protected and namespace.
func metadefRules() []authz.Rule {
	return []authz.Rule{
		{Name: "metadef_admin", Check: checkAdmin, Description: "Change the catalog of metadata definitions; other rules refer to it."},
		{Name: "metadef_default", Check: checkDefined, Description: "See metadata definitions of a namespace; other rules refer to it."},
		{Name: "list_metadef_resource_types", Check: checkAdmin + " or role:reader",
			Description: "List the known resource types.", Operations: ops("GET", "/v2/metadefs/resource_types")},
		{Name: "get_metadef_namespaces", Check: checkAdmin + " or role:reader",
			Description: "List namespaces of metadata definitions.", Operations: ops("GET", "/v2/metadefs/namespaces")},
		{Name: "add_metadef_namespace", Check: "rule:metadef_admin",
			Description: "Create a namespace of metadata definitions.", Operations: ops("POST", "/v2/metadefs/namespaces")},
		{Name: "get_metadef_namespace", Check: "rule:metadef_default",
			Description: "See a namespace of metadata definitions. Whom this rule refuses it, for him it does not exist.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}")},
		{Name: "modify_metadef_namespace", Check: "rule:metadef_admin",
			Description: "Change a namespace of metadata definitions.", Operations: ops("PUT", "/v2/metadefs/namespaces/{namespace}")},
		{Name: "delete_metadef_namespace", Check: "rule:metadef_admin",
			Description: "Delete a namespace of metadata definitions.", Operations: ops("DELETE", "/v2/metadefs/namespaces/{namespace}")},
		{Name: "get_metadef_objects", Check: "rule:metadef_default",
			Description: "List the objects of a namespace.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/objects")},
		{Name: "add_metadef_object", Check: "rule:metadef_admin",
			Description: "Define an object.", Operations: ops("POST", "/v2/metadefs/namespaces/{namespace}/objects")},
		{Name: "delete_metadef_object", Check: "rule:metadef_admin",
			Description: "Delete objects.", Operations: append(ops("DELETE", "/v2/metadefs/namespaces/{namespace}/objects"), ops("DELETE", "/v2/metadefs/namespaces/{namespace}/objects/{object_name}")...)},
		{Name: "get_metadef_object", Check: "rule:metadef_default",
			Description: "Show an object.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/objects/{object_name}")},
		{Name: "modify_metadef_object", Check: "rule:metadef_admin",
			Description: "Change an object.", Operations: ops("PUT", "/v2/metadefs/namespaces/{namespace}/objects/{object_name}")},
		{Name: "get_metadef_properties", Check: "rule:metadef_default",
			Description: "List the properties of a namespace.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/properties")},
		{Name: "add_metadef_property", Check: "rule:metadef_admin",
			Description: "Define a property.", Operations: ops("POST", "/v2/metadefs/namespaces/{namespace}/properties")},
		{Name: "remove_metadef_property", Check: "rule:metadef_admin",
			Description: "Delete properties.", Operations: append(ops("DELETE", "/v2/metadefs/namespaces/{namespace}/properties"), ops("DELETE", "/v2/metadefs/namespaces/{namespace}/properties/{property_name}")...)},
		{Name: "get_metadef_property", Check: "rule:metadef_default",
			Description: "Show a property.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/properties/{property_name}")},
		{Name: "modify_metadef_property", Check: "rule:metadef_admin",
			Description: "Change a property.", Operations: ops("PUT", "/v2/metadefs/namespaces/{namespace}/properties/{property_name}")},
		{Name: "get_metadef_tags", Check: "rule:metadef_default",
			Description: "List the tags of a namespace.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/tags")},
		{Name: "add_metadef_tags", Check: "rule:metadef_admin",
			Description: "Define several tags.", Operations: ops("POST", "/v2/metadefs/namespaces/{namespace}/tags")},
		{Name: "delete_metadef_tags", Check: "rule:metadef_admin",
			Description: "Delete all tags of a namespace.", Operations: ops("DELETE", "/v2/metadefs/namespaces/{namespace}/tags")},
		{Name: "get_metadef_tag", Check: "rule:metadef_default",
			Description: "Show a tag.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}")},
		{Name: "add_metadef_tag", Check: "rule:metadef_admin",
			Description: "Define a tag.", Operations: ops("POST", "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}")},
		{Name: "modify_metadef_tag", Check: "rule:metadef_admin",
			Description: "Rename a tag.", Operations: ops("PUT", "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}")},
		{Name: "delete_metadef_tag", Check: "rule:metadef_admin",
			Description: "Delete a tag.", Operations: ops("DELETE", "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}")},
		{Name: "get_metadef_resource_type", Check: "rule:metadef_default",
			Description: "List the resource types that a namespace is for.", Operations: ops("GET", "/v2/metadefs/namespaces/{namespace}/resource_types")},
		{Name: "add_metadef_resource_type_association", Check: "rule:metadef_admin",
			Description: "Have a namespace be for a resource type.", Operations: ops("POST", "/v2/metadefs/namespaces/{namespace}/resource_types")},
		{Name: "remove_metadef_resource_type_association", Check: "rule:metadef_admin",
			Description: "End that a namespace is for a resource type.", Operations: ops("DELETE", "/v2/metadefs/namespaces/{namespace}/resource_types/{resource_type}")},
	}
}
