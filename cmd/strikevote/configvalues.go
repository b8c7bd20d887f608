package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"strikevote/internal/deployment"
	"strikevote/internal/platform/web"
)

// The types of settings that are not plain text. Each is read by UnmarshalText,
// whose error says what to write, and shown by MarshalText as it may be written.

// An address is host:port. The host may be empty: all of this machine's.
type address string

func (a *address) UnmarshalText(b []byte) error {
	host, port, err := net.SplitHostPort(string(b))
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, " /@") {
		return fmt.Errorf("%q is not host:port; write it like 127.0.0.1:8001", b)
	}
	*a = address(b)
	return nil
}

func (a address) MarshalText() ([]byte, error) { return []byte(a), nil }

// An origin is scheme, host and port as a browser writes them.
type origin string

func (o *origin) UnmarshalText(b []byte) error {
	u, err := url.Parse(string(b))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return errors.New("it is not an address like https://vote.union.example")
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host}
	if plain.String() != string(b) {
		return fmt.Errorf("write only scheme, host and port: %s", strings.ToLower(plain.String()))
	}
	usual := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	if strings.ToLower(string(b)) != string(b) || u.Port() == usual || strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("write it as browsers do, in lower case and without the usual port: %s://%s", u.Scheme, strings.ToLower(u.Hostname()))
	}
	*o = origin(b)
	return nil
}

func (o origin) MarshalText() ([]byte, error) { return []byte(o), nil }

// host returns the host, or "".
func (o origin) host() string {
	u, err := url.Parse(string(o))
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func (o origin) secure() bool { return strings.HasPrefix(string(o), "https://") }

// A databaseURL says where a database server is. It is never repeated in an
// error: somebody may have put a password in it.
type databaseURL struct{ *url.URL }

func (d *databaseURL) UnmarshalText(b []byte) error {
	u, err := url.Parse(string(b))
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("it is not an address like postgres://host:5432/?sslmode=verify-full")
	}
	if u.User != nil {
		return errors.New("it holds a user; leave it out, every role logs in under its own name, with passwords in the file of " + prefix + "…_DATABASE_PASSWORDS_FILE")
	}
	for name := range u.Query() {
		switch strings.ToLower(name) {
		case "user", "password", "sslpassword", "dbname", "database":
			return fmt.Errorf("it holds the parameter %s; leave it out", name)
		}
	}
	d.URL = u
	return nil
}

func (d databaseURL) MarshalText() ([]byte, error) {
	if d.URL == nil {
		return nil, nil
	}
	return []byte(d.Redacted()), nil
}

// hosts is a list of host names.
type hosts []string

func (h *hosts) UnmarshalText(b []byte) error {
	list := items(string(b))
	for _, name := range list {
		if strings.ToLower(name) != name || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") != "" || !strings.Contains(strings.Trim(name, "."), ".") || net.ParseIP(name) != nil {
			return fmt.Errorf("%q is not a host name like vote.union.example; separate several with commas", name)
		}
	}
	*h = list
	return nil
}

func (h hosts) MarshalText() ([]byte, error) { return []byte(strings.Join(h, ",")), nil }

// proxies is a list of addresses, or of networks like 10.0.0.0/24.
type proxies web.Proxies

func (p *proxies) UnmarshalText(b []byte) error {
	var list proxies
	for _, text := range items(string(b)) {
		n, err := netip.ParsePrefix(text)
		if a := n.Addr(); err == nil && a.Is4In6() && n.Bits() >= 96 {
			n = netip.PrefixFrom(a.Unmap(), n.Bits()-96) // how connections say it
		} else if err != nil {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil {
				n = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
			}
		}
		if err != nil {
			return fmt.Errorf("%q is neither an address nor a network; write them like 127.0.0.1,10.0.0.0/24", text)
		}
		// Everybody would be believed.
		if n.Bits() == 0 {
			return fmt.Errorf("%s is everybody; name the proxies only", text)
		}
		list = append(list, n.Masked())
	}
	*p = list
	return nil
}

