package registrar

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"strikevote/internal/protocol/token"
)

// A Slip is a member who gets their code on paper, and the body of their live
// token, from which whoever has the code key makes the code. It redacts itself.
type Slip struct {
	Place
	Member
	Token token.Body
}

// Format keeps a slip out of logs and error texts.
func (Slip) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("slip [redacted]")) }

// Slips lists the members for whom slips are printed, by campus and worksite: those
// of the numbers that are given, or else everybody without an address. Whose
// ballot was issued, or who was struck, is not among them.
func (r *Registrar) Slips(ctx context.Context, numbers []string) ([]Slip, error) {
	rows, err := r.c.Pool.Query(ctx, `
		SELECT m.group_id, m.roll_index, m.member_no, m.name, COALESCE(m.email, ''), m.unit, m.campus, m.worksite, m.language, t.jti
		FROM registrar.member m
		JOIN registrar.token t ON t.on_roll AND t.group_id = m.group_id AND t.roll_index = m.roll_index
		WHERE NOT EXISTS (SELECT FROM registrar.token_revoked v WHERE v.token_id = t.token_id)
		AND NOT EXISTS (SELECT FROM registrar.used u WHERE u.group_id = m.group_id AND u.roll_index = m.roll_index)
		AND CASE WHEN cardinality($1::text[]) = 0 THEN COALESCE(m.email, '') = '' ELSE m.member_no = ANY ($1) END
		ORDER BY m.campus, m.worksite, m.name, m.member_no`, append([]string{}, numbers...))
	if err != nil {
		return nil, fmt.Errorf("listing slips: %w", scrub(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Slip, err error) {
		var jti []byte
		m := &s.Member
		err = row.Scan(&s.Group, &s.Index, &m.Number, &m.Name, &m.Email, &m.Unit, &m.Campus, &m.Worksite, &m.Language, &jti)
		if err == nil && len(jti) != len(token.JTI{}) {
			err = fmt.Errorf("a token has no id")
		}
		if err == nil {
			s.Token = token.Body{Kind: token.KindMember, Election: r.manifest.ElectionID, Group: s.Group, Index: s.Index,
				JTI: token.JTI(jti), Expires: r.manifest.Schedule.TokenExpires()}
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing slips: %w", scrub(err))
	}
	return list, nil
}
