package fake

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// screen is the display of a simulated guest: an RFB server (RFC 6143, version 3.8, security
// type "none", encoding "raw") whose picture is a field of one colour with a frame.
type screen struct{ name string }

const (
	screenWidth, screenHeight = 720, 400
	screenFrame               = 8
	// rgb of the field and of its frame.
	fieldColour, frameColour = 0x1c232b, 0x7cc4ff
	// maxClientText bounds what a client may put on the clipboard in bytes.
	maxClientText = 1 << 20
)

// The messages of a client (RFC 6143, section 7.5).
const (
	setPixelFormat  = 0
	setEncodings    = 2
	updateRequest   = 3
	keyEvent        = 4
	pointerEvent    = 5
	clientCutText   = 6
	rfbVersion      = "RFB 003.008\n"
	securityNone    = 1
	pixelFormatSize = 16
)

// pixelFormat says how a client wants pixels (RFC 6143, section 7.4).
type pixelFormat struct {
	BitsPerPixel, Depth, BigEndian, TrueColour uint8
	RedMax, GreenMax, BlueMax                  uint16
	RedShift, GreenShift, BlueShift            uint8
	_                                          [3]byte
}

func ownFormat() pixelFormat {
	return pixelFormat{BitsPerPixel: 32, Depth: 24, TrueColour: 1, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8}
}

// pixel is a colour as the client wants it; formats with a palette get the first entry.
func (f pixelFormat) pixel(rgb uint32) []byte {
	var value uint32
	if f.TrueColour != 0 {
		value = (rgb>>16&255)*uint32(f.RedMax)/255<<f.RedShift | (rgb>>8&255)*uint32(f.GreenMax)/255<<f.GreenShift | (rgb&255)*uint32(f.BlueMax)/255<<f.BlueShift
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	if f.BigEndian != 0 {
		order = binary.BigEndian
	}
	switch f.BitsPerPixel {
	case 8:
		return []byte{byte(value)}
	case 16:
		return order.AppendUint16(nil, uint16(value))
	}
	return order.AppendUint32(nil, value)
}

var errNotRFB = errors.New("the client does not speak RFB")

// serve speaks RFB until the client ends or breaks the protocol.
func (s screen) serve(conn net.Conn) {
	if err := s.shakeHands(conn); err != nil {
		return
	}
	format := ownFormat()
	for {
		if err := s.answer(conn, &format); err != nil {
			return
		}
	}
}

func (s screen) shakeHands(conn net.Conn) error {
	if _, err := io.WriteString(conn, rfbVersion); err != nil {
		return err
	}
	version := make([]byte, len(rfbVersion))
	if _, err := io.ReadFull(conn, version); err != nil || string(version) != rfbVersion {
		return errNotRFB
	}
	if _, err := conn.Write([]byte{1, securityNone}); err != nil {
		return err
	}
	choice := make([]byte, 1)
	if _, err := io.ReadFull(conn, choice); err != nil || choice[0] != securityNone {
		return errNotRFB
	}
	if _, err := conn.Write(make([]byte, 4)); err != nil { // it is well
		return err
	}
	if _, err := io.ReadFull(conn, choice); err != nil { // whether to share: it always is
		return err
	}
	var b bytes.Buffer
	put(&b, uint16(screenWidth), uint16(screenHeight), ownFormat(), uint32(len(s.name)))
	b.WriteString(s.name)
	_, err := conn.Write(b.Bytes())
	return err
}

// put writes fixed-size values; a buffer takes all.
func put(b *bytes.Buffer, values ...any) {
	for _, value := range values {
		_ = binary.Write(b, binary.BigEndian, value)
	}
}

// answer reads one message and does what it asks for.
func (s screen) answer(conn net.Conn, format *pixelFormat) error {
	var kind [1]byte
	if _, err := io.ReadFull(conn, kind[:]); err != nil {
		return err
	}
	rest, known := map[byte]int{setPixelFormat: 3 + pixelFormatSize, setEncodings: 3, updateRequest: 9, keyEvent: 7, pointerEvent: 5, clientCutText: 7}[kind[0]]
	if !known {
		return errNotRFB
	}
	body := make([]byte, rest)
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	switch kind[0] {
	case setPixelFormat:
		return binary.Read(bytes.NewReader(body[3:]), binary.BigEndian, format)
	case setEncodings:
		_, err := io.CopyN(io.Discard, conn, 4*int64(binary.BigEndian.Uint16(body[1:])))
		return err
	case clientCutText:
		length := int64(binary.BigEndian.Uint32(body[3:]))
		if length > maxClientText {
			return errNotRFB
		}
		_, err := io.CopyN(io.Discard, conn, length)
		return err
	case updateRequest:
		if incremental := body[0] != 0; !incremental { // nothing ever changes
			_, err := conn.Write(s.picture(*format))
			return err
		}
	}
	return nil
}

// picture is a FramebufferUpdate with all of the screen (RFC 6143, section 7.6.1).
func (s screen) picture(format pixelFormat) []byte {
	field, frame := format.pixel(fieldColour), format.pixel(frameColour)
	var b bytes.Buffer
	put(&b, [2]byte{}, uint16(1), [4]uint16{0, 0, screenWidth, screenHeight}, int32(0))
	for y := range screenHeight {
		for x := range screenWidth {
			if min(x, y, screenWidth-1-x, screenHeight-1-y) < screenFrame {
				b.Write(frame)
			} else {
				b.Write(field)
			}
		}
	}
	return b.Bytes()
}
