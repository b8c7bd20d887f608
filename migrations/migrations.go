// Package migrations holds the schemas of the databases, and who may do what in
// them.
//
// Every security property that a table can hold stands here rather than in Go:
// who may vote once is a primary key, what may never change is a missing GRANT
// and, behind it, a trigger. No column of the ballot box holds a time, a
// sequence, an address or an identity; a test reads the catalogue and refuses
// one. The two sides live in two clusters: no role exists in both but sv_board,
// which reads what is public anyway.
//
// A file is never edited once it was applied anywhere: [postgres.Migrate]
// compares checksums. A change is a new file with the next number.
package migrations

import "embed"

// FS holds one directory of SQL files for each schema.
//
//go:embed registrar/*.sql ballotbox/*.sql board/*.sql committee/*.sql
var FS embed.FS

// A Database is a kind of database: what it is made of and who may connect.
type Database struct {
	Dirs    []string // directories of FS, in the order they are applied
	Owner   string   // creates and migrates it
	Service string   // the one service that writes to it
	Connect []string // every role but the owner that may connect, Service included
}

// The three kinds of database. Registrar and Committee are in the registrar's
// cluster, Ballotbox is in the other one.
var (
	// Registrar is one election's database of names.
	Registrar = Database{
		Dirs:    []string{"board", "registrar"},
		Owner:   "sv_registrar_owner",
		Service: "sv_registrar",
		Connect: []string{"sv_registrar", "sv_board"},
	}
	// Ballotbox is one election's database of sealed ballots.
	Ballotbox = Database{
		Dirs:    []string{"board", "ballotbox"},
		Owner:   "sv_ballotbox_owner",
		Service: "sv_ballotbox",
		Connect: []string{"sv_ballotbox", "sv_board"},
	}
	// Committee is the deployment's list of elections, named "strikevote".
	Committee = Database{
		Dirs:    []string{"committee"},
		Owner:   "sv_registrar_owner",
		Service: "sv_committee",
		Connect: []string{"sv_committee"},
	}
)

// RegistrarRoles and BallotboxRoles are the roles of each cluster. sv_board has
// a namesake in the other cluster and nothing in common with it.
var (
	RegistrarRoles = []string{"sv_registrar_owner", "sv_registrar", "sv_board", "sv_committee"}
	BallotboxRoles = []string{"sv_ballotbox_owner", "sv_ballotbox", "sv_board"}
)
