// Package postgres opens databases, runs transactions and applies migrations.
//
// It knows nothing of voting. What it must never do is let a client's broken
// connection touch a commit: a commit that is cancelled while it waits for a
// second copy of the database looks like success to whoever retries, and an
// acknowledged ballot could then be lost. See [InTx].
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A Server is where a cluster is: a private one, which this program started, or
// a configured one.
type Server interface {
	// URL returns the address of a database for a role that logs in.
	URL(database, role string) string
}

// A Configured server is one that somebody else runs.
type Configured struct {
	Base      *url.URL          // scheme, hosts, parameters; its user and path are replaced
	Passwords map[string]string // by role; a role without one logs in by other means
}

// URL returns the address of a database of the server.
func (c Configured) URL(database, role string) string {
	u := *c.Base
	u.Path = "/" + database
	u.User = url.User(role)
	if p, ok := c.Passwords[role]; ok {
		u.User = url.UserPassword(role, p)
	}
	return u.String()
}

// String leaves the passwords out.
func (c Configured) String() string { return "postgres at " + c.Base.Host }

// GoString leaves the passwords out of %#v.
func (c Configured) GoString() string { return c.String() }

const (
	// statementTimeout bounds a statement of a service. The server does not
	// apply it to the work of a commit, see TestCommitOutlastsTimeout.
	statementTimeout = 30 * time.Second
	idleInTxTimeout  = 60 * time.Second
	maxConns         = 16
)

// Open returns a pool of connections to the database at a URL and checks that
// it answers. The search path is empty: an unqualified name of a table fails.
// The application name is the same for all, since the server shows it to
// everybody who is connected.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the database's address: %w", err)
	}
	prepare(cfg.ConnConfig)
	params := cfg.ConnConfig.RuntimeParams
	params["statement_timeout"] = millis(statementTimeout)
	params["idle_in_transaction_session_timeout"] = millis(idleInTxTimeout)
	// An operator may say otherwise in the address.
	if !strings.Contains(url, "pool_max_conns") {
		cfg.MaxConns = maxConns
	}
	cfg.MaxConnIdleTime = 5 * time.Minute
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return nil, fmt.Errorf("connecting to database: %w", err)
	}
	return pool, nil
}

// OpenRole opens a database of a server as a role.
func OpenRole(ctx context.Context, s Server, database, role string) (*pgxpool.Pool, error) {
	return Open(ctx, s.URL(database, role))
}

// Connect opens one connection without time-outs, for migrations and for
// creating databases.
func Connect(ctx context.Context, url string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading the database's address: %w", err)
	}
	prepare(cfg)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to database: %w", err)
	}
	return conn, nil
}

func millis(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// warnings is the key in a connection's custom data under which the number of
// warnings that the server sent is kept. A connection belongs to one goroutine
// at a time, and so does the data.
const warnings = "strikevote.warnings"

func prepare(cfg *pgx.ConnConfig) {
	if cfg.RuntimeParams == nil {
		cfg.RuntimeParams = make(map[string]string)
	}
	cfg.RuntimeParams["search_path"] = ""
	cfg.RuntimeParams["application_name"] = "strikevote"
	cfg.RuntimeParams["timezone"] = "UTC"
	cfg.OnNotice = func(c *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			count, _ := c.CustomData()[warnings].(int)
			c.CustomData()[warnings] = count + 1
		}
	}
	cfg.AfterConnect = func(_ context.Context, c *pgconn.PgConn) error {
		c.CustomData()[warnings] = 0
		return nil
	}
}

// Violates reports whether an error is the server's refusal of a row because of
// the named constraint: its key is taken, or its check does not hold.
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	// Class 23 is integrity constraint violation.
	return errors.As(err, &pg) && len(pg.Code) == 5 && pg.Code[:2] == "23" && pg.ConstraintName == constraint
}

// code returns the server's code of an error, or "".
func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
