package conf

import (
	"strings"
	"testing"
)

func TestImportSettings(t *testing.T) {
	good := Imports{ImportMethods: []string{"none"}, ImportSchemes: []string{"https"}, ImportAllow: []string{"10.0.0.0/8", "fd00::/8"}}
	if err := good.complete(); err != nil || len(good.ImportMethods) != 0 || good.ImportMethods == nil || len(good.ImportNetworks()) != 2 {
		t.Errorf("%+v: %v", good, err)
	}
	for name, bad := range map[string]Imports{
		"quota-images, quota-image-size, quota-images-uploading": {QuotaImageSize: 1 << 43},
		"import-method": {ImportMethods: []string{"glance-upload"}}, "import-scheme": {ImportSchemes: []string{"file"}}, "import-allow": {ImportAllow: []string{"10.0.0.1/8"}},
	} {
		if err := bad.complete(); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