func (p proxies) MarshalText() ([]byte, error) {
	var list []string
	for _, n := range p {
		if n.IsSingleIP() {
			list = append(list, n.Addr().String())
		} else {
			list = append(list, n.String())
		}
	}
	return []byte(strings.Join(list, ",")), nil
}

// parts is a list of parts of the service.
type parts []deployment.Part

func (p *parts) UnmarshalText(b []byte) error {
	list, err := deployment.ParseParts(string(b))
	if err != nil {
		return err
	}
	*p = list
	return nil
}

func (p parts) MarshalText() ([]byte, error) {
	var names []string
	for _, part := range p {
		names = append(names, string(part))
	}
	return []byte(strings.Join(names, ",")), nil
}

// A zone is a time zone; nil is this machine's.
type zone struct{ *time.Location }

func (z *zone) UnmarshalText(b []byte) error {
	l, err := time.LoadLocation(string(b))
	if err != nil {
		return fmt.Errorf("%q is not the name of a time zone; write it like America/Los_Angeles", b)
	}
	z.Location = l
	return nil
}

func (z zone) MarshalText() ([]byte, error) {
	if z.Location == nil {
		return nil, nil
	}
	return []byte(z.String()), nil
}

// A mailAddress is an address alone, without a name.
type mailAddress string

func (m *mailAddress) UnmarshalText(b []byte) error {
	a, err := mail.ParseAddress(string(b))
	if err != nil || a.Address != string(b) {
		return fmt.Errorf("%q is not a mail address like ballot@union.example", b)
	}
	*m = mailAddress(b)
	return nil
}

func (m mailAddress) MarshalText() ([]byte, error) { return []byte(m), nil }

// A rate is a number and a period, 600/1m.
type rate web.Rate

func (r *rate) UnmarshalText(b []byte) error {
	count, period, ok := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(strings.TrimSpace(count))
	per, perr := time.ParseDuration(strings.TrimSpace(period))
	if !ok || err != nil || perr != nil || n < 1 || n > 1e6 || per < time.Second || per > 24*time.Hour {
		return fmt.Errorf("%q is not a number of requests and a period of at least a second; write it like 600/1m", b)
	}
	*r = rate{n, per}
	return nil
}

func (r rate) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%d/%s", r.Burst, short(r.Per)), nil
}

// A level says what the log holds.
type level slog.Level

var levels = map[string]level{
	"debug": level(slog.LevelDebug), "info": level(slog.LevelInfo), "warn": level(slog.LevelWarn), "error": level(slog.LevelError),
}

func (l *level) UnmarshalText(b []byte) error {
	v, ok := levels[strings.ToLower(string(b))]
	if !ok {
		return fmt.Errorf("%q is not a level; write debug, info, warn or error", b)
	}
	*l = v
	return nil
}

func (l level) MarshalText() ([]byte, error) {
	return []byte(strings.ToLower(slog.Level(l).String())), nil
}

// short writes a duration without the zeros that Go ends it with.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// items takes a comma-separated list apart.
func items(s string) []string {
	var list []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// lengthForm teaches how a length of time is written.
const lengthForm = "not a length of time; write it like 30s, 5m or 1h30m"

// setValue reads a value into a field.
func setValue(field reflect.Value, text string) error {
	switch v := field.Addr().Interface().(type) {
	case *string:
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' }) {
			return errors.New("it holds a line end or another character that cannot be seen")
		}
		*v = text
		return nil
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is %s", text, lengthForm)
		}
		*v = d
		return nil
	case interface{ UnmarshalText([]byte) error }:
		return v.UnmarshalText([]byte(text))
	}
	panic("strikevote: a setting of type " + field.Type().String())
}

// showValue returns the text of a field, as it may be written.
func showValue(field reflect.Value) string {
	switch v := field.Interface().(type) {
	case string:
		return v
	case time.Duration:
		return short(v)
	case interface{ MarshalText() ([]byte, error) }:
		b, err := v.MarshalText()
		if err != nil {
			panic("strikevote: showing a setting: " + err.Error())
		}
		return string(b)
	}
	panic("strikevote: a setting of type " + field.Type().String())
}
