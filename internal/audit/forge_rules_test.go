package audit_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"strikevote/internal/audit"
	"strikevote/internal/audit/audittest"
	"strikevote/internal/torture"
)

// A place is where the auditor's source finds a fault: a file and a line.
type place string

// unchecked reports whether a reason only says that a check could not be made
// because of what another found.
func unchecked(reason string) bool { return strings.HasPrefix(reason, "Not checked: ") }

// places returns every place that finds a fault, with the words by which tests
// call it: the function, and what it says.
func places(t *testing.T) map[place]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[place]string)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "finding.go" {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			times := make(map[string]int)
			ast.Inspect(fn, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				method, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || method.Sel.Name != "fault" && method.Sel.Name != "fail" {
					return true
				}
				words := fn.Name.Name + ": " + says(fset, call)
				if times[words]++; times[words] > 1 {
					words += fmt.Sprintf(" (%d)", times[words])
				}
				at := fset.Position(method.Sel.Pos())
				list[place(fmt.Sprintf("%s:%d", at.Filename, at.Line))] = words
				return true
			})
		}
	}
	return list
}

// says is what a call reports: its sentence, or its file and error.
func says(fset *token.FileSet, call *ast.CallExpr) string {
	if len(call.Args) > 2 {
		if text, ok := call.Args[2].(*ast.BasicLit); ok {
			if s, err := strconv.Unquote(text.Value); err == nil {
				return s
			}
		}
	}
	var b bytes.Buffer
	for i, arg := range call.Args[1:] {
		if i > 0 {
			b.WriteString(", ")
		}
		_ = printer.Fprint(&b, fset, arg)
	}
	return b.String()
}

// from returns the place that reported the fault about which the auditor asks
// just now.
func from() place {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		name := filepath.Base(f.File)
		if strings.Contains(f.Function, "internal/audit.") && name != "finding.go" {
			return place(fmt.Sprintf("%s:%d", name, f.Line))
		}
	}
	return ""
}

// seen is what the forgeries showed of the auditor.
type seen struct {
	places map[place]string
	checks []string // of a whole record

	mu       sync.Mutex
	forged   int
	alone    int             // found by one check alone
	needed   map[string]bool // checks without which a forgery passes
	required map[place]bool  // places without which one passes
	fired    map[place]bool
}

func newSeen(t *testing.T) *seen {
	s := &seen{places: places(t), needed: make(map[string]bool), required: make(map[place]bool), fired: make(map[place]bool)}
	_, files := audittest.Record(t, small)
	for _, c := range verify(t, files, audit.Options{}).Checks {
		s.checks = append(s.checks, c.Name)
	}
	return s
}

