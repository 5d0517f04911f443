package configdrive

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// node is one file or directory of the image. Both trees of the image, the primary with Rock Ridge names and the
// Joliet one, describe the same nodes; a file's content is stored once.
type node struct {
	name     string // as the guest sees it
	short    string // in the primary tree, for readers without Rock Ridge
	parent   *node  // the root is its own parent
	children []*node
	data     []byte
	isDir    bool

	extent  uint32    // first sector of a file's content
	dirs    [2]extent // a directory's records in the primary and the Joliet tree
	numbers [2]int    // a directory's place in the path tables, from 1
}

type extent struct {
	sector uint32
	length uint32 // bytes
}

// Indexes of the two trees.
const (
	primary = 0
	joliet  = 1
)

const (
	maxNameRunes = 64  // Joliet's limit
	maxNameBytes = 128 // keeps a Rock Ridge record below its 255 bytes
	maxDepth     = 8   // ISO 9660's limit
)

// newTree makes the directory tree of the files, given by slash-separated paths.
func newTree(files map[string][]byte) (*node, error) {
	root := &node{isDir: true}
	root.parent = root
	paths := make([]string, 0, len(files))
	for path := range files {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		if err := root.add(path, files[path]); err != nil {
			return nil, err
		}
	}
	root.shorten()
	return root, nil
}

func (root *node) add(path string, data []byte) error {
	parts := strings.Split(path, "/")
	if len(parts) >= maxDepth {
		return fmt.Errorf("path %q is too deep", path)
	}
	at := root
	for i, part := range parts {
		if part == "" || part == "." || part == ".." || !utf8.ValidString(part) || len(part) > maxNameBytes ||
			utf8.RuneCountInString(part) > maxNameRunes {
			return fmt.Errorf("path %q has an unusable name", path)
		}
		last := i == len(parts)-1
		next := at.child(part)
		if next == nil {
			next = &node{name: part, parent: at, isDir: !last}
			at.children = append(at.children, next)
		} else if last || !next.isDir {
			return fmt.Errorf("path %q is both a file and a directory", path)
		}
		at = next
	}
	at.data = data
	return nil
}

func (n *node) child(name string) *node {
	for _, child := range n.children {
		if child.name == name {
			return child
		}
	}
	return nil
}

// shorten gives every child an unlike eight-plus-three name; the running number makes it unlike.
func (n *node) shorten() {
	for i, child := range n.children {
		stem, suffix, _ := strings.Cut(child.name, ".")
		child.short = fmt.Sprintf("%.4s%04d", plain(stem), i)
		if !child.isDir {
			child.short += fmt.Sprintf(".%.3s;1", plain(suffix))
		}
		child.shorten()
	}
}

// plain keeps of a name what ISO 9660 allows in one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(name))
}

// identifier is the node's name as the records of one tree hold it.
func (n *node) identifier(tree int) []byte {
	if tree == primary {
		return []byte(n.short)
	}
	name := n.name
	if !n.isDir {
		name += ";1"
	}
	return ucs2(name)
}

// sorted returns the children in the order that the records of one tree must have.
func (n *node) sorted(tree int) []*node {
	children := slices.Clone(n.children)
	slices.SortFunc(children, func(a, b *node) int {
		return slices.Compare(a.identifier(tree), b.identifier(tree))
	})
	return children
}

// directories returns all directories in path table order (by depth, then by parent, then by name) and numbers them.
func (root *node) directories(tree int) []*node {
	all := []*node{root}
	for i := 0; i < len(all); i++ {
		all[i].numbers[tree] = i + 1
		for _, child := range all[i].sorted(tree) {
			if child.isDir {
				all = append(all, child)
			}
		}
	}
	return all
}

// files returns all files in a fixed order.
func (n *node) files() []*node {
	var all []*node
	for _, child := range n.children {
		if child.isDir {
			all = append(all, child.files()...)
		} else {
			all = append(all, child)
		}
	}
	return all
}

func (n *node) subdirectories() int {
	count := 0
	for _, child := range n.children {
		if child.isDir {
			count++
		}
	}
	return count
}

// ucs2 encodes text as big-endian 16-bit units, as Joliet does.
func ucs2(text string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = append(out, byte(unit>>8), byte(unit))
	}
	return out
}
