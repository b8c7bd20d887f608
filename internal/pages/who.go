package pages

import (
	"context"
	"errors"
	"fmt"
	"html/template"

	"strikevote/internal/protocol/election"
	"strikevote/internal/record/layout"
)

// A whoPage says who may vote. It knows how many members a roll has, and none of them.
type whoPage struct {
	*view
	May    template.HTML
	Signed template.HTML
	Rolls  []rollRow
	// Published: what was added and taken off is, since the box is locked.
	Published bool
}

type rollRow struct {
	Group              string
	Size, Added, Taken uint64
}

func whoOf(_ *Site, ctx context.Context, v *view) (any, error) {
	p := whoPage{view: v, Published: v.Has(layout.StatementRegistrar)}
	c := v.Content()
	eligible := v.Say(c.Eligibility)
	switch {
	case eligible.Text != "" && c.RecordDate != "":
		p.May = v.Rich("pages.who.may.date", "date", v.Date(c.RecordDate), "eligibility", eligible, "groups", v.Groups())
	case eligible.Text != "":
		p.May = v.Rich("pages.who.may", "eligibility", eligible, "groups", v.Groups())
	default:
		p.May = v.Rich("pages.who.may.roll", "groups", v.Groups())
	}
	for _, g := range v.Manifest.Groups {
		p.Rolls = append(p.Rolls, rollRow{g.Name, uint64(g.RollSize), uint64(len(v.Acts.Added[g.ID])), uint64(len(v.Acts.Struck[g.ID]))})
	}
	if c.Compared != nil {
		p.Signed = v.Rich("pages.who.compared", "names", c.Compared.Names, "date", v.Date(c.Compared.Date))
		return p, nil
	}
	names, err := v.sealers(ctx)
	if err != nil {
		return nil, err
	}
	p.Signed = v.Rich("pages.who.sealed", "names", v.Join(names))
	return p, nil
}

// sealers returns the names of those of the committee who signed the manifest, and so
// the size of every roll and what is on it.
func (v *view) sealers(ctx context.Context) ([]string, error) {
	b, err := v.record.Resource(ctx, layout.Sealing)
	if err != nil {
		return nil, fmt.Errorf("reading who signed: %w", err)
	}
	list, err := election.ParseSignatures(b)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range list.Signatures {
		if int(s.Member) >= len(v.Manifest.Committee.Members) {
			return nil, errors.New("reading who signed: there is no such member of the committee")
		}
		names = append(names, v.Manifest.Committee.Members[s.Member].Name)
	}
	return names, nil
}
