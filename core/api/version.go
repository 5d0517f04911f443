package api

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Version is a microversion, "2.90". The zero value means none.
type Version struct{ Major, Minor int }

// V makes a version.
func V(major, minor int) Version { return Version{major, minor} }

// String is the form in headers: "2.90".
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Before tells whether v is older than w.
func (v Version) Before(w Version) bool {
	return v.Major < w.Major || v.Major == w.Major && v.Minor < w.Minor
}

// AtLeast tells whether v is w or newer.
func (v Version) AtLeast(w Version) bool { return !v.Before(w) }

// IsZero tells whether there is no version.
func (v Version) IsZero() bool { return v == Version{} }

// ParseVersion reads "2.90".
func ParseVersion(s string) (Version, error) {
	major, minor, found := strings.Cut(s, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if !found || errA != nil || errB != nil || strings.ContainsAny(s, "+-") || len(s) > 10 || (len(minor) > 1 && minor[0] == '0') {
		return Version{}, fmt.Errorf("version %q is not of the form MAJOR.MINOR", s)
	}
	return Version{a, b}, nil
}

// Versions says which microversions an API understands, after the API-WG's guideline
// on microversions.
type Versions struct {
	// Service is the word before the version in the header OpenStack-API-Version.
	Service string
	// Legacy is an older header with the version alone: X-OpenStack-Nova-API-Version.
	Legacy   string
	Min, Max Version
}

// headerVersion is the standard header.
const headerVersion = "OpenStack-API-Version"

// negotiate reads the version that a request asks for: the minimum without a header.
func (v *Versions) negotiate(h http.Header) (Version, *Error) {
	asked := ""
	for _, value := range h.Values(headerVersion) {
		for part := range strings.SplitSeq(value, ",") {
			service, version, found := strings.Cut(strings.TrimSpace(part), " ")
			if found && strings.EqualFold(service, v.Service) {
				asked = strings.TrimSpace(version)
			}
		}
	}
	if asked == "" && v.Legacy != "" {
		asked = h.Get(v.Legacy)
	}
	switch {
	case asked == "":
		return v.Min, nil
	case strings.EqualFold(asked, "latest"):
		return v.Max, nil
	}
	version, err := ParseVersion(asked)
	if err != nil {
		return Version{}, BadRequest("API Version String %s is of invalid format. Must be of format MajorNum.MinorNum.", asked)
	}
	if version.Before(v.Min) || v.Max.Before(version) {
		return Version{}, Errorf(http.StatusNotAcceptable,
			"Version %s is not supported by the API. Minimum is %s and maximum is %s.", version, v.Min, v.Max)
	}
	return version, nil
}

// announce writes the version that was used into the answer.
func (v *Versions) announce(h http.Header, used Version) {
	h.Set(headerVersion, v.Service+" "+used.String())
	h.Add("Vary", headerVersion)
	if v.Legacy != "" {
		h.Set(v.Legacy, used.String())
		h.Add("Vary", v.Legacy)
	}
}
