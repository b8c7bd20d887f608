package ceremony

import (
	"errors"
	"strconv"
)

var errInvitation = errors.New("this is not a teller's invitation; it looks like https://…/v1/…/tellers/1#…")

func itoa(n uint8) string { return strconv.Itoa(int(n)) }

// atoi reads a teller's number, 1 to 32, in its one spelling.
func atoi(s string) (uint8, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n < 1 || n > 32 || itoa(uint8(n)) != s {
		return 0, errInvitation
	}
	return uint8(n), nil
}
