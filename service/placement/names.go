package placement

import (
	"slices"
	"strings"

	"virga/core/api"
	"virga/core/db"
)

// customPrefix begins the names of classes and traits that users make.
const customPrefix = "CUSTOM_"

// maxName is the greatest length of the name of a class or a trait, in bytes.
const maxName = 255

// standardNames are the classes and traits that every cloud has.
type standardNames struct {
	classes, traits         []string
	knownClass, knownTraits map[string]bool
}

func newStandardNames() standardNames {
	names := standardNames{classes: standardClasses(), traits: standardTraits()}
	names.knownClass, names.knownTraits = setOf(names.classes), setOf(names.traits)
	return names
}

func setOf(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, word := range words {
		set[word] = true
	}
	return set
}

// isCustomName tells whether a name is one that users may make.
func isCustomName(name string) bool {
	rest, custom := strings.CutPrefix(name, customPrefix)
	return custom && rest != "" && isName(name)
}

func isName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	return !strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_'
	})
}

// checkClass refuses a resource class that does not exist.
func (s *Service) checkClass(tx *db.Tx, name string) error {
	if s.names.knownClass[name] {
		return nil
	}
	if isCustomName(name) {
		found, err := customExists(tx, "resource_classes", name)
		if err != nil || found {
			return err
		}
	}
	return classNotFound(name)
}

// hasTrait tells whether a trait exists.
func (s *Service) hasTrait(tx *db.Tx, name string) (bool, error) {
	if s.names.knownTraits[name] {
		return true, nil
	}
	if !isCustomName(name) {
		return false, nil
	}
	return customExists(tx, "traits", name)
}

// namePath is the name of a class or trait in the path, fit for an error.
func namePath(r *api.Request) string { return printable(r.Param("name")) }

// inOrder sorts names in a copy.
func inOrder(names []string) []string {
	sorted := slices.Clone(names)
	slices.Sort(sorted)
	return sorted
}
