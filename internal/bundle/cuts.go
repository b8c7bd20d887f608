package main

import (
	"fmt"
	"regexp"
	"strings"

	_ "embed"
)

// cuts is what pages need not load of the library; its head says how it is written.
//
//go:embed cuts.txt
var cuts string

// cut returns the library without what cuts names. It fails if that is not in it.
func cut(module string) (string, error) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(cuts), "\n\n") {
		words := strings.Fields(paragraph)
		switch words[0] {
		case "#":
		case "functions:":
			for _, name := range words[1:] {
				body := regexp.MustCompile(`(?s)(\nfunction ` + name + `\()[^\n]*\{\n.*?\n\}\n`)
				if len(body.FindAllString(module, -1)) != 1 {
					return "", fmt.Errorf("the library has no function %s", name)
				}
				module = body.ReplaceAllString(module, "$1) {}\n")
			}
		case "methods:":
			for _, name := range words[1:] {
				less := withoutMethod(module, name)
				if less == module {
					return "", fmt.Errorf("the library has no method %s", name)
				}
				module = less
			}
		default:
			if strings.Count(module, paragraph) != 1 {
				return "", fmt.Errorf("the library does not have once:\n%s", paragraph)
			}
			module = strings.Replace(module, paragraph, "", 1)
		}
	}
	return module, nil
}
