package image

import (
	"slices"

	"virga/core/api"
)

// routes is the API of the service, in the order of its addresses.
func (s *Service) routes() []api.Route {
	return slices.Concat(s.ownRoutes(), s.metadefRoutes(), s.operations().Routes(), s.events.Routes())
}

// ownRoutes are the rows but those of metadata definitions, operations and events.
func (s *Service) ownRoutes() []api.Route {
	return []api.Route{
		{Method: "GET", Path: "/", Public: true, Handle: s.versionsOffer, Doc: "offers the versions of the API"},
		{Method: "GET", Path: "/versions", Public: true, Handle: s.versionsList, Doc: "lists the versions of the API"},
		{Method: "GET", Path: "/v2", Public: true, Handle: s.versionsOffer, Doc: "offers the versions of the API"},

		{Method: "GET", Path: "/v2/images", Policy: "get_images", Handle: s.imageList, Doc: "lists images, filtered, sorted and paged"},
		{Method: "POST", Path: "/v2/images", Policy: "add_image", Handle: s.imageCreate, Body: "image", Status: 201, Doc: "creates an image without data"},
		{Method: "GET", Path: "/v2/images/{image_id}", Policy: "get_image", Load: s.loadImage, Handle: s.imageShow, Doc: "shows an image"},
		{Method: "PATCH", Path: "/v2/images/{image_id}", Policy: "modify_image", Load: s.loadImage, Handle: s.imageUpdate, Body: "image_patch", Doc: "changes an image's attributes by JSON patch"},
		{Method: "DELETE", Path: "/v2/images/{image_id}", Policy: "delete_image", Load: s.loadImage, Handle: s.imageDelete, Doc: "deletes an image and its data"},

		{Method: "POST", Path: "/v2/images/{image_id}/actions/deactivate", Policy: "deactivate", Load: s.loadImage, Handle: s.imageDeactivate, Doc: "stops downloads of an image"},
		{Method: "POST", Path: "/v2/images/{image_id}/actions/reactivate", Policy: "reactivate", Load: s.loadImage, Handle: s.imageReactivate, Doc: "allows downloads of an image again"},

		{Method: "GET", Path: "/v2/images/{image_id}/file", Policy: "download_image", Load: s.loadImage, Handle: s.dataDownload, Raw: true, Doc: "downloads an image's data or a range of it"},
		{Method: "PUT", Path: "/v2/images/{image_id}/file", Policy: "upload_image", Load: s.loadImage, Handle: s.dataUpload, Raw: true, Doc: "uploads an image's data"},

		{Method: "GET", Path: "/v2/images/{image_id}/members", Policy: "get_members", Load: s.loadImage, Handle: s.memberList, Doc: "lists the projects that an image is shared with"},
		{Method: "POST", Path: "/v2/images/{image_id}/members", Policy: "add_member", Load: s.loadImage, Handle: s.memberCreate, Body: "member_create", Doc: "shares an image with a project"},
		{Method: "GET", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "get_member", Load: s.loadMember, Handle: s.memberShow, Doc: "shows a member of an image"},
		{Method: "PUT", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "modify_member", Load: s.loadMember, Handle: s.memberUpdate, Body: "member_update", Doc: "accepts or rejects a shared image"},
		{Method: "DELETE", Path: "/v2/images/{image_id}/members/{member_id}", Policy: "delete_member", Load: s.loadMember, Handle: s.memberDelete, Doc: "stops sharing an image with a project"},

		{Method: "PUT", Path: "/v2/images/{image_id}/tags/{tag}", Policy: "modify_image", Load: s.loadImage, Handle: s.tagAdd, Doc: "gives an image a tag"},
		{Method: "DELETE", Path: "/v2/images/{image_id}/tags/{tag}", Policy: "modify_image", Load: s.loadImage, Handle: s.tagRemove, Doc: "takes a tag from an image"},

		{Method: "POST", Path: "/v2/images/{image_id}/import", Policy: "modify_image", Load: s.loadImage, Handle: s.imageImport, Body: "image_import", Status: 202, Doc: "imports an image's data from where it is"},
		{Method: "PUT", Path: "/v2/images/{image_id}/stage", Policy: "upload_image", Load: s.loadImage, Handle: s.imageStage, Raw: true, Doc: "stages an image's data for an import"},
		{Method: "GET", Path: "/v2/images/{image_id}/locations", Policy: "fetch_image_location", Load: s.loadImage, Handle: s.locationList, Doc: "lists the places of an image's data"},
		{Method: "POST", Path: "/v2/images/{image_id}/locations", Policy: "add_image_location", Load: s.loadImage, Handle: s.locationAdd, Body: "location_add", Status: 202, Doc: "makes a URL the place of an image's data"},

		{Method: "GET", Path: "/v2/images/{image_id}/tasks", Policy: "get_image", Load: s.loadImage, Handle: s.imageTaskList, Doc: "lists the import tasks of an image"},

		{Method: "GET", Path: "/v2/cache", Policy: "cache_list", Handle: s.cacheShow, Doc: "lists the images in the cache and in its queue"},
		{Method: "DELETE", Path: "/v2/cache", Policy: "cache_delete", Handle: s.cacheClear, Doc: "clears the cache, its queue, or both"},
		{Method: "PUT", Path: "/v2/cache/{image_id}", Policy: "cache_image", Load: s.loadImage, Handle: s.cacheQueue, Status: 202, Doc: "queues an image for the cache"},
		{Method: "DELETE", Path: "/v2/cache/{image_id}", Policy: "cache_delete", Handle: s.cacheRemove, Doc: "removes an image from the cache and its queue"},

		{Method: "GET", Path: "/v2/info/import", Policy: "public_api", Handle: s.importShow, Doc: "tells the import methods"},
		{Method: "GET", Path: "/v2/info/stores", Policy: "public_api", Handle: s.storeList, Doc: "lists the stores"},
		{Method: "GET", Path: "/v2/info/stores/detail", Policy: "stores_info_detail", Handle: s.storeDetailList, Doc: "lists the stores with what they are"},
		{Method: "GET", Path: "/v2/info/usage", Policy: "public_api", Handle: s.usageShow, Doc: "tells the caller's usage of limited resources"},

		{Method: "GET", Path: "/internal/pending", Policy: "image:scrub", Handle: s.pendingList, Doc: "lists deleted images whose data is kept"},
		{Method: "DELETE", Path: "/internal/pending/{image_id}", Policy: "image:scrub", Handle: s.pendingScrub, Doc: "removes the data of a deleted image"},
		{Method: "POST", Path: "/internal/pending/{image_id}/restore", Policy: "image:scrub", Handle: s.pendingRestore, Doc: "restores a deleted image"},

		{Method: "GET", Path: "/v2/schemas/image", Policy: "public_api", Handle: s.schemaShow("image"), Doc: "the schema of an image"},
		{Method: "GET", Path: "/v2/schemas/images", Policy: "public_api", Handle: s.schemaShow("images"), Doc: "the schema of a list of images"},
		{Method: "GET", Path: "/v2/schemas/member", Policy: "public_api", Handle: s.schemaShow("member"), Doc: "the schema of a member"},
		{Method: "GET", Path: "/v2/schemas/task", Policy: "public_api", Handle: s.schemaShow("task"), Doc: "the schema of a task"},
		{Method: "GET", Path: "/v2/schemas/tasks", Policy: "public_api", Handle: s.schemaShow("tasks"), Doc: "the schema of a list of tasks"},
		{Method: "GET", Path: "/v2/schemas/members", Policy: "public_api", Handle: s.schemaShow("members"), Doc: "the schema of a list of members"},

		{Method: "DELETE", Path: "/v2/stores/{store_id}/{image_id}", Policy: "delete_image_location", Load: s.loadImage, Handle: s.storeRemove, Doc: "takes an image's data out of one of its stores"},
		{Method: "PUT", Path: "/internal/images/{image_id}/uploader", Policy: "image:delegate_upload", Load: s.loadImage, Handle: s.uploaderSet, Body: "uploader", Doc: "lets a node upload an image's data"},
		{Method: "DELETE", Path: "/internal/images/{image_id}/uploader", Policy: "image:delegate_upload", Load: s.loadImage, Handle: s.uploaderUnset, Doc: "takes that right away"},

		{Method: "GET", Path: "/v2/tasks", Policy: "tasks_api_access", Handle: s.taskList, Doc: "lists the tasks of all projects"},
		{Method: "POST", Path: "/v2/tasks", Policy: "tasks_api_access", Handle: s.taskCreate, Body: "task_create", Status: 201, Doc: "makes an image and imports its data"},
		{Method: "GET", Path: "/v2/tasks/{task_id}", Policy: "tasks_api_access", Handle: s.taskShow, Doc: "shows a task"},
	}
}
