package compute

import (
	"strings"
	"testing"
)

func TestImagePropertiesMustMeanSomething(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		properties map[string]string
		want       string // empty: it is fine
	}{
		"nothing":             {},
		"somebody's own":      {properties: map[string]string{"hw_colour": "green", "notes": "x"}},
		"known words":         {properties: map[string]string{"hw_video_model": "vga", "os_type": "Windows", "hw_vif_model": "VirtualE1000", "hw_rng_model": "virtio"}},
		"a flag of any sort":  {properties: map[string]string{"hw_boot_menu": "perhaps"}},
		"an unknown video":    {properties: map[string]string{"hw_video_model": "matrox"}, want: "Invalid image metadata. Error: Field value matrox is invalid"},
		"case that matters":   {properties: map[string]string{"hw_video_model": "VGA"}, want: "Invalid image metadata. Error: Field value VGA is invalid"},
		"a number that is no": {properties: map[string]string{"hw_video_ram": "much"}, want: "Invalid image metadata. Error: invalid literal for int() with base 10: 'much'"},
		"config drive":        {properties: map[string]string{"img_config_drive": "never"}, want: "Image's config drive option 'never' is invalid"},
		"an old processor":    {properties: map[string]string{"architecture": "i386"}},
		"an unknown processor": {properties: map[string]string{"architecture": "z80"},
			want: "Invalid image metadata. Error: Architecture name 'z80' is not valid"},
	} {
		err := checkGuest(&flavorSnapshot{Name: "f"}, &imageSnapshot{Name: "i", Properties: test.properties})
		if got := textOf(err); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// textOf is what a refusal with 400 says; empty: there is none.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimPrefix(err.Error(), "400 ")
}
