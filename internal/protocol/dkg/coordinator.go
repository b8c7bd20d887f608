package dkg

import "fmt"

// TranscriptOf builds the transcript that the participants sign from the first
// messages of all of them, in order. It takes no secret: the coordinator checks
// signatures against it as they come. If a message is to blame the error is a
// [*Blame].
func TranscriptOf(s *Setup, msgs [][]byte) (*Transcript, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if len(msgs) != len(s.Static) {
		return nil, fmt.Errorf("building transcript: %d messages, want %d", len(msgs), len(s.Static))
	}
	var all []*public
	for i, b := range msgs {
		m, err := s.checkedMessage(i+1, b, ciphertextSize)
		if err != nil {
			return nil, err
		}
		all = append(all, &m.public)
	}
	t := transcriptOf(s, all)
	return t, t.checkKeys()
}
