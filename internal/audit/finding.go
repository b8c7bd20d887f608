package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"

	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// A Check is what the auditor says about one rule.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // plain sentences: what holds, or what does not
}

// maxReasons bounds how many faults of one check are told.
const maxReasons = 5

// A finding is a check under way. A check that finds no fault holds.
type finding struct {
	check   string
	spare   func(check, reason string) bool // the auditor's
	reasons []string
	more    int // faults beyond maxReasons
	broken  error
	live    bool // the auditor's
	// Of a record that is read live, awaits says that something is missing which
	// comes during a lock, and wrong that there is a fault which no lock brings.
	awaits, wrong bool
}

// fault records that a rule is broken: the section of SPEC.md, the file, and
// what is wrong, as a clause without a full stop.
func (f *finding) fault(section int, file, format string, args ...any) {
	f.wrong = true
	// However many there are, each costs no more than the first few.
	if len(f.reasons) == maxReasons && f.spare == nil {
		f.more++
		return
	}
	f.add(fmt.Sprintf("%s: %s (SPEC %d).", file, fmt.Sprintf(format, args...), section))
}

// await records a fault that a record which is read live may have while its
// election is being locked; see [auditor.locking]. In any other it is one like all.
func (f *finding) await(section int, file, format string, args ...any) {
	was := f.wrong
	f.fault(section, file, format, args...)
	f.wrong, f.awaits = was || !f.live, f.live
}

// add adds a reason.
func (f *finding) add(reason string) {
	reason = strings.Map(visible, reason)
	switch {
	case f.spare != nil && f.spare(f.check, reason):
	case len(f.reasons) == maxReasons:
		f.more++
	default:
		f.reasons = append(f.reasons, reason)
	}
}

// visible keeps what a record can put into an error from moving the cursor or
// hiding words on the reader's screen.
func visible(r rune) rune {
	if suite.Invisible(r) {
		return '?'
	}
	return r
}

// fail records an error as a fault. One of the source is no fault: it breaks
// the audit off, because it says nothing about the record.
func (f *finding) fail(section int, file string, err error) {
	if source := new(sourceError); errors.As(err, &source) {
		f.broken = source
	}
	if errors.Is(err, errMissing) && layout.AtLock(file) {
		f.await(section, file, "%v", err)
		return
	}
	f.fault(section, file, "%v", err)
}

// cannot records that a check was not made, and why. What was not checked does
// not hold.
func (f *finding) cannot(why string) { f.add("Not checked: " + why + ".") }

func (f *finding) ok() bool { return len(f.reasons) == 0 }

// join adds what a worker found.
func (f *finding) join(g *finding) {
	f.more += g.more
	f.wrong, f.awaits = f.wrong || g.wrong, f.awaits || g.awaits
	for _, r := range g.reasons {
		if len(f.reasons) == maxReasons {
			f.more++
		} else {
			f.reasons = append(f.reasons, r)
		}
	}
	if f.broken == nil {
		f.broken = g.broken
	}
}

// check runs one check and enters it into the report. The function returns the
// sentence that is true if it found no fault.
func (a *auditor) check(name string, f func(*auditor, *finding) string) {
	if a.broken != nil {
		return
	}
	if a.broken = a.ctx.Err(); a.broken != nil {
		return
	}
	found := finding{check: name, spare: a.spare, live: a.live()}
	var holds string
	guard(&found, name, func() { holds = f(a, &found) })
	a.broken = found.broken
	a.wrong, a.awaits = a.wrong || found.wrong, a.awaits || found.awaits
	if found.ok() && holds == "" {
		found.wrong = true
		found.cannot("the verifier gave up without a reason") // fail closed
	}
	c := Check{Name: name, OK: found.ok(), Detail: holds}
	if !c.OK {
		c.Detail = strings.Join(found.reasons, " ")
		if found.more > 0 {
			c.Detail += fmt.Sprintf(" And %d more.", found.more)
		}
	}
	a.r.Checks = append(a.r.Checks, c)
}

// guard makes a panic of the verifier a fault of the record. None is known; if
// hostile bytes find one, they must not be what ends the audit.
func guard(f *finding, file string, run func()) {
	defer func() {
		if p := recover(); p != nil {
			f.fault(18, file, "the verifier stumbled over it: %v", p)
		}
	}()
	run()
}

// parallel calls work for 0 to n-1, in any order, on all workers, and returns
// when all are done. What they found is joined in the order of i, so that a
// record is always reported in the same words.
func (a *auditor) parallel(f *finding, step string, n int, work func(i int, f *finding)) {
	var (
		mu    sync.Mutex // guards next and done, and orders the calls of Progress
		next  int
		done  int
		found = make([]finding, n)
		group sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= n && a.ctx.Err() == nil
	}
	for i := range found {
		found[i].check, found[i].spare, found[i].live = f.check, f.spare, f.live
	}
	if n > 0 && a.o.Progress != nil {
		a.o.Progress(step, 0, n)
	}
	for range min(a.o.Workers, n) {
		group.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				guard(&found[i], step, func() { work(i, &found[i]) })
				mu.Lock()
				done++
				if a.o.Progress != nil {
					a.o.Progress(step, done, n)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for i := range found {
		f.join(&found[i])
	}
	if err := a.ctx.Err(); err != nil {
		f.fail(18, step, &sourceError{err})
	}
}

// progress tells how far a step has come, and whether to go on.
func (a *auditor) progress(step string, done, total int) error {
	if a.o.Progress != nil {
		a.o.Progress(step, done, total)
	}
	if err := a.ctx.Err(); err != nil {
		return &sourceError{err}
	}
	return nil
}

// A sourceError is a failure of what brings the files.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "it could not be read: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

var errMissing = errors.New("the file is missing")

// read returns a file of the record. It is safe for concurrent use.
func (a *auditor) read(path string) ([]byte, error) {
	file, err := a.fsys.Open(path)
	if err != nil {
		return nil, readError(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, readError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, layout.ErrNotPlain
	}
	limit := layout.Limit(path)
	if info.Size() > limit {
		return nil, layout.ErrTooLarge
	}
	// The size that a file claims is not believed either.
	b, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, readError(err)
	}
	if int64(len(b)) > limit {
		return nil, layout.ErrTooLarge
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen[path] = true
	return b, nil
}

func readError(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errMissing
	case errors.Is(err, layout.ErrTooLarge):
		return layout.ErrTooLarge
	case errors.Is(err, layout.ErrNotPlain):
		return layout.ErrNotPlain
	}
	return &sourceError{err}
}

// present reports whether there is a file. The error is the source's.
func (a *auditor) present(path string) (bool, error) {
	if a.seen[path] {
		return true, nil
	}
	file, err := a.fsys.Open(path)
	if err == nil {
		return true, file.Close()
	}
	if err := readError(err); errors.As(err, new(*sourceError)) {
		return false, err
	}
	return !errors.Is(err, fs.ErrNotExist), nil
}
