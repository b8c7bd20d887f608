//go:build js && wasm

// Command wasm is the audit for a browser: the same checks as strikevote verify,
// on the device of whoever reads the page.
//
// It runs in a worker of the page /check. It brings no bytes itself: the worker
// hands it a function that fetches a file of the record, or an archive that the
// reader chose. It must never reach the network, a database or a disk, never
// decide anything that internal/audit does not decide, and never let a record
// that could not be read look like one that was checked.
//
// The worker calls the one function that it defines, strikevoteAudit. Its
// argument is an object:
//
//	get(path, limit)  a Promise of a Uint8Array, of null if there is no such
//	                  file, or of "large" or "withheld"; or
//	zip               a Uint8Array
//	mid               64 hexadecimal digits, or ""
//	words             six words that the reader typed, or ""
//	progress(step, done, total, bytes)
//
// It returns a Promise of the text of an [answer].
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"syscall/js"
	"time"

	"strikevote/internal/audit"
	"strikevote/internal/protocol/election"
	"strikevote/internal/protocol/suite"
	"strikevote/internal/record/layout"
	"strikevote/internal/record/mirror"
)

const (
	slots  = 8       // files at a time
	memory = 1 << 30 // what a browser is asked to hold
)

// An answer is what the page is told.
type answer struct {
	// State is holds, false, other (it is not the vote that the reader means),
	// or unread (nothing is known of it).
	State string `json:"state"`
	// Rule is the first rule that a false record breaks.
	Rule string `json:"rule,omitempty"`
	// Why says why the record could not be read: locked (it is published later),
	// locking (it is not whole yet), large, archive, manifest, or source.
	Why string `json:"why,omitempty"`
	// Report is the one of strikevote verify -json, byte for byte.
	Report string `json:"report,omitempty"`
}

func main() {
	js.Global().Set("strikevoteAudit", js.FuncOf(func(_ js.Value, args []js.Value) any {
		request := args[0]
		return js.Global().Get("Promise").New(js.FuncOf(func(_ js.Value, p []js.Value) any {
			// Not here: the audit waits for Promises, and they for the end of this call.
			go func() { p[0].Invoke(check(request)) }()
			return nil
		}))
	}))
	select {}
}

// check runs one audit and returns the JSON of its answer.
func check(request js.Value) string {
	b, err := json.Marshal(judge(request))
	if err != nil {
		panic("wasm: " + err.Error())
	}
	return string(b)
}

func judge(request js.Value) answer {
	o, err := options(request)
	if err != nil {
		return answer{State: "unread", Why: "request"}
	}
	fsys, err := open(request)
	if err != nil {
		return answer{State: "unread", Why: why(err)}
	}
	if _, live := fsys.(layout.Remote); live {
		o.Fetched = time.Now()
	}
	report, err := audit.Verify(context.Background(), fsys, o)
	if err != nil {
		return answer{State: "unread", Why: why(err)}
	}
	text, err := report.JSON()
	if err != nil {
		return answer{State: "unread", Why: "source"}
	}
	a := answer{State: "holds", Report: string(text)}
	switch words := request.Get("words").String(); {
	case strings.TrimSpace(words) != "" && !sameWords(words, report.MID), o.MID != nil && *o.MID != report.MID:
		a.State = "other"
	case !report.Verified:
		a.State, a.Rule = "false", report.Fault()
	}
	return a
}

func options(request js.Value) (audit.Options, error) {
	progress := request.Get("progress")
	o := audit.Options{Workers: 1, Progress: func(step string, done, total int) {
		progress.Invoke(step, done, total, 0)
	}}
	if text := request.Get("mid").String(); text != "" {
		mid, err := suite.ParseMID(text)
		if err != nil {
			return o, err
		}
		o.MID = &mid
	}
	return o, nil
}

// sameWords compares words as people type them.
func sameWords(typed string, mid suite.MID) bool {
	clean := func(text string) string {
		return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r < 'a' || r > 'z' }), " ")
	}
	return clean(typed) == clean(election.SixWords(mid))
}

var errArchive = errors.New("the archive holds no record")

func open(request js.Value) (fs.FS, error) {
	if packed := request.Get("zip"); packed.Truthy() {
		b := make([]byte, packed.Length())
		js.CopyBytesToGo(b, packed)
		r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return nil, errArchive
		}
		fsys, err := mirror.Zip(r, int64(len(b)))
		if err != nil {
			return nil, errArchive
		}
		return fsys, nil
	}
	progress := request.Get("progress")
	return mirror.Fetch(context.Background(), getter(request), slots, memory, func(done, total int, size int64) {
		progress.Invoke("record", done, total, size)
	})
}

// getter fetches by the worker's function.
func getter(request js.Value) mirror.Getter {
	return func(_ context.Context, path string, limit int64) ([]byte, error) {
		v, err := await(request.Call("get", path, limit))
		switch {
		case err != nil:
			return nil, err
		case v.IsNull():
			return nil, fs.ErrNotExist
		case v.Type() == js.TypeString && v.String() == "large":
			return nil, layout.ErrTooLarge
		case v.Type() == js.TypeString && v.String() == "withheld":
			return nil, layout.ErrNotLocked
		}
		b := make([]byte, v.Length())
		js.CopyBytesToGo(b, v)
		return b, nil
	}
}

var errSource = errors.New("the file could not be fetched")

// await waits for a Promise.
func await(promise js.Value) (js.Value, error) {
	type result struct {
		v  js.Value
		ok bool
	}
	settled := make(chan result, 1)
	then := func(ok bool) js.Func {
		return js.FuncOf(func(_ js.Value, args []js.Value) any {
			settled <- result{args[0], ok}
			return nil
		})
	}
	resolve, reject := then(true), then(false)
	defer resolve.Release()
	defer reject.Release()
	promise.Call("then", resolve, reject)
	if r := <-settled; r.ok {
		return r.v, nil
	}
	return js.Null(), errSource
}

// why names the reason in a word that the page has a sentence for. What an error
// says is not shown: its bytes may be those of the record.
func why(err error) string {
	switch {
	case errors.Is(err, layout.ErrNotLocked):
		return "locked"
	case errors.Is(err, layout.ErrLocking):
		return "locking"
	case errors.Is(err, mirror.ErrTooMuch):
		return "large"
	case errors.Is(err, errArchive):
		return "archive"
	case errors.Is(err, errSource):
		return "source"
	}
	return "manifest"
}
