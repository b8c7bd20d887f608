package torture_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// bomb is small, and a hundred megabytes when somebody unpacks it.
var bomb = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 100 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	return b.Bytes()
})

// deep is JSON a hundred thousand levels deep.
var deep = sync.OnceValue(func() string { return strings.Repeat(`{"a":[`, 50_000) })

// one picks one of a list.
func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// A mutator makes of a valid request one that no client of ours would send.
type mutator func(r *rand.Rand, s sample) (method string, raw []byte)

var mutators = []mutator{mutateMethod, mutateTarget, mutateHost, mutateHeader, mutateHeader, mutateFraming, mutateBody, mutateBody, mutateJSON, mutateVersion, flip, noise}

// mutate makes one shot of a sample.
func mutate(r *rand.Rand, s sample) (method string, raw []byte) {
	return mutators[r.IntN(len(mutators))](r, s)
}

func mutateMethod(r *rand.Rand, s sample) (string, []byte) {
	s.method = one(r, "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "PROPFIND", "QUERY",
		"G\x00T", "", strings.Repeat("M", 3000), "GET/", "P\u00d6ST")
	return s.method, s.bytes()
}

func mutateTarget(r *rand.Rand, s sample) (string, []byte) {
	at := r.IntN(len(s.target) + 1)
	bad := one(r, "%00", "%ff%fe", "%", "%zz", "//", "/../", "/./", "%2e%2e%2f", "%2F", ";", "?", "??a=b&a=c", "#x", "\\", "%0d%0aSet-Cookie:%20a=b", "\x00", "\xff",
		"%F0%9F%92%A9", " ", "\t", strings.Repeat("/a", 4000), strings.Repeat("%41", 6000), "-1", "99999999999999999999", "/000.p/0", "{election}", "*")
	s.target = s.target[:at] + bad + s.target[at+r.IntN(len(s.target)-at+1):]
	if r.IntN(4) == 0 {
		s.target = one(r, "*", "", "http://elsewhere.example"+s.target, "https://"+s.addr+s.target, "elsewhere.example:443", "//elsewhere.example/x", "file:///etc/passwd", "http://[::1", "/"+strings.Repeat("x", 1<<20))
	}
	return s.method, s.bytes()
}

func mutateHost(r *rand.Rand, s sample) (string, []byte) {
	host := one(r, "Host: elsewhere.example\r\n", "", "Host: a\r\nHost: b\r\n", "Host:\r\n", "Host: \x00\r\n", "Host: a b\r\n", "Host: [::1\r\n",
		"Host: "+strings.Repeat("h", 10_000)+"\r\n", "Host: x\r\n y\r\n", "Host: user@"+s.addr+"\r\n", "Host: "+s.addr+"/x\r\n", "host:"+s.addr+",b\r\n")
	return s.method, bytes.Replace(s.bytes(), []byte("Host: "+s.addr+"\r\n"), []byte(host), 1)
}

// with adds header lines.
func (s sample) with(lines string) []byte {
	raw := s.bytes()
	at := bytes.Index(raw, []byte("\r\n")) + 2
	return append(append(bytes.Clone(raw[:at]), lines...), raw[at:]...)
}

