package sendgridtest

import (
	"crypto/ecdsa"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A Happening is something that SendGrid tells of a mail.
type Happening struct {
	Of     Message
	Event  string // processed, deferred, delivered, bounce, dropped, spamreport
	Type   string // of a bounce: bounce or blocked
	Reason string // SendGrid's words
	ID     string // the event's own; empty: a new one
}

// Events returns what SendGrid's webhook is sent, signed. The addresses are in it, as
// in SendGrid's own.
func (s *Server) Events(at time.Time, list ...Happening) (http.Header, []byte) {
	s.t.Helper()
	rows := make([]map[string]any, len(list))
	for i, h := range list {
		s.mu.Lock()
		s.told++
		n := s.told
		s.mu.Unlock()
		id := h.ID
		if id == "" {
			id = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%s-%d-%d", h.Event, n, h.Of.Call))
		}
		mid := hex.EncodeToString(h.Of.ID[:])
		rows[i] = map[string]any{"email": h.Of.To, "timestamp": at.Unix(), "event": h.Event, "sg_event_id": id,
			"sg_message_id": fmt.Sprintf("%s.recvd-%d", mid[:22], h.Of.Call), "smtp-id": h.Of.Headers["Message-ID"], "category": []string{"ballot"}, "mid": mid}
		if h.Type != "" {
			rows[i]["type"] = h.Type
		}
		if h.Reason != "" {
			rows[i]["reason"] = h.Reason
		}
	}
	body, err := json.Marshal(rows)
	if err != nil {
		s.t.Fatal(err)
	}
	body = append(body, "\r\n"...) // as SendGrid does: it is signed too
	return s.Sign(at, body), body
}

// Sign returns the headers of a body that SendGrid's webhook is sent.
func (s *Server) Sign(at time.Time, body []byte) http.Header {
	s.t.Helper()
	stamp := strconv.FormatInt(at.Unix(), 10)
	sum := sha256.Sum256(append([]byte(stamp), body...))
	sig, err := ecdsa.SignASN1(crand.Reader, s.key, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	h := make(http.Header)
	h.Set("Content-Type", "application/json")
	h.Set("X-Twilio-Email-Event-Webhook-Timestamp", stamp)
	h.Set("X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(sig))
	return h
}

// WebhookKey returns the key that events are signed with, as SendGrid shows it.
func (s *Server) WebhookKey() string {
	s.t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}
