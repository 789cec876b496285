package endpoints

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/linarite/linarite/routing"
)

// Defaults of fileSettings.
const (
	defaultMaxSize  = 64 << 20
	defaultMaxFiles = 5
)

// fileSettings are those of a file endpoint.
type fileSettings struct {
	Path     string `json:"path"`
	MaxSize  int64  `json:"maxSize"`  // bytes; a file that would grow beyond is put aside
	MaxFiles int    `json:"maxFiles"` // with the one being written; the oldest go
}

// file writes messages to a file, a line of JSON each. A full file is renamed to
// `name.1`, what had that name to `name.2`, and so on. Nobody else that is a hub may
// write to it, which `name.lock` is for; others may cut it, or take it away.
type file struct {
	fileSettings
	root *os.Root // the folder, which is not left
	name string

	claim *os.File // holds the lock; nil until the first delivery
	out   *os.File // nil until the first delivery and after a failure
	size  int64
}

func (o Opener) openFile(settings json.RawMessage) (*file, error) {
	f := &file{fileSettings: fileSettings{MaxSize: defaultMaxSize, MaxFiles: defaultMaxFiles}}
	if err := read(settings, &f.fileSettings); err != nil {
		return nil, err
	}
	if f.MaxSize < 1 {
		return nil, invalid("maxSize", "must be at least 1 byte, not %d", f.MaxSize)
	}
	if f.MaxFiles < 1 || f.MaxFiles > 1000 {
		return nil, invalid("maxFiles", "must be 1 to 1000, not %d", f.MaxFiles)
	}
	folder, err := o.folder(f.Path)
	if err != nil {
		return nil, err
	}
	if f.root, err = os.OpenRoot(folder); err != nil {
		return nil, invalid("path", "%s", err)
	}
	if f.name = f.Path; filepath.IsAbs(f.Path) {
		f.name = filepath.Base(f.Path)
	}
	return f, nil
}

// folder is the one that a path does not leave. It is made when it is not there.
func (o Opener) folder(path string) (folder string, err error) {
	switch {
	case path == "":
		return "", invalid("path", "is missing")
	case os.IsPathSeparator(path[len(path)-1]):
		return "", invalid("path", "%s is a folder, not a file", path)
	case filepath.IsAbs(path):
		if !slices.Contains(o.Files, path) {
			return "", invalid("path", "%s is absolute, which only those in the config file may be: give one in the data folder", path)
		}
		folder = filepath.Dir(path)
	case !filepath.IsLocal(path) || filepath.Clean(path) == "." || strings.ContainsRune(path, 0):
		return "", invalid("path", "%s is no file in the data folder", path)
	case o.Folder == "":
		return "", invalid("path", "%s is relative to the data folder, and there is none", path)
	default:
		folder = o.Folder
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", invalid("path", "%s", err)
	}
	return folder, nil
}

// Deliver appends the messages.
func (f *file) Deliver(_ context.Context, batch []routing.Message) (int, error) {
	done := 0
	for done < len(batch) {
		if err := f.open(); err != nil {
			return done, err
		}
		n, err := f.write(batch[done:])
		if err != nil {
			return done, errors.Join(err, f.shut())
		}
		done += n
		if done == len(batch) {
			break
		}
		if err := f.rotate(); err != nil {
			return done, err
		}
	}
	return done, nil
}

// open opens the file where it is not, or no longer the one of that name. A line
// that a crash cut short is ended, so that the next is one.
func (f *file) open() error {
	if f.current() {
		return nil
	}
	if err := f.shut(); err != nil {
		return err
	}
	if err := f.root.MkdirAll(filepath.Dir(f.name), 0o700); err != nil {
		return err
	}
	if err := f.own(); err != nil {
		return err
	}
	out, err := f.root.OpenFile(f.name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := out.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", f.name)
	}
	if err == nil {
		f.out, f.size = out, info.Size()
		err = f.endLine()
	}
	if err != nil {
		f.out = nil
		return errors.Join(err, out.Close())
	}
	return nil
}

// own makes the file this hub's, until Close.
func (f *file) own() error {
	if f.claim != nil {
		return nil
	}
	claim, err := f.root.OpenFile(f.name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if !lock(claim) {
		return errors.Join(fmt.Errorf("another hub, or another endpoint, writes to %s", f.name), claim.Close())
	}
	f.claim = claim
	return nil
}

// current says whether the open file is the one of that name, and learns its size.
func (f *file) current() bool {
	if f.out == nil {
		return false
	}
	named, err := f.root.Stat(f.name)
	if err != nil {
		return false
	}
	ours, err := f.out.Stat()
	if err != nil || !os.SameFile(named, ours) {
		return false
	}
	f.size = ours.Size()
	return true
}

func (f *file) endLine() error {
	if f.size == 0 {
		return nil
	}
	var last [1]byte
	if _, err := f.out.ReadAt(last[:], f.size-1); err != nil || last[0] == '\n' {
		return err
	}
	f.size++
	_, err := f.out.WriteString("\n")
	return err
}

// write appends messages until the file is full, and says how many. A message
// that is larger than a file may be has one to itself. After an error the file is
// as it was before.
func (f *file) write(batch []routing.Message) (n int, err error) {
	var lines []byte
	for i := range batch {
		line := marshal(recordOf(&batch[i]))
		if size := f.size + int64(len(lines)); size > 0 && size+int64(len(line)) > f.MaxSize {
			break
		}
		lines = append(lines, line...)
		n++
	}
	if _, err := f.out.Write(lines); err != nil {
		return 0, errors.Join(err, f.out.Truncate(f.size))
	}
	f.size += int64(len(lines))
	return n, nil
}

// rotate puts the file aside. It moves no more files than it has to, so that none
// is lost when it fails halfway and is tried again.
func (f *file) rotate() error {
	if err := f.shut(); err != nil {
		return err
	}
	if f.MaxFiles == 1 {
		return f.root.Remove(f.name)
	}
	free := 1
	for free < f.MaxFiles-1 && f.exists(f.aside(free)) {
		free++
	}
	for i := free; i > 0; i-- {
		if err := f.root.Rename(f.aside(i-1), f.aside(i)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (f *file) exists(name string) bool {
	_, err := f.root.Lstat(name)
	return err == nil
}

// aside is the name of the file that was put aside so many times.
func (f *file) aside(times int) string {
	if times == 0 {
		return f.name
	}
	return fmt.Sprintf("%s.%d", f.name, times)
}

func (f *file) shut() error {
	if f.out == nil {
		return nil
	}
	out := f.out
	f.out = nil
	return out.Close()
}

// Close closes the file, which may be another's then.
func (f *file) Close() error {
	err := f.shut()
	if f.claim != nil {
		err = errors.Join(err, f.claim.Close())
	}
	return errors.Join(err, f.root.Close())
}
