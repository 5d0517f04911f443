package stream

import (
	"fmt"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"virga/core/bus"
)

// subprotocol names the version of the protocol. Frames of an unknown kind and unknown fields
// are passed over, so that a version can grow; what an older end would get wrong needs a new name.
const subprotocol = "virga.bus.1"

// The rhythm and the bounds of a connection.
const (
	aliveEvery = 3 * time.Second
	deadAfter  = 9 * time.Second
	// patience is how long a call waits for a lost connection to come back.
	patience = 2 * time.Second

	maxPiece = 64 << 10
	maxFrame = 96 << 10
	// maxText bounds the text of an error in bytes.
	maxText = 4 << 10
	// maxUnderWay bounds the questions of one end that the other has not answered yet.
	maxUnderWay = 64
	// maxSending bounds the bodies that wait to be sent, in bytes with messageCost for each.
	maxSending  = 2 * bus.MaxBody
	messageCost = 1 << 10
	// maxReceiving bounds the bodies that have come in part.
	maxReceiving = maxSending + bus.MaxBody
	// maxSubjects bounds the topics, and the addresses, of one connection.
	maxSubjects = 1 << 10
	// maxRings bounds the topics whose rings wait to be sent; the timer mends what is dropped.
	maxRings = 4 << 10
)

// kind says what a frame is. The numbers are on the wire.
type kind uint8

const (
	// alive is sent every aliveEvery. From a server Millis is over how many milliseconds its
	// nodes should spread when they come back.
	alive kind = 1
	// ring: somebody rang Topic.
	ring kind = 2
	// listen and unlisten are a client's; a ring of Topic says that the listening has begun.
	listen   kind = 3
	unlisten kind = 4
	// serve and unserve are a client's; serving again makes it the latest party.
	serve   kind = 5
	unserve kind = 6
	// refused is a server's answer when Topic may not be listened to or served; Text says why.
	refused kind = 7
	// question asks Topic for Name within Millis milliseconds; ID names it to its end.
	question kind = 8
	// answer is to the question ID: Body, or an error with the code Name (bus.Fault) and Text.
	answer kind = 9
	// cancel says that nobody waits any more for the answer to ID.
	cancel kind = 10
)

// frame is one message of the connection. A body longer than maxPiece comes in several
// frames of the same kind and ID, all but the last with More; only the first has the rest.
type frame struct {
	Kind   kind   `msgpack:"k"`
	ID     uint64 `msgpack:"i,omitempty"`
	Topic  string `msgpack:"t,omitempty"`
	Name   string `msgpack:"n,omitempty"`
	Text   string `msgpack:"e,omitempty"`
	Millis int64  `msgpack:"d,omitempty"`
	Body   []byte `msgpack:"b,omitempty"`
	More   bool   `msgpack:"m,omitempty"`
}

func (f *frame) encode() ([]byte, error) {
	data, err := msgpack.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("write frame: %w", err)
	}
	return data, nil
}

func decode(data []byte) (frame, error) {
	var f frame
	if err := msgpack.Unmarshal(data, &f); err != nil {
		return f, fmt.Errorf("read frame: %w", err)
	}
	return f, nil
}

// errorAnswer is the answer that carries err.
func errorAnswer(id uint64, err error) frame {
	return frame{Kind: answer, ID: id, Name: bus.CodeOf(err), Text: shorten(err.Error())}
}

// shorten bounds an error's text and makes it UTF-8.
func shorten(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "")
}

// assembly puts bodies together that come in pieces.
type assembly struct {
	open  map[piece]*frame
	bytes int
}

type piece struct {
	kind kind
	id   uint64
}

// add takes a frame and returns it whole, or false when more of it is to come.
func (a *assembly) add(f frame) (frame, bool, error) {
	key := piece{f.Kind, f.ID}
	begun := a.open[key]
	if begun == nil && !f.More {
		return f, true, nil
	}
	if begun == nil {
		if len(a.open) >= 2*maxUnderWay {
			return f, false, fmt.Errorf("more than %d bodies at once", 2*maxUnderWay)
		}
		begun = &f
		a.open[key] = begun
	} else {
		begun.Body = append(begun.Body, f.Body...)
	}
	a.bytes += len(f.Body)
	if len(begun.Body) > bus.MaxBody || a.bytes > maxReceiving {
		return f, false, fmt.Errorf("pieces of a body: %w", bus.ErrTooBig)
	}
	if f.More {
		return f, false, nil
	}
	delete(a.open, key)
	a.bytes -= len(begun.Body)
	begun.More = false
	return *begun, true, nil
}

// drop forgets what has come of a body whose rest will not.
func (a *assembly) drop(k kind, id uint64) {
	key := piece{k, id}
	if begun := a.open[key]; begun != nil {
		a.bytes -= len(begun.Body)
		delete(a.open, key)
	}
}
