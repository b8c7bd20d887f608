package postgres

// For tests.
var (
	Demanded  = demanded
	Preloads  = preloads
	Wrong     = wrong
	OldEnough = oldEnough
)
