package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A loader finds the settings of a command: its flags, before the environment,
// before the file that -config or STRIKEVOTE_CONFIG names, before defaults. A
// setting that names a secret's file and is empty is the systemd credential of
// its name, if there is one.
type loader struct {
	e       *env
	fs      *flag.FlagSet
	file    *string
	flags   map[string]*string // by the setting's name
	sources map[string]string  // where each setting came from, once it is loaded
}

// fileVariable names the file with settings; it is not one itself.
const fileVariable = prefix + "CONFIG"

// settings gives a command the flag -config, and one for each setting that is
// named. The command parses its flags, and then calls load.
func settings(e *env, fs *flag.FlagSet, names ...string) *loader {
	l := &loader{e: e, fs: fs, flags: make(map[string]*string)}
	l.file = fs.String("config", "", "`FILE` with settings, one KEY=VALUE a line; strikevote config sample prints one")
	for _, s := range allSettings() {
		if slices.Contains(names, s.name) {
			l.flags[s.name] = fs.String(s.flag, "", s.usage())
		}
	}
	return l
}

// usage explains the flag of a setting with the words of its setting.
func (s setting) usage() string {
	about, _, _ := strings.Cut(strings.ReplaceAll(s.shared, "\n", " "), ". ")
	about = strings.TrimSuffix(about, ".")
	const longest = 60 // what is longer is no example to read
	if s.example != "" && len(s.example) < longest {
		about += "; like " + s.example
	}
	if s.fallback != "" {
		about += " (default: " + s.fallback + ")"
	}
	return fmt.Sprintf("`%s` of %s: %s", s.metavariable(), s.variable(), about)
}

// metavariable is what stands for the value of a setting in a usage line.
func (s setting) metavariable() string {
	switch reflect.New(reflect.TypeFor[Config]().Field(s.index).Type).Interface().(type) {
	case *time.Duration:
		return "DURATION"
	case *address:
		return "HOST:PORT"
	case *origin, *databaseURL:
		return "URL"
	case *rate:
		return "N/DURATION"
	case *yesno:
		return "YES-OR-NO"
	case *zone:
		return "ZONE"
	case *parts, *hosts, *proxies, *senders:
		return "LIST"
	case *mailAddress:
		return "ADDRESS"
	case *hostName:
		return "HOST"
	case *port:
		return "PORT"
	}
	switch {
	case strings.HasSuffix(s.name, "_FILE"):
		return "FILE"
	case s.name == "DATA", strings.HasSuffix(s.name, "_DIR"), s.name == "MAIL_BOUNCES":
		return "FOLDER"
	}
	return "TEXT"
}

// A value is the text of a setting and where it came from.
type value struct{ text, source string }

// load returns the settings, or every problem with them at once, for a command that
// works on the databases of a deployment. It may run outside of the service's unit,
// where systemd's credentials are not: what only sending and listening need is not
// asked for.
func (l *loader) load() (*Config, error) { return l.read((*Config).check) }

// loadToSend returns the settings for who hands mails to the senders.
func (l *loader) loadToSend() (*Config, error) {
	return l.read((*Config).check, (*Config).checkMailSecrets)
}

// loadWhole returns the settings for who serves, or says whether one could.
func (l *loader) loadWhole() (*Config, error) {
	return l.read((*Config).check, (*Config).checkAddresses, (*Config).checkMailSecrets)
}

func (l *loader) read(checks ...func(*Config, reportFunc)) (*Config, error) {
	list := allSettings()
	values, errs := l.collect(list)
	c := new(Config)
	l.sources = make(map[string]string)
	sound := true
	for _, s := range list {
		v := values[s.name]
		if v.text == "" {
			v = l.credential(s)
		}
		if v.text == "" {
			v = value{s.fallback, "default"}
		}
		l.sources[s.name] = v.source
		if v.text == "" {
			continue
		}
		if err := setValue(reflect.ValueOf(c).Elem().Field(s.index), v.text); err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", s.variable(), v.source, err))
			sound = false
		}
	}
	// What does not fit together is told also when names were wrong, but not of
	// values that could not be read.
	if sound {
		for _, check := range checks {
			check(c, func(name, format string, args ...any) {
				errs = append(errs, fmt.Errorf("%s%s: %s", prefix, name, fmt.Sprintf(format, args...)))
			})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// collect gathers the texts of all settings, by name.
func (l *loader) collect(list []setting) (map[string]value, []error) {
	values := make(map[string]value)
	var errs []error
	keep := func(key, text, source string) {
		name, ours := strings.CutPrefix(key, prefix)
		switch {
		case key == fileVariable:
		case !ours || !slices.ContainsFunc(list, func(s setting) bool { return s.name == name }):
			errs = append(errs, fmt.Errorf("%s (%s): there is no such setting%s", key, source, nearest(name, list)))
		case text != "":
			values[name] = value{text, source}
		}
	}
	path := cmp.Or(*l.file, l.e.getenv(fileVariable))
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("reading the settings: %w", err))
		}
		lines, problems := parseFile(string(b))
		for _, err := range problems {
			errs = append(errs, fmt.Errorf("%s, %w", path, err))
		}
		for _, line := range lines {
			keep(line.key, line.value, fmt.Sprintf("%s, line %d", path, line.number))
		}
	}
	for _, text := range l.environment(list) {
		if key, text, _ := strings.Cut(text, "="); strings.HasPrefix(key, prefix) {
			keep(key, text, "environment")
		}
	}
	l.fs.Visit(func(f *flag.Flag) {
		for name, text := range l.flags {
			if i := slices.IndexFunc(list, func(s setting) bool { return s.name == name }); list[i].flag == f.Name {
				keep(prefix+name, *text, "flag -"+f.Name)
			}
		}
	})
	return values, errs
}

// environment lists the environment as KEY=VALUE.
func (l *loader) environment(list []setting) []string {
	if l.e.environ != nil {
		return l.e.environ()
	}
	var found []string
	for _, s := range list {
		if text := l.e.getenv(s.variable()); text != "" {
			found = append(found, s.variable()+"="+text)
		}
	}
	return found
}

// credential returns the path of a setting's systemd credential.
func (l *loader) credential(s setting) value {
	dir := l.e.getenv("CREDENTIALS_DIRECTORY")
	if s.credential == "" || dir == "" {
		return value{}
	}
	path := filepath.Join(dir, s.credential)
	if _, err := os.Stat(path); err != nil {
		return value{}
	}
	return value{path, "credential " + s.credential}
}

// nearest returns a hint at the setting that was probably meant, or "".
func nearest(name string, list []setting) string {
	best, closest := "", min(4, 1+len(name)/3) // further away it is another word
	for _, s := range list {
		d := distance(name, s.name)
		if len(name) > 3 && (strings.HasPrefix(s.name, name) || strings.HasPrefix(name, s.name)) {
			d = min(d, closest-1)
		}
		if d < closest {
			best, closest = s.variable(), d
		}
	}
	if best == "" {
		return "; strikevote config sample lists them all"
	}
	return "; write " + best
}

// distance counts the letters that have to be added, taken away or replaced.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
