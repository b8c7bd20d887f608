package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUnused drops a method that nothing names, with what only that one named, and
// keeps what is named, even in a text.
func TestUnused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "page.js"), []byte("// unused\nnew A().used();\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const kept = `var A = class {
  constructor(a) {
    if (a) {
      this["spoken"]();
    }
  }
  used() {
    return 1;
  }
  spoken() {
    return this.used();
  }
};
`
	const dropped = `var A = class {
  constructor(a) {
    if (a) {
      this["spoken"]();
    }
  }
  used() {
    return 1;
  }
  // unused is named in comments only.
  unused() {
    return this.below();
  }
  below() {
    return this.other.below();
  }
  spoken() {
    return this.used();
  }
};
`
	got, err := withoutUnused(dir, dropped)
	if err != nil || got != kept {
		t.Errorf("%v:\n%s", err, got)
	}
}
