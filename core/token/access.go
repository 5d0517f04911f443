package token

// AccessRule allows one kind of request to an application credential.
type AccessRule struct {
	ID string
	// Service is the service type of the catalog ("compute").
	Service string
	Method  string
	// Path is a pattern: * and {name} stand for one segment's characters, ** for anything.
	Path string
}

// AllowsRequest tells whether the application credential's access rules, if there are any, permit the request.
//
// The pattern language is that of keystonemiddleware; path is the request's path below the service's root.
func (id *Identity) AllowsRequest(service, method, path string) bool {
	if len(id.AppCred.AccessRules) == 0 {
		return true
	}
	for _, rule := range id.AppCred.AccessRules {
		if rule.Service == service && rule.Method == method && matchPath(rule.Path, path) {
			return true
		}
	}
	return false
}

// pathPiece is one element of an access rule's pattern.
type pathPiece struct {
	// literal is the byte that must stand here unless one of the wildcards is set.
	literal byte
	// segment stands for one or more bytes other than a slash, anything for zero or more of any byte.
	segment, anything bool
}

// splitPattern turns a pattern into pieces; an unclosed brace is taken literally.
func splitPattern(pattern string) []pathPiece {
	pieces := make([]pathPiece, 0, len(pattern))
	for i := 0; i < len(pattern); i++ {
		switch {
		case pattern[i] == '*' && i+1 < len(pattern) && pattern[i+1] == '*':
			pieces = append(pieces, pathPiece{anything: true})
			i++
		case pattern[i] == '*':
			pieces = append(pieces, pathPiece{segment: true})
		case pattern[i] == '{' && closingBrace(pattern[i:]) > 0:
			pieces = append(pieces, pathPiece{segment: true})
			i += closingBrace(pattern[i:])
		default:
			pieces = append(pieces, pathPiece{literal: pattern[i]})
		}
	}
	return pieces
}

// closingBrace returns the index of the first closing brace, 0 when there is none.
func closingBrace(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] == '}' {
			return i
		}
	}
	return 0
}

// matchPath compares by dynamic programming, so that no pattern takes more than len(pattern)·len(path) steps.
func matchPath(pattern, path string) bool {
	reached := make([]bool, len(path)+1)
	reached[0] = true
	for _, piece := range splitPattern(pattern) {
		next := make([]bool, len(path)+1)
		if piece.anything {
			next[0] = reached[0]
		}
		for i := range len(path) {
			switch {
			case piece.anything:
				next[i+1] = reached[i+1] || next[i]
			case piece.segment:
				next[i+1] = path[i] != '/' && (reached[i] || next[i])
			default:
				next[i+1] = reached[i] && path[i] == piece.literal
			}
		}
		reached = next
	}
	return reached[len(path)]
}
