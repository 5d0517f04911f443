package configdrive

import (
	"fmt"
	"strings"
	"time"
)

// Label is the volume label by which a guest finds its config drive.
const Label = "config-2"

// Drive holds the documents of one config drive; a nil document is left out.
//
// The layout is that of nova's metadata guide: openstack/latest holds the OpenStack form, ec2/latest the EC2 form.
type Drive struct {
	MetaData    []byte // openstack/latest/meta_data.json; required
	UserData    []byte // openstack/latest/user_data and ec2/latest/user-data, byte for byte as the user gave it
	NetworkData []byte // openstack/latest/network_data.json
	VendorData  []byte // openstack/latest/vendor_data.json
	VendorData2 []byte // openstack/latest/vendor_data2.json
	EC2MetaData []byte // ec2/latest/meta-data.json

	// Content holds injected files by the name below openstack/content that meta_data.json gives them ("0000", "0001", …).
	Content map[string][]byte

	// Time stamps every file; a fixed time (the server's creation) makes repeats byte-equal.
	Time time.Time
}

// Build renders the drive as an ISO 9660 image, a multiple of 2048 bytes long.
func Build(drive Drive) ([]byte, error) {
	if drive.MetaData == nil {
		return nil, fmt.Errorf("build config drive: no meta_data.json")
	}
	files := map[string][]byte{}
	for path, data := range map[string][]byte{
		"openstack/latest/meta_data.json":    drive.MetaData,
		"openstack/latest/user_data":         drive.UserData,
		"openstack/latest/network_data.json": drive.NetworkData,
		"openstack/latest/vendor_data.json":  drive.VendorData,
		"openstack/latest/vendor_data2.json": drive.VendorData2,
		"ec2/latest/meta-data.json":          drive.EC2MetaData,
		"ec2/latest/user-data":               drive.UserData,
	} {
		if data != nil {
			files[path] = data
		}
	}
	for name, data := range drive.Content {
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return nil, fmt.Errorf("build config drive: content name %q", name)
		}
		files["openstack/content/"+name] = data
	}
	image, err := writeISO(Label, drive.Time, files)
	if err != nil {
		return nil, fmt.Errorf("build config drive: %w", err)
	}
	return image, nil
}
