package image

import (
	"slices"

	"virga/core/api/events"
	"virga/core/api/operations"
	"virga/core/authz"
)

// Checks that several rules share. Node agents and services may read every image: they
// cache images for servers whose owners could see them when the server was made.
const (
	checkAdmin   = "rule:context_is_admin"
	checkInside  = checkAdmin + " or role:service or role:node"
	checkSeen    = "project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or 'public':%(visibility)s"
	checkOwner   = checkAdmin + " or (role:member and project_id:%(project_id)s)"
	checkReaders = checkAdmin + " or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))"
)

// rules are the service's policy rules with Glance's names. The target of a rule has the
// image's project_id, owner, visibility, image_id, status and protected, and member_id:
// the caller's project where the image is shared with it.
func rules() []authz.Rule {
	own := []authz.Rule{
		{Name: "add_image", Check: checkOwner,
			Description: "Create an image, in the target's project.", Operations: ops("POST", "/v2/images")},
		{Name: "delete_image", Check: checkOwner,
			Description: "Delete an image.", Operations: ops("DELETE", "/v2/images/{image_id}")},
		{Name: "get_image", Check: checkInside + " or (role:reader and (" + checkSeen + "))",
			Description: "See an image. Whom this rule refuses an image, for him it does not exist.",
			Operations:  ops("GET", "/v2/images/{image_id}")},
		{Name: "get_images", Check: checkInside + " or role:reader",
			Description: "List images.", Operations: ops("GET", "/v2/images")},
		{Name: "modify_image", Check: checkOwner,
			Description: "Change an image's attributes, properties and tags.", Operations: ops("PATCH", "/v2/images/{image_id}")},
		{Name: "publicize_image", Check: checkAdmin,
			Description: "Make an image public.", Operations: ops("PATCH", "/v2/images/{image_id}")},
		{Name: "communitize_image", Check: checkOwner,
			Description: "Make an image a community image.", Operations: ops("PATCH", "/v2/images/{image_id}")},
		{Name: "download_image", Check: checkInside + " or (role:member and (" + checkSeen + "))",
			Description: "Download an image's data.", Operations: ops("GET", "/v2/images/{image_id}/file")},
		{Name: "upload_image", Check: checkOwner + " or (role:node and user_id:%(uploader)s)",
			Description: "Upload an image's data. A node may for the one image that a service told it to.", Operations: ops("PUT", "/v2/images/{image_id}/file")},
		{Name: "add_member", Check: checkOwner,
			Description: "Share an image with a project.", Operations: ops("POST", "/v2/images/{image_id}/members")},
		{Name: "delete_member", Check: checkOwner,
			Description: "Stop sharing an image with a project.", Operations: ops("DELETE", "/v2/images/{image_id}/members/{member_id}")},
		{Name: "get_member", Check: checkReaders,
			Description: "Show a member of an image.", Operations: ops("GET", "/v2/images/{image_id}/members/{member_id}")},
		{Name: "get_members", Check: checkReaders,
			Description: "List an image's members; who is a member sees itself alone.", Operations: ops("GET", "/v2/images/{image_id}/members")},
		{Name: "modify_member", Check: checkAdmin + " or (role:member and project_id:%(member_id)s)",
			Description: "Accept or reject an image that is shared with the project.", Operations: ops("PUT", "/v2/images/{image_id}/members/{member_id}")},
		{Name: "deactivate", Check: checkOwner,
			Description: "Stop downloads of an image.", Operations: ops("POST", "/v2/images/{image_id}/actions/deactivate")},
		{Name: "reactivate", Check: checkOwner,
			Description: "Allow downloads of a deactivated image again.", Operations: ops("POST", "/v2/images/{image_id}/actions/reactivate")},
		{Name: "stores_info_detail", Check: checkAdmin,
			Description: "See what the stores are.", Operations: ops("GET", "/v2/info/stores/detail")},
		{Name: "get_image_location", Check: checkAdmin + " or (role:reader and project_id:%(project_id)s)",
			Description: "See where an image's data is.", Operations: append(ops("GET", "/v2/images/{image_id}"), ops("DELETE", "/v2/stores/{store_id}/{image_id}")...)},
		{Name: "set_image_location", Check: checkOwner,
			Description: "Name URLs as where an image's data is, where locations are shown.", Operations: ops("PATCH", "/v2/images/{image_id}")},
		{Name: "add_image_location", Check: checkOwner + " or role:service",
			Description: "Make a URL the place of an image's data.", Operations: ops("POST", "/v2/images/{image_id}/locations")},
		{Name: "fetch_image_location", Check: "role:service",
			Description: "List the places of an image's data.", Operations: ops("GET", "/v2/images/{image_id}/locations")},
		{Name: "delete_image_location", Check: checkAdmin,
			Description: "Take an image's data out of a store.", Operations: append(ops("PATCH", "/v2/images/{image_id}"), ops("DELETE", "/v2/stores/{store_id}/{image_id}")...)},
		{Name: "cache_image", Check: checkAdmin,
			Description: "Queue an image for the cache.", Operations: ops("PUT", "/v2/cache/{image_id}")},
		{Name: "cache_list", Check: checkAdmin,
			Description: "List the images in the cache and in its queue.", Operations: ops("GET", "/v2/cache")},
		{Name: "cache_delete", Check: checkAdmin,
			Description: "Remove images from the cache and its queue.", Operations: append(ops("DELETE", "/v2/cache"), ops("DELETE", "/v2/cache/{image_id}")...)},
		{Name: "copy_image", Check: checkAdmin,
			Description: "Copy an image's data to more stores.", Operations: ops("POST", "/v2/images/{image_id}/import")},
		{Name: "tasks_api_access", Check: checkAdmin,
			Description: "See the tasks of all projects, and make tasks that import images.", Operations: append(ops("GET", "/v2/tasks"), append(ops("POST", "/v2/tasks"), ops("GET", "/v2/tasks/{task_id}")...)...)},
		{Name: "image:delegate_upload", Check: "role:service",
			Description: "Let a node upload an image's data.",
			Operations:  append(ops("PUT", "/internal/images/{image_id}/uploader"), ops("DELETE", "/internal/images/{image_id}/uploader")...)},
		{Name: "image:scrub", Check: checkAdmin,
			Description: "See, restore and scrub deleted images whose data is kept.", Operations: append(append(ops("GET", "/internal/pending"),
				ops("DELETE", "/internal/pending/{image_id}")...), ops("POST", "/internal/pending/{image_id}/restore")...)},
		{Name: "image:see_all", Check: checkInside,
			Description: "List the images of all projects, private ones included.", Operations: ops("GET", "/v2/images")},
	}
	return slices.Concat(authz.BaseRules(), own, metadefRules(), operations.Rules("image"), events.Rules("image"))
}

func ops(method, path string) []authz.Operation {
	return []authz.Operation{{Method: method, Path: path}}
}
