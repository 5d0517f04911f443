package conf

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestImageSettings(t *testing.T) {
	good := Images{ImageStores: []string{"fast=/var/fast", "slow=relative"}}
	if err := good.complete(); err != nil || len(good.FurtherImageStores()) != 2 || good.FurtherImageStores()[0] != (ImageStore{"fast", "/var/fast"}) ||
		!filepath.IsAbs(good.FurtherImageStores()[1].Dir) {
		t.Errorf("%+v: %v", good, err)
	}
	var many []string
	for i := range maxImageStores + 1 {
		many = append(many, fmt.Sprintf("s%d=/x", i))
	}
	for _, stores := range [][]string{{"x"}, {"=/x"}, {"x="}, {"file=/x"}, {"http=/x"}, {"a,b=/x"}, {"../x=/x"}, {"a=/x", "a=/y"}, {"os_glance_x=/x"}, many} {
		bad := Images{ImageStores: stores}
		if err := bad.complete(); err == nil || !strings.HasPrefix(err.Error(), "image-store: ") {
			t.Errorf("%v: %v", stores, err)
		}
	}
	for name, bad := range map[string]Images{"image-cache": {ImageCache: -1}, "image-idle-timeout": {ImageIdle: -1}, "image-delayed-delete": {DelayedDelete: -time.Second}} {
		if err := bad.complete(); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
