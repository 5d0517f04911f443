package feed

import (
	"bytes"
	"encoding/json"
	"strings"
)

// document is a value as JSON without secrets; empty for nil.
func document(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if string(text) == "null" {
		return "", nil
	}
	if !mayHoldSecrets(text) {
		return string(text), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var free any
	if err := decoder.Decode(&free); err != nil {
		return "", err
	}
	text, err = json.Marshal(mask(free))
	return string(text), err
}

// secretWords are parts of the names of fields that hold secrets. Services leave such
// fields out; this is the second lock.
func secretWords() []string {
	return []string{"password", "adminpass", "admin_pass", "secret", "private_key", "user_data", "token", "blob"}
}

// mayHoldSecrets is a quick look that spares most documents the slow one.
func mayHoldSecrets(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, word := range secretWords() {
		if bytes.Contains(lower, []byte(word)) {
			return true
		}
	}
	return false
}

func mask(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			if speaksOfSecrets(key) && inner != nil {
				value[key] = "***"
			} else {
				value[key] = mask(inner)
			}
		}
	case []any:
		for i := range value {
			value[i] = mask(value[i])
		}
	}
	return value
}

func speaksOfSecrets(key string) bool {
	key = strings.ToLower(key)
	for _, word := range secretWords() {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
