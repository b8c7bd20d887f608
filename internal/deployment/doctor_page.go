package deployment

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/jackc/pgx/v5/pgxpool"

	"strikevote/internal/board"
	"strikevote/internal/booth"
	"strikevote/internal/monitor"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func pageCheck(id suite.ElectionID) string { return fmt.Sprintf("election %s, ballot page", id) }

// namePage is what to do where the voter's page is not the one that was named.
const namePage = "name it by an act, with strikevote election client, or run the program that was named"

// namedPage compares the voter's page of this program with the one that the committee
// of an election named last. After the latest close nobody opens it.
func (x *examination) namedPage(ctx context.Context, m *election.Manifest, mid suite.MID, pool *pgxpool.Pool) {
	if x.Now().Unix() > m.Schedule.LatestClose+m.Schedule.Grace {
		return
	}
	b := board.New(board.Config{Pool: pool})
	var client *election.Client
	published, err := b.Files(ctx)
	if err == nil {
		client, _, err = monitor.InForce(m, mid, published, func(path string) ([]byte, error) {
			file, err := b.File(ctx, path)
			if errors.Is(err, board.ErrNotFound) {
				err = fs.ErrNotExist
			}
			return file, err
		})
	}
	if err != nil {
		x.fail(pageCheck(m.ElectionID), "look at the server's log", "which page the committee named cannot be read: %v", err)
		return
	}
	x.judgePage(m.ElectionID, m.Origins.Booth, client)
}

// judgePage says how this program's page at an origin compares with the named one.
func (x *examination) judgePage(id suite.ElectionID, origin string, client *election.Client) {
	check := pageCheck(id)
	if client == nil {
		x.warn(check, namePage, "the committee named none, so nobody can tell whether the right one is served")
		return
	}
	x.pages[id] = client
	if *client != *booth.Client(origin) {
		x.warn(check, namePage, "that of this program is not the one that the committee named; every monitor tells")
		return
	}
	x.ok(check, "that of this program is the one that the committee named")
}

// servedPage compares what the booth serves, perhaps another program on another host,
// with what the committees named.
func (x *examination) servedPage(ctx context.Context, origin string) {
	if len(x.pages) == 0 || origin == "" {
		return
	}
	a, err := x.get(ctx, booth.Client(origin).URL)
	if err != nil || a.status != http.StatusOK {
		return // said of the booth's origin, or it is no booth
	}
	for id, client := range x.pages {
		if client.SHA256 != sha256.Sum256([]byte(a.body)) {
			x.warn(pageCheck(id), namePage, "%s serves another than the committee named; every monitor tells", origin)
		}
	}
}