// leaveOut shows a forgery to auditors that leave something out.
func (s *seen) leaveOut(t *testing.T, tt *forgery, files audittest.Files, o audit.Options) {
	t.Helper()
	checks := make(map[string]bool)
	fired := make(map[place]bool)
	verifySparing(t, files, o, func(check, reason string) bool {
		if !unchecked(reason) {
			checks[check] = true
			fired[from()] = true
		}
		return false
	})
	want := slices.Sorted(slices.Values(append([]string{tt.check}, tt.also...)))
	if got := slices.Sorted(maps.Keys(checks)); !slices.Equal(got, want) {
		t.Errorf("it is found by the checks %q, want %q", got, want)
	}
	// The control: without the one place that finds it, or without the check that
	// is made for it, it passes.
	var one place
	var left string
	if len(fired) == 1 {
		for one = range fired {
		}
		left = verifySparing(t, files, o, func(_, reason string) bool { return unchecked(reason) || from() == one })
	}
	if one == "" || left != "" {
		one = ""
		left = verifySparing(t, files, o, func(check, reason string) bool { return check == tt.check || unchecked(reason) })
	}
	passes := left == ""
	if passes != (tt.why == "") {
		t.Errorf("it passes an auditor without the check %q: %t, and a reason why it would not: %q; left is\n%s", tt.check, passes, tt.why, left)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forged++
	maps.Copy(s.fired, fired)
	if passes {
		s.alone++
		s.needed[tt.check] = true
	}
	if one != "" {
		s.required[one] = true
	}
}

// verifySparing returns what an auditor finds who leaves something out, or "".
func verifySparing(t *testing.T, files audittest.Files, o audit.Options, spare func(check, reason string) bool) string {
	t.Helper()
	checks, err := audit.VerifySparing(t.Context(), files, o, spare)
	if err != nil {
		t.Fatal(err)
	}
	return faults(&audit.Report{Checks: checks})
}

// doublyChecks are the checks that no forgery needs.
var doublyChecks = map[string]string{
	"manifest": "a manifest that breaks a rule is none, and without it nothing is checked: Verify returns an error",
	"sets":     comparedWhole,
}

// report demands that every check, and every place that finds a fault, is needed,
// or else known not to be.
func (s *seen) report(t *testing.T) {
	for _, name := range s.checks {
		if why := doublyChecks[name]; s.needed[name] == (why != "") {
			t.Errorf("check %q: needed by a forgery %t, said to be covered otherwise: %q", name, s.needed[name], why)
		}
	}
	said := make(map[string]bool)
	var missing bytes.Buffer
	for _, at := range slices.Sorted(maps.Keys(s.places)) {
		words := s.places[at]
		said[words] = true
		why := doublyPlaces[words]
		if s.required[at] != (why == "") {
			fmt.Fprintf(&missing, "%s %q: needed %t, fired %t, said to be covered otherwise: %q\n", at, words, s.required[at], s.fired[at], why)
		}
	}
	if missing.Len() > 0 {
		t.Errorf("places:\n%s", &missing)
	}
	for words := range doublyPlaces {
		if !said[words] {
			t.Errorf("there is no place %q", words)
		}
	}
	torture.Report(t, torture.Row{
		What:   fmt.Sprintf("%d records forged with all keys in hand, consistent in everything else", s.forged),
		Target: "each found by the check that is made for it",
		Measured: fmt.Sprintf("all found; %d by one check alone; %d of %d checks and %d of %d places that find faults are needed, the others covered doubly",
			s.alone, len(s.needed), len(s.checks), len(s.required), len(s.places)),
		Control: fmt.Sprintf("%d pass an auditor who leaves that check out", s.alone),
	})
}

// doublyPlaces are the places without which no forgery passes.
var doublyPlaces = map[string]string{
	"checkLedgerLog: layout.Manifest, err":         inManifest,
	"checkBallotLog: layout.Manifest, err":         inManifest,
	"groupKeys: layout.Manifest, err":              inManifest,
	"groupKeys: layout.Manifest, err (2)":          inManifest,
	"compareCeremony: a static key is not a point": inManifest,
	"checkDrill: layout.Manifest, err":             inManifest,

	"checkFiles: path, err":                ofSource,
	"checkExtra: \".\", &sourceError{err}": ofSource,
	"checkEntries: path, err":              ofSource,

	"checkSets: layout.Result, err":                                                 comparedWhole,
	"checkSets: layout.Result, err (2)":                                             comparedWhole,
	"checkSets: its sets are not those that follow from the numbers of ballots, %v": comparedWhole,

	"checkFiles: path, errMissing":                      "whoever reads a file says that it is missing",
	"checkCounts: group %d: %v":                         "each issuance, deposit and strike stands on a leaf of its own, of which there are so many",
	"checkFinal: layout.Ledger, err":                    "a decision on more envelopes than there are is found where it stands",
	"finish: proofs: %v":                                "there is no such error; it is here lest one comes to be",
	"checkActs: %d acts cannot be named in four digits": "not tried, for it takes 10,000 signed acts; the files of the first 9,999 would be as they have to be",
}

const (
	inManifest = "a manifest that was read has no such fault"
	ofSource   = "not a fault of a record: a source that fails, or a reader who has enough, ends the audit"
)
