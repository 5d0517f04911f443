package image

import "virga/core/api"

// metadefRoutes are the rows of metadata definitions.
func (s *Service) metadefRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/v2/metadefs/namespaces", Policy: "get_metadef_namespaces", Handle: s.namespaceList, Doc: "lists namespaces of metadata definitions"},
		{Method: "POST", Path: "/v2/metadefs/namespaces", Policy: "add_metadef_namespace", Handle: s.namespaceCreate, Body: "metadef_namespace", Status: 201, Doc: "creates a namespace with its definitions"},
		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}", Policy: "get_metadef_namespace", Load: s.loadNamespace, Handle: s.namespaceShow, Doc: "shows a namespace with its definitions"},
		{Method: "PUT", Path: "/v2/metadefs/namespaces/{namespace}", Policy: "modify_metadef_namespace", Load: s.loadNamespace, Handle: s.namespaceUpdate, Body: "metadef_namespace", Doc: "replaces what a namespace is"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}", Policy: "delete_metadef_namespace", Load: s.loadNamespace, Handle: s.namespaceDelete, Doc: "deletes a namespace and its definitions"},

		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/objects", Policy: "get_metadef_objects", Load: s.loadNamespace, Handle: s.objectList, Doc: "lists the objects of a namespace"},
		{Method: "POST", Path: "/v2/metadefs/namespaces/{namespace}/objects", Policy: "add_metadef_object", Load: s.loadNamespace, Handle: s.definitionCreate(definedObject), Body: "metadef_object", Status: 201, Doc: "defines an object"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/objects", Policy: "delete_metadef_object", Load: s.loadNamespace, Handle: s.definitionsDelete(definedObject), Doc: "deletes all objects of a namespace"},
		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/objects/{object_name}", Policy: "get_metadef_object", Load: s.loadNamespace, Handle: s.definitionShow(definedObject, "object_name"), Doc: "shows an object"},
		{Method: "PUT", Path: "/v2/metadefs/namespaces/{namespace}/objects/{object_name}", Policy: "modify_metadef_object", Load: s.loadNamespace, Handle: s.definitionUpdate(definedObject, "object_name"), Body: "metadef_object", Doc: "replaces an object"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/objects/{object_name}", Policy: "delete_metadef_object", Load: s.loadNamespace, Handle: s.definitionDelete(definedObject, "object_name"), Doc: "deletes an object"},

		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/properties", Policy: "get_metadef_properties", Load: s.loadNamespace, Handle: s.propertyList, Doc: "lists the properties of a namespace"},
		{Method: "POST", Path: "/v2/metadefs/namespaces/{namespace}/properties", Policy: "add_metadef_property", Load: s.loadNamespace, Handle: s.definitionCreate(definedProperty), Body: "metadef_property", Status: 201, Doc: "defines a property"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/properties", Policy: "remove_metadef_property", Load: s.loadNamespace, Handle: s.definitionsDelete(definedProperty), Doc: "deletes all properties of a namespace"},
		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/properties/{property_name}", Policy: "get_metadef_property", Load: s.loadNamespace, Handle: s.propertyShow, Doc: "shows a property"},
		{Method: "PUT", Path: "/v2/metadefs/namespaces/{namespace}/properties/{property_name}", Policy: "modify_metadef_property", Load: s.loadNamespace, Handle: s.definitionUpdate(definedProperty, "property_name"), Body: "metadef_property", Doc: "replaces a property"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/properties/{property_name}", Policy: "remove_metadef_property", Load: s.loadNamespace, Handle: s.definitionDelete(definedProperty, "property_name"), Doc: "deletes a property"},

		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/tags", Policy: "get_metadef_tags", Load: s.loadNamespace, Handle: s.tagList, Doc: "lists the tags of a namespace"},
		{Method: "POST", Path: "/v2/metadefs/namespaces/{namespace}/tags", Policy: "add_metadef_tags", Load: s.loadNamespace, Handle: s.tagsReplace, Body: "metadef_tags", Status: 201, Doc: "replaces or adds to the tags of a namespace"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/tags", Policy: "delete_metadef_tags", Load: s.loadNamespace, Handle: s.definitionsDelete(definedTag), Doc: "deletes all tags of a namespace"},
		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}", Policy: "get_metadef_tag", Load: s.loadNamespace, Handle: s.definitionShow(definedTag, "tag_name"), Doc: "shows a tag"},
		{Method: "POST", Path: "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}", Policy: "add_metadef_tag", Load: s.loadNamespace, Handle: s.tagDefine, Status: 201, Doc: "defines a tag"},
		{Method: "PUT", Path: "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}", Policy: "modify_metadef_tag", Load: s.loadNamespace, Handle: s.definitionUpdate(definedTag, "tag_name"), Body: "metadef_tag", Doc: "renames a tag"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/tags/{tag_name}", Policy: "delete_metadef_tag", Load: s.loadNamespace, Handle: s.definitionDelete(definedTag, "tag_name"), Doc: "deletes a tag"},

		{Method: "GET", Path: "/v2/metadefs/namespaces/{namespace}/resource_types", Policy: "get_metadef_resource_type", Load: s.loadNamespace, Handle: s.associationList, Doc: "lists the resource types that a namespace is for"},
		{Method: "POST", Path: "/v2/metadefs/namespaces/{namespace}/resource_types", Policy: "add_metadef_resource_type_association", Load: s.loadNamespace, Handle: s.definitionCreate(definedResourceType), Body: "metadef_association", Status: 201, Doc: "has a namespace be for a resource type"},
		{Method: "DELETE", Path: "/v2/metadefs/namespaces/{namespace}/resource_types/{resource_type}", Policy: "remove_metadef_resource_type_association", Load: s.loadNamespace, Handle: s.definitionDelete(definedResourceType, "resource_type"), Doc: "ends that a namespace is for a resource type"},

		{Method: "GET", Path: "/v2/metadefs/resource_types", Policy: "list_metadef_resource_types", Handle: s.resourceTypeList, Doc: "lists the known resource types"},

		{Method: "GET", Path: "/v2/schemas/metadefs/namespace", Policy: "public_api", Handle: s.schemaShow("metadefs/namespace"), Doc: "the schema of namespace in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/namespaces", Policy: "public_api", Handle: s.schemaShow("metadefs/namespaces"), Doc: "the schema of namespaces in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/resource_type", Policy: "public_api", Handle: s.schemaShow("metadefs/resource_type"), Doc: "the schema of resource_type in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/resource_types", Policy: "public_api", Handle: s.schemaShow("metadefs/resource_types"), Doc: "the schema of resource_types in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/object", Policy: "public_api", Handle: s.schemaShow("metadefs/object"), Doc: "the schema of object in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/objects", Policy: "public_api", Handle: s.schemaShow("metadefs/objects"), Doc: "the schema of objects in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/property", Policy: "public_api", Handle: s.schemaShow("metadefs/property"), Doc: "the schema of property in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/properties", Policy: "public_api", Handle: s.schemaShow("metadefs/properties"), Doc: "the schema of properties in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/tag", Policy: "public_api", Handle: s.schemaShow("metadefs/tag"), Doc: "the schema of tag in metadata definitions"},
		{Method: "GET", Path: "/v2/schemas/metadefs/tags", Policy: "public_api", Handle: s.schemaShow("metadefs/tags"), Doc: "the schema of tags in metadata definitions"},
	}
}
