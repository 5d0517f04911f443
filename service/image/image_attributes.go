package image

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"virga/core/api"
	"virga/service/image/inspect"
)

// attribute sets one attribute of an image from JSON. Clients set attributes through this
// table alone; what is neither in it nor refused by checkSettable is a property.
type attribute func(img *image, value json.RawMessage) error

// containerFormats are the container formats of Glance's defaults.
func containerFormats() []string {
	return []string{"ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"}
}

func attributes() map[string]attribute {
	return map[string]attribute{
		"name":             textAttribute("name", func(img *image) *string { return &img.Name }),
		"owner":            textAttribute("owner", func(img *image) *string { return &img.Owner }),
		"disk_format":      formatAttribute("disk_format", inspect.Formats(), func(img *image) *string { return &img.DiskFormat }),
		"container_format": formatAttribute("container_format", containerFormats(), func(img *image) *string { return &img.ContainerFormat }),
		"min_disk":         numberAttribute("min_disk", func(img *image) *int64 { return &img.MinDisk }),
		"min_ram":          numberAttribute("min_ram", func(img *image) *int64 { return &img.MinRAM }),
		"protected":        flagAttribute("protected", func(img *image) *bool { return &img.Protected }),
		"os_hidden":        flagAttribute("os_hidden", func(img *image) *bool { return &img.Hidden }),
		"visibility":       setVisibility,
		"tags":             setTags,
	}
}

// readOnly are attributes that follow from the image and its data.
func readOnly() []string {
	return []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self",
		"file", "schema", "stores", "id", "os_hash_algo", "os_hash_value"}
}

// checkSettable refuses attributes that no client may set. Above all these are the ways to
// name where data resides (OSSA-2014-041): content comes in as bytes or not at all.
func (s *Service) checkSettable(name string) error {
	switch {
	case slices.Contains(readOnly(), name):
		return errReadOnly(name)
	case name == "location", name == "locations", name == "deleted", name == "deleted_at", strings.HasPrefix(name, "os_glance_"):
		return errReserved(name)
	}
	return nil
}

// setAttribute sets an attribute, or a property when no attribute has the name.
func (s *Service) setAttribute(img *image, name string, value json.RawMessage) error {
	if set := s.attributes[name]; set != nil {
		return set(img, value)
	}
	if name == "" {
		return api.BadRequest("A custom property needs a name.")
	}
	if utf8.RuneCountInString(name) > maxText {
		return api.BadRequest("Custom property should not be greater than 255 characters.")
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return api.BadRequest("Property %s must be a string.", name)
	}
	if strings.ContainsRune(name+*text, 0) {
		return errNUL(name)
	}
	img.Properties[name] = *text
	return nil
}

func wrongType(name string) error {
	return api.BadRequest("Invalid input for field/attribute %s: the value is not of the right type.", name)
}

func errNUL(name string) error {
	return api.BadRequest("Invalid input for field/attribute %s: it holds a NUL character.", strings.ReplaceAll(name, "\x00", ""))
}

// checkText refuses what does not fit where names and tags are kept.
func checkText(name, text string) error {
	switch {
	case utf8.RuneCountInString(text) > maxText:
		return api.BadRequest("Invalid input for field/attribute %s: more than %d characters.", name, maxText)
	case !utf8.ValidString(text):
		return api.BadRequest("Invalid input for field/attribute %s: it is not UTF-8.", name)
	case strings.ContainsRune(text, 0):
		return errNUL(name)
	}
	return nil
}

// textAttribute is a text that may be null.
func textAttribute(name string, field func(*image) *string) attribute {
	return func(img *image, value json.RawMessage) error {
		var text *string
		if err := json.Unmarshal(value, &text); err != nil {
			return wrongType(name)
		}
		if text == nil {
			*field(img) = ""
			return nil
		}
		if err := checkText(name, *text); err != nil {
			return err
		}
		*field(img) = *text
		return nil
	}
}

// formatAttribute is a format, which is fixed once data has come or is on its way.
func formatAttribute(name string, known []string, field func(*image) *string) attribute {
	return func(img *image, value json.RawMessage) error {
		var text *string
		if err := json.Unmarshal(value, &text); err != nil {
			return wrongType(name)
		}
		if text != nil && !slices.Contains(known, *text) {
			return api.BadRequest("Invalid %s '%s' for image. It must be one of: %s.", name, *text, strings.Join(known, ", "))
		}
		if img.Status != statusQueued {
			return api.Forbidden("Attribute %s can be only replaced for a queued image.", name)
		}
		*field(img) = ""
		if text != nil {
			*field(img) = *text
		}
		return nil
	}
}

func numberAttribute(name string, field func(*image) *int64) attribute {
	return func(img *image, value json.RawMessage) error {
		var number *int64
		if err := json.Unmarshal(value, &number); err != nil || number == nil {
			return wrongType(name)
		}
		if *number < 0 || *number > math.MaxInt32 {
			return api.BadRequest("Invalid value '%d' for parameter '%s': it must be from 0 to %d.", *number, name, math.MaxInt32)
		}
		*field(img) = *number
		return nil
	}
}

func flagAttribute(name string, field func(*image) *bool) attribute {
	return func(img *image, value json.RawMessage) error {
		var flag *bool
		if err := json.Unmarshal(value, &flag); err != nil || flag == nil {
			return wrongType(name)
		}
		*field(img) = *flag
		return nil
	}
}

func setVisibility(img *image, value json.RawMessage) error {
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		return wrongType("visibility")
	}
	switch text {
	case visibilityPrivate, visibilityShared, visibilityCommunity, visibilityPublic:
		img.Visibility = text
		return nil
	}
	return api.BadRequest(`Visibility must be one of "community", "public", "private", or "shared"`)
}

func setTags(img *image, value json.RawMessage) error {
	var tags []*string
	if err := json.Unmarshal(value, &tags); err != nil || tags == nil {
		return wrongType("tags")
	}
	texts := make([]string, len(tags))
	for i, tag := range tags {
		if tag == nil {
			return wrongType("tags")
		}
		if err := checkText("tags", *tag); err != nil {
			return err
		}
		texts[i] = *tag
	}
	img.setTags(texts)
	return nil
}
