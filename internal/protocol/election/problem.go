package election

import (
	"errors"
	"fmt"

	"strikevote/internal/protocol/suite"
)

// A Problem is one broken rule of a manifest. It repeats no name and no text of
// the manifest: errors end up in logs.
type Problem struct {
	Path string // where in the file, as groups[2].roll_size
	Err  error
}

func (p *Problem) Error() string { return p.Path + ": " + p.Err.Error() }
func (p *Problem) Unwrap() error { return p.Err }

// Problems returns the broken rules that an error of [Parse],
// [Manifest.Validate] or [Manifest.Encode] carries, in the order of the file's
// rules, so that a console shows each beside its field.
func Problems(err error) []*Problem {
	switch e := err.(type) {
	case nil:
		return nil
	case *Problem:
		return []*Problem{e}
	case interface{ Unwrap() []error }:
		var all []*Problem
		for _, one := range e.Unwrap() {
			all = append(all, Problems(one)...)
		}
		return all
	default:
		return Problems(errors.Unwrap(err))
	}
}

// problems collects broken rules, so that a committee mends a draft in one go.
type problems struct{ all []error }

func (p *problems) add(path, format string, args ...any) {
	p.err(path, fmt.Errorf(format, args...))
}

func (p *problems) err(path string, err error) {
	if err != nil {
		p.all = append(p.all, &Problem{Path: path, Err: err})
	}
}

func (p *problems) join() error { return errors.Join(p.all...) }

func (p *problems) text(path, s string, max int) { p.err(path, suite.CheckText(s, max)) }

// texts checks one text for each language.
func (p *problems) texts(path string, texts []string, languages, max int) {
	if len(texts) != languages {
		p.add(path, "%d texts for %d languages", len(texts), languages)
	}
	for i, s := range texts {
		p.text(at(path, i), s, max)
	}
}

// distinct checks that no value repeats.
func distinct[T comparable](p *problems, path string, values []T) {
	seen := make(map[T]int, len(values))
	for i, v := range values {
		if j, dup := seen[v]; dup {
			p.add(at(path, i), "the same as %s", at(path, j))
			continue
		}
		seen[v] = i
	}
}

func at(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
