package deployment

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strikevote/internal/mailer"
)

// mailCounts is what operators see of the mails. Everything in it is of mails whose number
// says nothing of who has voted ([mailer.Neutral]): a counter that moves with a notice
// or a reminder would be a clock of ballots, or turnout. How many were carried is
// counted here; what waits and what came back is read from the databases.
type mailCounts struct {
	handed *prometheus.CounterVec
	told   *prometheus.CounterVec

	log  *slog.Logger // may be nil
	mu   sync.Mutex
	last time.Time // of the last line about posts that were refused; guarded by mu
	more int       // that were refused since; guarded by mu
}

func newMailCounts(reg prometheus.Registerer) *mailCounts {
	p := &mailCounts{
		handed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strikevote_mail_total",
			Help: "Mails handed to a sender, by what it answered. Notices and reminders are not counted.",
		}, []string{"kind", "answer"}),
		told: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strikevote_mail_events_total",
			Help: "Posts of a carrier of mails that were refused, and events that are of no mail here.",
		}, []string{"answer"}),
	}
	for _, answer := range []string{"unsigned", "unreadable", "unknown"} {
		p.told.WithLabelValues(answer)
	}
	reg.MustRegister(p.handed, p.told)
	return p
}

// observe counts mails that a sender has answered for.
func (p *mailCounts) observe(kind string, v mailer.Verdict) {
	if mailer.Neutral(kind) {
		p.handed.WithLabelValues(kind, v.String()).Inc()
	}
}

// refusedPause lies between two lines about posts that were refused: anybody may post,
// and fill a disk.
const refusedPause = 10 * time.Minute

// refused counts a post that was refused, and says so from time to time: a key that is
// wrong here would go unnoticed, and nothing be known of any mail.
func (p *mailCounts) refused(answer string) {
	p.told.WithLabelValues(answer).Inc()
	if p.log == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.more++
	if now := time.Now(); p.last.IsZero() || now.Sub(p.last) >= refusedPause {
		p.log.Warn("what a carrier of mails posts is refused: see strikevote doctor mail", "answer", answer, "count", p.more)
		p.last, p.more = now, 0
	}
}

func (p *mailCounts) unknown(n int) { p.told.WithLabelValues("unknown").Add(float64(n)) }

var (
	waitingDesc = prometheus.NewDesc("strikevote_mail_waiting", "Mails that are due and have not left. Notices are not counted.", nil, nil)
	oldestDesc  = prometheus.NewDesc("strikevote_mail_waiting_oldest_seconds", "For how long one of them is due, in whole minutes; 0 if there is none.", nil, nil)
	fateDesc    = prometheus.NewDesc("strikevote_mail_fate", "Mails that have left, by what became of them. Notices and reminders are not counted.", []string{"state"}, nil)
	ratioDesc   = prometheus.NewDesc("strikevote_mail_bounce_ratio",
		"How much of the mails of an election, of which it is known, came back, in whole hundredths: of the worst election. Less than twenty are no measure.", nil, nil)
	heldDesc   = prometheus.NewDesc("strikevote_mail_sender_held", "1 while a sender is not asked, and why.", []string{"sender", "reason"}, nil)
	pausedDesc = prometheus.NewDesc("strikevote_mail_paused", "1 while somebody has stopped the mails of an election.", nil, nil)
	knownDesc  = prometheus.NewDesc("strikevote_mail_known", "1 if the numbers of mails could be read.", nil, nil)
)

// A mailGauges reads for a scrape where the mails of all elections stand. One is made
// in the process that sends them.
type mailGauges struct {
	d    *Deployment
	keep time.Duration // how long numbers are shown again: reading goes through every mail

	mu    sync.Mutex
	at    time.Time
	last  mailer.Waiting
	fates map[string]int
	ratio float64
	known bool
}

// registerMails lets a monitor see the mails.
func (d *Deployment) registerMails() {
	if d.runs(PartRegistrar) {
		d.registry.MustRegister(&mailGauges{d: d, keep: 10 * time.Second})
	}
}

// Describe is [prometheus.Collector]'s.
func (g *mailGauges) Describe(c chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{waitingDesc, oldestDesc, fateDesc, ratioDesc, heldDesc, pausedDesc, knownDesc} {
		c <- desc
	}
}

// Collect is [prometheus.Collector]'s. Where a database does not answer the numbers are
// left out: a nought would look like an empty queue.
func (g *mailGauges) Collect(c chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); g.at.IsZero() || now.Sub(g.at) >= g.keep {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
		defer cancel()
		g.read(ctx)
		g.at = now
	}
	show := func(desc *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	show(knownDesc, one(g.known))
	for sender, reason := range g.held() {
		show(heldDesc, one(reason != mailer.ReasonNone), sender, string(reason))
	}
	if !g.known {
		return
	}
	show(waitingDesc, float64(g.last.Mails))
	show(oldestDesc, math.Floor(g.last.Oldest.Minutes())*60)
	show(pausedDesc, one(g.last.Paused))
	show(ratioDesc, g.ratio)
	for state, n := range g.fates {
		show(fateDesc, float64(n), state)
	}
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// read asks the database of every election.
func (g *mailGauges) read(ctx context.Context) {
	g.last, g.ratio, g.known = mailer.Waiting{}, 0, false
	g.fates = make(map[string]int)
	for _, state := range []string{"sent", "delivered", "delayed", "bounced", "blocked", "complained", "failed"} {
		g.fates[state] = 0
	}
	for _, id := range g.d.ids() {
		e := g.d.running(id)
		if e == nil || e.mailer.Load() == nil || g.d.haltedBy(e) != nil {
			continue
		}
		w, err := mailer.Waits(ctx, e.registrarPool, e.manifest, g.d.c.Now())
		if err != nil {
			return
		}
		g.last.Mails += w.Mails
		g.last.Oldest = max(g.last.Oldest, w.Oldest)
		g.last.Paused = g.last.Paused || w.Paused
		counts, err := e.registrar.Mails(ctx)
		if err != nil {
			return
		}
		back, known := 0, 0
		for _, m := range counts {
			if !mailer.Neutral(m.Kind) || m.State == "queued" {
				continue
			}
			g.fates[m.State] += m.Count
			switch m.State {
			case "bounced", "blocked", "failed":
				back += m.Count
				known += m.Count
			case "delivered", "complained":
				known += m.Count
			}
		}
		g.ratio = max(g.ratio, bounceRatio(back, known))
	}
	g.known = true
}

// leastKnown is of how many mails something must be known before a ratio is one.
const leastKnown = 20

// bounceRatio is rounded down to what an alarm needs.
func bounceRatio(back, known int) float64 {
	if known < leastKnown {
		return 0
	}
	return math.Floor(float64(back)/float64(known)*100) / 100
}

// held returns why senders are held back, by name; no reason: it is not.
func (g *mailGauges) held() map[string]mailer.Reason {
	all := make(map[string]mailer.Reason)
	for _, id := range g.d.ids() {
		e := g.d.running(id)
		if e == nil {
			continue
		}
		m := e.mailer.Load()
		if m == nil {
			continue
		}
		for sender, reason := range m.Held() {
			all[sender] = max(reason, all[sender])
		}
	}
	return all
}
