package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// oldestPostgres is the first major version that is tested.
const oldestPostgres = 15

// postgresConns is how many connections one process opens at most. Writers
// queue for the change counter anyway, and many gateways share one server.
const postgresConns = 8

// postgresSettings hold for every connection unless the DSN sets them. A node
// that hangs in a transaction must not hold up all others.
var postgresSettings = map[string]string{
	"application_name":                    "sallyport",
	"statement_timeout":                   "30s",
	"lock_timeout":                        "5s",
	"idle_in_transaction_session_timeout": "30s",
}

// silence is how long a server may let a connection wait for its next byte: a
// little longer than a statement may take. A network that swallows packets would
// otherwise hold whoever waits for as long as TCP goes on trying, and with them
// what follows the store.
const silence = 40 * time.Second

// openPostgres connects to a server.
func openPostgres(ctx context.Context, dsn string, how mode) (*engine, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		// The cause may quote the password.
		return nil, errors.New("the address cannot be read: write postgres://user:password@host:5432/database, with special characters in the password as %XX")
	}
	for name, value := range postgresSettings {
		if _, ok := cfg.RuntimeParams[name]; !ok {
			cfg.RuntimeParams[name] = value
		}
	}
	if how == openToRead {
		cfg.RuntimeParams["default_transaction_read_only"] = "on"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &impatient{Conn: conn}, nil
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	e := &engine{
		writer:   db,
		reader:   db,
		snapshot: &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead},
		lostRace: postgresLostRace,
		hasTable: `SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = $1`,
		describe: `SELECT 'PostgreSQL', current_setting('server_version'), pg_database_size(current_database())`,
		clock:    `CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`,
		now:      time.Now,
		rows:     128, // to answer a statement takes a round trip; 65,535 parameters are the limit
		great:    `SET LOCAL statement_timeout = 0`,
		clear:    clearPostgres,
		refill:   refillPostgres,
	}
	if err := e.checkPostgres(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// impatient is a connection that fails when nothing comes for too long.
type impatient struct {
	net.Conn
	mu    sync.Mutex
	until time.Time // deadline of the driver, when a context ends; zero: none
}

func (c *impatient) Read(p []byte) (int, error) {
	c.mu.Lock()
	until := time.Now().Add(silence)
	if !c.until.IsZero() && c.until.Before(until) {
		until = c.until
	}
	err := c.Conn.SetReadDeadline(until)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *impatient) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetDeadline(t)
}

func (c *impatient) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.Conn.SetReadDeadline(t)
}

func (e *engine) checkPostgres(ctx context.Context) error {
	var name string
	var version int
	err := e.writer.QueryRowContext(ctx, `SELECT version(), CAST(current_setting('server_version_num') AS BIGINT)`).Scan(&name, &version)
	if err != nil {
		// The driver writes a line for every address that it tried.
		return fmt.Errorf("%s: %s", strings.Join(strings.Fields(err.Error()), " "), postgresAdvice(err))
	}
	// Others that speak the protocol count their versions differently.
	if strings.HasPrefix(name, "PostgreSQL ") && version/10000 < oldestPostgres {
		return fmt.Errorf("the server is PostgreSQL %d: Sallyport needs %d or newer", version/10000, oldestPostgres)
	}
	return nil
}

// clearPostgres keeps everybody else out of the tables until the transaction
// ends.
func clearPostgres(ctx context.Context, tx querier, sc *schema) error {
	_, err := tx.exec(ctx, `TRUNCATE `+sc.names())
	return err
}

// refillPostgres counts the rows for the planner, which would do so only
// minutes later.
func refillPostgres(ctx context.Context, tx querier, sc *schema) error {
	_, err := tx.exec(ctx, `ANALYZE `+sc.names())
	return err
}

func postgresAdvice(err error) string {
	switch postgresCode(err) {
	case "28P01", "28000":
		return "check user and password, and that pg_hba.conf lets this machine in"
	case "3D000":
		return "create the database"
	case "42501":
		return "give the user the rights to the database"
	case "53300":
		return "raise max_connections of the server, or stop something else"
	}
	return "check that the server runs there and can be reached"
}

func postgresCode(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// postgresLostRace is for serialization_failure and deadlock_detected.
func postgresLostRace(err error) bool {
	code := postgresCode(err)
	return code == "40001" || code == "40P01"
}

func redactPostgres(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "postgres://…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