func mutateHeader(r *rand.Rand, s sample) (string, []byte) {
	origin := "http://" + s.addr
	return s.method, s.with(one(r,
		"X-A: "+strings.Repeat("a", r.IntN(40_000))+"\r\n",
		strings.Repeat("A: b\r\n", r.IntN(5000)),
		"Cookie: "+strings.Repeat("a=b; ", 2000)+"\r\n",
		"no colon\r\n", ": empty\r\n", "A : b\r\n", "A\x00: b\r\n", "A: \x00\r\n", "A: b\r\n\tfolded\r\n", "A: b\rC: d\r\n", "A: b\nC: d\n", "\xff\xfe: \xff\r\n",
		"Content-Type: text/html\r\nContent-Type: application/json\r\n", "Content-Type: multipart/form-data; boundary=\r\n", "Content-Type: "+strings.Repeat("a/b;", 1000)+"\r\n",
		"Content-Encoding: gzip\r\n", "Content-Encoding: br, gzip, identity\r\n", "Accept-Encoding: gzip;q=-1, *;q=\r\n",
		"Expect: 100-continue\r\n", "Expect: 200-ok\r\n", "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAAA\r\n", "Upgrade: websocket\r\nConnection: upgrade\r\n",
		"Connection: close, keep-alive, x-forwarded-for\r\n", "Connection: \x01\r\n",
		"Origin: null\r\n", "Origin: "+origin+"\r\nAccess-Control-Request-Method: POST\r\n", "Origin: \xff\r\n", "Sec-Fetch-Site: cross-site\r\n",
		"X-Forwarded-For: "+strings.Repeat("1.2.3.4, ", 1000)+"\r\n", "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=_x\r\n", "X-Forwarded-Host: elsewhere.example\r\nX-Forwarded-Proto: https\r\n",
		"X-HTTP-Method-Override: DELETE\r\n", "X-Original-URL: /metrics\r\n", "Authorization: Basic \xff\r\n",
		"Range: bytes=0-,-1,99999999999999999999-\r\n", "If-Modified-Since: never\r\nIf-None-Match: *\r\n", "Trailer: Content-Length\r\n", "Date: x\r\n"))
}

