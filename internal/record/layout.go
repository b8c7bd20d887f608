package record

import (
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
)

// Paths of the record, as [layout] fixes them, for those who write one.
const (
	Manifest           = layout.Manifest
	Sealing            = layout.Sealing
	CeremonyFresh      = layout.CeremonyFresh
	CeremonyTranscript = layout.CeremonyTranscript
	CeremonySignatures = layout.CeremonySignatures
	StatementRegistrar = layout.StatementRegistrar
	StatementBox       = layout.StatementBox
	Result             = layout.Result
	Certificate        = layout.Certificate
	Certification      = layout.Certification
	Ledger             = layout.Ledger
	Ballots            = layout.Ballots
)

// Drill is [layout.Drill].
func Drill(teller int) string { return layout.Drill(teller) }

// Act is [layout.Act].
func Act(sequence int) string { return layout.Act(sequence) }

// Roll is [layout.Roll].
func Roll(g suite.GroupID) string { return layout.Roll(g) }

// Shares is [layout.Shares].
func Shares(teller int) string { return layout.Shares(teller) }

// StatementTeller is [layout.StatementTeller].
func StatementTeller(teller int) string { return layout.StatementTeller(teller) }
