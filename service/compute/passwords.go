package compute

import (
	"crypto/rand"
	"fmt"
	"math/big"
)

// The letters of passwords that the service makes, one of each sort at least (nova/utils.py
// leaves out what looks alike, too).
var passwordLetters = []string{"23456789", "ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz"}

// passwordLength is that of nova's setting password_length.
const passwordLength = 12

// newPassword makes a password up.
func newPassword() (string, error) {
	all := passwordLetters[0] + passwordLetters[1] + passwordLetters[2]
	password := make([]byte, 0, passwordLength)
	for i := range passwordLength {
		letters := all
		if i < len(passwordLetters) {
			letters = passwordLetters[i]
		}
		at, err := chance(len(letters))
		if err != nil {
			return "", err
		}
		password = append(password, letters[at])
	}
	for i := len(password) - 1; i > 0; i-- {
		j, err := chance(i + 1)
		if err != nil {
			return "", err
		}
		password[i], password[j] = password[j], password[i]
	}
	return string(password), nil
}

// chance is a number below n that nobody can guess.
func chance(n int) (int, error) {
	at, err := rand.Int(rand.Reader, big.NewInt(int64(n)))
	if err != nil {
		return 0, fmt.Errorf("make a password: %w", err)
	}
	return int(at.Int64()), nil
}

// passwordOr is the password given, or one that is made up.
func passwordOr(given *string) (string, error) {
	if given != nil {
		return *given, nil
	}
	return newPassword()
}
