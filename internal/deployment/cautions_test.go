package deployment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strikevote/internal/mailer"
	"strikevote/internal/pages"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

// TestCautions names what no real vote should be sealed with, and nothing else. That
// mails are sent, the running service says in a folder that it shares with commands.
func TestCautions(t *testing.T) {
	t.Parallel()
	built := pages.CheckBuilt()
	far := election.Origins{Booth: "https://vote.example", Registrar: "https://names.example", Box: "https://box.example", Board: "https://record.example", Console: "https://committee.example"}
	near := far
	near.Box = "http://127.0.0.1:8003"
	for name, tt := range map[string]struct {
		origins           election.Origins
		parts             []Part
		carried, notes    bool
		address, mail, no bool // what is said; no: of the check in the browser
	}{
		"nothing is set":       {near, Parts(), false, false, true, true, !built},
		"all is set":           {far, Parts(), true, false, false, false, !built},
		"the service sends":    {far, Parts(), false, true, false, false, !built},
		"a service of its own": {far, []Part{PartBox}, false, false, false, false, false},
	} {
		dir := t.TempDir()
		d := &Deployment{c: Config{Data: dir, Parts: tt.parts}, origins: tt.origins}
		if tt.notes {
			d.c.Senders = make([]mailer.Sender, 1)
			if err := d.noteServing(); err != nil {
				t.Fatal(err)
			}
		}
		list, err := d.Cautions(tt.origins, tt.carried)
		if err != nil {
			t.Fatal(err)
		}
		said := make(map[string]string)
		for _, c := range list {
			said[c.Check] = c.Says
		}
		for check, want := range map[string]bool{"addresses": tt.address, "mail": tt.mail, "check in the browser": tt.no} {
			if (said[check] != "") != want {
				t.Errorf("%s: %s: got %q", name, check, said[check])
			}
		}
		if tt.address && (!strings.Contains(said["addresses"], near.Box) || strings.Contains(said["addresses"], near.Booth)) {
			t.Errorf("%s: got %q", name, said["addresses"])
		}
	}
}

// TestOldServing reads what a program noted that did not say whether mails are sent.
func TestOldServing(t *testing.T) {
	t.Parallel()
	d := &Deployment{c: Config{Data: t.TempDir(), Parts: Parts()}}
	if err := d.noteServing(); err != nil {
		t.Fatal(err)
	}
	path := d.servingPath(d.c.Parts)
	b, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(b), "carried") {
		t.Fatalf("got %s, %v", b, err)
	}
	old, err := suite.EncodeJSON(&struct {
		Origins election.Origins `json:"origins"`
		Parts   []Part           `json:"parts"`
		Health  string           `json:"health"`
	}{Parts: Parts()})
	if err != nil || os.WriteFile(filepath.Join(d.c.Data, "serving-x.json"), old, 0o600) != nil {
		t.Fatal(err)
	}
	if all, err := d.readServings(); err != nil || len(all) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
}
