package roll

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// signatures are the first bytes of files that people upload in place of a
// table, and what to tell them.
var signatures = []struct{ magic, sentence string }{
	{"%PDF", "This is a PDF. A roll must be a table: export it from the membership system or a spreadsheet as CSV."},
	{"PK\x05\x06", "This is an empty zip file. A roll must be a table saved as CSV or XLSX."},
	{"\x1f\x8b", "This file is compressed. Unpack it first."},
	{"{\\rtf", "This is a word processor's text. A roll must be a table saved as CSV."},
	{"\x89PNG", "This is a picture. A roll must be a table saved as CSV."},
	{"\xff\xd8\xff", "This is a picture. A roll must be a table saved as CSV."},
	{"SQLite format 3", "This is a database. Export the table of members as CSV."},
}

// checkKind refuses what is no table.
func checkKind(data []byte) error {
	if len(data) > MaxBytes {
		return &NotRollError{fmt.Sprintf("The file is larger than %d MB.", MaxBytes>>20)}
	}
	for _, s := range signatures {
		if bytes.HasPrefix(data, []byte(s.magic)) {
			return &NotRollError{s.sentence}
		}
	}
	if bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")) {
		return oldOffice(data)
	}
	if !bytes.HasPrefix(data, []byte(zipMagic)) && zipped(data) {
		return errDamaged
	}
	start := bytes.ToLower(bytes.TrimSpace(bytes.TrimPrefix(data[:min(len(data), 1024)], []byte("\xef\xbb\xbf"))))
	for _, tag := range []string{"<!doctype", "<html", "<?xml", "<table", "<script"} {
		if bytes.HasPrefix(start, []byte(tag)) {
			return &NotRollError{"This is a web page, not a table. Perhaps the export was made while signed out: export it again as CSV."}
		}
	}
	return nil
}

// zipped reports whether there are parts of a zip file, as in a workbook of which the
// beginning is lost or overwritten.
func zipped(data []byte) bool {
	for _, mark := range []string{zipMagic, "PK\x01\x02", "PK\x05\x06"} {
		if bytes.Contains(data, []byte(mark)) {
			return true
		}
	}
	return false
}

// oldOffice says what a file in the container of old Office programs is. A
// workbook with a password is kept in it too.
func oldOffice(data []byte) error {
	// Names in its directory are UTF-16.
	if bytes.Contains(data, []byte("E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00P\x00a\x00c\x00k\x00a\x00g\x00e\x00")) {
		return &NotRollError{"The workbook is protected by a password. Open it, take the password away " +
			"(File, Info, Protect Workbook, Encrypt with Password), and save it again."}
	}
	return &NotRollError{"This is an old Excel or Word file. Open it, choose \"Save as\", and save it as XLSX or as \"CSV UTF-8\"."}
}

// decode returns the file as UTF-8 without byte order mark. There is no
// guessing among code pages: a file that is not UTF-8 is read as Windows-1252,
// which is what spreadsheets in the Americas and western Europe write.
func decode(data []byte) (text, encoding string, err error) {
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")):
		encoding = "UTF-16 LE"
		text, err = decode16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte("\xfe\xff")):
		encoding = "UTF-16 BE"
		text, err = decode16(data[2:], binary.BigEndian)
	case len(data) >= 4 && data[0] != 0 && data[1] == 0 && data[2] != 0 && data[3] == 0:
		encoding = "UTF-16 LE" // without mark: a table starts with a letter
		text, err = decode16(data, binary.LittleEndian)
	case len(data) >= 4 && data[0] == 0 && data[1] != 0 && data[2] == 0 && data[3] != 0:
		encoding = "UTF-16 BE"
		text, err = decode16(data, binary.BigEndian)
	case bytes.IndexByte(data, 0) >= 0:
		// Not read as letters of any encoding: the sentence about mixed ones would mislead.
		return "", "", &NotRollError{"This is not a text file. A roll must be a table saved as CSV. If it was a workbook, it is damaged: " +
			"open it in a spreadsheet program, and save it again."}
	case utf8.Valid(data):
		encoding = "UTF-8"
		text = strings.TrimPrefix(string(data), "\ufeff")
	default:
		encoding = "Windows-1252"
		text, err = decode1252(data)
	}
	if err != nil {
		return "", "", err
	}
	if strings.ContainsRune(text, 0) {
		return "", "", &NotRollError{"This is not a text file. A roll must be a table saved as CSV."}
	}
	return text, encoding, nil
}

func decode16(data []byte, order binary.ByteOrder) (string, error) {
	if len(data)%2 != 0 {
		return "", &NotRollError{"The file is cut off: its last character is half there. Export it again."}
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units)), nil
}

func decode1252(data []byte) (string, error) {
	// Two exports pasted together, or a UTF-8 file cut in the middle of a
	// letter: read as Windows-1252 every accent of the UTF-8 part would be
	// garbled, in names that nobody looks through one by one.
	if n := multibyte(data); n > 0 && bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) || n > 8 {
		return "", &NotRollError{"The file mixes two encodings, so names with accents would be garbled. Export it again as \"CSV UTF-8\"."}
	}
	out, err := charmap.Windows1252.NewDecoder().Bytes(data)
	if err != nil {
		return "", &NotRollError{"The file's letters cannot be read. Export it again as \"CSV UTF-8\"."}
	}
	return string(out), nil
}

// multibyte counts letters that are validly encoded in UTF-8 in more than one
// byte. Windows-1252 text has hardly any by chance.
func multibyte(data []byte) int {
	n := 0
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if size > 1 && r != utf8.RuneError {
			n++
		}
		data = data[size:]
	}
	return n
}
