// Package templates holds the words of pages and mails.
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
