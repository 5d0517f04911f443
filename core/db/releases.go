package db

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// releasesText is the list of released migrations: lines of release, owner, file and
// SHA-256, releases in their order. It is written when a release is made and never changed
// otherwise.
//
//go:embed releases.txt
var releasesText string

// Released is one migration that belongs to a release.
type Released struct{ Release, Owner, File, SHA256 string }

// Releases are all released migrations, the oldest release first.
func Releases() ([]Released, error) { return parseReleases(releasesText) }

func parseReleases(text string) ([]Released, error) {
	var list []Released
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 4 || !migrationFile.MatchString(fields[2]) {
			return nil, fmt.Errorf("read the list of releases: %q is no line of release, owner, file and hash", line)
		}
		list = append(list, Released{fields[0], fields[1], fields[2], fields[3]})
	}
	return list, nil
}

// level is the newest migration of an owner in one release.
type level struct {
	release string
	version int64
}

// levels are those of an owner, the oldest release first.
func levels(list []Released, owner string) []level {
	var of []level
	for _, r := range list {
		if r.Owner != owner {
			continue
		}
		version, _ := strconv.ParseInt(r.File[:4], 10, 64) // the pattern has seen to it
		if n := len(of); n > 0 && of[n-1].release == r.Release {
			of[n-1].version = max(of[n-1].version, version)
			continue
		}
		of = append(of, level{r.Release, version})
	}
	return of
}

// before is the level of the release before the one that brings a migration: the oldest
// that may run beside it. It is 0 for the first.
func before(of []level, version int64) int64 {
	oldest := int64(0)
	for _, l := range of {
		if l.version >= version {
			break
		}
		oldest = l.version
	}
	return oldest
}
