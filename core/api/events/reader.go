package events

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// maxLine bounds a line of a stream that is read, in bytes.
const maxLine = 4 << 20

// Message is one block of a stream of server-sent events.
type Message struct {
	// ID is the last id that the stream has told, Name the kind of event; empty for a block
	// without data, which tells the position only.
	ID, Name string
	Data     []byte
}

// Reader reads a stream of server-sent events.
type Reader struct {
	lines *bufio.Scanner
	id    string
}

// NewReader reads the stream's body.
func NewReader(body io.Reader) *Reader {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 16<<10), maxLine)
	return &Reader{lines: lines}
}

// Next waits for the next block; comments are blocks without data. io.EOF: the stream has
// ended, or was cut between two blocks; io.ErrUnexpectedEOF: it was cut within one.
func (r *Reader) Next() (Message, error) {
	var m Message
	begun := false
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 {
			if !begun {
				continue
			}
			m.ID = r.id
			return m, nil
		}
		begun = true
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "id":
			r.id = string(value)
		case "event":
			m.Name = string(value)
		case "data":
			if m.Data != nil {
				m.Data = append(m.Data, '\n')
			}
			m.Data = append(m.Data, value...)
		}
	}
	switch {
	case r.lines.Err() != nil:
		return m, fmt.Errorf("read a stream of events: %w", r.lines.Err())
	case begun:
		return m, io.ErrUnexpectedEOF
	}
	return m, io.EOF
}
