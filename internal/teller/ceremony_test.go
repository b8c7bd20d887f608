package teller_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"strikevote/internal/committee"
	"strikevote/internal/teller"
)

// TestCeremony makes a key with several programs, each of which is killed after
// every step and opened again from its key file, while the answer to every
// request is lost the first time.
func TestCeremony(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]uint8{{1, 1}, {2, 2}, {5, 3}} {
		t.Run(fmt.Sprintf("%d of %d", size[1], size[0]), func(t *testing.T) {
			t.Parallel()
			n := int(size[0])
			c := newConsole(t, size[0], size[1])
			c.loseOnce()
			waits := make([]string, n)
			done := 0
			for step := 0; done < n; step++ {
				if step > 100 {
					t.Fatalf("no end; they wait for %q", waits)
				}
				done = 0
				for i := range n {
					waits[i] = c.step(t, i+1)
					if waits[i] == "" {
						done++
					}
				}
			}
			tellers := c.drills(t)
			got, err := c.service.Ceremony(t.Context(), c.election)
			if err != nil {
				t.Fatal(err)
			}
			for i, drill := range got.Drills {
				if drill == nil {
					t.Errorf("teller %d has not drilled", i+1)
				}
			}
			c.secretFree(t, tellers...)
		})
	}
}

// step runs teller i's program once: it is started, does what it can, and ends.
func (c *console) step(t *testing.T, i int) (waiting string) {
	t.Helper()
	tt, err := teller.Enroll(t.Context(), c.invitations[i-1], c.path(i), passphrase)
	if err != nil {
		return c.lost(t, err)
	}
	defer tt.Close()
	if waiting, err = tt.Advance(t.Context()); err != nil {
		return c.lost(t, err)
	}
	return waiting
}

// lost fails the test unless an error is of a lost answer.
func (c *console) lost(t *testing.T, err error) string {
	t.Helper()
	if !strings.Contains(err.Error(), "EOF") {
		t.Fatal(err)
	}
	return "the network"
}

// drills makes the second copies and proves both of each, again and again until
// the answer arrives. It returns the opened programs.
func (c *console) drills(t *testing.T) (tellers []*teller.Teller) {
	t.Helper()
	for i := range c.invitations {
		first, err := teller.Open(c.path(i+1), passphrase)
		if err != nil {
			t.Fatal(err)
		}
		second, err := first.Copy(c.path(i+1)+".copy", passphrase)
		if err != nil {
			t.Fatal(err)
		}
		second.Close()
		if second, err = teller.Open(c.path(i+1)+".copy", passphrase); err != nil {
			t.Fatal(err)
		}
		// The proofs are new each time, so the same bytes are never sent twice:
		// only the first is lost.
		if err := teller.Drill(t.Context(), first, second); err != nil {
			c.lost(t, err)
		}
		c.loseNone()
		if err := teller.Drill(t.Context(), first, second); err != nil {
			t.Fatal(err)
		}
		tellers = append(tellers, first)
	}
	return tellers
}

