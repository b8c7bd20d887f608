package election

import (
	"errors"
	"strings"
)

// later lists the fields that nobody knows while a committee drafts: they come
// from the roll, the ceremony and the service's keys. A path matches from its
// start, or below the elements of a list.
var later = []string{
	"tellers.static_keys", "tellers.key", "tellers.shares", "ledger", "ballots", "token_key", "promise_key",
	".roll_size", ".batch_min", ".issuer",
}

// ValidateDraft checks what a committee decides: every rule of
// [Manifest.Validate], but for the fields that are filled in at sealing. A mistake
// is better found before thousands of people were told of the election.
func (m *Manifest) ValidateDraft() error {
	var broken []error
	for _, p := range Problems(m.Validate()) {
		if !comesLater(p.Path) {
			broken = append(broken, p)
		}
	}
	return errors.Join(broken...)
}

func comesLater(path string) bool {
	for _, field := range later {
		if strings.HasPrefix(path, field) || field[0] == '.' && strings.HasSuffix(path, field) {
			return true
		}
	}
	return false
}
