package pages

import (
	"context"
	"html/template"
	"strings"

	"strikevote/internal/protocol/election"
)

// A secrecyPage says how a vote stays secret, and what does not protect it. What it
// says of those who run the service follows from the manifest, which they signed.
type secrecyPage struct {
	*view
	Sentences   []template.HTML
	Unprotected []template.HTML
}

func secrecyOf(_ *Site, _ context.Context, v *view) (any, error) {
	return secrecyPage{v, v.sentences(), v.unprotected()}, nil
}

// sentences are the five: the first three always, the others by the separation that
// the manifest declares.
func (v *view) sentences() []template.HTML {
	tellers := []any{"t", v.Number(uint64(v.Manifest.Tellers.T)), "n", v.Number(uint64(v.Manifest.Tellers.N))}
	list := []template.HTML{
		v.Rich("pages.secrecy.seal"), v.Rich("pages.secrecy.blind"), v.Rich("pages.secrecy.tellers", tellers...),
	}
	// The manifest has them in one language.
	named := func(names ...string) Said { return v.said(v.Join(names), v.Manifest.Languages[0]) }
	operators := v.Manifest.Separation.Operators
	switch v.Manifest.Separation.Kind {
	case election.TwoOperators:
		second := Said{Text: v.Text("pages.secrecy.another")}
		if len(operators) > 1 {
			second = named(operators[1:]...)
		}
		return append(list, v.Rich("pages.secrecy.operators", "first", named(operators[0]), "second", second),
			v.Rich("pages.secrecy.operators.then", tellers...))
	case election.TwoMachines:
		return append(list, v.Rich("pages.secrecy.machines", "operator", named(operators...)), v.Rich("pages.secrecy.machines.then", tellers...))
	}
	return append(list, v.Rich("pages.secrecy.machine", "operator", named(operators...)), v.Rich("pages.secrecy.machine.then", tellers...))
}

// unprotected lists what nothing here protects a vote from.
func (v *view) unprotected() []template.HTML {
	c := v.Content()
	mail := []template.HTML{v.Rich("pages.open.mail")}
	if v.Manifest.Factor != nil {
		mail = []template.HTML{v.Rich("pages.open.mail.factor", "factor", v.Of(v.Manifest.Factor.Label))}
	}
	if c.Provider != "" {
		mail = append(mail, v.Rich("pages.open.provider", "provider", c.Provider))
	}
	issued := []template.HTML{v.Rich("pages.open.issued")}
	if who := v.Say(c.Observers); who.Text != "" {
		issued = append(issued, v.Rich("pages.open.observers", "observers", who))
	}
	return []template.HTML{
		v.Rich("pages.open.screen"), v.Rich("pages.open.page"), sentences(mail), sentences(issued),
		v.Rich("pages.open.recovery"), v.Rich("pages.open.alike"), v.Rich("pages.open.envelope"),
	}
}

// sentences joins sentences of one paragraph.
func sentences(list []template.HTML) template.HTML {
	var all []string
	for _, s := range list {
		all = append(all, string(s))
	}
	return template.HTML(strings.Join(all, " "))
}
