package voter_test

import (
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"strikevote/internal/protocol/ballot"
	"strikevote/internal/voter"
)

// places are the requests of a voter's program, in order.
var asked = []string{"booth/manifest", "registrar/status", "registrar/issue", "box/ballots", "box/find", "board/ledger/checkpoint-1"}

// FuzzAnswers changes one answer of the service into any other. Whatever comes, the
// voter is told in words that can be shown on a terminal, and what is not true is not
// taken for it: nobody is said to have cast without a valid promise.
func FuzzAnswers(f *testing.F) {
	for i := range asked {
		f.Add(i, 200, "application/json", []byte(`{}`))
		f.Add(i, 403, "application/json", []byte(`{"error":"closed","message":"Voting has closed."}`))
	}
	f.Add(1, 200, "", []byte(`{"title":["a\u001b[2J"],"group":1,"phase":"open","close":99999999999999,"issued":false,"salt":"00","index":4294967295}`))
	f.Add(2, 200, "", []byte(`{"s":"`+strings.Repeat("A", 512)+`"}`))
	f.Add(3, 200, "", []byte(`{"promise":"`+strings.Repeat("00", 104)+`","state":"received"}`))
	f.Add(4, 404, "", []byte("{\"error\":\"\x1b[2J\",\"message\":\"\\u001b]0;x\\u0007\"}"))
	s := newService(f)
	f.Fuzz(func(t *testing.T, which, status int, kind string, answer []byte) {
		at := asked[uint(which)%uint(len(asked))]
		status = 200 + int(uint(status)%300) // a service that is away is waited for
		s.set(func() {
			clear(s.issued)
			clear(s.kept)
			s.change = func(r request, w *httptest.ResponseRecorder) {
				if r.origin+r.path != at {
					return
				}
				w.Code = status
				w.Header().Set("Content-Type", kind)
				w.Body.Reset()
				w.Body.Write(answer)
			}
		})
		session, err := voter.Open(t.Context(), s.client(), s.link(1), voter.NoMemory{})
		var shown *voter.Status
		if err == nil {
			shown, err = session.Status(t.Context(), "")
		}
		if err == nil {
			err = session.Seal(ballot.Choices{0, 1}, "")
		}
		if err == nil {
			err = session.Finish(t.Context(), "")
		}
		if err == nil && session.Stage() == voter.StageReceived && at == "box/ballots" && !strings.Contains(string(answer), "promise") {
			t.Errorf("cast on the word of %q", answer)
		}
		if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("the voter reads %q", err)
		}
		if shown != nil && strings.ContainsFunc(shown.Phase, unicode.IsControl) {
			t.Errorf("the phase is %q", shown.Phase)
		}
	})
}

// FuzzMemory opens what a device kept, after somebody wrote into it.
func FuzzMemory(f *testing.F) {
	s := newService(f)
	dir := f.TempDir()
	memory := voter.File{Path: filepath.Join(dir, "kept")}
	session, err := voter.Open(f.Context(), s.client(), s.link(2), memory)
	if err == nil {
		_, err = session.Status(f.Context(), "")
	}
	if err == nil {
		err = session.Seal(ballot.Choices{0, 1}, "")
	}
	if err == nil {
		err = session.Finish(f.Context(), "")
	}
	if err != nil {
		f.Fatal(err)
	}
	good, err := memory.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:23])
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, kept []byte) {
		at := voter.File{Path: filepath.Join(t.TempDir(), "kept")}
		if err := os.WriteFile(at.Path, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := voter.Open(t.Context(), s.client(), s.link(2), at)
		if err == nil && string(kept) != string(good) {
			t.Error("something else than was kept is opened")
		}
		if err != nil && string(kept) != string(good) && !errors.Is(err, voter.ErrDamaged) {
			t.Errorf("got %v", err)
		}
	})
}
