package tlog

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"strikevote/internal/protocol/suite"
)

// MaxName is the largest length of a log's origin or a key's name, in bytes.
const MaxName = 255

// A Checkpoint is the head of a log: its origin, its size and its root.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   suite.Hash
}

// Text returns the checkpoint's three lines with their line ends: what the log
// and the witnesses sign.
func (c Checkpoint) Text() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + encode64(c.Root[:]) + "\n"
}

// ParseCheckpointText accepts exactly what [Checkpoint.Text] makes. Extension
// lines, which the format allows, are refused: witnesses state nothing about
// them, so nothing may hide there.
func ParseCheckpointText(s string) (Checkpoint, error) {
	lines := strings.SplitAfterN(s, "\n", 4)
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, errors.New("checkpoint is not three lines")
	}
	c := Checkpoint{Origin: strings.TrimSuffix(lines[0], "\n")}
	if err := checkName(c.Origin); err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint's origin: %w", err)
	}
	size, err := parseDecimal(strings.TrimSuffix(lines[1], "\n"), MaxSize)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint's size: %w", err)
	}
	c.Size = size
	root, err := decode64(strings.TrimSuffix(lines[2], "\n"))
	if err != nil || len(root) != len(c.Root) {
		return Checkpoint{}, errors.New("checkpoint's root is not a base64 hash")
	}
	copy(c.Root[:], root)
	return c, nil
}

// checkName accepts the names of logs and keys: texts (SPEC.md section 2)
// without any white space, and without the plus sign that separates the parts
// of a vkey.
func checkName(s string) error {
	if err := suite.CheckText(s, MaxName); err != nil {
		return err
	}
	if strings.Contains(s, "+") || strings.ContainsFunc(s, unicode.IsSpace) {
		return errors.New("white space or a plus sign")
	}
	return nil
}

// parseDecimal reads a decimal number without sign or leading zeros.
func parseDecimal(s string, limit int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > limit || strconv.FormatInt(n, 10) != s {
		return 0, errors.New("not a decimal number in range")
	}
	return n, nil
}

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// decode64 refuses what encoding/base64 lets pass: line ends inside the text
// and padding bits that are not zero.
func decode64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || encode64(b) != s {
		return nil, errors.New("not canonical base64")
	}
	return b, nil
}
