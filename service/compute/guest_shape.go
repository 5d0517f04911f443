package compute

import (
	"virga/core/api"
)

// What a guest's hardware is follows from two snapshots alone, the flavor's extra specs and the image's properties, by
// the rules of nova/virt/hardware.py. This file holds what those rules share; guest_<part>.go hold the rules.

// asked is what a flavor and an image ask of a guest's hardware.
type asked struct {
	flavor *flavorSnapshot
	image  *imageSnapshot
}

// checkGuest tells whether there can be a guest of a flavor and an image: that each value means something, and that the
// two do not contradict each other. It is asked wherever one of them is chosen, and is a 400 in nova's words.
func checkGuest(flavor *flavorSnapshot, image *imageSnapshot) error {
	a := asked{flavor, image}
	for _, check := range []func(asked) error{checkImageProperties, checkDevices, checkSecrets, checkDisks, checkCPUs} {
		if err := check(a); err != nil {
			return err
		}
	}
	return nil
}

// spec is an extra spec of the flavor; empty: there is none.
func (a asked) spec(name string) string { return a.flavor.ExtraSpecs[name] }

// property is a property of the image; empty: there is none.
func (a asked) property(name string) string { return a.image.Properties[name] }

// specFlag is a flag of the flavor. Like nova, it takes for false what is neither.
func (a asked) specFlag(name string) (value, given bool) { return flagOf(a.flavor.ExtraSpecs, name) }

// propertyFlag is a flag of the image.
func (a asked) propertyFlag(name string) (value, given bool) {
	return flagOf(a.image.Properties, name)
}

func flagOf(from map[string]string, name string) (value, given bool) {
	text, given := from[name]
	value, _ = api.ParseBool(text)
	return value, given
}

// flag is a flag that flavor (PREFIX:KEY) and image (PREFIX_KEY) may set, alike if both do.
func (a asked) flag(prefix, key string) (value, given bool, err error) {
	flavor, inFlavor := a.specFlag(prefix + ":" + key)
	image, inImage := a.propertyFlag(prefix + "_" + key)
	if inFlavor && inImage && flavor != image {
		return false, false, a.conflict(prefix, key, pythonBool(flavor), pythonBool(image))
	}
	return flavor || image, inFlavor || inImage, nil
}

// word is a word that flavor (PREFIX:KEY) and image (PREFIX_KEY) may set, alike if both do; empty: neither does.
func (a asked) word(prefix, key string) (string, error) {
	flavor, image := a.spec(prefix+":"+key), a.property(prefix+"_"+key)
	if flavor != "" && image != "" && flavor != image {
		return "", a.conflict(prefix, key, flavor, image)
	}
	if flavor != "" {
		return flavor, nil
	}
	return image, nil
}

func (a asked) conflict(prefix, key, flavor, image string) error {
	return api.BadRequest("Flavor %s has %s:%s extra spec explicitly set to %s, conflicting with image %s which has %s_%s explicitly set to %s.",
		a.flavor.Name, prefix, key, oneLine(flavor, 60), oneLine(a.image.Name, 100), prefix, key, oneLine(image, 60))
}

// pythonBool is a flag as nova's texts show it.
func pythonBool(value bool) string {
	if value {
		return "True"
	}
	return "False"
}
