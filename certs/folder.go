package certs

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Modes of the files.
const (
	public fs.FileMode = 0o644
	secret fs.FileMode = 0o600
)

// folder is where certificates and keys are kept; the empty one keeps nothing.
type folder string

// prepare makes the folder.
func (f folder) prepare() error {
	if f == "" {
		return nil
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return fmt.Errorf("make the folder for certificates: %w", err)
	}
	return nil
}

// path is a file's path.
func (f folder) path(name string) string {
	if f == "" {
		return ""
	}
	return filepath.Join(string(f), name)
}

// has says whether a file is there, readable or not.
func (f folder) has(name string) bool {
	if f == "" {
		return false
	}
	_, err := os.Lstat(f.path(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// key is the private key in a file, which is made if it is not there.
func (f folder) key(name string) (crypto.Signer, error) {
	text, err := f.keep(name, secret, newKey)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: restore it, or delete it and its certificate to have new ones made", f.path(name), err)
	}
	return key, nil
}

// keep is what a file holds; if it is not there it is made. When several do so
// at once, one wins and all get what that one made.
func (f folder) keep(name string, mode fs.FileMode, create func() ([]byte, error)) ([]byte, error) {
	text, err := f.read(name, mode)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if text, err = create(); err != nil || f == "" {
		return text, err
	}
	err = f.write(name, text, mode, os.Link) // fails when the file is there
	if errors.Is(err, fs.ErrExist) {
		return f.read(name, mode)
	}
	return text, err
}

// read is what a file holds. A secret that others can read is an error rather
// than repaired: its owner should know.
func (f folder) read(name string, mode fs.FileMode) ([]byte, error) {
	if f == "" {
		return nil, fs.ErrNotExist
	}
	text, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: make it readable for the user the hub runs as", err)
	}
	if mode == secret && runtime.GOOS != "windows" {
		info, err := os.Stat(f.path(name))
		if err != nil {
			return nil, err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, fmt.Errorf("the private key %s is open to other users (mode %04o): run chmod 600 on it", f.path(name), info.Mode().Perm())
		}
	}
	return text, nil
}

// replace writes a file in place of the one that may be there.
func (f folder) replace(name string, text []byte, mode fs.FileMode) error {
	if f == "" {
		return nil
	}
	return f.write(name, text, mode, os.Rename)
}

// write writes a file beside its place, whole and on the disk, before publish
// puts it there.
func (f folder) write(name string, text []byte, mode fs.FileMode, publish func(from, to string) error) error {
	temp, err := os.CreateTemp(string(f), "."+name+".*")
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer os.Remove(temp.Name()) //nolint:errcheck // it is gone already where it was renamed
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close())
	if err == nil {
		err = publish(temp.Name(), f.path(name))
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}
