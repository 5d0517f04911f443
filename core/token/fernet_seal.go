package token

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// The Fernet format (github.com/fernet/spec): version, 64-bit seconds, 128-bit IV, AES-128-CBC with PKCS #7 padding,
// HMAC-SHA256 over all of that, in URL-safe base64.
const (
	fernetVersion  = 0x80
	fernetKeyBytes = 32
	fernetHeader   = 1 + 8 + aes.BlockSize
	fernetSmallest = fernetHeader + aes.BlockSize + sha256.Size

	// maxTokenLength bounds what is looked at; a project-scoped token has about 200 characters.
	maxTokenLength = 2048
	// maxClockSkew is how far in the future a token may have been made by a machine whose clock is ahead.
	maxClockSkew = 60 * time.Second
)

// fernetKey is one key: 16 bytes for signing followed by 16 for encryption.
type fernetKey [fernetKeyBytes]byte

func parseFernetKey(text string) (fernetKey, error) {
	var key fernetKey
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != fernetKeyBytes {
		return key, fmt.Errorf("key is not the URL-safe base64 of %d bytes", fernetKeyBytes)
	}
	copy(key[:], raw)
	return key, nil
}

func (k *fernetKey) text() string { return base64.URLEncoding.EncodeToString(k[:]) }

func (k *fernetKey) mac(message []byte) []byte {
	mac := hmac.New(sha256.New, k[:fernetKeyBytes/2])
	mac.Write(message)
	return mac.Sum(nil)
}

func (k *fernetKey) block() cipher.Block {
	block, err := aes.NewCipher(k[fernetKeyBytes/2:])
	if err != nil {
		// The only error is a wrong key length, and the type's length is right.
		panic(err)
	}
	return block
}

// seal makes a token without base64 padding.
func (k *fernetKey) seal(message []byte, at time.Time, iv [aes.BlockSize]byte) string {
	padding := aes.BlockSize - len(message)%aes.BlockSize
	sealed := make([]byte, fernetHeader, fernetHeader+len(message)+padding+sha256.Size)
	sealed[0] = fernetVersion
	binary.BigEndian.PutUint64(sealed[1:], uint64(at.Unix()))
	copy(sealed[9:], iv[:])
	sealed = append(sealed, message...)
	sealed = append(sealed, bytes.Repeat([]byte{byte(padding)}, padding)...)
	body := sealed[fernetHeader:]
	cipher.NewCBCEncrypter(k.block(), iv[:]).CryptBlocks(body, body)
	sealed = append(sealed, k.mac(sealed)...)
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// decodeFernet takes the base64 off a token, with or without padding, and checks all that needs no key.
func decodeFernet(token string, now time.Time) (sealed []byte, made time.Time, err error) {
	if len(token) > maxTokenLength {
		return nil, made, ErrInvalid
	}
	bare := strings.TrimRight(token, "=")
	// The decoder would skip line breaks.
	if len(token)-len(bare) > 2 || strings.ContainsAny(bare, "\r\n") {
		return nil, made, ErrInvalid
	}
	sealed, err = base64.RawURLEncoding.Strict().DecodeString(bare)
	if err != nil || len(sealed) < fernetSmallest || sealed[0] != fernetVersion {
		return nil, made, ErrInvalid
	}
	if (len(sealed)-fernetHeader-sha256.Size)%aes.BlockSize != 0 {
		return nil, made, ErrInvalid
	}
	seconds := binary.BigEndian.Uint64(sealed[1:])
	if latest := now.Add(maxClockSkew).Unix(); latest < 0 || seconds > uint64(latest) {
		return nil, made, ErrInvalid
	}
	return sealed, time.Unix(int64(seconds), 0).UTC(), nil
}

// open verifies a decoded token and returns its message; false when it was not made with this key.
func (k *fernetKey) open(sealed []byte) ([]byte, bool) {
	signed, mac := sealed[:len(sealed)-sha256.Size], sealed[len(sealed)-sha256.Size:]
	if !hmac.Equal(k.mac(signed), mac) {
		return nil, false
	}
	message := make([]byte, len(signed)-fernetHeader)
	cipher.NewCBCDecrypter(k.block(), signed[9:fernetHeader]).CryptBlocks(message, signed[fernetHeader:])
	padding := int(message[len(message)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, false
	}
	kept := len(message) - padding
	for _, b := range message[kept:] {
		if int(b) != padding {
			return nil, false
		}
	}
	return message[:kept], true
}
