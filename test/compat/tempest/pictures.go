package main

import (
	"fmt"
	"os"
)

// picture is an image that servers are made of.
type picture struct {
	format  string
	content []byte
}

// pictures are two for simulated guests, which boot anything.
func pictures() [2]picture {
	return [2]picture{{"raw", make([]byte, 1<<20)}, {"raw", make([]byte, 2<<20)}}
}

// bootable are two, for tests want another, of a file that real guests boot.
func bootable(file string) (two [2]picture, err error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return two, fmt.Errorf("read the image of real guests (make guest makes it): %w", err)
	}
	return [2]picture{{"qcow2", content}, {"qcow2", content}}, nil
}

// guestPassword is that of the user root in the tiny guest.
const guestPassword = "virga"
