//go:build linux || darwin

package endpoints

import (
	"errors"
	"os"
	"syscall"
)

// lock locks a file until it is closed; false: somebody else has it. Where the file
// system knows no locks, there is none.
func lock(f *os.File) bool {
	return !errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
