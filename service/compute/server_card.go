package compute

import (
	"encoding/json"
	"fmt"
	"strings"
)

// A card holds the pieces of a server's view that come of the columns detail and nics, each
// as the JSON that is sent. A list of a thousand servers then decodes and encodes none of
// them. The card is written with its row, always by insertServer and updateServer.

// cardForm is the first piece: a card of another form is made anew from the row.
const cardForm = "3"

// cardBorder stands between pieces: no JSON text contains it.
const cardBorder = "\x1e"

// The pieces of a card.
const (
	cardFormAt = iota
	// cardPorts is 1 when the server has interfaces.
	cardPorts
	cardMetadata
	cardAddresses
	cardAccessIPv4
	cardAccessIPv6
	cardDiskConfig
	// cardGroups is empty when there are none.
	cardGroups
	cardDescription
	cardLockedReason
	cardLaunchIndex
	cardFlavorID
	// cardFlavor is the embedded flavor without its end, cardSpecs its extra specs.
	cardFlavor
	cardSpecs
	// cardFault and cardFaultForAdmins are empty without a fault.
	cardFault
	cardFaultForAdmins
	cardImageProperties
	cardHints
	cardRootDevice
	cardKernel
	cardRamdisk
	cardLength
)

// card is a row's card, taken apart.
type card []string

// makeCard writes the card of a row.
func makeCard(row *server) (string, error) {
	d := &row.Detail
	f := &d.Flavor
	embedded := flavorEmbedded{VCPUs: f.VCPUs, RAM: f.MemoryMiB, Disk: f.RootGiB, Ephemeral: f.Ephemeral, Swap: f.SwapMiB, OriginalName: f.Name}
	pieces := make(card, cardLength)
	pieces[cardFormAt], pieces[cardPorts] = cardForm, "0"
	if len(row.NICs) > 0 {
		pieces[cardPorts] = "1"
	}
	for at, value := range map[int]any{
		cardMetadata: nonNil(d.Metadata), cardAddresses: viewAddresses(row.NICs), cardAccessIPv4: d.AccessIPv4, cardAccessIPv6: d.AccessIPv6,
		cardDiskConfig: d.DiskConfig, cardGroups: viewGroupNames(row), cardDescription: d.Description, cardLockedReason: orNull(d.LockedReason),
		cardLaunchIndex: d.LaunchIndex, cardFlavorID: f.ID, cardFlavor: embedded, cardSpecs: nonNil(f.ExtraSpecs),
		cardFault: viewFault(d.Fault, false), cardFaultForAdmins: viewFault(d.Fault, true),
		cardImageProperties: imagePropertiesShown(d.Image.Properties), cardHints: hintsShown(d.Hints),
		cardRootDevice: rootDevice(row, task{}), cardKernel: kernelOfServer(row, task{}), cardRamdisk: ramdiskOfServer(row, task{}),
	} {
		text, err := json.Marshal(value)
		if err != nil {
			return "", fmt.Errorf("write card of server %s: %w", row.ID, err)
		}
		pieces[at] = string(text)
	}
	for _, at := range []int{cardGroups, cardFault, cardFaultForAdmins} {
		if pieces[at] == "null" {
			pieces[at] = ""
		}
	}
	pieces[cardFlavor] = strings.TrimSuffix(pieces[cardFlavor], "}")
	return strings.Join(pieces, cardBorder), nil
}

// readCard takes a card apart; nil when it has another form.
func readCard(text string) card {
	pieces := card(strings.Split(text, cardBorder))
	if len(pieces) != cardLength || pieces[cardFormAt] != cardForm {
		return nil
	}
	return pieces
}
