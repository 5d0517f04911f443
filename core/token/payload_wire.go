package token

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// systemScope is what keystone writes for the whole system.
const systemScope = "all"

// maxExpirySeconds is the end of the year 9999, beyond which the API's time format does not go.
const maxExpirySeconds = 253402300799

var errLayout = errors.New("payload does not have the layout of its version")

// encodePayload writes the payload as keystone does: an array of the version and the fields of its layout.
func encodePayload(p Payload) ([]byte, error) {
	version, err := p.version()
	if err != nil {
		return nil, err
	}
	methods, err := packMethods(p.Methods)
	if err != nil {
		return nil, err
	}
	audits, err := packAuditIDs(p.AuditIDs)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	w := payloadWriter{enc: msgpack.NewEncoder(&buffer)}
	w.array(version.fields())
	w.uint(uint64(version))
	w.pair(p.UserID)
	w.uint(methods)
	switch version {
	case projectPayload, trustPayload, appCredPayload:
		w.pair(p.ProjectID)
	case oauth1Payload:
		w.pair(p.ProjectID)
		w.pair(p.AccessTokenID)
	case domainPayload:
		w.bare(p.DomainID)
	case systemPayload:
		w.text(systemScope)
	}
	w.float(float64(p.ExpiresAt.UnixMicro()) / 1e6)
	w.array(len(audits))
	for _, audit := range audits {
		w.bytes(audit)
	}
	switch version {
	case trustPayload:
		w.bare(p.TrustID)
	case appCredPayload:
		w.pair(p.AppCredID)
	}
	return buffer.Bytes(), w.err
}

// fields is the length of the layout's array, the version included.
func (v payloadVersion) fields() int {
	switch v {
	case unscopedPayload:
		return 5
	case domainPayload, projectPayload, systemPayload:
		return 6
	case trustPayload, appCredPayload, oauth1Payload:
		return 7
	}
	return 0
}

func packAuditIDs(ids []string) ([][]byte, error) {
	if len(ids) > maxAuditIDs {
		return nil, fmt.Errorf("it has %d audit ids, the most is %d", len(ids), maxAuditIDs)
	}
	packed := make([][]byte, len(ids))
	for i, id := range ids {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
		if err != nil || len(raw) == 0 {
			return nil, fmt.Errorf("audit id %q is not URL-safe base64", id)
		}
		packed[i] = raw
	}
	return packed, nil
}

// decodePayload reads what encodePayload or keystone wrote. IssuedAt is not part of it.
func decodePayload(data []byte) (Payload, error) {
	r := payloadReader{dec: msgpack.NewDecoder(bytes.NewReader(data)), rest: len(data)}
	length := r.array()
	version := payloadVersion(r.uint())
	if r.err == nil && (version.fields() == 0 || length != version.fields()) {
		return Payload{}, errLayout
	}
	p := Payload{UserID: r.pair()}
	methods := r.uint()
	switch version {
	case projectPayload, trustPayload, appCredPayload:
		p.ProjectID = r.pair()
	case oauth1Payload:
		p.ProjectID = r.pair()
		p.AccessTokenID = r.pair()
	case domainPayload:
		p.DomainID = r.id()
	case systemPayload:
		p.System = r.id() == systemScope
	}
	p.ExpiresAt = r.time()
	p.AuditIDs = r.auditIDs()
	switch version {
	case trustPayload:
		p.TrustID = r.id()
	case appCredPayload:
		p.AppCredID = r.pair()
	}
	if r.err != nil {
		return Payload{}, r.err
	}
	var err error
	if p.Methods, err = unpackMethods(methods); err != nil {
		return Payload{}, err
	}
	if held, err := p.version(); err != nil || held != version || p.UserID == "" {
		return Payload{}, errLayout
	}
	return p, nil
}

// payloadWriter keeps the first error, so that a layout reads as a list of fields.
type payloadWriter struct {
	enc *msgpack.Encoder
	err error
}

func (w *payloadWriter) keep(err error) {
	if w.err == nil {
		w.err = err
	}
}

