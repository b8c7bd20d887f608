package deployment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strikevote/internal/agenda"
	"strikevote/internal/audit"
	"strikevote/internal/committee"
	"strikevote/internal/language"
	"strikevote/internal/mailer"
	"strikevote/internal/platform/postgres"
	"strikevote/internal/platform/postgres/cluster"
	"strikevote/internal/protocol/act"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/protocol/tally"
	"strikevote/internal/record/layout"
	"strikevote/internal/registrar"
	"strikevote/internal/roll"
	"strikevote/internal/teller"
	"strikevote/internal/voter"
	"strikevote/internal/witness"
	"strikevote/internal/wording"
	"strikevote/migrations"
)

// TestService leads one deployment through an election, on two servers that
// somebody else runs: the parts are in order, and each begins where the one
// before ended. What comes last is the auditor.
func TestService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, part := range []struct {
		name string
		do   func(*testing.T, *world)
	}{
		{"migrate", testMigrate},
		{"a box that is not made", testBoxNotMade},
		{"groups", testGroups},
		{"seal", testSeal},
		{"interrupted seal", testInterruptedSeal},
		{"keys", testKeys},
		{"doctor", testDoctor},
		{"downtime before the opening", testDowntimeEarly},
		{"open", testOpen},
		{"mails wait", testMailsWait},
		{"unnoted", testUnnoted},
		{"metrics", testMetrics},
		{"huge bodies", testHuge},
		{"box's database killed", testBoxKilled},
		{"registrar's database killed", testRegistrarKilled},
		{"graceful stop", testGraceful},
		{"downtime", testDowntime},
		{"backup", testBackup},
		{"lock", testLock},
		{"certify", testCertify},
		{"public pages", testPublic},
		{"doctor at the end", testDoctorAtEnd},
		{"backup at the end", testBackupAtEnd},
		{"set back", testSetBack},
		{"log", testLog},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.do(t, w) }) {
			t.Fatalf("the rest needs what %s did", part.name)
		}
	}
}

// refused checks that the service does not start, says why, and leaves nothing
// behind: the next start finds its ports free.
func (w *world) refused(t *testing.T, what string, want error) {
	t.Helper()
	d, err := Open(t.Context(), w.c)
	if d != nil || err == nil {
		t.Fatalf("%s: the service started: %v", what, err)
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
	if s := err.Error(); len(s) < 20 || !strings.Contains(s, " ") || strings.Contains(s, "\x00") {
		t.Errorf("%s: got %q", what, s)
	}
}

// testMigrate refuses a database that lacks migrations, and applies them.
func testMigrate(t *testing.T, w *world) {
	w.refused(t, "an empty server", nil)
	var said []string
	for range 2 {
		if err := Migrate(t.Context(), w.c, func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }); err != nil {
			t.Fatal(err)
		}
	}
	if want := "database strikevote is current"; !slices.Equal(said, []string{want, want}) {
		t.Errorf("got %q", said)
	}
	// A server that keeps times would tie members to ballots.
	admin, err := postgres.Connect(t.Context(), w.c.Registrar.(*cluster.Cluster).AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	for _, sql := range []string{`ALTER ROLE sv_committee SET log_duration = on`, `ALTER ROLE sv_committee RESET log_duration`} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(sql, "= on") {
			w.refused(t, "a server that logs times", nil)
		}
	}
	w.open(t)
	if a := w.ask(t, "http://"+w.d.AdminAddress()+"/readyz", "", nil); a.status != 200 {
		t.Errorf("an empty service is not ready: %s", a.body)
	}
	w.refused(t, "a second service on the same folder", ErrServed)
}

// An asked is a server whose addresses are counted.
type asked struct {
	postgres.Server
	n int
}

func (s *asked) URL(database, role string) string {
	s.n++
	return s.Server.URL(database, role)
}

