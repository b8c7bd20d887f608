package pages

// What is open answers "could the open questions change this?": by the certificate
// once there is one, and before that by saying who will answer.
type openQuestions struct {
	Answer string
	Open   []string
}

// questions say what is open and whether it could change the outcome. The answer is
// the certificate's own, which counts what any choice on any of those ballots would
// do; nothing is judged here a second time by another rule.
func (s speaker) questions() openQuestions {
	undecided, notCast := s.open()
	q := openQuestions{Open: []string{
		s.w.Count("results.open.undecided", int64(undecided)),
		s.w.Count("results.open.notcast", int64(notCast)),
	}}
	c := s.certificate
	if c == nil {
		q.Answer = s.w.Text("results.open.later")
		return q
	}
	q.Open = append(q.Open, s.w.Count("results.open.disputed", int64(c.Disputed)))
	if c.Material {
		q.Answer = s.w.Text("results.open.yes")
		return q
	}
	q.Answer = s.w.Text("results.open.no")
	if len(s.result.Units) == 1 {
		q.Answer += " " + s.lead(s.judgedUnit(&s.result.Units[0]))
	}
	return q
}
