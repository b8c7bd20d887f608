package backup

// Parse reads a manifest.
func Parse(b []byte) error { _, err := parse(b); return err }

// Unescape undoes what COPY does to a value.
func Unescape(field []byte) []byte { return unescape(field) }
