package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strikevote/internal/registrar"
)

// showPerson prints whom a number or an address means, so that a wrong one is noticed
// before anything is done. What is not a terminal may be kept, sent on or logged, so that
// there is only the number there, as in what a provider mails no more.
func showPerson(e *env, m registrar.Member) { fmt.Fprintln(e.out, personWords(e.watched, m)) }

func personWords(watched bool, m registrar.Member) string {
	number := "A disputed person" // who has none
	if m.Number != "" {
		number = "Member " + m.Number
	}
	if !watched {
		return number
	}
	who := slices.DeleteFunc([]string{m.Name, m.Unit, cmp.Or(m.Email, "no address")}, func(s string) bool { return s == "" })
	return number + ": " + strings.Join(who, ", ")
}

// slipInstead is what to do for a member to whom no mail can go.
const slipInstead = "print a sealed slip then, strikevote roll slips, or give an address with -email."

// newLinkWords says where a new link would go.
func newLinkWords(watched bool, m registrar.Member, address string) string {
	const ends = "a new link; the old one ends. It is possible only before a ballot was issued."
	switch {
	case address == "" && m.Email == "":
		return "They have no address, so no mail would bring the new link: " + slipInstead + " They would get " + ends
	case address == "":
		return "They would keep the address, and get " + ends
	case address == m.Email:
		return "They have this address already, and would get " + ends
	case watched:
		return "The address would be " + address + ", in place of " + cmp.Or(m.Email, "none") + ". They would get " + ends
	}
	return "The address would be the new one, and they would get " + ends
}