// TestRestart starts the ceremony again in the middle: programs that are under
// way go on with the new one by themselves. After its end a key is not given up.
func TestRestart(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := newConsole(t, 2, 2)
	var tellers []*teller.Teller
	for i := range c.invitations {
		tt, err := teller.Enroll(ctx, c.invitations[i], c.path(i+1), passphrase)
		if err != nil {
			t.Fatal(err)
		}
		tellers = append(tellers, tt)
	}
	for range 2 { // both have sent their messages, the first its signature
		for _, tt := range tellers {
			if _, err := tt.Advance(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.service.Restart(ctx, c.election); err != nil {
			t.Fatal(err)
		}
	}
	for step := 0; ; step++ {
		waiting, errs := advance(t, tellers)
		if err := errors.Join(errs...); err != nil || step > 10 {
			t.Fatalf("they wait for %q: %v", waiting, err)
		}
		if waiting[0] == "" && waiting[1] == "" {
			break
		}
	}
	if got := tellers[0].Session(); got != 3 {
		t.Errorf("got session %d", got)
	}
	if _, err := c.service.Ceremony(ctx, c.election); err != nil {
		t.Error(err)
	}
	before, err := os.ReadFile(c.path(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.service.Restart(ctx, c.election); err != nil {
		t.Fatal(err)
	}
	if waiting, err := tellers[0].Advance(ctx); waiting != "" || err != nil {
		t.Errorf("got %q, %v", waiting, err)
	}
	second, err := tellers[0].Copy(c.path(1)+".copy", passphrase)
	if err != nil {
		t.Fatal(err)
	}
	if err := teller.Drill(ctx, tellers[0], second); !errors.Is(err, teller.ErrRestarted) {
		t.Errorf("a key of the ceremony before drilled: %v", err)
	}
	tellers[0].Close()
	if _, err := teller.Enroll(ctx, c.invitations[0], c.path(1), passphrase); !errors.Is(err, teller.ErrRestarted) {
		t.Errorf("a key that is done went through another ceremony: %v", err)
	}
	if after, err := os.ReadFile(c.path(1)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key file was changed (%v)", err)
	}
	// With a new file it takes part.
	if _, err := teller.Enroll(ctx, c.invitations[0], c.path(1)+".again", passphrase); err != nil {
		t.Error(err)
	}
}

// TestEnrollRefused gives invitations that do not fit.
func TestEnrollRefused(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := newConsole(t, 2, 2)
	if tt, err := teller.Enroll(ctx, c.invitations[0], c.path(1), passphrase); err != nil {
		t.Fatal(err)
	} else {
		tt.Close()
	}
	before, err := os.ReadFile(c.path(1))
	if err != nil {
		t.Fatal(err)
	}
	// An invitation makes one key. Whoever lost it, or has it open elsewhere, reads what
	// to do.
	if _, err := teller.Enroll(ctx, c.invitations[0], c.path(8), passphrase); err == nil ||
		!strings.Contains(err.Error(), "go on with the key file that you made then") || !strings.Contains(err.Error(), "call the committee") {
		t.Errorf("an invitation that was used: got %v", err)
	}
	other := c.invitations[0]
	other.Election[0]++
	wrong := c.invitations[1]
	wrong.Enrollment = c.invitations[0].Enrollment
	gone := c.invitations[1]
	gone.Console = "http://127.0.0.1:1"
	if err := os.WriteFile(c.path(9), []byte("my thesis"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() (*teller.Teller, error){
		"another teller's file":   func() (*teller.Teller, error) { return teller.Enroll(ctx, c.invitations[1], c.path(1), passphrase) },
		"another election's file": func() (*teller.Teller, error) { return teller.Enroll(ctx, other, c.path(1), passphrase) },
		"another passphrase":      func() (*teller.Teller, error) { return teller.Enroll(ctx, c.invitations[0], c.path(1), []byte("x")) },
		"no key file":             func() (*teller.Teller, error) { return teller.Enroll(ctx, c.invitations[0], c.path(9), passphrase) },
		"a folder":                func() (*teller.Teller, error) { return teller.Enroll(ctx, c.invitations[0], c.dir, passphrase) },
		"no folder":               func() (*teller.Teller, error) { return teller.Enroll(ctx, c.invitations[0], c.dir+"/x/y", passphrase) },
		"another's word":          func() (*teller.Teller, error) { return teller.Enroll(ctx, wrong, c.path(3), passphrase) },
		"an unknown election":     func() (*teller.Teller, error) { return teller.Enroll(ctx, other, c.path(4), passphrase) },
		"nobody there":            func() (*teller.Teller, error) { return teller.Enroll(ctx, gone, c.path(5), passphrase) },
	} {
		if tt, err := try(); err == nil || tt != nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if after, err := os.ReadFile(c.path(1)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the key file was changed (%v)", err)
	}
	if b, err := os.ReadFile(c.path(9)); err != nil || string(b) != "my thesis" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := c.service.Ceremony(ctx, c.election); !errors.Is(err, committee.ErrNotYet) {
		t.Errorf("got %v", err)
	}
}
