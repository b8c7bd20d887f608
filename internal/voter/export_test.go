package voter

const (
	Attempts = attempts // how often a request is sent
	MaxReply = maxReply // bytes of an answer
)

// ReadStanding reads the booth's word of where an election stands.
var ReadStanding = readStanding

// Remains returns what a session still holds of how its ballot was made.
func (s *Session) Remains() (secret, choices []byte, typed string, sealed bool) {
	return s.state.Secret, s.state.Choices, s.state.Typed, s.sealed != nil
}

// Opened opens what a memory holds, as whoever has the link can.
func (s *Session) Opened(kept []byte) ([]byte, error) { return s.open(kept) }
