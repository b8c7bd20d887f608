package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"
)

// both holds the whole library and what is loaded of it against each other: they take
// and refuse the same, and calculate the same. It prints how many answers of each kind
// it has compared.
const both = `
import * as whole from "./whole.js";
import * as part from "./part.js";

const answer = (f) => {
  try {
    const a = f();
    return typeof a === "boolean" ? String(a) : Buffer.from(a).toString("hex");
  } catch (_) {
    return "refused";
  }
};
const counts = { taken: 0, refused: 0 };
const compare = (what, f) => {
  const want = answer(() => f(whole));
  const got = answer(() => f(part));
  if (want !== got) {
    throw new Error(what + ": " + want + " and " + got);
  }
  counts[want === "refused" ? "refused" : "taken"]++;
};

const groups = [(l) => l.ristretto255.Point, (l) => l.edwards];
const order = whole.edwards.Fn.ORDER;
const scalars = [0n, 1n, 2n, 15n, 16n, 1n << 20n, 1n << 252n, order - 1n, order, order + 1n, 1n << 256n, -1n, 5, "5", null, undefined];
const random = () => crypto.getRandomValues(new Uint8Array(32));
const le = (b) => BigInt("0x" + Buffer.from(b).reverse().toString("hex"));
for (let i = 0; i < 8; i++) {
  scalars.push(le(random()) % order);
}
for (const [g, group] of groups.entries()) {
  const base = (l) => group(l).BASE;
  const other = (l) => group(l).fromBytes(group(whole).BASE.multiplyUnsafe(77n).toBytes());
  const table = (l) => other(l).precompute(4, true);
  for (const point of [base, other, table]) {
    for (const s of scalars) {
      compare(g + " multiply " + s, (l) => point(l).multiply(s).toBytes());
      compare(g + " multiplyUnsafe " + s, (l) => point(l).multiplyUnsafe(s).toBytes());
    }
  }
  compare(g + " add", (l) => base(l).add(other(l)).subtract(base(l).double()).negate().toBytes());
  for (const bad of [null, undefined, 5, {}, new Uint8Array(32)]) {
    compare(g + " add " + bad, (l) => base(l).add(bad).toBytes());
    compare(g + " equals " + bad, (l) => base(l).equals(bad));
  }
  compare(g + " another group's", (l) => base(l).add(groups[1 - g](l).BASE).toBytes());
  const encodings = [new Uint8Array(0), new Uint8Array(31), new Uint8Array(33), null, undefined, "00".repeat(32), [...new Uint8Array(32)]];
  for (let i = 0; i < 64; i++) {
    encodings.push(random());
    // Bits of a good one, and the numbers next to 0 and to the field's order.
    encodings.push(group(whole).BASE.toBytes().map((v, n) => v ^ (n === i >> 1 ? 1 << (i & 7) : 0)));
    encodings.push(Uint8Array.from([i, ...new Uint8Array(31)]));
    encodings.push(Uint8Array.from([255 - i, ...new Uint8Array(30).fill(255), i & 1 ? 127 : 255]));
  }
  for (const e of encodings) {
    const read = (l) => group(l).fromBytes(e);
    compare(g + " read " + e, (l) => read(l).toBytes());
    compare(g + " identity " + e, (l) => read(l).is0());
    if (g === 1) {
      compare("order " + e, (l) => read(l).isSmallOrder());
    }
  }
}
console.log(counts.taken > 400 && counts.refused > 400 ? "same" : JSON.stringify(counts));
`

// TestCut holds what pages load of the library against the whole of it, and as a control
// against some that calculate wrongly or take what they should not.
func TestCut(t *testing.T) {
	t.Parallel()
	assets := absolute(t, assets)
	whole, err := os.ReadFile(filepath.Join(assets, library))
	if err != nil {
		t.Fatal(err)
	}
	o := options(assets, library)
	o.Format, o.Define = api.FormatESModule, nil
	part, err := build(o)
	if err != nil {
		t.Fatal(err)
	}
	if 3*len(part) > 2*len(whole) {
		t.Errorf("%d of the library's %d bytes are loaded", len(part), len(whole))
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "package.json"), `{"type": "module"}`)
	write(t, filepath.Join(dir, "whole.js"), string(whole))
	write(t, filepath.Join(dir, "both.js"), both)
	compare := func(part string) string {
		write(t, filepath.Join(dir, "part.js"), part)
		out, err := node(t, dir, "both.js").CombinedOutput()
		if err != nil {
			return string(out)
		}
		return strings.TrimSpace(string(out))
	}
	if got := compare(string(part)); got != "same" {
		t.Errorf("what is loaded of the library is another: %s", got)
	}
	for _, wrong := range [][2]string{
		{"const G = Fp2.addN(D, C);", "const G = Fp2.addN(D, D);"},
		{"if (!isValid || Fp.isOdd(t) || Fp.is0(y))", "if (!isValid)"},
		{`aInRange("point.y", y, _0n4, max);`, ""},
		{"if (!Fn2.isValid(scalar))", "if (false)"},
	} {
		weaker := strings.Replace(string(whole), wrong[0], wrong[1], 1)
		if got := compare(weaker); weaker == string(whole) || got == "same" {
			t.Errorf("a library with %q instead of %q passes", wrong[1], wrong[0])
		}
	}
}

// TestCutAnother refuses a library that is not the one that was looked at.
func TestCutAnother(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(filepath.Join(assets, library))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"function validateObject(", "function validateOptions("},
		{"  cmov(a, b, condition) {", "  move(a, b, condition) {"},
		{`throw new Error("Field does not have .isOdd()");`, `throw new Error("not odd");`},
	} {
		other := strings.Replace(string(whole), change[0], change[1], 1)
		if other == string(whole) {
			t.Fatalf("the library has no %q", change[0])
		}
		if _, err := cut(other); err == nil {
			t.Errorf("with %q it is cut all the same", change[1])
		}
	}
}
