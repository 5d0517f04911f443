package image

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"virga/core/api"
	"virga/service/image/sums"
)

// Locations are what the Image API calls the places of an image's data. A client may name
// URLs of the web alone, which the same guard looks at that looks at URLs of imports; what a
// store keeps has a name that leads nowhere and is never accepted from outside.

const (
	// maxPlaces is how many places the data of an image may have.
	maxPlaces = 10
	// maxMetadata bounds the metadata of a place, in bytes.
	maxMetadata = 4 << 10
	// contentScheme begins the name of what a store keeps.
	contentScheme = "virga+file://"
)

// newPlace is a URL that a client names as where an image's data is.
type newPlace struct {
	URL        string            `json:"url"`
	Metadata   map[string]string `json:"metadata"`
	Validation *validation       `json:"validation_data"`
	// size is what the server tells; 0 before it was asked.
	size int64
}

// validation is what a client says of data that the service has not seen.
type validation struct {
	Checksum  string `json:"checksum"`
	HashAlgo  string `json:"os_hash_algo"`
	HashValue string `json:"os_hash_value"`
}

// locationView is a place as the API shows it.
type locationView struct {
	URL      string            `json:"url"`
	Metadata map[string]string `json:"metadata"`
}

func (s *Service) locationViews(img *image) []locationView {
	views := []locationView{}
	for _, p := range s.places(img) {
		metadata := map[string]string{"store": p.Store}
		for name, value := range p.Metadata {
			metadata[name] = value
		}
		views = append(views, locationView{URL: p.url(), Metadata: metadata})
	}
	return views
}

// url is the name of a place.
func (p place) url() string {
	if p.URL != "" {
		return p.URL
	}
	return contentScheme + p.Store + "/" + p.ContentID
}

// imageViewFor is an image as the caller may see it: with its locations, where they are shown.
func (s *Service) imageViewFor(r *api.Request, img *image) map[string]any {
	view := s.imageView(img)
	if s.deps.ShowLocations {
		view["locations"] = []locationView{}
		if r.Can("get_image_location", img.PolicyTarget()) {
			view["locations"] = s.locationViews(img)
		}
	}
	return view
}

