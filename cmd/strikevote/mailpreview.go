package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"strikevote/internal/deployment"
	"strikevote/internal/mailer"
	"strikevote/internal/protocol/suite"
)

func mailPreviewCommand() command {
	return command{name: "preview", args: "-data DIR [-language xx] [-out DIR] [KIND]", short: "show the mails before any leaves", run: runMailPreview, long: `
Shows what the mails of an election say, before its sealing too: to a member who does not
exist, with links that open nothing and a result that is made up. KIND is one of
` + strings.Join(mailer.Kinds(), ", ") + `;
without it all are shown. -out writes each as a text and as a page for a browser, in
every language of the election or that of -language.` + operatorHelp}
}

func runMailPreview(ctx context.Context, e *env, fs *flag.FlagSet, args []string) error {
	var o operation
	o.add(e, fs, false)
	language := fs.String("language", "", "only this language, like es")
	out := fs.String("out", "", "`FOLDER` to write them to")
	if err := parse(fs, args); err != nil {
		return err
	}
	kinds := mailer.Kinds()
	if fs.NArg() > 0 {
		kinds = fs.Args()
	}
	if fs.NArg() > 1 || !slices.Contains(mailer.Kinds(), kinds[0]) {
		return usageError("name one kind of mail, or none: %s", strings.Join(mailer.Kinds(), ", "))
	}
	return o.with(ctx, e, func(d *deployment.Deployment, id suite.ElectionID) error {
		v, err := d.Overview(ctx, id)
		if err != nil {
			return err
		}
		languages := v.Manifest.Languages
		switch {
		case *language != "" && !slices.Contains(languages, *language):
			return usageError("the election is in %s", strings.Join(languages, ", "))
		case *language != "":
			languages = []string{*language}
		case *out == "":
			languages = languages[:1] // to read on a screen
		}
		c := mailer.Config{Manifest: v.Manifest, MID: v.MID, Zone: v.Zone,
			From: mailer.Address{Name: o.loaded.MailFromName, Address: string(o.loaded.MailFromAddress)}}
		for _, l := range languages {
			for _, kind := range kinds {
				m, err := mailer.Preview(c, kind, l, v.Close)
				if err == nil {
					err = showPreview(e, *out, kind, l, m)
				}
				if err != nil {
					return fmt.Errorf("showing %s in %s: %w", kind, l, err)
				}
			}
		}
		if *out != "" {
			fmt.Fprintf(e.out, "%d mails are in %s, each as a text and as a page.\n", len(languages)*len(kinds), *out)
		}
		return nil
	})
}

// showPreview prints a mail, or writes its two files.
func showPreview(e *env, dir, kind, language string, m mailer.Mail) error {
	text, page := fmt.Sprintf("Subject: %s\n\n%s", m.Subject, m.Text), m.HTML
	if kind == mailer.Result {
		const note = "PREVIEW. The numbers below are made up."
		text = note + "\n\n" + text
		if at := strings.Index(page, "<body"); at >= 0 {
			at += strings.IndexByte(page[at:], '>') + 1
			page = page[:at] + "<p><strong>" + note + "</strong></p>" + page[at:]
		}
	}
	if dir == "" {
		_, err := fmt.Fprintf(e.out, "=== %s, %s\n%s\n", kind, language, text)
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, kind+"."+language)
	if err := os.WriteFile(name+".txt", []byte(text), 0o644); err != nil {
		return err
	}
	return os.WriteFile(name+".html", []byte(page), 0o644)
}
