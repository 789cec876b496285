//go:build !linux && !darwin

package endpoints

import "os"

// lock is for systems that have flock.
func lock(*os.File) bool { return true }
