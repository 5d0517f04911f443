package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrUnavailable is wrapped when the database cannot serve now: it is not reached, went
// away in the middle, takes no more connections, or the transaction lost every race. The
// same call may succeed later. When a commit is what failed, it is not known whether the
// change was made.
var ErrUnavailable = errors.New("database is unavailable")

// unavailable marks what ErrUnavailable stands for; other errors stay as they are.
func (d *DB) unavailable(err error) error {
	if err == nil || errors.Is(err, ErrUnavailable) || !away(err) && !d.dialect.away(err) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// away tells whether an error says that a connection broke or was not made, by what all
// drivers share. A caller who gave up says nothing about the database.
func away(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return true
	}
	for _, sign := range []error{driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// unreached tells that no connection was made.
func unreached(err error) bool {
	var network *net.OpError
	var connect *pgconn.ConnectError
	return errors.As(err, &network) && network.Op == "dial" || errors.As(err, &connect)
}

// The file of an SQLite database does not go away.
func (sqlite) away(error) bool { return false }

// crowded tells that a server on a socket has no more room for those who knock.
func crowded(err error) bool { return errors.Is(err, syscall.EAGAIN) }

func (sqlite) full(error) bool { return false }

func (postgres) full(err error) bool {
	var e *pgconn.PgError
	return crowded(err) || errors.As(err, &e) && e.Code == "53300"
}

func (mysql) full(err error) bool {
	var e *mysqldriver.MySQLError
	return crowded(err) || errors.As(err, &e) && (e.Number == 1040 || e.Number == 1203)
}

func (postgres) away(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var e *pgconn.PgError
	if errors.As(err, &e) {
		switch e.Code {
		case "57P01", "57P02", "57P03", "53300": // shut down, crashed, not up yet, too many connections
			return true
		}
		return strings.HasPrefix(e.Code, "08") // a connection's trouble
	}
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || pgconn.SafeToRetry(err)
}

// mysqlBroken is what the driver says when a connection turns out to be broken before
// anything was sent; it exports no error for that.
const mysqlBroken = "bad connection"

func (mysql) away(err error) bool {
	if errors.Is(err, mysqldriver.ErrInvalidConn) || err.Error() == mysqlBroken {
		return true
	}
	var e *mysqldriver.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	switch e.Number {
	case 1040, 1053, 1203, 1927: // too many connections, shut down, too many of this user, killed
		return true
	}
	return false
}
