package keyfile

// The largest parameters that a file may ask for.
const (
	MaxTime   = maxTime
	MaxMemory = maxMemory
)
