package compute

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"regexp"

	"virga/core/api"
	"virga/core/db"
)

// rebuildFields bounds the fields of a rebuild that not every version has.
var rebuildFields = map[string]struct{ since, until api.Version }{
	"description":                {since: vDescription},
	"key_name":                   {since: vRebuildKey},
	"personality":                {until: before(vNoPersonality)},
	"user_data":                  {since: vNoPersonality},
	"trusted_image_certificates": {since: vCertificates},
	"hostname":                   {since: vHostname},
}

// rebuildBody is the argument of a rebuild. Where null means something a field says whether it was given.
type rebuildBody struct {
	Name              *string           `json:"name"`
	ImageRef          *string           `json:"imageRef"`
	AdminPass         *string           `json:"adminPass"`
	Metadata          map[string]string `json:"metadata"`
	PreserveEphemeral *flexBool         `json:"preserve_ephemeral"`
	DiskConfig        *string           `json:"OS-DCF:diskConfig"`
	AccessIPv4        *string           `json:"accessIPv4"`
	AccessIPv6        *string           `json:"accessIPv6"`
	Personality       []personality     `json:"personality"`
	Description       *string           `json:"description"`
	KeyName           *string           `json:"key_name"`
	UserData          *string           `json:"user_data"`
	Certificates      []string          `json:"trusted_image_certificates"`
	HostName          *string           `json:"hostname"`
}

var uuidPattern = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

// readRebuild reads the argument; given are the names of the fields that are there.
func readRebuild(r *api.Request, argument json.RawMessage) (in rebuildBody, given map[string]json.RawMessage, err error) {
	if err := readStrictly("rebuild", argument, &in); err != nil {
		return in, nil, err
	}
	if err := json.Unmarshal(argument, &given); err != nil {
		return in, nil, api.BadRequest("Invalid input for field/attribute rebuild.")
	}
	for name, bounds := range rebuildFields {
		if _, there := given[name]; there && !r.Relaxed() && !inVersion(r.Version, bounds.since, bounds.until) {
			return in, nil, unexpectedField("rebuild", name)
		}
	}
	switch {
	case in.ImageRef == nil:
		return in, nil, requiredField("rebuild", "imageRef")
	case !uuidPattern.MatchString(*in.ImageRef):
		return in, nil, api.BadRequest("Invalid input for field/attribute imageRef. Value: %s. '%s' is not a 'uuid'", oneLine(*in.ImageRef, 60), oneLine(*in.ImageRef, 60))
	case in.DiskConfig != nil && *in.DiskConfig != "AUTO" && *in.DiskConfig != "MANUAL":
		return in, nil, api.BadRequest("Invalid input for field/attribute OS-DCF:diskConfig. Value: %s. It is AUTO or MANUAL.", oneLine(*in.DiskConfig, 60))
	case len(in.Certificates) > 0:
		return in, nil, api.BadRequest("trusted_image_certificates are not supported: image signatures are not verified here.")
	}
	return in, given, nil
}

func (s *Service) actionRebuild(ctx context.Context, r *api.Request, row *server, argument json.RawMessage) (any, error) {
	in, given, err := readRebuild(r, argument)
	if err != nil {
		return nil, err
	}
	after, err := s.rebuiltAs(ctx, r, row, &in, given)
	if err != nil {
		return nil, err
	}
	password, err := passwordOr(in.AdminPass)
	if err != nil {
		return nil, err
	}
	params := rebuildParams{After: after, PreserveEphemeral: in.PreserveEphemeral != nil && bool(*in.PreserveEphemeral)}
	_, err = s.start(ctx, r, "rebuild", opRebuild, params, func(row *server, t task) error {
		if row.Host == "" && t.state == "" && (row.VMState == vmActive || row.VMState == vmStopped || row.VMState == vmError) {
			return api.Conflict("Instance %s is not ready", row.ID)
		}
		return inStates("rebuild", vmActive, vmStopped, vmError)(row, t)
	}, func(tx *db.Tx, row *server) error {
		if !after.ConfigDrive {
			return nil
		}
		return s.putPassword(tx, row.ID, forBoot, password)
	})
	if err != nil {
		return nil, err
	}
	after.apply(row)
	return s.rebuildAnswer(ctx, r, row, after, password)
}

