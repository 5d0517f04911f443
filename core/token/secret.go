package token

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is what a secret shows of itself.
const masked = "***"

// Secret is a string that must not be shown: whatever prints, logs or marshals it gets three stars. It must not be the key
// of a map, since encoding/json writes keys that are strings as they are.
type Secret string

// Reveal returns the secret itself, for the one place that must send or compare it.
func (s Secret) Reveal() string { return string(s) }

// String returns stars.
func (s Secret) String() string { return masked }

// GoString returns stars.
func (s Secret) GoString() string { return masked }

// Format prints stars for every verb, also those that fmt would print as a mistake together with the value.
func (s Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, masked) }

// LogValue returns stars.
func (s Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalText returns stars; the encoders of XML, YAML and TOML use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// MarshalJSON returns stars as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }
