package election_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
)

func list(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	if lines[len(lines)-1] != "" {
		t.Fatal("the last line does not end")
	}
	return lines[:len(lines)-1]
}

func TestWords(t *testing.T) {
	t.Parallel()
	words := list(t)
	if len(words) != 2048 {
		t.Errorf("%d words, want 2048", len(words))
	}
	if !slices.IsSorted(words) || len(slices.Compact(slices.Clone(words))) != len(words) {
		t.Error("words are not distinct and sorted")
	}
	known := make(map[string]bool, len(words))
	for _, w := range words {
		known[w] = true
		if len(w) < 3 || len(w) > 8 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("%q is not 3 to 8 letters", w)
		}
	}
	// A word misread by one letter must not be another word of the list.
	for _, w := range words {
		for i := range len(w) {
			if cut := w[:i] + w[i+1:]; known[cut] {
				t.Errorf("%s and %s differ by one letter", w, cut)
			}
			for c := byte('a'); c <= 'z'; c++ {
				if other := w[:i] + string(c) + w[i+1:]; other != w && known[other] {
					t.Errorf("%s and %s differ by one letter", w, other)
				}
			}
		}
	}
}

func TestSixWords(t *testing.T) {
	t.Parallel()
	words := list(t)
	ones := suite.MID{}
	for i := range ones {
		ones[i] = 0xff
	}
	for _, tt := range []struct {
		mid  suite.MID
		want []int
	}{
		{suite.MID{}, []int{0, 0, 0, 0, 0, 0}},
		{ones, []int{2047, 2047, 2047, 2047, 2047, 2047}},
		// 00000000001 00000000010 00000000011 10000000000 00000000001 11111111111, and more.
		{suite.MID{0b00000000, 0b00100000, 0b00001000, 0b00000001, 0b11000000, 0b00000000, 0b00000011, 0b11111111, 0b11000000 | 0x3f}, []int{1, 2, 3, 1024, 1, 2047}},
		// Only the bits after the 66th differ from the first.
		{suite.MID{8: 0x3f, 31: 0xff}, []int{0, 0, 0, 0, 0, 0}},
		{suite.MID{8: 0x40}, []int{0, 0, 0, 0, 0, 1}},
	} {
		want := make([]string, 6)
		for i, index := range tt.want {
			want[i] = words[index]
		}
		if got := election.SixWords(tt.mid); got != strings.Join(want, " ") {
			t.Errorf("%s: got %s, want %s", tt.mid, got, want)
		}
	}
}