// rebuildAnswer is the server as it will be.
func (s *Service) rebuildAnswer(ctx context.Context, r *api.Request, row *server, after rebuilt, password string) (any, error) {
	document := s.updatedDocument
	if r.Version.AtLeast(vWholeUpdate) {
		document = s.serverDocument
	}
	made, err := document(ctx, r, row)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(made)
	if err != nil {
		return nil, err
	}
	var body struct {
		Server map[string]any `json:"server"`
	}
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, err
	}
	body.Server["adminPass"] = password
	if r.Version.AtLeast(vRebuildKey) {
		body.Server["key_name"] = orNull(after.KeyName)
	}
	if r.Version.AtLeast(vNoPersonality) {
		body.Server["user_data"] = orNull(after.UserData)
		delete(body.Server, "OS-EXT-SRV-ATTR:user_data") // what administrators see elsewhere, everybody sees here
	}
	return &api.Response{Status: http.StatusAccepted, Body: body}, nil
}

// rebuiltAs checks what is asked for and tells what becomes of the server.
func (s *Service) rebuiltAs(ctx context.Context, r *api.Request, row *server, in *rebuildBody, given map[string]json.RawMessage) (after rebuilt, err error) {
	err = s.db.Read(ctx, func(tx *db.Tx) error {
		userData, err := findUserData(tx, row.ID)
		after = rebuiltOf(row, userData)
		return err
	})
	if err != nil {
		return after, err
	}
	for _, check := range []func() error{
		func() error { return rebuildNames(r, in, given, &after) },
		func() error { return s.rebuildMetadata(ctx, row, in, &after) },
		func() error { return s.rebuildFiles(ctx, row.ProjectID, in, given, &after) },
		func() error { return s.rebuildKey(ctx, r, in, given, &after) },
		func() error { return s.rebuildImage(ctx, r, row, *in.ImageRef, &after) },
	} {
		if err := check(); err != nil {
			return after, err
		}
	}
	after.ConfigDrive = after.ConfigDrive || in.AdminPass != nil || len(after.Files) > 0 // the one way in which they reach a guest
	return after, nil
}

func rebuildNames(r *api.Request, in *rebuildBody, given map[string]json.RawMessage, after *rebuilt) error {
	if in.Name != nil {
		if err := checkServerName(*in.Name); err != nil {
			return err
		}
		if len([]rune(*in.Name)) > 255 {
			return api.BadRequest("Invalid input for field/attribute name. Value: %s. '%s' is too long", oneLine(*in.Name, 60), oneLine(*in.Name, 60))
		}
		after.Name = *in.Name
	}
	if in.HostName != nil {
		if err := checkHostName(r, *in.HostName); err != nil {
			return err
		}
		after.HostName = *in.HostName
	}
	if _, there := given["description"]; there {
		if in.Description != nil && len([]rune(*in.Description)) > 255 {
			return api.BadRequest("Invalid input for field/attribute description. It has more than 255 characters.")
		}
		after.Description = in.Description
	}
	if in.DiskConfig != nil {
		after.DiskConfig = *in.DiskConfig
	}
	for _, field := range []struct {
		name     string
		from, to *string
		fits     func(netip.Addr) bool
	}{{"accessIPv4", in.AccessIPv4, &after.AccessIPv4, netip.Addr.Is4}, {"accessIPv6", in.AccessIPv6, &after.AccessIPv6, netip.Addr.Is6}} {
		if field.from == nil {
			continue
		}
		if address, err := netip.ParseAddr(*field.from); *field.from != "" && (err != nil || !field.fits(address)) {
			return api.BadRequest("Invalid input for field/attribute %s. Value: %s. It is not such an address.", field.name, oneLine(*field.from, 60))
		}
		*field.to = shortAddress(*field.from)
	}
	return nil
}

