package vault_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"testing"

	"virga/core/vault"
)

func TestWhatWasSealedOpens(t *testing.T) {
	v := open(t, vault.NewKey())
	for _, text := range [][]byte{nil, []byte("secret"), bytes.Repeat([]byte("long"), 10_000)} {
		sealed := v.Seal(text, "credential 1")
		if bytes.Contains([]byte(sealed), []byte("secret")) {
			t.Errorf("the text shows: %s", sealed)
		}
		if got, err := v.Open(sealed, "credential 1"); err != nil || !bytes.Equal(got, text) {
			t.Errorf("opened %q, %v", got, err)
		}
		if again := v.Seal(text, "credential 1"); again == sealed {
			t.Error("two sealed texts are alike")
		}
	}
}

func TestNothingElseOpens(t *testing.T) {
	key := vault.NewKey()
	v := open(t, key)
	sealed := v.Seal([]byte("secret"), "credential 1")
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range raw {
		damaged := bytes.Clone(raw)
		damaged[i] ^= 1
		if _, err := v.Open(base64.StdEncoding.EncodeToString(damaged), "credential 1"); !errors.Is(err, vault.ErrSealed) {
			t.Fatalf("with a change of byte %d: %v", i, err)
		}
	}
	for name, err := range map[string]error{
		"another place": second(v.Open(sealed, "credential 2")),
		"another key":   second(open(t, vault.NewKey()).Open(sealed, "credential 1")),
		"too short":     second(v.Open("AAAA", "credential 1")),
		"no base64":     second(v.Open("?", "credential 1")),
		"nothing":       second(v.Open("", "credential 1")),
	} {
		if !errors.Is(err, vault.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := vault.New(key[1:]); err == nil {
		t.Error("a short key was taken")
	}
}

func second(_ []byte, err error) error { return err }

func open(t *testing.T, key []byte) *vault.Vault {
	t.Helper()
	v, err := vault.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
