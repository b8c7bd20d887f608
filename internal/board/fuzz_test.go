package board_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strikevote/internal/board"
	"strikevote/internal/platform/web/webtest"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// FuzzHTTP sends requests to a board that has both databases and, below /apart, to
// one that asks it for everything: whatever that passes on must not be refused as
// something else than it was.
func FuzzHTTP(f *testing.F) {
	ledger, ballots := newFixture(f), newFixture(f)
	for _, x := range []*fixture{ledger, ballots} {
		x.mustAppend(f, x.first())
		x.mustSign(f)
	}
	known := suite.ElectionID{7}
	near := (&board.Site{Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
		return board.Local(layout.Ledger, ledger.Log), board.Local(layout.Ballots, ballots.Log), id == known
	}}).Handler()
	server := httptest.NewServer(near)
	f.Cleanup(server.Close)
	client := &http.Client{Transport: new(http.Transport)}
	f.Cleanup(client.CloseIdleConnections)
	far := (&board.Site{Lookup: func(id suite.ElectionID) (board.Half, board.Half, bool) {
		return board.Remote(client, server.URL, id, layout.Ledger), board.Remote(client, server.URL, id, layout.Ballots), true
	}}).Handler()
	both := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Apart") == "" {
			near.ServeHTTP(w, r)
			return
		}
		far.ServeHTTP(w, r)
	})
	note, err := ballots.Checkpoint(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	text, _, _ := strings.Cut(string(note), "\n\n")
	line := ballots.witnesses[0].Cosign(text+"\n", time.Unix(1_900_000_000, 0))
	var seeds []webtest.Request
	for _, header := range []string{"", "X-Apart: 1"} {
		for _, path := range []string{"/", "/elections", "/ELECTION", "/ELECTION/", "/ELECTION/files", "/ELECTION/manifest", "/ELECTION/ledger/checkpoint", "/ELECTION/ballots/checkpoint-1",
			"/ELECTION/ballots/tile/0/000.p/1", "/ELECTION/ballots/tile/entries/000.p/1", "/ELECTION/ledger/tile/entries/000.p/1", "/ELECTION/ballots/tile/63/x999/x999/999"} {
			seeds = append(seeds, webtest.Request{Method: "GET", Target: path, Header: header})
		}
		for _, body := range []string{"LINE", line, strings.Repeat("a", 1024), strings.Repeat("a", 1023) + "\n", "— x AAAA\r\n"} {
			seeds = append(seeds, webtest.Request{Method: "POST", Target: "/ELECTION/ballots/cosignatures", Header: header, Body: body})
		}
	}
	webtest.Service{Handler: both, Words: strings.NewReplacer("ELECTION", known.String(), "LINE", line)}.Fuzz(f, seeds...)
}
