package registrar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/platform/postgres"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/token"
)

// How much a report may hold, in bytes.
const (
	maxHappened = 4000
	maxPhone    = 100
	maxWho      = 320
)

// A Report says that somebody else used a member's link. It redacts itself.
type Report struct {
	Happened string // what happened
	Phone    string // may be empty
	Who      string // an address or a number, as typed; may be empty
}

// Format keeps a report out of logs and error texts. What embeds one has the same.
func (Report) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(reportRedacted)) }

// LogValue is Format for a structured log, which does not ask Format.
func (Report) LogValue() slog.Value { return slog.StringValue(reportRedacted) }

// MarshalJSON is Format for what is written as JSON, such as a log's attribute inside of
// another value. Nothing of the program sends a report as JSON.
func (Report) MarshalJSON() ([]byte, error) { return json.Marshal(reportRedacted) }

const reportRedacted = "report [redacted]"

var (
	// ErrReportEmpty is returned for a report that says nothing.
	ErrReportEmpty = errors.New("the report says nothing")
	// ErrReportLong is returned for a report that is too long.
	ErrReportLong = errors.New("the report is too long")
	// ErrReportsFull is returned to a network from which too many came.
	ErrReportsFull = errors.New("too many reports")
)

// clean makes a report fit to be kept and shown. A link or a code in it could be used
// by whoever reads it, so it is taken out.
func (p Report) clean() (Report, error) {
	// A line of its own in the others could pass for one of the program's own words
	// about a report, to those who decide on it.
	p.Happened, p.Phone, p.Who = written(p.Happened), oneLine(written(p.Phone)), oneLine(written(p.Who))
	switch {
	case p.Happened == "":
		return p, ErrReportEmpty
	case len(p.Happened) > maxHappened || len(p.Phone) > maxPhone || len(p.Who) > maxWho:
		return p, ErrReportLong
	}
	return p, nil
}

// written returns what a person wrote without what does not show and without secrets.
func written(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\r\n", "\n")
	text = strings.Map(func(r rune) rune {
		if r != '\n' && suite.Invisible(r) {
			return -1
		}
		return r
	}, text)
	return strings.TrimSpace(withoutCodes(tokenText.ReplaceAllString(text, "[link]")))
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

var (
	// tokenText is also a link that was cut, but for a short rest: nobody can use that.
	tokenText = regexp.MustCompile(`[A-Za-z0-9_-]{100,}`)
	// codeText is what may be a code: five groups of four and the check character,
	// with whatever a phone's keyboard or a printed slip puts between.
	codeText = regexp.MustCompile(`^(?:[A-Za-z0-9]{4}[\s.,_\x{a0}\x{2010}\x{2011}\x{2013}-]{0,3}){5}[A-Za-z0-9]`)
	wordText = regexp.MustCompile(`[A-Za-z0-9]+`)
)

// withoutCodes takes out every code. It looks from each word on: one before the code
// must not hide it. A word of four letters before a code is one of 32 times the beginning
// of what passes for a code too, which ends before the real one does: what overlaps is
// taken out as one.
func withoutCodes(text string) string {
	var b strings.Builder
	at, end := 0, 0 // what is written, and where the code ends that is being taken out
	for _, word := range wordText.FindAllStringIndex(text, -1) {
		code := codeText.FindString(text[word[0]:])
		if _, err := token.ParseCode(strings.Join(wordText.FindAllString(code, -1), "")); err != nil {
			continue
		}
		if word[0] >= end {
			b.WriteString(text[at:word[0]] + "[code]")
		}
		end = max(end, word[0]+len(code))
		at = end
	}
	return b.String() + text[at:]
}

// report is one statement that looks up one link and writes one row, whoever sends
// what. The same report again within an hour, by a second press or by a client that did
// not hear the answer, is the one that there is.
const report = `
	WITH place AS (SELECT on_roll, group_id, roll_index FROM registrar.token WHERE %s = $5),
	link AS (SELECT (SELECT on_roll FROM place) AS on_roll, (SELECT group_id FROM place) AS group_id, (SELECT roll_index FROM place) AS roll_index),
	same AS (
		SELECT d.number FROM registrar.dispute d, link WHERE d.at > $6 AND (d.happened, d.phone, d.who) = ($1, $2, $3)
			AND (d.on_roll, d.group_id, d.roll_index) IS NOT DISTINCT FROM (link.on_roll, link.group_id, link.roll_index)
		ORDER BY d.number DESC LIMIT 1),
	added AS (
		INSERT INTO registrar.dispute (number, at, happened, phone, who, on_roll, group_id, roll_index)
		SELECT (SELECT COALESCE(max(number), 0) + 1 FROM registrar.dispute), $4, $1, $2, $3, on_roll, group_id, roll_index
		FROM link WHERE NOT EXISTS (SELECT FROM same)
		RETURNING number)
	SELECT number FROM added UNION ALL SELECT number FROM same`

var (
	reportByToken = fmt.Sprintf(report, "token_id")
	reportByCode  = fmt.Sprintf(report, "code_id")
)

// reportLock is held by whoever takes the next number of a report, or decides one.
const reportLock = 0x7265706f7274 // "report"

// Report records that somebody else used a link and returns the report's number. tok
// and code, of which one may be given, say which link; a wrong one is as good as none,
// so that the answer is the same for everybody. It returns [ErrReportEmpty] or
// [ErrReportLong].
func (r *Registrar) Report(ctx context.Context, p Report, tok, code string) (int, error) {
	p, err := p.clean()
	if err != nil {
		return 0, err
	}
	var id []byte // null finds nothing
	c, err := r.Present(tok, code)
	if err == nil {
		id = c.id[:]
	}
	query := reportByToken
	if c.isCode {
		query = reportByCode
	}
	var number int
	now := r.c.Now().UTC().Truncate(time.Second)
	err = reporting(ctx, r, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, query, p.Happened, p.Phone, p.Who, now, id, now.Add(-time.Hour)).Scan(&number)
	})
	if err != nil {
		return 0, fmt.Errorf("recording a report: %w", scrub(err))
	}
	return number, nil
}

