// Package dnstest answers questions to the DNS on this machine, for tests: of a zone
// that they make up, over UDP and TCP, as a real server does.
package dnstest

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// A Zone is what a server knows: records by name and type, like "_dmarc.union.example
// TXT". An MX is a host; a type A an address. The record "FAIL" makes the server refuse to
// answer for the name.
type Zone map[string][]string

// Serve answers for a zone until the test ends, and returns the address.
func Serve(t testing.TB, z Zone) string {
	t.Helper()
	udp, tcp := listen(t)
	t.Cleanup(func() { udp.Close() })
	t.Cleanup(func() { tcp.Close() })
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			answer := z.answer(buf[:n])
			if len(answer) > 512 { // the question is asked again over TCP
				answer = z.truncated(buf[:n])
			}
			_, _ = udp.WriteTo(answer, from)
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go z.stream(c)
		}
	}()
	return udp.LocalAddr().String()
}

// listen returns one port for both, which another program may have in one of them.
func listen(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 50 {
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			break
		}
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp
		}
		udp.Close()
	}
	t.Fatal(err)
	return nil, nil
}

// stream answers what comes over one connection.
func (z Zone) stream(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer := z.answer(question)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func (z Zone) truncated(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil {
		return nil
	}
	m.Response, m.Truncated, m.Additionals = true, true, nil
	b, _ := m.Pack()
	return b
}

func (z Zone) answer(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	q := m.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	known := false
	for key := range z {
		known = known || strings.HasPrefix(key, name+" ")
	}
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	if _, ok := z[name+" FAIL"]; ok {
		m.RCode = dnsmessage.RCodeServerFailure
	}
	for i, text := range z[name+" "+strings.TrimPrefix(q.Type.String(), "Type")] {
		m.Answers = append(m.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: body(q.Type, text, i),
		})
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}

func body(kind dnsmessage.Type, text string, i int) dnsmessage.ResourceBody {
	switch kind {
	case dnsmessage.TypeMX:
		return &dnsmessage.MXResource{Pref: uint16(10 + i), MX: dnsmessage.MustNewName(strings.TrimSuffix(text, ".") + ".")}
	case dnsmessage.TypeA:
		return &dnsmessage.AResource{A: [4]byte(net.ParseIP(text).To4())}
	}
	var parts []string // of at most 255 bytes
	for len(text) > 255 {
		parts, text = append(parts, text[:255]), text[255:]
	}
	return &dnsmessage.TXTResource{TXT: append(parts, text)}
}