func (w *payloadWriter) array(n int)     { w.keep(w.enc.EncodeArrayLen(n)) }
func (w *payloadWriter) uint(n uint64)   { w.keep(w.enc.EncodeUint(n)) }
func (w *payloadWriter) text(s string)   { w.keep(w.enc.EncodeString(s)) }
func (w *payloadWriter) bytes(b []byte)  { w.keep(w.enc.EncodeBytes(b)) }
func (w *payloadWriter) float(f float64) { w.keep(w.enc.EncodeFloat64(f)) }

// bare writes an id whose kind the reader tells from its type.
func (w *payloadWriter) bare(id string) {
	if raw, ok := packID(id); ok {
		w.bytes(raw)
		return
	}
	w.text(id)
}

// pair writes an id together with whether it was packed.
func (w *payloadWriter) pair(id string) {
	_, packed := packID(id)
	w.array(2)
	w.keep(w.enc.EncodeBool(packed))
	w.bare(id)
}

// payloadReader keeps the first error and answers zero values from then on.
type payloadReader struct {
	dec *msgpack.Decoder
	// rest bounds the lengths that the data may claim.
	rest int
	err  error
}

// code looks at the type of the next value.
func (r *payloadReader) code() byte {
	if r.err != nil {
		return msgpcode.Nil
	}
	code, err := r.dec.PeekCode()
	r.err = err
	return code
}

func (r *payloadReader) array() int {
	if code := r.code(); r.err != nil || !msgpcode.IsFixedArray(code) {
		r.refuse()
		return 0
	}
	n, err := r.dec.DecodeArrayLen()
	r.err = err
	return n
}

func (r *payloadReader) refuse() {
	if r.err == nil {
		r.err = errLayout
	}
}

func (r *payloadReader) uint() uint64 {
	switch code := r.code(); {
	case r.err != nil:
		return 0
	case msgpcode.IsFixedNum(code) && code < msgpcode.NegFixedNumLow:
	case code == msgpcode.Uint8, code == msgpcode.Uint16, code == msgpcode.Uint32, code == msgpcode.Uint64:
	default:
		r.refuse()
		return 0
	}
	n, err := r.dec.DecodeUint64()
	r.err = err
	return n
}

func (r *payloadReader) bool() bool {
	if code := r.code(); code != msgpcode.True && code != msgpcode.False {
		r.refuse()
		return false
	}
	b, err := r.dec.DecodeBool()
	r.err = err
	return b
}

// blob reads bytes or a text of at most the data's own length.
func (r *payloadReader) blob() (raw []byte, isText bool) {
	code := r.code()
	isText = msgpcode.IsString(code)
	if r.err != nil || (!isText && !msgpcode.IsBin(code)) {
		r.refuse()
		return nil, false
	}
	n, err := r.dec.DecodeBytesLen()
	if err != nil || n < 0 || n > r.rest {
		r.refuse()
		return nil, false
	}
	raw = make([]byte, n)
	r.err = r.dec.ReadFull(raw)
	return raw, isText
}

// id reads a bare id: 16 bytes are a UUID, anything else is the id itself.
func (r *payloadReader) id() string {
	raw, isText := r.blob()
	if !isText && len(raw) == 16 {
		return hex.EncodeToString(raw)
	}
	return string(raw)
}

// pair reads an id that says whether it was packed.
func (r *payloadReader) pair() string {
	if n := r.array(); n != 2 {
		r.refuse()
		return ""
	}
	packed := r.bool()
	raw, _ := r.blob()
	if !packed {
		return string(raw)
	}
	if len(raw) != 16 {
		r.refuse()
		return ""
	}
	return hex.EncodeToString(raw)
}

func (r *payloadReader) time() time.Time {
	var seconds float64
	switch r.code() {
	case msgpcode.Double, msgpcode.Float:
		seconds, r.err = r.dec.DecodeFloat64()
	default:
		seconds = float64(r.uint())
	}
	// Asked this way round, a number that is not a number is refused too.
	if inRange := seconds >= 0 && seconds <= maxExpirySeconds; !inRange {
		r.refuse()
		return time.Time{}
	}
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}

func (r *payloadReader) auditIDs() []string {
	n := r.array()
	if n > maxAuditIDs {
		r.refuse()
		return nil
	}
	ids := make([]string, 0, n)
	for range n {
		raw, _ := r.blob()
		ids = append(ids, base64.RawURLEncoding.EncodeToString(raw))
	}
	return ids
}
