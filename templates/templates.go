// Package templates holds the words of pages, mails and slips.
//
// It holds no logic and no data. It is a package only because go:embed cannot
// reach above the directory of the code that uses it.
package templates

import "embed"

// Mail holds the mails: mail/<language>/<kind>.txt, whose first line is the subject, and
// mail/<language>/layout.txt with what the kinds share. The HTML of all is made of these
// texts by mail/layout.html.
//
//go:embed mail
var Mail embed.FS

// Slip holds the sealed slips of members without a mail address, as one page
// to print: slip/<language>/slips.html.
//
//go:embed slip
var Slip embed.FS

// Words holds the catalogue of the pages' texts: words/<language>/<part>.json, each
// one flat object from key to text. English is the source.
//
//go:embed words
var Words embed.FS

// Booth holds the voter's page: booth/shell.html, and booth/missing.html where there
// is no vote.
//
//go:embed booth
var Booth embed.FS

// Assets holds the style sheets and scripts as pages load them: assets/dist, which is
// made from what stands beside it, and public.js and those of the page /check as they
// are.
//
//go:embed assets/public.js assets/check.js assets/check-worker.js assets/dist
var Assets embed.FS

// Pages holds the public pages: pages/<name>.html, and pages/layout.html, which holds
// what they share.
//
//go:embed pages
var Pages embed.FS

// Audit holds the audit for a browser, if "make audit" has put it there: audit.wasm.gz
// and wasm_exec.js. The README beside them is always there.
//
//go:embed assets/audit
var Audit embed.FS

// Registrar holds the registrar's pages, which are one file: registrar/page.html.
//
//go:embed registrar
var Registrar embed.FS

// Sample is a folder of content for the public pages that explains itself.
//
//go:embed sample
var Sample embed.FS
