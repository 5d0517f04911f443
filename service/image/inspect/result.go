package inspect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Names of the formats as the Image API's disk_format spells them. Luks, Qed and the names in foreignFormats are
// recognised only to be refused.
const (
	Raw   = "raw"
	Qcow2 = "qcow2"
	VHD   = "vhd"
	VHDX  = "vhdx"
	VMDK  = "vmdk"
	VDI   = "vdi"
	ISO   = "iso"
	Ploop = "ploop"
	AKI   = "aki"
	ARI   = "ari"
	AMI   = "ami"
	Luks  = "luks"
	Qed   = "qed"
)

// Kind is the class of a problem, stable enough to count and to test for.
type Kind string

// The classes of problems.
const (
	Truncated   Kind = "truncated"    // the content ends before what its header announces
	Malformed   Kind = "malformed"    // a header field contradicts the format or another field
	ForeignFile Kind = "foreign-file" // the image makes its reader open another file
	Encrypted   Kind = "encrypted"    // the image needs a key that nobody has given
	Unsupported Kind = "unsupported"  // a version, feature or format that is never accepted
	TooLarge    Kind = "too-large"    // the disk that the image describes is over the limit
	Ambiguous   Kind = "ambiguous"    // the content is valid in several formats at once
)

// Problem is one reason to refuse an image.
type Problem struct {
	Kind Kind
	Text string // one English clause that may be shown to the user
}

// String is the clause shown to users.
func (p Problem) String() string { return p.Text }

// Result is what the content says about itself.
type Result struct {
	Format      string    // the recognised format; Raw when nothing is recognised
	Size        int64     // bytes of the content
	VirtualSize int64     // bytes of the disk that a guest would see
	Partitions  string    // "mbr" or "gpt" when the first sectors hold such a table, else empty
	Problems    []Problem // reasons to refuse it; empty for a safe image
}

// Errors that Check wraps. ErrUnknownFormat is about the declaration, the other two about the content.
var (
	ErrUnknownFormat = errors.New("unknown disk format")
	ErrMismatch      = errors.New("image content does not match its disk format")
	ErrUnsafe        = errors.New("image content is refused")
)

// Formats lists the disk formats that can be declared, in the order of the API reference.
func Formats() []string {
	return []string{AMI, ARI, AKI, VHD, VHDX, VMDK, Raw, Qcow2, VDI, Ploop, ISO}
}

// Check tells whether content with this result may be stored as the declared disk format. Its errors wrap
// ErrUnknownFormat, ErrMismatch or ErrUnsafe and are worded for the user.
func Check(declared string, r Result) error {
	if !slices.Contains(Formats(), declared) {
		return fmt.Errorf("%w %q", ErrUnknownFormat, declared)
	}
	if !agrees(declared, r) {
		return mismatch(declared, r.Format)
	}
	if len(r.Problems) == 0 {
		return nil
	}
	texts := make([]string, len(r.Problems))
	for i, p := range r.Problems {
		texts[i] = p.Text
	}
	return fmt.Errorf("%w: %s: %s", ErrUnsafe, r.Format, strings.Join(texts, "; "))
}

// agrees tells whether the recognised content is one that the declared format stands for.
func agrees(declared string, r Result) bool {
	switch declared {
	case AKI, ARI, AMI: // a kernel, a ramdisk, a bare file system: bytes without a header of their own
		return r.Format == Raw
	case Raw: // an ISO with a partition table is made to be written to a disk as it is
		return r.Format == Raw || r.Format == ISO && r.Partitions != ""
	}
	return r.Format == declared
}

func mismatch(declared, found string) error {
	if found == Raw {
		return fmt.Errorf("%w: declared %s, but the content is not recognised as %s", ErrMismatch, declared, declared)
	}
	return fmt.Errorf("%w: declared %s, but the content is %s", ErrMismatch, declared, found)
}
