package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/receipt"
	"strikevote/internal/protocol/token"
	"strikevote/internal/voter"
)

func voteCommand() command {
	return command{
		name: "vote", args: "[-choose N[,N…]] [-yes] LINK|MAIL.eml\n   or: strikevote vote -slip CODE https://BOOTH/v1/ELECTION",
		short: "vote with the link from your mail, without a browser",
		long: `
Opens the ballot of a link, asks for your answer, seals it on this computer and
casts it. Put the link in quotes: it holds a "#". Instead of the link you can name
the mail itself, saved as a file.

After an interruption run the same command again: it finishes the same ballot,
and never makes a second one. With -test the sealed ballot is opened again
instead of cast, to test this device; -check does the sums of such a test made
on another device, and needs the link too: -check FILE LINK. With -find it says where
your ballot is; -forget erases what this computer keeps of the link.

Is it disputed whether you may vote, -envelope hands your sealed ballot in with
your name on it; two of the committee decide on it. With a code from a
slip in place of a link, -slip CODE votes at the address on the slip; -slip - asks
for the code, so that it is not left in the shell's history.`,
		run: runVote,
	}
}

type voteFlags struct {
	choose, state, factor, typed, recover, check, out, slip string
	yes, test, find, code, envelope, forget                 bool
}

func runVote(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var f voteFlags
	fs.StringVar(&f.choose, "choose", "", "the option of each question by number, from 1: 1 or 1,2,1")
	fs.BoolVar(&f.yes, "yes", false, "cast without asking again")
	fs.BoolVar(&f.test, "test", false, "test this device: seal, then open the sealed ballot again; nothing is cast")
	fs.StringVar(&f.check, "check", "", "check a test of another device: the file that -test printed; the link is needed too")
	fs.BoolVar(&f.forget, "forget", false, "erase what this computer keeps of this link, after asking")
	fs.BoolVar(&f.find, "find", false, "say where the ballot cast from this computer is")
	fs.StringVar(&f.factor, "factor", "", "the answer to the committee's second question, where there is one")
	fs.StringVar(&f.typed, "typed", "", "text of your own to go into the sealing (advanced)")
	fs.StringVar(&f.recover, "recover", "", "recovery code of a ballot that was issued on another device; choose the same answer again")
	fs.BoolVar(&f.code, "code", false, "also show the recovery code, to finish on another device; it reveals your answer")
	fs.StringVar(&f.out, "o", "", "with -test: write what it reveals to this file")
	fs.BoolVar(&f.envelope, "envelope", false, "hand the ballot in in an envelope, where it is disputed whether you may vote; less secret")
	fs.StringVar(&f.slip, "slip", "", "the code from your slip or mail, instead of a link; - asks for it")
	fs.StringVar(&f.state, "state", "", "folder in which an unfinished ballot is kept (default: your configuration folder)")
	if err := parse(fs, args); err != nil {
		return err
	}
	if fs.NArg() == 0 && f.check != "" {
		return usageError("-check needs the link too, in quotes: strikevote vote -check FILE LINK")
	}
	if fs.NArg() != 1 {
		return usageError("give the link from your mail, in quotes, or the mail as a file; with -slip, the address on the slip")
	}
	if f.state == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return fmt.Errorf("finding a place to keep an unfinished ballot: %w; name one with -state", err)
		}
		f.state = filepath.Join(dir, "strikevote", "ballots")
	}
	if err := os.MkdirAll(f.state, 0o700); err != nil {
		return fmt.Errorf("making a place to keep an unfinished ballot: %w; name another folder with -state", err)
	}
	return plainly(voteWith(ctx, e, f, fs.Arg(0)))
}

func voteWith(ctx context.Context, e *env, f voteFlags, arg string) error {
	ask := newQuestions(ctx, e)
	s, err := openVote(ctx, e, ask, f, arg)
	if errors.Is(err, voter.ErrDamaged) {
		return fmt.Errorf("%w. With a recovery code: -recover, and another folder with -state", err)
	}
	if err != nil {
		return err
	}
	switch {
	case f.check != "":
		return checkTest(e, s, f.check)
	case f.forget:
		showStanding(e, s)
		return forget(ctx, e, ask, s, f)
	case f.find:
	case s.Stage() == voter.StageReceived:
		fmt.Fprintln(e.out, "You have voted with this link on this computer. Nothing new was cast.")
	case s.Stage() == voter.StageDeposited:
		fmt.Fprintln(e.out, "You have handed in an envelope with this link on this computer. Nothing new was sent.")
	default:
		return keptAfter(s, vote(ctx, e, ask, s, f))
	}
	showStanding(e, s)
	return showFound(ctx, e, s, f.factor)
}