func (s *Service) rebuildMetadata(ctx context.Context, row *server, in *rebuildBody, after *rebuilt) error {
	if in.Metadata == nil {
		return nil
	}
	for key, value := range in.Metadata {
		if key == "" || len(key) > 255 || len(value) > 255 {
			return api.BadRequest("Invalid input for field/attribute metadata. Keys and values have at most 255 characters, and keys at least one.")
		}
	}
	after.Metadata = in.Metadata
	return s.db.Read(ctx, func(tx *db.Tx) error {
		limits, err := s.quotaLimits(tx, row.ProjectID)
		if err != nil {
			return err
		}
		if limit := limits[quotaMetadata]; limit >= 0 && int64(len(in.Metadata)) > limit {
			return api.Forbidden("Maximum number of metadata items exceeds %d", limit)
		}
		return nil
	})
}

// maxUserData is how many characters of base64 user data has at most.
const maxUserData = 65535

func (s *Service) rebuildFiles(ctx context.Context, projectID string, in *rebuildBody, given map[string]json.RawMessage, after *rebuilt) error {
	if in.Personality != nil {
		read := &createRequest{row: server{ProjectID: projectID}}
		if err := s.readFiles(ctx, &serverFields{Personality: in.Personality}, read); err != nil {
			return err
		}
		after.Files = read.row.Detail.Files
	}
	if _, there := given["user_data"]; !there {
		return nil
	}
	after.UserData = ""
	if in.UserData != nil {
		_, err := base64.StdEncoding.DecodeString(*in.UserData)
		if err != nil || len(*in.UserData) > maxUserData {
			return api.BadRequest("Invalid input for field/attribute user_data. It is not of the format 'base64', or too long")
		}
		after.UserData = *in.UserData
	}
	return nil
}

func (s *Service) rebuildKey(ctx context.Context, r *api.Request, in *rebuildBody, given map[string]json.RawMessage, after *rebuilt) error {
	if _, there := given["key_name"]; !there {
		return nil
	}
	after.KeyName, after.KeyPublic, after.KeyType = "", "", ""
	if in.KeyName == nil {
		return nil
	}
	err := s.db.Read(ctx, func(tx *db.Tx) error {
		k, err := findKeypair(tx, r.UserID(), *in.KeyName)
		if err == nil {
			after.KeyName, after.KeyPublic, after.KeyType = k.Name, k.PublicKey, k.Type
		}
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return api.BadRequest("Keypair %s not found for user %s", oneLine(*in.KeyName, 60), r.UserID())
	}
	return err
}

// rebuildImage finds the image, which has to fit the server's flavor. Its disk is a new one, whatever the present one stands on.
func (s *Service) rebuildImage(ctx context.Context, r *api.Request, row *server, id string, after *rebuilt) error {
	image, err := s.deps.Images.Image(as(ctx, r), id)
	if err != nil {
		if status := api.StatusOf(err); status >= 400 && status < 500 {
			return api.BadRequest("Cannot find image for rebuild").Because(err)
		}
		return unavailable("image", err)
	}
	image = sized(image)
	f := &flavor{MemoryMiB: row.Detail.Flavor.MemoryMiB, RootGiB: row.Detail.Flavor.RootGiB, Ephemeral: row.Detail.Flavor.Ephemeral,
		SwapMiB: row.Detail.Flavor.SwapMiB}
	if err := checkImage(&image, f); err != nil {
		return err
	}
	after.ImageID, after.Image, after.Disk, after.GrownGiB = image.ID, snapshotOf(&image), nil, 0
	after.DiskGiB = diskOf(f, &after.Image)
	after.ConfigDrive = after.ConfigDrive || image.Properties["img_config_drive"] == "mandatory"
	if err := s.addKernel(ctx, r, &after.Image, row.MemoryMiB); err != nil {
		return err
	}
	if err := checkGuest(&row.Detail.Flavor, &after.Image); err != nil {
		return err
	}
	if err := checkRebuildCPUs(&row.Detail.Flavor, &row.Detail.Image, &after.Image); err != nil {
		return err
	}
	anew := *row
	after.apply(&anew)
	return checkDiskCount(&anew)
}