// certified reports whether the certificate is signed: a report is kept after that too,
// and changes nothing of it.
func (r *Registrar) certified(ctx context.Context) (bool, error) {
	if r.c.Certified == nil {
		return false, nil
	}
	is, err := r.c.Certified(ctx)
	if err != nil {
		return false, fmt.Errorf("looking for the certificate: %w", err)
	}
	return is, nil
}

// reporting runs fn alone among those that touch the reports. As in
// [Registrar.Resend] the others wait without a connection.
func reporting(ctx context.Context, r *Registrar, fn func(pgx.Tx) error) error {
	select {
	case r.reports <- struct{}{}:
		defer func() { <-r.reports }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return postgres.InTx(ctx, r.c.Pool, pgx.ReadCommitted, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(reportLock)); err != nil {
			return err
		}
		return fn(tx)
	})
}

// What became of a report.
const (
	DisputeOpen     = "open"
	DisputeUpheld   = "upheld"
	DisputeRejected = "rejected"
)

// enough is how many have to say the same of a report.
const enough = 2

// A Dispute is a report, and what the committee made of it. It redacts itself.
type Dispute struct {
	Report
	Number int
	At     time.Time
	State  string
	// Upheld and Rejected are the names of those who say so.
	Upheld, Rejected []string
	// Member is whose link the report came with, empty if it came without a good one.
	// Only then is it said whether a ballot was issued: whoever only writes a name
	// must not find out through a report.
	Member string
	Issued bool
}