// testBoxNotMade follows, on a host that has nothing but the box, an election of
// which there are only keys.
func testBoxNotMade(t *testing.T, w *world) {
	server, now := &asked{Server: w.c.Box}, time.Now()
	d := &Deployment{
		c:       Config{Data: t.TempDir(), Parts: []Part{PartBox}, Log: w.c.Log, Now: func() time.Time { return now }},
		servers: servers{box: server}, elections: make(map[suite.ElectionID]*running), drafts: make(map[suite.ElectionID]time.Time),
	}
	if _, err := d.PrepareBox(suite.ElectionID{1}); err != nil {
		t.Fatal(err)
	}
	for i, tt := range []struct {
		later time.Duration
		asked int
	}{{0, 1}, {time.Second, 1}, {28 * time.Second, 1}, {time.Second, 2}, {time.Second, 2}} {
		now = now.Add(tt.later)
		d.followCommittee(t.Context())
		if server.n != tt.asked || d.following != "" {
			t.Errorf("round %d: the server was asked %d times, want %d; it is said: %q", i, server.n, tt.asked, d.following)
		}
	}
}

// testGroups imports a roll that leaves a group too small, and then the right one:
// what the wrong one has pooled is apart again.
func testGroups(t *testing.T, w *world) {
	ctx := t.Context()
	draft := w.draft(t)
	draft.Groups = []election.Group{
		{ID: 1, Name: "Research", Units: []string{"RX", "HX"}}, {ID: 2, Name: "Professional", Units: []string{"UPTE"}}, {ID: 7, Name: "Health", Units: []string{"OX"}, Parent: 1},
	}
	if _, err := w.d.Create(ctx, draft); err != nil {
		t.Fatal(err)
	}
	rollOfUnits := func(units ...string) (list []roll.Member) {
		for _, unit := range units {
			for _, m := range rollOf(election.PoolBelow) {
				m.Number, m.Group = unit+m.Number, unit
				list = append(list, m)
			}
		}
		return list
	}
	full := rollOfUnits("HX", "OX", "UPTE")
	for i, tt := range []struct {
		roll  []roll.Member
		names []string
	}{
		{full, []string{"Research", "Professional", "Health"}},
		{full[:len(full)-1], []string{"Professional + Research", "Health"}},
		{rollOfUnits("HX"), []string{"Professional + Health + Research"}},
		{full, []string{"Research", "Professional", "Health"}},
		{full, []string{"Research", "Professional", "Health"}},
	} {
		groups, fewer, err := w.d.Pooled(ctx, draft.ElectionID, tt.roll)
		if err != nil || fewer != (len(tt.names) < 3) {
			t.Errorf("roll %d: fewer: %t, %v", i, fewer, err)
		}
		if err := w.d.ImportRoll(ctx, draft.ElectionID, tt.roll); err != nil {
			t.Fatal(err)
		}
		m, err := w.d.committee.Draft(ctx, draft.ElectionID)
		if err != nil {
			t.Fatal(err)
		}
		for _, groups := range [][]election.Group{groups, m.Groups} {
			var names []string
			for _, g := range groups {
				names = append(names, g.Name)
			}
			if !slices.Equal(names, tt.names) {
				t.Errorf("roll %d: got %q, want %q", i, names, tt.names)
			}
		}
		if len(m.Groups) == 3 {
			if got, want := fmt.Sprint(m.Groups), fmt.Sprint(draft.Groups); got != want {
				t.Errorf("roll %d: got %s, want %s", i, got, want)
			}
		}
	}
	// One that ended between the two databases is not compared with anything.
	interrupted, err := w.d.draft(ctx, draft.ElectionID, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer interrupted.Pool.Close()
	for _, n := range []int{len(full), len(full) - 1} {
		var list []registrar.Member
		for _, m := range full[:n] {
			list = append(list, member(m))
		}
		if err := interrupted.Import(ctx, list); err != nil {
			t.Fatal(err)
		}
		if _, err := w.d.Roll(ctx, draft.ElectionID); errors.Is(err, errHalfImported) != (n < len(full)) || n == len(full) && err != nil {
			t.Errorf("%d members, interrupted: got %v", n, err)
		}
	}
	interrupted.Pool.Close()
	changes, err := w.d.committee.Log(ctx, draft.ElectionID)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(fmt.Sprintf("%+v", changes), "groups made for the roll"); n != 3 {
		t.Errorf("the groups changed 3 times, and %d are noted", n)
	}
	if err := w.d.Wipe(ctx, draft.ElectionID, "Olga"); err != nil {
		t.Fatal(err)
	}
}

// testSeal brings an election to where it can be sealed. What is missing is said
// each time, and nothing is sealed without it.
func testSeal(t *testing.T, w *world) {
	ctx := t.Context()
	draft := w.draft(t)
	w.id = draft.ElectionID
	unsealed := func(what string) {
		t.Helper()
		if err := w.d.Seal(ctx, w.id); err == nil {
			t.Fatalf("sealed without %s", what)
		}
		if phase, err := w.d.Phase(ctx, w.id); err != nil || phase != "draft" {
			t.Errorf("without %s: %s, %v", what, phase, err)
		}
	}
	unsealed("a draft")
	inv, err := w.d.Create(ctx, draft)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.d.Create(ctx, draft); err == nil {
		t.Error("one election was created twice")
	}
	if _, err := w.d.Propose(ctx, w.id); err == nil {
		t.Error("a manifest was made without a roll and a ceremony")
	}
	if _, err := w.d.Roll(ctx, w.id); !errors.Is(err, errNoRoll) {
		t.Errorf("no roll was imported: %v", err)
	}
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members-1)); err != nil {
		t.Fatal(err)
	}
	testCompared(t, w)
	w.ceremony(t, inv[0])
	unsealed("a manifest")
	wrong, err := w.d.Propose(ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	w.sign(t, 0, wrong)
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members)); err != nil {
		t.Fatal(err)
	}
	manifest, err := w.d.Propose(ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(manifest, wrong) {
		t.Error("another roll has the same manifest")
	}
	for range 2 {
		if again, err := w.d.Propose(ctx, w.id); err != nil || !bytes.Equal(again, manifest) {
			t.Errorf("proposed again, the manifest differs: %v", err)
		}
		w.reopen(t)
	}
	w.mid = election.MID(manifest)
	unsealed("signatures")
	testProposed(t, w)
	w.sign(t, 1, manifest)
	signed := make(map[string][]int)
	v, err := w.d.Overview(ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range v.Papers {
		signed[p.Name] = p.Signed
	}
	if !slices.Equal(signed[agenda.PaperManifest], []int{1}) {
		t.Errorf("signed: %v", signed)
	}
	unsealed("a quorum")
	w.sign(t, 2, manifest)
	unsealed("a drill")
	if err := teller.Drill(ctx, w.teller, w.copy); err != nil {
		t.Fatal(err)
	}
	// Everything is there, over another roll. Nothing is fixed by it: the right one
	// can be imported again.
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members-1)); err != nil {
		t.Fatal(err)
	}
	unsealed("the roll in the manifest")
	if err := w.d.Seal(ctx, w.id); !errors.Is(err, errOtherRoll) {
		t.Errorf("over another roll: %v", err)
	}
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"export":   w.d.Export(ctx, w.id, filepath.Join(t.TempDir(), "record")),
		"mails":    second(w.d.MailsSent(ctx, w.id)),
		"addition": second(w.d.StageAddition(ctx, w.id, rollOf(1)[0])),
	} {
		if !errors.Is(err, errNotSealed) {
			t.Errorf("%s before sealing: %v", name, err)
		}
	}
}

