package booth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

const (
	votesKept = 10 * time.Second // a list of votes is read no more often, whoever asks
	votesWait = 2 * time.Second  // what reading it may take while people wait
)

// A vote is one that is sealed or open: its codes can be entered here.
type vote struct {
	id               suite.ElectionID
	opens            int64
	languages, title []string
	demo, rehearsal  bool
}

// votes are those that are listed for whoever comes without a link. They stand in no
// page that is compared: the voter's is the same for everybody, and it leads here.
type votes struct {
	c    Config
	site *site

	mu   sync.Mutex // guards what follows
	read time.Time
	list []vote
	made map[string]*document // with this list, by the name of what is said and language
}

// any tells whether there is a vote to list.
func (v *votes) any(ctx context.Context) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refresh(ctx)
	return len(v.list) > 0
}

// page returns what is said in a language, with the votes to choose from where they are
// listed and there are any.
func (v *votes) page(ctx context.Context, what saying, code string) *document {
	if !what.problem.Votes {
		return what.pages[code]
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.refresh(ctx)
	if len(v.list) == 0 {
		return what.pages[code]
	}
	key := what.problem.Name + " " + code
	if v.made[key] == nil {
		var all []entrance
		for _, x := range v.list {
			all = append(all, x.in(code))
		}
		d, err := v.site.sayIn(code, what.problem, all)
		if err != nil {
			v.log(ctx, err)
			d = what.pages[code]
		}
		v.made[key] = d
	}
	return v.made[key]
}

// refresh reads the list again if it is old. The one that was read before stays where
// that fails, and the next try is as far away: people wait, and there may be many.
func (v *votes) refresh(ctx context.Context) {
	if v.c.Votes == nil || !v.read.IsZero() && time.Since(v.read) < votesKept {
		return
	}
	// Whoever asked first may go away; the others wait for the same answer.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), votesWait)
	defer cancel()
	list, err := v.find(ctx)
	v.read = time.Now()
	if err != nil {
		v.log(ctx, err)
		return
	}
	if v.made == nil || !reflect.DeepEqual(list, v.list) {
		v.list, v.made = list, make(map[string]*document)
	}
}

func (v *votes) log(ctx context.Context, err error) {
	if v.c.Log != nil {
		v.c.Log.ErrorContext(ctx, "booth cannot read which votes to show", "err", err)
	}
}

// find returns the votes that are sealed or open, in the order of their openings. One that
// cannot be read hides no other.
func (v *votes) find(ctx context.Context) ([]vote, error) {
	ids, err := v.c.Votes(ctx)
	if err != nil {
		return nil, err
	}
	var list []vote
	for _, id := range ids {
		stands, known := Standing{}, false
		if v.c.Stands != nil {
			stands, known = v.c.Stands(ctx, id)
		}
		if known && stands.Phase != election.PhaseSealed && stands.Phase != election.PhaseOpen {
			continue
		}
		raw, err := v.c.Manifest(ctx, id)
		if errors.Is(err, ErrUnknown) {
			continue // it is published a moment later
		}
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			// The others are listed all the same, and this one as it was read before.
			v.log(ctx, err)
			if i := slices.IndexFunc(v.list, func(x vote) bool { return x.id == id }); i >= 0 {
				list = append(list, v.list[i])
			}
			continue
		}
		m, err := election.Parse(raw)
		// Where nobody says where a vote stands, it can be open until its latest close.
		if err != nil || !known && v.now().Unix() >= m.Schedule.LatestClose {
			continue
		}
		list = append(list, vote{id, m.Schedule.Open, m.Languages, m.Title, m.Demo, m.Rehearsal})
	}
	slices.SortFunc(list, func(a, b vote) int {
		return cmp.Or(cmp.Compare(a.opens, b.opens), bytes.Compare(a.id[:], b.id[:]))
	})
	return list, nil
}

func (v *votes) now() time.Time {
	if v.c.Now != nil {
		return v.c.Now()
	}
	return time.Now()
}

// An entrance is a vote as a page in some language lists it. Lang is empty where the
// title is in the page's language.
type entrance struct {
	Link, Title, Lang string
	Demo, Rehearsal   bool
}

// in writes a vote in a language, or by its approved title where it has none in that.
func (x vote) in(code string) entrance {
	e := entrance{"/v1/" + x.id.String() + "?lang=" + code, x.title[0], x.languages[0], x.demo, x.rehearsal}
	for i, tag := range x.languages {
		if strings.EqualFold(tag, code) {
			e.Title, e.Lang = x.title[i], ""
		}
	}
	return e
}
