package ceremony_test

import (
	"testing"

	"strikevote/internal/ceremony"
	"strikevote/internal/protocol/suite"
)

func TestInvitation(t *testing.T) {
	t.Parallel()
	want := ceremony.Invitation{Console: "https://console.example", Election: suite.ElectionID{1, 2}, Number: 3, Enrollment: "ABCD"}
	got, err := ceremony.ParseInvitation(want.String())
	if err != nil || got != want {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "https://console.example", "https://c/v1/00/tellers/1#A", want.String()[:len(want.String())-5], "https://c/v1/01020000000000000000000000000000/tellers/03#A", "https://c/v1/01020000000000000000000000000000/tellers/0#A"} {
		if _, err := ceremony.ParseInvitation(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	if ceremony.Complete(nil) || ceremony.Complete([]suite.Bytes{{1}, nil}) || !ceremony.Complete([]suite.Bytes{{1}, {2}}) {
		t.Error("wrong")
	}
}