// testProposed follows an election that is proposed, with its server out of
// reach: nothing is opened of it.
func testProposed(t *testing.T, w *world) {
	w.d.opening.Lock()
	server := w.d.servers.registrar
	w.d.servers.registrar = elsewhere{t.TempDir()}
	w.d.opening.Unlock()
	if err := w.d.openElection(t.Context(), w.id); !errors.Is(err, registrar.ErrDraft) {
		t.Errorf("got %v", err)
	}
	w.d.opening.Lock()
	w.d.servers.registrar = server
	w.d.opening.Unlock()
}

// testCompared declares a roll that another was imported in place of, after it was
// read to be compared, and that one itself.
func testCompared(t *testing.T, w *world) {
	ctx := t.Context()
	compared, err := w.d.Roll(ctx, w.id)
	if err != nil || len(compared.Members) != members-1 {
		t.Fatalf("got %v, %v", compared, err)
	}
	declare := func() error {
		return w.d.Declare(ctx, w.id, compared, agenda.Declaration{Second: agenda.SecondList{Name: "Dues", Rows: members - 1}}, "Olga")
	}
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members)); err != nil {
		t.Fatal(err)
	}
	if err := declare(); !errors.Is(err, ErrRollChanged) {
		t.Errorf("another roll was declared than the one compared: %v", err)
	}
	if _, err := w.d.committee.ProposedDeclaration(ctx, w.id); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("something was declared: %v", err)
	}
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members-1)); err != nil {
		t.Fatal(err)
	}
	if err := declare(); err != nil {
		t.Errorf("the roll that was compared: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// testInterruptedSeal stops after each step of sealing, as a crash would, and
// starts again: the service comes up every time, the election stays a draft
// until both sides are sealed, and sealing goes on.
func testInterruptedSeal(t *testing.T, w *world) {
	ctx := t.Context()
	m, manifest, sealing, files := w.sealed(t)
	draft := func(after string) {
		t.Helper()
		w.reopen(t)
		if phase, err := w.d.Phase(ctx, w.id); err != nil || phase != "draft" {
			t.Errorf("after %s: %s, %v", after, phase, err)
		}
		if a := w.ask(t, w.d.Origins().Booth+"/v1/"+w.id.String()+"/manifest", "", nil); a.status != 404 {
			t.Errorf("after %s: the booth answers %d", after, a.status)
		}
	}
	draft("the signatures")
	testAcceptBoxNoKey(t, w, manifest, sealing)
	if err := prepare(ctx, w.d.servers.box, databaseName(w.id), migrations.Ballotbox); err != nil {
		t.Fatal(err)
	}
	draft("the box's database")
	for range 2 {
		if err := w.d.createBox(ctx, w.id, manifest, sealing); err != nil {
			t.Fatal(err)
		}
		draft("the box")
	}
	// Only some of the files of the record are published.
	some := map[string][]byte{layout.Manifest: manifest, layout.CeremonyFresh: files[layout.CeremonyFresh]}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := w.d.sealRegistrar(cancelled, m, manifest, sealing, some); err == nil {
		t.Error("sealed although nobody waited for it")
	}
	draft("half of the registrar")
	// Another roll, or manifest, cannot take the place of what has begun to be sealed.
	for _, n := range []int{members - 1, members} {
		if err := w.d.ImportRoll(ctx, w.id, rollOf(n)); !errors.Is(err, committee.ErrFixed) {
			t.Errorf("a roll of %d was imported after sealing had begun: %v", n, err)
		}
	}
	draft("a roll that came too late")
	if again, err := w.d.Propose(ctx, w.id); err != nil || !bytes.Equal(again, manifest) {
		t.Fatalf("the same roll has another manifest: %v", err)
	}
	if err := w.d.sealRegistrar(ctx, m, manifest, sealing, files); err != nil {
		t.Fatal(err)
	}
	// The crash comes before the election is served: the next start serves it.
	w.reopen(t)
	e := w.d.running(w.id)
	if e == nil {
		t.Fatal("a sealed election is not served")
	}
	if err := w.d.Seal(ctx, w.id); err != nil || w.d.running(w.id) != e {
		t.Errorf("sealing again opened the election again: %v", err)
	}
	if again, err := w.d.Propose(ctx, w.id); err != nil || !bytes.Equal(again, manifest) {
		t.Errorf("the manifest has changed: %v", err)
	}
	if err := w.d.ImportRoll(ctx, w.id, rollOf(members)); !errors.Is(err, committee.ErrFixed) {
		t.Errorf("the roll was imported again: %v", err)
	}
	if a := w.ask(t, w.d.Origins().Booth+"/v1/"+w.id.String()+"/manifest", "", nil); a.status != 200 || a.body != string(manifest) {
		t.Errorf("the booth answers %d", a.status)
	}
}

// testAcceptBoxNoKey makes the box with each of its keys missing.
func testAcceptBoxNoKey(t *testing.T, w *world, manifest, sealing []byte) {
	for _, name := range []string{keyBallots, keyPromise, keyPending} {
		path := w.d.keys(w.id).path(sideBox, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		if err := w.d.AcceptBox(t.Context(), manifest, sealing); !errors.Is(err, ErrNoKey) {
			t.Errorf("without %s: got %v", name, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was made again", name)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
}

// sealed returns what [Deployment.Seal] works with.
func (w *world) sealed(t *testing.T) (m *election.Manifest, manifest, sealing []byte, files map[string][]byte) {
	t.Helper()
	manifest, err := w.d.committee.Proposal(t.Context(), w.id)
	if err == nil {
		m, err = election.Parse(manifest)
	}
	if err == nil {
		sealing, err = w.d.committee.Sealing(t.Context(), w.id)
	}
	if err == nil {
		files, err = w.d.ceremonyFiles(t.Context(), w.id)
	}
	if err != nil {
		t.Fatal(err)
	}
	files[layout.Manifest], files[layout.Sealing] = manifest, sealing
	return m, manifest, sealing, files
}

// testKeys looks at the key files, and starts with each of them missing, wrong
// or damaged: a service that would sign what nobody accepts must not start.
func testKeys(t *testing.T, w *world) {
	keys := w.d.keys(w.id)
	w.shut(t)
	const all = "box/ballots.key box/pending.key box/promise.key mailer/code.key mailer/token.key " +
		"registrar/factor.key registrar/issuer-00001.key registrar/ledger.key registrar/roll.key"
	names(t, keys, all)
	for name := range strings.FieldsSeq(all) {
		path := filepath.Join(keys.dir, name)
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put := func(b []byte) {
			t.Helper()
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		put([]byte("damaged"))
		w.refused(t, name+" damaged", nil)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		w.refused(t, name+" missing", ErrNoKey)
		if _, err := os.Stat(path); err == nil {
			t.Errorf("a new key was made in the place of %s", name)
		}
		put(kept)
		// Nothing public tells another one of these from the right one.
		if slices.Contains([]string{"mailer/code.key", "registrar/factor.key", "registrar/roll.key"}, name) {
			continue
		}
		put(otherKey(t, name))
		w.refused(t, "another "+name, nil)
		put(kept)
	}
	w.open(t)
	if w.d.running(w.id) == nil {
		t.Error("the election is not served")
	}
}

// otherKey returns a key file that is fine and of something else.
func otherKey(t *testing.T, name string) []byte {
	t.Helper()
	k := keyring{dir: t.TempDir()}
	if strings.Contains(name, "issuer") {
		if _, err := k.issuer(1); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(k.path(sideRegistrar, issuerName(1)))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return []byte(strings.Repeat("ab", 32) + "\n")
}

// testOpen opens the election once the witness has signed, and mails the links;
// a restart mails nobody again.
func testOpen(t *testing.T, w *world) {
	var err error
	w.witness, err = witness.Open(t.Context(), witness.Config{
		URL: w.d.Record(w.id), MID: &w.mid, Key: w.seal, Dir: filepath.Join(w.dir, "witness"), Client: w.client, Now: w.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := w.d.Phase(t.Context(), w.id); err != nil || phase != election.PhaseSealed {
		t.Errorf("not witnessed, and %s, %v", phase, err)
	}
	if err := w.d.ResendLink(t.Context(), w.id, "NUMBER-1", "Olga"); err == nil {
		t.Error("a link was sent again before the opening")
	}
	w.follows(t, false)
	if err := w.d.Export(t.Context(), w.id, filepath.Join(t.TempDir(), "record")); !errors.Is(err, ErrNotEnded) {
		t.Errorf("exported before the lock: got %v, want ErrNotEnded", err)
	}
	w.until(t, election.PhaseOpen)
	w.turn(t)
	w.turn(t)
	w.follows(t, true)
	if n, err := w.d.MailsSent(t.Context(), w.id); err != nil || n != members || len(w.links(t)) != members {
		t.Fatalf("%d mails left, and %d links are there: %v", n, len(w.links(t)), err)
	}
	w.reopen(t)
	w.turn(t)
	w.turn(t)
	if n := len(w.links(t)); n != members {
		t.Errorf("after a restart there are %d mails", n)
	}
	s, err := voter.Open(t.Context(), w.client, w.links(t)[0], voter.NoMemory{})
	if err != nil {
		t.Fatal(err)
	}
	if status, err := s.Status(t.Context(), ""); err != nil || status.Phase != "open" || status.Issued {
		t.Errorf("got %v, %v", status, err)
	}
}

// follows checks what is known of the witness.
func (w *world) follows(t *testing.T, begun bool) {
	t.Helper()
	list, err := w.d.Witnesses(t.Context(), w.id)
	if err != nil || len(list) != 1 || list[0].Name != "witness.example" || list[0].Begun != begun || list[0].Follows && !begun {
		t.Errorf("got %+v, %v; want begun: %v", list, err, begun)
	}
}

// testUnnoted: what the committee's log cannot hold is refused before it is done, not after.
func testUnnoted(t *testing.T, w *world) {
	e := w.d.running(w.id)
	state := func() (s string) {
		t.Helper()
		err := e.registrarPool.QueryRow(t.Context(), `SELECT concat_ws(' ', (SELECT count(*) FROM registrar.token), (SELECT count(*) FROM registrar.outbox),
			(SELECT count(*) FROM registrar.applicant), (SELECT count(*) FROM registrar.mail_pause WHERE paused))`).Scan(&s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := state()
	for _, by := range []string{"Olga\x1b", "", strings.Repeat("O", 81)} {
		for name, do := range map[string]func() error{
			"address": func() error { return w.d.CorrectAddress(t.Context(), w.id, "NUMBER-1", "", by, "moved") },
			"admit": func() error {
				return w.d.Admit(t.Context(), w.id, registrar.Applicant{Name: "Dora", Group: 1, Reason: "new"}, by)
			},
			"queue": func() error {
				_, err := w.d.QueueMail(t.Context(), w.id, mailer.Reminder, 0, by)
				return err
			},
			"resend": func() error { return w.d.ResendLink(t.Context(), w.id, "NUMBER-1", by) },
			"pause": func() error {
				_, err := w.d.PauseMail(t.Context(), w.id, by)
				return err
			},
		} {
			if err := do(); err == nil || state() != before {
				t.Errorf("%s by %q: %v; %s, before %s", name, by, err, state(), before)
			}
		}
	}
	if err := w.d.CorrectAddress(t.Context(), w.id, "NUMBER-1", "", "Olga", strings.Repeat("r", 500)); err == nil || state() != before {
		t.Errorf("a long reason: %v; %s, before %s", err, state(), before)
	}
}

// testMailsWait: why mails wait is said once, and again after it was another reason.
func testMailsWait(t *testing.T, w *world) {
	e := w.d.running(w.id)
	post := func(ill bool) *mailer.Mailer {
		t.Helper()
		pool, err := openSide(t.Context(), w.d.servers.registrar, w.id, migrations.Registrar)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		if ill {
			pool.Close()
		}
		m, err := mailer.New(mailer.Config{
			Pool: pool, Manifest: e.manifest, MID: e.mid, Minter: e.minter, Senders: []mailer.Sender{&mailer.Directory{Path: w.c.Mail}},
			From: mailer.Address{Name: "Union", Address: "ballot@union.example"}, Zone: time.UTC, Now: w.now, Log: w.c.Log,
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	closed := post(true)
	before := strings.Count(w.log.String(), "mails wait")
	other := new(running)
	for i, tt := range []struct {
		mailer *mailer.Mailer
		lines  int // said in all
	}{{closed, 1}, {closed, 1}, {closed, 1}, {post(false), 1}, {closed, 2}, {closed, 2}} {
		other.mailer.Store(tt.mailer)
		w.d.sendMails(t.Context(), other)
		if n := strings.Count(w.log.String(), "mails wait") - before; n != tt.lines {
			t.Errorf("round %d: said %d times, want %d", i+1, n, tt.lines)
		}
	}
}

// testLock moves the clock past the close. The keys that could make or read
// ballots are destroyed, and the service starts without them.
func testLock(t *testing.T, w *world) {
	keys := w.d.keys(w.id)
	if phase, err := w.d.Phase(t.Context(), w.id); err != nil || phase != election.PhaseOpen {
		t.Fatalf("got %s, %v", phase, err)
	}
	// One is issued and comes too late.
	late, _ := w.ballot(t, w.links(t)[members-1], 0)
	w.amend(t)
	testDecide(t, w)
	w.ahead.Store(4000)
	w.lockAtOnce(t)
	gone := []string{keys.path(sideRegistrar, issuerName(1)), keys.path(sideBox, keyPending)}
	for _, path := range gone {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	w.reopen(t)
	w.turn(t)
	if ready, err := w.d.Ready(t.Context(), w.id); err != nil || !ready {
		t.Errorf("after a restart the locked election is not: %v", err)
	}
	_, manifest, sealing, _ := w.sealed(t)
	if err := w.d.AcceptBox(t.Context(), manifest, sealing); err != nil {
		t.Errorf("the box that is here: %v", err)
	}
	other := bytes.Replace(manifest, []byte("A vote"), []byte("B vote"), 1)
	if err := w.d.AcceptBox(t.Context(), other, sealing); err == nil || !strings.Contains(err.Error(), "another manifest") {
		t.Errorf("another manifest than that of the box that is here: %v", err)
	}
	for _, path := range gone {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s was made again", path)
		}
	}
	a := w.cast(t, late)
	if a.sentence(t, "a ballot after the lock"); a.status != 403 {
		t.Errorf("got %d", a.status)
	}
	for _, id := range w.voted {
		if state := w.find(t, id); state != "in the log" {
			t.Errorf("a ballot that was promised is %s", state)
		}
	}
}

// amend adds a member by an act of two, after another addition was proposed and
// taken back: nobody waits for its place.
func (w *world) amend(t *testing.T) {
	t.Helper()
	ctx, late := t.Context(), rollOf(members + 2)[members:]
	n, err := w.d.AddMember(ctx, w.id, late[1], "Olga")
	if err == nil {
		_, err = w.d.WithdrawAct(ctx, w.id, n, "Olga")
	}
	if err == nil {
		n, err = w.d.AddMember(ctx, w.id, late[0], "Olga")
	}
	if err != nil || n != 1 {
		t.Fatalf("proposed act %d, %v", n, err)
	}
	open, err := w.d.committee.OpenActs(ctx, w.id)
	if err != nil || len(open) != 1 {
		t.Fatalf("%d acts wait, %v", len(open), err)
	}
	payload := open[0].Payload
	a := &act.Act{Kind: act.KindAmend, Sequence: 1, Payload: payload}
	for i, key := range w.committee[:2] {
		a.Signatures = append(a.Signatures, act.Signature{Member: uint8(i), Bytes: act.SignEd25519(key, w.mid, a.Kind, 1, payload)})
	}
	got := w.ask(t, w.d.Origins().Registrar+"/v1/"+w.id.String()+"/acts", octets, a.Bytes())
	if got.status != 200 {
		t.Fatalf("the act: got %d %s", got.status, got.body)
	}
	w.turn(t)
	w.turn(t)
}

// lockAtOnce locks both sides with a witness so quick, or a round so long, that
// both fall into one round. From the moment the election counts as locked its
// record has to be whole: tellers come at once, and find what is missing to be a
// fault of the record.
func (w *world) lockAtOnce(t *testing.T) {
	t.Helper()
	ctx, e := t.Context(), w.d.running(w.id)
	look := func() {
		t.Helper()
		if err := w.witness.Poll(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for _, tick := range []func(context.Context) error{e.registrar.Tick, e.box.Tick} {
		if err := tick(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the last batch, and then the final entry, wait for the witness
		if err := w.d.lockLedger(ctx, e); err != nil && !waits(err) {
			t.Fatal(err)
		}
		look()
	}
	for _, step := range []func(context.Context, *running) error{w.d.lockBox, w.d.endBox} {
		if err := step(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	look()
	if phase, err := w.d.Phase(ctx, w.id); err != nil || phase != election.PhaseLocked {
		t.Fatalf("got %s, %v", phase, err)
	}
	dir := filepath.Join(t.TempDir(), "record")
	if err := w.d.Export(ctx, w.id, dir); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(ctx, os.DirFS(dir), audit.Options{Stage: layout.Locked, MID: &w.mid})
	if err != nil || !report.Verified {
		t.Fatalf("the locked record does not hold: %v, %s", err, report.Fault())
	}
}

// testCertify opens the totals and certifies them. The keys of links go then,
// and the record holds.
func testCertify(t *testing.T, w *world) {
	ctx := t.Context()
	opening, err := w.teller.Examine(ctx, teller.Options{MID: &w.mid})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.teller.Send(ctx, opening); err != nil {
		t.Fatal(err)
	}
	w.until(t, election.PhaseTallied)
	w.turn(t)
	certificate, err := w.d.committee.Certificate(ctx, w.id)
	if err != nil {
		t.Fatal(err)
	}
	certificate = w.dispute(t, certificate)
	message := tally.CertificateMessage(w.mid, certificate)
	for member := range 2 {
		sig := election.MemberSignature{Member: uint8(member), Signature: ed25519.Sign(w.committee[member], message)}
		if err := w.d.committee.SignCertificate(ctx, w.id, sig); err != nil {
			t.Fatal(err)
		}
	}
	w.lateDispute(t)
	keys := w.d.keys(w.id)
	w.until(t, election.PhaseCertified)
	w.turn(t)
	gone := []string{keys.path(sideMailer, keyToken), keys.path(sideMailer, keyCode)}
	for _, path := range gone {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	if e := w.d.running(w.id); e.minter != nil {
		t.Error("links could still be made")
	}
	w.turn(t)
	w.results(t)
	// Half of the destruction was interrupted.
	if err := keys.write(gone[1], []byte(strings.Repeat("ab", 32))); err != nil {
		t.Fatal(err)
	}
	if err := keys.destroy(sideRegistrar, keyFactor); err != nil { // as the guide has operators do
		t.Fatal(err)
	}
	w.reopen(t)
	w.turn(t)
	if _, err := os.Stat(gone[1]); err == nil {
		t.Error("what was left of the keys is still there")
	}
	w.results(t)
	w.audit(t)
	if err := Migrate(ctx, w.c, func(string, ...any) {}); err != nil {
		t.Error(err)
	}
}

// results demands one mail with the certified result for each member who has an address,
// in the member's language, without a link.
func (w *world) results(t *testing.T) {
	t.Helper()
	outcome, err := w.d.running(w.id).outcome(t.Context())
	if err != nil || outcome == nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, l := range []string{"en", "es", "ko"} {
		want[l], _ = wording.Outcome(language.Of(l), w.d.running(w.id).manifest, outcome.Units)
	}
	files, err := filepath.Glob(filepath.Join(w.c.Mail, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := mail.ReadMessage(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		part, err := multipart.NewReader(msg.Body, params["boundary"]).NextPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		l := msg.Header.Get("Content-Language")
		if body := strings.Join(strings.Fields(string(text)), " "); strings.Contains(body, want[l]) {
			got[l]++
			if strings.Contains(body, "#t=") {
				t.Error("the result comes with a link to a ballot")
			}
		}
	}
	if got["en"]+got["es"]+got["ko"] != members+1 || got["es"] == 0 || got["ko"] == 0 {
		t.Errorf("mails with the result: %v", got)
	}
}

// audit exports the record and has it verified.
func (w *world) audit(t *testing.T) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "record")
	if err := w.d.Export(t.Context(), w.id, dir); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(t.Context(), os.DirFS(dir), audit.Options{Stage: layout.Certified, MID: &w.mid})
	if err != nil || !report.Verified {
		t.Fatalf("the record does not hold: %v, %s", err, report.Fault())
	}
	if report.Ballots != uint64(len(w.voted)) || report.Issued != report.Ballots+1 {
		t.Errorf("%d ballots and %d issuances of %d who voted", report.Ballots, report.Issued, len(w.voted))
	}
}

// testLog searches everything that was logged for what belongs to one person.
func testLog(t *testing.T, w *world) {
	text := w.log.String()
	if !strings.Contains(text, "phase changed") {
		t.Error("nothing was logged")
	}
	needles := []string{"Canary", "canary", "mail.example", "NUMBER-", "/v1/" + w.id.String()}
	for _, link := range w.links(t) {
		_, tok, _ := strings.Cut(link, "#t=")
		needles = append(needles, tok[:40], tok[60:100])
	}
	for _, id := range w.voted {
		needles = append(needles, id.String())
	}
	for _, needle := range needles {
		if at := strings.Index(text, needle); at >= 0 {
			t.Errorf("the log has %q: %s", needle, text[max(0, at-200):min(len(text), at+200)])
		}
	}
}
