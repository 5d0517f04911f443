package agent

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"virga/service/compute/hypervisor"
	"virga/service/compute/orders"
)

// The way of a disk from one host to another. The destination's agent asks the source's with
// GET /transfer/{server_id}/{disk}?from=N; the answer is a row of pieces:
//
//	offset (8 bytes) · length (4 bytes) · data · SHA-256 of all that (32 bytes)
//
// in the order of offsets, numbers in network byte order. What no piece covers is zeros. A
// piece of length 0 is the last one: its offset is the disk's size. An answer that ends
// without it was broken off; what came before is good, and from=N asks for the rest.

const (
	// secretHeader carries orders.Receive.Secret.
	secretHeader = "X-Virga-Transfer-Secret"
	// maxPiece bounds the data of one piece in bytes.
	maxPiece  = 256 << 10
	headBytes = 12
	// pieceTimeout is how long one piece may take on its way.
	pieceTimeout = 30 * time.Second
	// maxSending is how many disks a host sends at once.
	maxSending = 4
)

// TransferHandler serves what other hosts ask of this one: arrivals of running guests (arrive.go) and GET /transfer/{server_id}/{disk}, the disks of guests that this host
// has orders to send, to the host that the order names and nobody else. peer returns the host
// whose certificate the request's connection was made with. Disks are base, root, ephemeral
// and swap.
//
// 401: the peer is no host; 403: the order does not let it, or the secret is wrong; 404: no
// such disk; 409: the guest runs; 503: too many disks are being sent.
func (a *Agent) TransferHandler(peer func(*http.Request) (host string, ok bool)) http.Handler {
	places := make(chan struct{}, maxSending)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /transfer/{server_id}/{disk}", func(w http.ResponseWriter, r *http.Request) {
		host, known := peer(r)
		if !known {
			http.Error(w, "the certificate of a host is needed", http.StatusUnauthorized)
			return
		}
		id, disk := r.PathValue("server_id"), hypervisor.Disk(r.PathValue("disk"))
		if !a.maySend(id, host, r.Header.Get(secretHeader)) {
			http.Error(w, "no order lets this host fetch the disks of the guest", http.StatusForbidden)
			return
		}
		from, err := strconv.ParseInt("0"+r.URL.Query().Get("from"), 10, 64)
		if err != nil {
			http.Error(w, "from is a number of bytes", http.StatusBadRequest)
			return
		}
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		default:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "too many disks are being sent", http.StatusServiceUnavailable)
			return
		}
		a.sendDisk(w, r, id, disk, from)
	})
	a.serveArrivals(mux, peer)
	return mux
}

// maySend tells whether the newest order of a guest lets a host have its disks.
func (a *Agent) maySend(serverID, host, secret string) bool {
	a.mu.Lock()
	g := a.guests[serverID]
	a.mu.Unlock()
	if g == nil {
		return false
	}
	g.mu.Lock()
	send := g.order.Send
	g.mu.Unlock()
	if send == nil || send.ToHost != host || send.SecretSHA256 == "" {
		return false
	}
	return subtle.ConstantTimeCompare([]byte(digestOf(orders.Secret(secret))), []byte(send.SecretSHA256)) == 1
}

func digestOf(secret orders.Secret) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (a *Agent) sendDisk(w http.ResponseWriter, r *http.Request, id string, disk hypervisor.Disk, from int64) {
	content, err := a.cfg.Driver.OpenDisk(r.Context(), id, disk)
	switch {
	case errors.Is(err, hypervisor.ErrNotFound), errors.Is(err, hypervisor.ErrInvalid):
		http.Error(w, "no such disk", http.StatusNotFound)
		return
	case errors.Is(err, hypervisor.ErrBusy):
		http.Error(w, "the guest is running", http.StatusConflict)
		return
	case err != nil:
		a.cfg.Log.Warn("open disk for another host", "host", a.cfg.Host, "server", id, "disk", disk, "error", err)
		http.Error(w, "the disk cannot be read now", http.StatusServiceUnavailable)
		return
	}
	defer content.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	deadlines := http.NewResponseController(w)
	err = sendPieces(w, content, from, func() {
		// Not every connection has deadlines: one inside the process ends with its context.
		_ = deadlines.SetWriteDeadline(time.Now().Add(pieceTimeout))
	})
	if err != nil {
		a.cfg.Log.Warn("send disk to another host", "host", a.cfg.Host, "server", id, "disk", disk, "error", err)
		panic(http.ErrAbortHandler) // the other side is to see that the answer was broken off
	}
}

// sendPieces writes a disk's data from an offset on; before is called ahead of each piece.
func sendPieces(w io.Writer, content hypervisor.DiskContent, from int64, before func()) error {
	buffer := make([]byte, headBytes+maxPiece+sha256.Size)
	size := content.Size()
	for offset := from; offset < size; {
		start, end, err := content.NextData(offset)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("find data after byte %d: %w", offset, err)
		}
		for offset = max(offset, start); offset < end; {
			n := min(end-offset, maxPiece)
			if read, err := content.ReadAt(buffer[headBytes:headBytes+n], offset); int64(read) < n {
				return fmt.Errorf("read %d bytes at %d: %w", n, offset, err)
			}
			before()
			if err := sendPiece(w, buffer, offset, int(n)); err != nil {
				return err
			}
			offset += n
		}
	}
	before()
	return sendPiece(w, buffer, size, 0)
}

// sendPiece writes a piece of which the data lies in the buffer.
func sendPiece(w io.Writer, buffer []byte, offset int64, n int) error {
	binary.BigEndian.PutUint64(buffer, uint64(offset))
	binary.BigEndian.PutUint32(buffer[8:], uint32(n))
	sum := sha256.Sum256(buffer[:headBytes+n])
	copy(buffer[headBytes+n:], sum[:])
	_, err := w.Write(buffer[:headBytes+n+sha256.Size])
	return err
}

// piece is one piece as it was received; the last one has no data, its offset is the size.
type piece struct {
	offset int64
	data   []byte
}

// errDamaged says that what was received is not what was sent.
var errDamaged = errors.New("the data was damaged on its way")

// receivePiece reads and checks one piece; its data is valid until the buffer is used again.
func receivePiece(r io.Reader, buffer []byte) (piece, error) {
	if _, err := io.ReadFull(r, buffer[:headBytes]); err != nil {
		return piece{}, err
	}
	offset, n := binary.BigEndian.Uint64(buffer), int(binary.BigEndian.Uint32(buffer[8:]))
	if n > maxPiece || offset > 1<<62 {
		return piece{}, errDamaged
	}
	if _, err := io.ReadFull(r, buffer[headBytes:headBytes+n+sha256.Size]); err != nil {
		return piece{}, err
	}
	sum := sha256.Sum256(buffer[:headBytes+n])
	if subtle.ConstantTimeCompare(sum[:], buffer[headBytes+n:headBytes+n+sha256.Size]) != 1 {
		return piece{}, errDamaged
	}
	return piece{int64(offset), buffer[headBytes : headBytes+n]}, nil
}
