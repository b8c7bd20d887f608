package board

// SetSigned sets the largest size that the process signed.
func (l *Log) SetSigned(size int64) { l.signed = size }