// mutateFraming lies about where the body ends.
func mutateFraming(r *rand.Rand, s sample) (string, []byte) {
	head := func(lines string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n%s\r\n", s.method, s.target, s.addr, s.kind, lines)
	}
	n := len(s.body)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n", n, s.body)
	return s.method, []byte(one(r,
		head(fmt.Sprintf("Content-Length: %d\r\nContent-Length: %d\r\n", n, n+1))+string(s.body),
		head(fmt.Sprintf("Content-Length: %d\r\n", n+1000))+string(s.body),
		head(fmt.Sprintf("Content-Length: %d\r\n", n/2))+string(s.body),
		head("Content-Length: -1\r\n")+string(s.body), head("Content-Length: +5\r\n")+string(s.body), head("Content-Length: 0x10\r\n")+string(s.body),
		head("Content-Length: 9223372036854775807\r\n")+string(s.body), head("Content-Length: 99999999999999999999999\r\n")+string(s.body), head("Content-Length: 5, 5\r\n")+string(s.body),
		head("Content-Length: 104857600\r\n")+strings.Repeat("x", 100_000),
		head(fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n", n))+chunked+"\r\n",
		head("Transfer-Encoding: chunked\r\n")+chunked+"\r\n", head("Transfer-Encoding: chunked\r\n")+chunked+"Content-Length: 5\r\nX-A: b\r\n\r\n",
		head("Transfer-Encoding: chunked\r\n")+chunked+strings.Repeat("A: b\r\n", 5000)+"\r\n",
		head("Transfer-Encoding: gzip, chunked\r\n")+chunked, head("Transfer-Encoding: gzip\r\n")+string(s.body), head("Transfer-Encoding: chunked, chunked\r\n")+chunked, head("Transfer-Encoding: \x0bchunked\r\n")+chunked,
		head("Transfer-Encoding: chunked\r\n")+"zz\r\nx\r\n", head("Transfer-Encoding: chunked\r\n")+"ffffffffffffffffff\r\nx\r\n", head("Transfer-Encoding: chunked\r\n")+"-1\r\n", head("Transfer-Encoding: chunked\r\n")+"1;"+strings.Repeat("e", 20_000)+"\r\nx\r\n",
		head("Transfer-Encoding: chunked\r\n")+strings.Repeat("1\r\nx\r\n", 20_000)+"0\r\n\r\n", head("Transfer-Encoding: chunked\r\n")+fmt.Sprintf("%x\r\n", 1<<24)+strings.Repeat("y", 200_000),
		string(s.bytes())+string(s.bytes())+string(s.bytes()),
		string(s.bytes())+"\r\n\r\n"+string(s.bytes())[:10]))
}

func mutateBody(r *rand.Rand, s sample) (string, []byte) {
	random := make([]byte, r.IntN(3000))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	if s.method != "POST" {
		s.method = "POST"
	}
	b := bytes.Clone(s.body)
	at := r.IntN(len(b) + 1)
	switch r.IntN(10) {
	case 0:
		s.body = random
	case 1:
		s.body = b[:at]
	case 2:
		s.body = append(append(b[:at:at], random...), b[at:]...)
	case 3:
		s.body = append(b, b...)
	case 4:
		s.body = append(b, one(r, "\n", "\x00", "{}", " ", "\ufeff")...)
	case 5:
		s.body = bytes.Repeat([]byte{byte(r.Uint32())}, one(r, 255, 4096, 4097, 16<<10, 16<<10+1, 65_000, 65_001, 1<<18, 1<<18+1, 2<<20))
	case 6:
		s.body = bomb()
		return s.method, s.with("Content-Encoding: gzip\r\n")
	case 7:
		s.body = nil
	case 8:
		s.kind = one(r, "", "text/plain", "application/json; charset=utf-16", "application/octet-stream", "application/json", "application/x-www-form-urlencoded", "a\xffb")
	default:
		for range 1 + r.IntN(4) {
			if len(b) > 0 {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
		}
		s.body = b
	}
	return s.method, s.bytes()
}

func mutateJSON(r *rand.Rand, s sample) (string, []byte) {
	s.method, s.kind = "POST", "application/json"
	text := string(s.body)
	if !strings.HasPrefix(text, "{") {
		text = `{"token":"x","member":0,"signature":"00"}`
	}
	value := one(r, "null", "true", "-1", "1e999999", "0.1", strings.Repeat("9", 2000), `"\u0000"`, `"\ud800"`, "\"\xff\xfe\"", "\"\x00\"", "[]", "{}", `[[[[[[[[[["x"]]]]]]]]]]`, `"`+strings.Repeat("A", 9000)+`"`, `{"a":1,"a":2}`, "NaN", "'x'", `""`, `"\`)
	switch r.IntN(7) {
	case 0:
		text = deep()
	case 1:
		text = strings.Repeat("[", 100_000)
	case 2: // every key twice
		text = text[:len(text)-1] + "," + text[1:]
	case 3:
		text = text[:len(text)-1] + `,"more":` + value + "}"
	case 4:
		text = strings.ToUpper(text)
	default: // another value
		if i := strings.IndexByte(text, ':'); i > 0 {
			end := i + 1 + strings.IndexAny(text[i+1:], ",}")
			text = text[:i+1] + value + text[max(end, i+1):]
		}
	}
	s.body = []byte(text)
	return s.method, s.bytes()
}

func mutateVersion(r *rand.Rand, s sample) (string, []byte) {
	raw := string(s.bytes())
	return s.method, []byte(one(r,
		strings.Replace(raw, "HTTP/1.1", "HTTP/1.0", 1), strings.Replace(raw, "HTTP/1.1", "HTTP/0.9", 1), strings.Replace(raw, "HTTP/1.1", "HTTP/2.0", 1),
		strings.Replace(raw, "HTTP/1.1", "HTTP/9.9", 1), strings.Replace(raw, "HTTP/1.1", "HTTP/1.", 1), strings.Replace(raw, " HTTP/1.1", "", 1), strings.Replace(raw, "HTTP/1.1", "SPDY/3", 1),
		strings.Replace(raw, "\r\n", "\n", 3), strings.Replace(raw, " ", "  ", 1), "\r\n\r\n"+raw, " "+raw,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "SSH-2.0-x\r\n", "\x00", "GET"))
}

// flip flips bits anywhere in the request.
func flip(r *rand.Rand, s sample) (string, []byte) {
	raw := s.bytes()
	for range 1 + r.IntN(8) {
		raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
	}
	method, _, _ := strings.Cut(string(raw), " ")
	return method, raw
}

func noise(r *rand.Rand, _ sample) (string, []byte) {
	raw := make([]byte, 1+r.IntN(20_000))
	for i := range raw {
		raw[i] = byte(r.Uint32())
	}
	return "", raw
}
