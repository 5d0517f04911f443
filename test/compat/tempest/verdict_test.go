package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// output is what stestr prints for four tests.
const output = `{0} setUpClass (tempest.api.identity.admin.v3.test_trusts.TrustsV3TestJSON) ... SKIPPED: Trusts aren't enabled
{1} tempest.api.identity.v3.test_tokens.TokensV3Test.test_validate_token [0.005612s] ... ok
{0} tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token [1.1s] ... FAILED
{1} tempest.api.identity.v3.test_users.X.test_new [0.1s] ... ok

==============================
Failed 1 tests - output below:
==============================

tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token[id-6f8e4436-fc96-4282-8122-e41df57197a9]
-----------------------------------------------------------------------------------------------------------

Captured traceback:
~~~~~~~~~~~~~~~~~~~
    Traceback (most recent call last):

    tempest.lib.exceptions.NotFound: Object not found

Captured pythonlogging:
~~~~~~~~~~~~~~~~~~~~~~~
    2026-11-22 07:50:19,717 3073 INFO     [tempest.lib.common.rest_client] Request (EC2:test): 404 POST http://127.0.0.1:1/x 0.001s

======
Totals
======
Ran: 3 tests in 62.9811 sec.
`

func TestTheListSaysWhatMustPass(t *testing.T) {
	results, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	must := []string{
		"tempest.api.identity.v3.test_tokens.TokensV3Test.test_create_token",
		"tempest.api.identity.v3.test_tokens.TokensV3Test.test_gone",
		"tempest.api.identity.v3.test_tokens.TokensV3Test.test_validate_token",
	}
	v, err := judge(results, must, "")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(must[:2], v.broken); diff != "" {
		t.Errorf("what must pass and did not (-want +got):\n%s", diff)
	}
	var shown strings.Builder
	v.print(&shown)
	for _, part := range []string{"2 passed, 1 failed, 1 skipped\n", "SKIPPED because: Trusts aren't enabled\n    setUpClass (tempest.api.identity.admin.v3.test_trusts",
		"NotFound: Object not found\n    (EC2:test): 404 POST"} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("%q is not shown:\n%s", part, &shown)
		}
	}
	if v, err := judge(results, must, "validate"); err != nil || !v.ok() {
		t.Errorf("only what was chosen must pass: %v, %v", v.broken, err)
	}
}

func TestTheListOnlyGrows(t *testing.T) {
	results, err := read(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte("tempest.a.b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	must, err := readList(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := judge(results, must, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := v.grow(path, must); err != nil {
		t.Fatal(err)
	}
	must, err = readList(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"tempest.a.b", "tempest.api.identity.v3.test_tokens.TokensV3Test.test_validate_token", "tempest.api.identity.v3.test_users.X.test_new"}
	if diff := cmp.Diff(want, must); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
}

func TestSkipsAreExplained(t *testing.T) {
	v := verdict{skipped: []result{{name: "tempest.a", outcome: skipped, detail: "No image_remote service to test against"}, {name: "tempest.b", outcome: skipped, detail: "plain"}}}
	var out strings.Builder
	v.print(&out)
	if text := out.String(); !strings.Contains(text, "that is: the configuration names no second endpoint") || strings.Count(text, "that is:") != 1 {
		t.Errorf("printed:\n%s", text)
	}
}
