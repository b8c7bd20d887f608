// Package templates holds the words of pages, mails and slips.
//
// It holds no logic and no data. It is a package only because go:embed cannot
// reach above the directory of the code that uses it.
package templates

import "embed"

// Mail holds the mails: mail/<language>/<kind>.txt and .html. The first line
// of the text is the subject; layout.txt and layout.html hold what all share.
//
//go:embed mail
var Mail embed.FS

// Slip holds the sealed slips of members without a mail address, as one page
// to print: slip/<language>/slips.html.
//
//go:embed slip
var Slip embed.FS
