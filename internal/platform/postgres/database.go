package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ErrExists is returned by [CreateDatabase] for a database that is there.
var ErrExists = errors.New("database exists")

// CreateDatabase creates an empty database in which only its owner and the
// named roles may connect. It finishes one that was left half-made by a crash.
// The connection is the owner's, to another database of the server.
func CreateDatabase(ctx context.Context, owner *pgx.Conn, name string, connect ...string) error {
	return createFrom(ctx, owner, name, "template0", connect)
}

// CloneDatabase creates a database as a copy of another, to which nobody may be
// connected.
func CloneDatabase(ctx context.Context, owner *pgx.Conn, name, template string, connect ...string) error {
	return createFrom(ctx, owner, name, template, connect)
}

// createLock is the key of a lock in the database that the owner is connected to.
const createLock int64 = 0x637265617465 // "create"

func createFrom(ctx context.Context, owner *pgx.Conn, name, template string, connect []string) error {
	// Two programs that start at once would find the half-made database of each
	// other.
	if _, err := owner.Exec(ctx, `SELECT pg_catalog.pg_advisory_lock($1)`, createLock); err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	defer func() {
		_, _ = owner.Exec(context.WithoutCancel(ctx), `SELECT pg_catalog.pg_advisory_unlock($1)`, createLock)
	}()
	db := quote(name)
	// Nobody may connect until the rights are set: PUBLIC may, by default. The
	// locale is fixed so that text sorts alike everywhere.
	_, err := owner.Exec(ctx, `CREATE DATABASE `+db+` TEMPLATE `+quote(template)+
		` ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' ALLOW_CONNECTIONS false`)
	if code(err) == "42P04" {
		var ready bool
		err = owner.QueryRow(ctx, `SELECT datallowconn FROM pg_catalog.pg_database WHERE datname = $1`, name).Scan(&ready)
		if err == nil && ready {
			return fmt.Errorf("creating database %s: %w", name, ErrExists)
		}
	}
	if err != nil {
		return fmt.Errorf("creating database %s: %w", name, err)
	}
	steps := []string{`REVOKE ALL ON DATABASE ` + db + ` FROM PUBLIC`}
	for _, role := range connect {
		steps = append(steps, `GRANT CONNECT ON DATABASE `+db+` TO `+quote(role))
	}
	steps = append(steps, `ALTER DATABASE `+db+` ALLOW_CONNECTIONS true`)
	for _, sql := range steps {
		if _, err := owner.Exec(ctx, sql); err != nil {
			return fmt.Errorf("setting the rights of database %s: %w", name, err)
		}
	}
	return nil
}

// DropDatabase deletes a database with all that is in it, and ends the sessions
// of those who are connected. It is not an error if there is none.
func DropDatabase(ctx context.Context, owner *pgx.Conn, name string) error {
	if _, err := owner.Exec(ctx, `DROP DATABASE IF EXISTS `+quote(name)+` WITH (FORCE)`); err != nil {
		return fmt.Errorf("dropping database %s: %w", name, err)
	}
	return nil
}

// CreateRoles creates the roles that are missing. A role whose name ends in
// _owner may create databases and end the sessions in them, the others may do
// what migrations grant. The connection is a superuser's, or that of a role that
// may create roles.
func CreateRoles(ctx context.Context, admin *pgx.Conn, roles ...string) error {
	for _, role := range roles {
		sql := `CREATE ROLE ` + quote(role) + ` LOGIN`
		if strings.HasSuffix(role, "_owner") {
			sql += ` CREATEDB IN ROLE pg_signal_backend`
		}
		// 42710: it is there. Another program may have created it just now, so
		// looking first would not help.
		if _, err := admin.Exec(ctx, sql); err != nil && code(err) != "42710" {
			return fmt.Errorf("creating role %s: %w", role, err)
		}
	}
	return nil
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// CloseMaintenance lets only owners connect to the databases that every cluster
// has. By default everybody may, and could leave things there for others.
func CloseMaintenance(ctx context.Context, admin *pgx.Conn, roles ...string) error {
	steps := []string{`REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC`}
	for _, role := range roles {
		if strings.HasSuffix(role, "_owner") {
			steps = append(steps, `GRANT CONNECT ON DATABASE postgres TO `+quote(role))
		}
	}
	for _, sql := range steps {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return fmt.Errorf("setting the rights of the maintenance databases: %w", err)
		}
	}
	return nil
}
