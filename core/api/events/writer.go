package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Writer gathers blocks of a stream of server-sent events and sends them.
type Writer struct {
	bytes.Buffer
	answer     http.ResponseWriter
	connection *http.ResponseController
	slowAfter  time.Duration
	sent       int64
}

// NewWriter writes to an answer. A reader that takes longer than slowAfter to read what is
// sent makes Send fail with os.ErrDeadlineExceeded.
func NewWriter(answer http.ResponseWriter, slowAfter time.Duration) *Writer {
	return &Writer{answer: answer, connection: http.NewResponseController(answer), slowAfter: slowAfter}
}

// Event adds an event; data is JSON on one line.
func (w *Writer) Event(id, name string, data []byte) {
	fmt.Fprintf(w, "id: %s\nevent: %s\ndata: %s\n\n", id, name, data)
}

// Line adds a block without an event: a line, such as a comment, and the position unless
// it is empty.
func (w *Writer) Line(line, id string) {
	fmt.Fprintf(w, "%s\n", line)
	if id != "" {
		fmt.Fprintf(w, "id: %s\n", id)
	}
	fmt.Fprint(w, "\n")
}

// EndName is the name of a stream's last event.
const EndName = "end"

// End is what the last event says.
type End struct {
	Reason      string `json:"reason"`
	ResumeAfter string `json:"resume_after"`
}

// End adds the event that tells why the stream ends and where to go on.
func (w *Writer) End(id, why string) {
	text, err := json.Marshal(End{Reason: why, ResumeAfter: id})
	if err != nil {
		panic("two texts are JSON: " + err.Error())
	}
	w.Event(id, EndName, text)
}

// Send sends what is gathered.
func (w *Writer) Send() error {
	_ = w.connection.SetWriteDeadline(time.Now().Add(w.slowAfter)) // not every writer has deadlines
	n, err := w.answer.Write(w.Bytes())
	w.sent += int64(n)
	w.Reset()
	if err != nil {
		return err
	}
	if err := w.connection.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