// openVote opens a link or a slip's code, and shows what election it is of.
func openVote(ctx context.Context, e *env, ask *questions, f voteFlags, arg string) (*voter.Session, error) {
	if f.slip != "" {
		return openSlip(ctx, e, ask, f, arg)
	}
	link, err := linkOf(arg)
	if err != nil {
		return nil, err
	}
	s, err := voter.Open(ctx, voter.NewClient(), link, voter.FileFor(f.state, link))
	if errors.Is(err, token.ErrLink) {
		return nil, errors.New(`this is not a whole voting link; nothing was sent. It is long, and ends with "&m=" and 43 characters: ` +
			`copy it from your mail to its last character and put it in quotes, or the shell cuts it. Or save the mail and name its file`)
	}
	if err != nil {
		return nil, err
	}
	describe(e, s)
	return s, nil
}

func describe(e *env, s *voter.Session) {
	m := s.Manifest
	watermark(e, m)
	fmt.Fprintln(e.out, m.Title[0])
	if g := s.Group(); g != nil {
		fmt.Fprintf(e.out, "You vote in: %s\n", g.Name)
	}
	fmt.Fprintf(e.out, "Six check words: %s\n\n", election.SixWords(s.MID))
}

func vote(ctx context.Context, e *env, ask *questions, s *voter.Session, f voteFlags) error {
	if f.test && s.Stage() != voter.StageNew {
		_, err := s.Test() // says why not
		return err
	}
	// Asked for an unfinished ballot too, only to say it better: whether it can still
	// be finished is for the box to say, and the link may be too old to be answered.
	status, err := s.Status(ctx, f.factor)
	if err == nil {
		if err := showClose(e, s, status); err != nil {
			return err
		}
	} else {
		showStanding(e, s)
	}
	if s.Stage() == voter.StageIssued || s.Stage() == voter.StageSealed && f.recover == "" {
		if done, err := goOn(ctx, e, ask, s, f, status, err); done || err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if status.Issued && f.recover == "" {
		return errors.New("a ballot was already issued, or an envelope handed in, for this link, on another device or by an earlier run that kept nothing here. Open the link there, or use -recover with your recovery code, or call the committee")
	}
	if f.envelope = f.envelope || s.EnvelopeOnly(); f.envelope {
		explainEnvelope(e, s)
	}
	choices, err := choose(e, ask, s.Manifest, f.choose)
	if err != nil {
		return err
	}
	if err := seal(s, f, choices); err != nil {
		return err
	}
	id, _ := s.Tracker()
	fmt.Fprintf(e.out, "\nYour ballot is sealed, and not cast yet. Tracker: %s\n", receipt.Tracker(id))
	showChoices(e, s.Manifest, choices)
	if f.test {
		return showTest(e, s, f.out)
	}
	if f.code {
		code, err := s.RecoveryCode()
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "Recovery code: %s\nWith it you can finish on another device. Whoever has it can see what you chose:\ndestroy it once your ballot is received.\n", code)
	}
	return confirmAndFinish(ctx, e, ask, s, f)
}

func seal(s *voter.Session, f voteFlags, choices ballot.Choices) error {
	if f.recover == "" {
		return s.Seal(choices, f.typed)
	}
	secret, err := ballot.ParseRecoveryCode(f.recover)
	if err != nil {
		return err
	}
	return s.SealWith(secret, choices, f.typed)
}

