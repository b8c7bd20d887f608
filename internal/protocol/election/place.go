package election

import (
	"errors"
	"strconv"
	"strings"

	"strikevote/internal/protocol/tlog"
)

func (m *Manifest) checkLogs(p *problems) {
	names := make(map[string]bool)
	keys := make(map[Key32]bool)
	// keep notes a name and key. One that repeats would let a log witness
	// itself, or one witness count as two.
	keep := func(path, name string, key Key32) {
		p.err(path, key.check())
		if names[name] || keys[key] {
			p.add(path, "the name or key of a log or witness before it")
		}
		names[name], keys[key] = true, true
	}
	for _, l := range []struct {
		path string
		log  Log
	}{{"ledger", m.Ledger}, {"ballots", m.Ballots}} {
		key, err := tlog.ParseLogKey(l.log.Key)
		if err != nil {
			p.err(l.path+".key", err)
			continue
		}
		if key.Name() != l.log.Origin {
			p.add(l.path+".origin", "not the name of the log's key")
		}
		keep(l.path+".key", key.Name(), key.PublicKey())
	}
	if n := len(m.Witnesses.Keys); n > maxWitnesses {
		p.add("witnesses.keys", "%d witnesses, more than %d", n, maxWitnesses)
	}
	for i, v := range m.Witnesses.Keys {
		path := at("witnesses.keys", i)
		key, err := tlog.ParseWitnessKey(v)
		if err != nil {
			p.err(path, err)
			continue
		}
		keep(path, key.Name(), key.PublicKey())
	}
	m.Witnesses.check(p, m.Demo)
}

// check demands a majority, so that no two histories of a log find enough
// witnesses, and one witness to spare, so that a silent one cannot stop a vote.
func (w *Witnesses) check(p *problems, demo bool) {
	n, k := len(w.Keys), int(w.Threshold)
	if 2*k > n && k < n || demo && n == 1 && k == 1 {
		return
	}
	p.add("witnesses.threshold", "%d of %d witnesses is not a majority with one to spare", k, n)
}

func (o *Origins) check(p *problems) {
	seen := make(map[string]bool)
	for _, part := range []struct{ path, origin string }{
		{"origins.booth", o.Booth},
		{"origins.registrar", o.Registrar},
		{"origins.box", o.Box},
		{"origins.board", o.Board},
		{"origins.console", o.Console},
	} {
		p.err(part.path, checkOrigin(part.origin))
		// Two parts on one origin share cookies, storage and scripts.
		once(p, seen, part.path, part.origin)
	}
}

// checkOrigin accepts an origin as a browser writes it, so that it can be
// compared with a request's header byte for byte: no upper case, no default
// port, nothing after the host.
func checkOrigin(s string) error {
	rest, secure := strings.CutPrefix(s, "https://")
	defaultPort := 443
	if !secure {
		var plain bool
		if rest, plain = strings.CutPrefix(s, "http://"); !plain {
			return errors.New("does not begin with https:// or http://")
		}
		defaultPort = 80
	}
	host, port, withPort := strings.Cut(rest, ":")
	if !isHost(host) {
		return errors.New("host is not labels of lowercase letters, digits and hyphens, joined by dots")
	}
	if !withPort {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return errors.New("port is not a number from 1 to 65535")
	}
	if int(n) == defaultPort {
		return errors.New("the default port is not written")
	}
	return nil
}

func isHost(s string) bool {
	if len(s) > maxRPID {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}