// readLocations reads the value of a change of locations.
func (s *Service) readLocations(change *patchChange) error {
	if !s.deps.ShowLocations {
		return api.Forbidden("It's not allowed to %s locations if locations are invisible.", change.op)
	}
	if (change.op == "replace") == (change.at != "") {
		return api.BadRequest("Invalid JSON pointer for this resource: '/locations/%s'", change.at)
	}
	var err error
	switch change.op {
	case "add":
		var one newPlace
		err = json.Unmarshal(change.value, &one)
		change.places = []newPlace{one}
	case "replace":
		err = json.Unmarshal(change.value, &change.places)
	}
	if err != nil {
		return wrongType("locations")
	}
	for _, p := range change.places {
		if err := p.check(); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a place that has not the form of one.
func (p newPlace) check() error {
	size := 0
	for name, value := range p.Metadata {
		size += len(name) + len(value)
		if strings.ContainsRune(name+value, 0) {
			return errNUL("locations")
		}
	}
	switch {
	case p.Metadata == nil || p.URL == "":
		return api.BadRequest("Invalid input for field/attribute locations: a location has a url and metadata.")
	case utf8.RuneCountInString(p.URL) > maxText || size > maxMetadata:
		return api.BadRequest("Invalid input for field/attribute locations: the location is too long.")
	}
	return nil
}

// askSources asks the servers of the places that a patch would add for the size of what they
// have, as far as the patch may be meant seriously.
func (s *Service) askSources(ctx context.Context, r *api.Request, img *image, changes []patchChange) error {
	for _, change := range changes {
		if change.name != "locations" || change.op == "remove" || change.op == "replace" && len(s.places(img)) > 0 {
			continue
		}
		if err := r.May("set_image_location", img.PolicyTarget()); err != nil {
			return err
		}
		if len(change.places) > maxPlaces {
			return errPlaces(len(change.places))
		}
		for i := range change.places {
			size, err := s.askSource(ctx, change.places[i].URL)
			if err != nil {
				return err
			}
			change.places[i].size = size
		}
	}
	return nil
}

// askSource asks a server for the size of what it has at a URL. Whatever fails has one
// answer, which tells nothing of networks that only the service reaches.
func (s *Service) askSource(ctx context.Context, rawURL string) (int64, error) {
	if s.deps.Remote == nil {
		return 0, api.BadRequest("Invalid location: the store '%s' is not enabled.", storeHTTP)
	}
	size, err := s.deps.Remote.Size(ctx, rawURL)
	if err == nil && size > 0 {
		return size, nil
	}
	if err != nil {
		s.deps.Log.InfoContext(ctx, "a location was refused", "error", causeOf(err))
	}
	return 0, api.BadRequest("Invalid location: its URL is not allowed or does not answer with content of a known length.")
}

func errPlaces(attempted int) error {
	return api.TooLarge("The limit has been exceeded on the number of allowed image locations. Attempted: %d, Maximum: %d", attempted, maxPlaces)
}

// changeLocations applies one change of locations to an image.
func (s *Service) changeLocations(r *api.Request, img *image, change patchChange) error {
	rule := "set_image_location"
	if change.op == "remove" {
		rule = "delete_image_location"
	}
	if err := r.May(rule, img.PolicyTarget()); err != nil {
		return err
	}
	if img.Status != statusActive && (img.Status != statusQueued || change.op == "remove") {
		return api.Conflict("It's not allowed to %s locations if image status is %s.", change.op, img.Status)
	}
	switch change.op {
	case "remove":
		return s.removeLocation(img, change.at)
	case "add":
		return s.addLocation(img, change.at, change.places)
	}
	return s.replaceLocations(img, change.places)
}

// removeLocation takes away one place, which is not the last.
func (s *Service) removeLocation(img *image, at string) error {
	places := s.places(img)
	if len(places) == 1 {
		return api.Forbidden("Cannot remove last location in the image.")
	}
	i, err := strconv.Atoi(at)
	if at == "-" {
		i, err = len(places)-1, nil
	}
	if err != nil || i < 0 || i >= len(places) {
		return api.BadRequest("Invalid position for removing a location.")
	}
	img.dropped = append(img.dropped, places[i].ContentID)
	img.settleIn(slices.Concat(places[:i], places[i+1:]))
	return nil
}

// replaceLocations gives an image without data its places; of one with data it changes their
// metadata and nothing else.
func (s *Service) replaceLocations(img *image, wanted []newPlace) error {
	places := s.places(img)
	if len(wanted) == 0 {
		return api.Forbidden("Cannot set locations to empty list.")
	}
	if len(places) == 0 {
		return s.addLocation(img, "-", wanted)
	}
	if !slices.EqualFunc(places, wanted, func(p place, w newPlace) bool { return p.url() == w.URL }) {
		return api.BadRequest("Original locations is not empty: they can get other metadata, but no other URLs.")
	}
	changed := slices.Clone(places)
	for i, w := range wanted {
		changed[i].Metadata = w.labels()
	}
	img.settleIn(changed)
	return nil
}

// labels is the metadata without what the service itself says there.
func (p newPlace) labels() map[string]string {
	labels := map[string]string{}
	for name, value := range p.Metadata {
		if name != "store" {
			labels[name] = value
		}
	}
	return labels
}

// addLocation adds places at a position; an image without data is active with them.
func (s *Service) addLocation(img *image, at string, wanted []newPlace) error {
	places := slices.Clone(s.places(img))
	if err := validateLocations(img, wanted); err != nil {
		return err
	}
	i := len(places)
	if at != "-" {
		n, err := strconv.Atoi(at)
		if err != nil || n < 0 {
			return api.BadRequest("Invalid position for adding a location.")
		}
		i = min(n, len(places))
	}
	for _, w := range wanted {
		if slices.ContainsFunc(places, func(p place) bool { return p.url() == w.URL }) {
			return api.BadRequest("The location %s already exists", w.URL)
		}
		if len(places) == maxPlaces {
			return errPlaces(len(places) + 1)
		}
		if img.Size != unknown && img.Size != w.size {
			return api.BadRequest("Invalid location: it has %d bytes, and the image %d.", w.size, img.Size)
		}
		img.Size = w.size
		places = slices.Insert(places, i, place{Store: storeHTTP, URL: w.URL, Metadata: w.labels()})
		i++
	}
	img.settleIn(places)
	if img.Status == statusQueued {
		if err := checkFormats(img); err != nil {
			return err
		}
		img.Status, img.ImportState, img.ImportFailed = statusActive, "", ""
	}
	return nil
}

// validateLocations takes over what clients say of the data. Nothing that is known changes.
func validateLocations(img *image, wanted []newPlace) error {
	var said validation
	for _, w := range wanted {
		if w.Validation == nil {
			continue
		}
		if said != (validation{}) && said != *w.Validation {
			return api.Conflict("Conflicting values for validation_data")
		}
		said = *w.Validation
	}
	if said == (validation{}) {
		return nil
	}
	for _, value := range []struct{ name, said, known string }{
		{"checksum", said.Checksum, img.Checksum}, {"os_hash_algo", said.HashAlgo, img.HashAlgo}, {"os_hash_value", said.HashValue, img.HashValue}} {
		if value.known != "" && value.said != "" && value.said != value.known {
			return api.Conflict("%s is already set with a different value", value.name)
		}
	}
	if said == (validation{img.Checksum, img.HashAlgo, img.HashValue}) || said == (validation{"", img.HashAlgo, img.HashValue}) {
		return nil
	}
	if img.Status != statusQueued {
		return api.Conflict("New value(s) for validation_data may only be provided when image status is 'queued'")
	}
	if raw, err := hex.DecodeString(said.Checksum); err != nil || len(raw) != 16 && len(raw) != 0 {
		return api.Conflict("checksum (%s) is not the hexadecimal value of 16 bytes", said.Checksum)
	}
	if said.HashAlgo != sums.Algorithm {
		return api.Conflict("os_hash_algo must be %s, not %s", sums.Algorithm, said.HashAlgo)
	}
	if raw, err := hex.DecodeString(said.HashValue); err != nil || len(raw) != 64 {
		return api.Conflict("os_hash_value (%s) is not the hexadecimal value of 64 bytes", said.HashValue)
	}
	img.Checksum, img.HashAlgo, img.HashValue = strings.ToLower(said.Checksum), said.HashAlgo, strings.ToLower(said.HashValue)
	return nil
}