// goOn finishes the ballot of an interrupted run, after showing what it holds.
// done is false if nothing was issued on it and another answer is wanted, which
// is then sealed anew. The status may be unknown, and then unanswered says why.
func goOn(ctx context.Context, e *env, ask *questions, s *voter.Session, f voteFlags, status *voter.Status, unanswered error) (done bool, err error) {
	id, _ := s.Tracker()
	kept := s.Choices()
	fmt.Fprintf(e.out, "There is an unfinished ballot on this computer. Tracker: %s\n", receipt.Tracker(id))
	showChoices(e, s.Manifest, kept)
	if f.choose != "" {
		wanted, err := choose(e, ask, s.Manifest, f.choose)
		if err != nil {
			return false, err
		}
		if !slices.Equal(wanted, kept) {
			if s.Stage() == voter.StageSealed && (unanswered != nil || !status.Issued) {
				return false, unanswered
			}
			if s.InEnvelope() {
				return false, errors.New("this ballot was handed in already, and cannot be changed. Run the command without -choose to finish it")
			}
			return false, errors.New("this ballot was issued already, and a ballot that was issued cannot be changed. Run the command without -choose to finish it")
		}
	}
	if f.envelope && !s.InEnvelope() && unanswered != nil {
		// It may have been issued as an ordinary ballot: the registrar has to say
		// that it was not.
		return false, unanswered
	}
	if f.envelope = f.envelope || s.InEnvelope(); f.envelope {
		explainEnvelope(e, s)
	}
	return true, confirmAndFinish(ctx, e, ask, s, f)
}

func confirmAndFinish(ctx context.Context, e *env, ask *questions, s *voter.Session, f voteFlags) error {
	question := "Cast it? You can vote once, and cannot change it afterwards. Type yes: "
	if f.envelope {
		question = "Hand it in, in the envelope? You can do so once, and cannot change it afterwards. Type yes: "
	}
	if err := confirm(ask, f, question); err != nil {
		return err
	}
	if f.envelope {
		return handIn(ctx, e, s, f)
	}
	return finish(ctx, e, s, f)
}

func showChoices(e *env, m *election.Manifest, choices ballot.Choices) {
	for i, c := range choices {
		fmt.Fprintf(e.out, "  %s  →  %s\n", m.Questions[i].Text[0], m.Questions[i].Options[c].Text[0])
	}
}

// confirm asks for a yes, unless -yes was given.
func confirm(ask *questions, f voteFlags, question string) error {
	if f.yes {
		return nil
	}
	line, err := ask.line(question)
	if err != nil {
		return err
	}
	if strings.ToLower(line) != "yes" {
		return errors.New("nothing was cast. Run the command again when you are ready")
	}
	return nil
}

func finish(ctx context.Context, e *env, s *voter.Session, f voteFlags) error {
	if err := s.Finish(ctx, f.factor); err != nil {
		return err
	}
	id, _ := s.Tracker()
	fmt.Fprintf(e.out, "\nYour ballot is received. The box promised, in a signed answer, that it will be in\nthe published box. Your choice is erased from this computer.\nTracker: %s\nTo see it in the box later: the same command with -find.\n", receipt.Tracker(id))
	return nil
}

// choose takes the answers from the flag, or asks.
func choose(e *env, ask *questions, m *election.Manifest, flagged string) (ballot.Choices, error) {
	given := strings.Split(flagged, ",")
	if flagged != "" && len(given) != len(m.Questions) {
		return nil, usageError("-choose takes %s, one for each question", count(len(m.Questions), "number"))
	}
	var choices ballot.Choices
	for i, q := range m.Questions {
		if flagged != "" {
			n, ok := option(given[i], q)
			if !ok {
				return nil, usageError("choose a number from 1 to %d", len(q.Options))
			}
			choices = append(choices, n)
			continue
		}
		fmt.Fprintln(e.out, q.Text[0])
		for j, o := range q.Options {
			fmt.Fprintf(e.out, "  %d  %s\n", j+1, o.Text[0])
		}
		for {
			line, err := ask.line("Your choice, by number: ")
			if err != nil {
				return nil, err
			}
			if n, ok := option(line, q); ok {
				choices = append(choices, n)
				break
			}
			fmt.Fprintf(e.out, "Type a number from 1 to %d.\n", len(q.Options))
		}
	}
	return choices, nil
}

// option reads the number of an option, from 1.
func option(text string, q election.Question) (uint8, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 1 || n > len(q.Options) {
		return 0, false
	}
	return uint8(n - 1), true
}