// Disputes lists all reports in the order of their numbers.
func (r *Registrar) Disputes(ctx context.Context) ([]Dispute, error) {
	rows, err := r.c.Pool.Query(ctx, `
		SELECT d.number, d.at, d.happened, d.phone, d.who,
			COALESCE(m.name || ', number ' || m.member_no, a.name, ''), u.kind IS NOT NULL AND u.kind = 'issue',
			ARRAY(SELECT w.by FROM registrar.dispute_word w WHERE w.number = d.number AND w.upheld ORDER BY w.at, w.by),
			ARRAY(SELECT w.by FROM registrar.dispute_word w WHERE w.number = d.number AND NOT w.upheld ORDER BY w.at, w.by)
		FROM registrar.dispute d
		LEFT JOIN registrar.member m ON d.on_roll AND m.group_id = d.group_id AND m.roll_index = d.roll_index
		LEFT JOIN registrar.applicant a ON NOT d.on_roll AND a.group_id = d.group_id AND a.roll_index = d.roll_index
		LEFT JOIN registrar.used u ON d.on_roll AND u.group_id = d.group_id AND u.roll_index = d.roll_index
		ORDER BY d.number`)
	if err != nil {
		return nil, fmt.Errorf("listing reports: %w", scrub(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Dispute, err error) {
		err = row.Scan(&d.Number, &d.At, &d.Happened, &d.Phone, &d.Who, &d.Member, &d.Issued, &d.Upheld, &d.Rejected)
		d.State = DisputeOpen
		if len(d.Upheld) >= enough {
			d.State = DisputeUpheld
		} else if len(d.Rejected) >= enough {
			d.State = DisputeRejected
		}
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing reports: %w", scrub(err))
	}
	return list, nil
}

var (
	// ErrNoDispute is returned for a number that no report has.
	ErrNoDispute = errors.New("there is no report with this number")
	// ErrDecided is returned for a report that two have decided, and to whoever has
	// said their word.
	ErrDecided = errors.New("this report is decided, or you have said your word on it")
)

// CheckDispute returns the error that [Registrar.DecideDispute] would, and records
// nothing.
func (r *Registrar) CheckDispute(ctx context.Context, number int, by string) error {
	name, err := r.decider(ctx, by)
	if err != nil {
		return err
	}
	if err := undecided(ctx, r.c.Pool, number, name); err != nil {
		return fmt.Errorf("deciding a report: %w", scrub(err))
	}
	return nil
}

// undecided returns an error for a report that there is not, that is decided, or on which
// somebody has said their word.
func undecided(ctx context.Context, q postgres.Querier, number int, name string) error {
	var there, decided bool
	err := q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM registrar.dispute WHERE number = $1),
			EXISTS (SELECT FROM registrar.dispute_word WHERE number = $1 GROUP BY upheld HAVING count(*) >= $2)
			OR EXISTS (SELECT FROM registrar.dispute_word WHERE number = $1 AND by = $3)`,
		number, enough, name).Scan(&there, &decided)
	switch {
	case err != nil:
		return err
	case !there:
		return ErrNoDispute
	case decided:
		return ErrDecided
	}
	return nil
}

// decider returns the committee's own writing of a name.
func (r *Registrar) decider(ctx context.Context, by string) (string, error) {
	state, err := r.current(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the committee: %w", err)
	}
	var name string
	var names []string
	for _, m := range state.Committee.Members {
		names = append(names, m.Name)
		if strings.EqualFold(m.Name, strings.TrimSpace(by)) {
			name = m.Name
		}
	}
	if name == "" {
		return "", fmt.Errorf("a report is decided by two of the committee, who are: %s", strings.Join(names, ", "))
	}
	return name, nil
}

// DecideDispute records what one of the committee makes of a report. Two different
// ones who say the same decide it. It returns [ErrNoDispute] or [ErrDecided].
func (r *Registrar) DecideDispute(ctx context.Context, number int, by string, upheld bool) error {
	name, err := r.decider(ctx, by)
	if err != nil {
		return err
	}
	err = reporting(ctx, r, func(tx pgx.Tx) error {
		if err := undecided(ctx, tx, number, name); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO registrar.dispute_word (number, by, upheld, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
			number, name, upheld, r.c.Now().UTC().Truncate(time.Second))
		if err == nil && tag.RowsAffected() == 0 {
			return ErrDecided
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("deciding a report: %w", scrub(err))
	}
	return nil
}

// Upheld counts the members whose report two of the committee uphold: several reports
// with one link, or with the link and the code of one member, are about one ballot. Of
// reports that came without a link nobody can say whether they are of one member, and
// each counts.
func (r *Registrar) Upheld(ctx context.Context) (uint64, error) { return r.UpheldWith(ctx, 0) }

// UpheldWith is what [Registrar.Upheld] would be with one report more.
func (r *Registrar) UpheldWith(ctx context.Context, number int) (uint64, error) {
	var n uint64
	err := r.c.Pool.QueryRow(ctx, `
		SELECT count(*) FROM (
			SELECT DISTINCT d.on_roll, d.group_id, d.roll_index, CASE WHEN d.on_roll IS NULL THEN d.number END
			FROM registrar.dispute d
			WHERE d.number = $2 OR d.number IN (
				SELECT w.number FROM registrar.dispute_word w WHERE w.upheld GROUP BY w.number HAVING count(*) >= $1)
		) AS members`, enough, number).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting the reports that are upheld: %w", err)
	}
	return n, nil
}
