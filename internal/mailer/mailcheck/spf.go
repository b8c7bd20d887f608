package mailcheck

import (
	"errors"
	"fmt"
	"strings"
)

// maxLookups is how many further questions receiving systems ask for one SPF record.
// With more they take the record for broken, and it is as if there were none.
const maxLookups = 10

// spf checks who may send for the domain of the envelope.
func (x *lookups) spf(s Sending) {
	domain := s.Envelope
	if domain == "" {
		domain = s.From
	}
	check := "SPF of " + domain
	w := spfWalk{x: x}
	end, err := w.walk(domain, 0)
	// A provider's envelope is in a domain that the provider looks after; where that is
	// not known, the domain of From is only the likeliest.
	worst := Fail
	if s.Provided && s.Envelope == "" {
		worst = Warn
	}
	const add = "have the DNS of the domain list who sends for it, like v=spf1 include:… -all; the mail provider says what to include"
	problem := new(spfError)
	switch {
	case errors.Is(err, errAbsent):
		x.add(worst, check, add, "no record says who may send for %s", domain)
	case errors.As(err, &problem):
		x.add(worst, check, problem.do, "%s", problem.says)
	case err != nil:
		x.unanswered(check, domain, err)
	case end == "+":
		x.fail(check, "end the record with -all or ~all", "it ends with +all: everybody in the world may send in the union's name")
	case end == "" || end == "?":
		x.warn(check, "end the record with -all or ~all", "it does not say what becomes of mail from anybody else")
	default:
		x.ok(check, "it says who may send, with %s of at most %d", count(w.asked, "further question"), maxLookups)
	}
}

// An spfError is a record that receiving systems take for broken.
type spfError struct{ says, do string }

func (e *spfError) Error() string { return e.says }

// spfWalk follows the records that an SPF record names.
type spfWalk struct {
	x     *lookups
	asked int
}

// walk returns the qualifier of the record's all: +, -, ~, ?, or nothing.
func (w *spfWalk) walk(domain string, depth int) (all string, err error) {
	list, err := w.x.records(domain, "v=spf1")
	if err != nil {
		return "", err
	}
	if len(list) > 1 {
		return "", &spfError{
			fmt.Sprintf("%s has %d SPF records, so receiving systems take none of them", domain, len(list)),
			"make one of them: all that is between v=spf1 and all, in one record",
		}
	}
	redirect := ""
	for _, term := range strings.Fields(strings.ToLower(list[0]))[1:] {
		qualifier := "+"
		if strings.ContainsAny(term[:1], "+-~?") {
			qualifier, term = term[:1], term[1:]
		}
		name, to, _ := strings.Cut(term, ":")
		mechanism, _, _ := strings.Cut(name, "/") // a/24
		switch mechanism {
		case "all":
			return qualifier, nil
		case "include":
			all, err := w.follow(domain, to, depth)
			if err != nil || all == "+" && qualifier == "+" {
				return all, err
			}
		case "a", "mx", "ptr", "exists":
			if err := w.ask(domain); err != nil {
				return "", err
			}
		}
		if to, ok := strings.CutPrefix(term, "redirect="); ok {
			redirect = to
		}
	}
	if redirect == "" {
		return "", nil
	}
	if err := w.ask(domain); err != nil || strings.Contains(redirect, "%") {
		return "-", err // a macro: what it names depends on the mail
	}
	return w.walk(redirect, depth+1)
}

// follow asks for an included record and returns the qualifier of its all: one that
// lets everybody in lets everybody in here.
func (w *spfWalk) follow(domain, to string, depth int) (all string, err error) {
	if err := w.ask(domain); err != nil {
		return "", err
	}
	if to == "" || strings.Contains(to, "%") || depth >= maxLookups {
		return "", nil
	}
	all, err = w.walk(to, depth+1)
	if errors.Is(err, errAbsent) {
		return "", &spfError{
			fmt.Sprintf("the record of %s includes %s, which has none: receiving systems take it for broken", domain, to),
			"remove the include, or correct it",
		}
	}
	return all, err
}

// ask counts one question.
func (w *spfWalk) ask(domain string) error {
	if w.asked++; w.asked > maxLookups {
		return &spfError{
			fmt.Sprintf("the record needs more than %d further questions, counted up to %s: receiving systems give up and take it for broken", maxLookups, domain),
			"remove includes of services that send nothing any more",
		}
	}
	return nil
}
