package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fringe"
)

// Spool keeps a file that came with a call until Release, and gives its path.
// The last part of name is the file's name; parts before it keep files of the
// same name apart. More than limit bytes are refused (0: no bound but the
// disk). When it fails nothing of it remains.
func (d *Data) Spool(ctx context.Context, call fringe.CallID, name string, r io.Reader, limit int64) (string, error) {
	const op = "data.Spool"
	if err := checkBasename(op, string(call)); err != nil {
		return "", err
	}
	if err := checkBasename(op, filepath.Base(name)); err != nil || !filepath.IsLocal(name) {
		return "", refused(op, "give the file a plain name", "the uploaded file's name %.100q is not a file name", name)
	}
	path := filepath.Join(d.dir, "spool", string(call), name)
	what := "the uploaded file " + filepath.Base(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", diskError(op, what, err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return "", &fringe.Error{Op: op, Kind: fringe.Conflict, Component: fringe.Data,
			Message: fmt.Sprintf("the call has two files %.100q", name), Cure: "give each file its own name"}
	}
	if err != nil {
		return "", diskError(op, what, err)
	}
	err = receive(ctx, f, r, limit)
	if e := f.Close(); err == nil && e != nil {
		err = diskError(op, what, e)
	}
	if err != nil {
		return "", errors.Join(receiveError(op, what, err), d.unspool(path))
	}
	return path, nil
}

// unspool removes a file of the spool, and the directories that held it alone.
func (d *Data) unspool(path string) error {
	err := os.Remove(path)
	for dir := filepath.Dir(path); dir != filepath.Join(d.dir, "spool") && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return err
}

// Release removes the spooled files of a call. There may be none.
func (d *Data) Release(call fringe.CallID) error {
	const op = "data.Release"
	if err := checkBasename(op, string(call)); err != nil {
		return err
	}
	if err := removeTree(filepath.Join(d.dir, "spool", string(call))); err != nil {
		return diskError(op, "the spool of the call "+string(call), err)
	}
	return nil
}

// sendFault is a fault of whom the bytes come from.
type sendFault struct{ err error }

func (s *sendFault) Error() string { return s.err.Error() }
func (s *sendFault) Unwrap() error { return s.err }

// overLimit says that more than limit bytes came.
type overLimit struct{ limit int64 }

func (o *overLimit) Error() string { return "it has more than " + sized(o.limit) }

// source marks the faults of reading, so that they are told from those of
// writing.
type source struct {
	reader
	seen, limit int64
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	s.seen += int64(n)
	if s.limit > 0 && s.seen > s.limit {
		return 0, &overLimit{s.limit}
	}
	if err != nil && err != io.EOF {
		err = &sendFault{err}
	}
	return n, err
}

// receive copies what comes to f.
func receive(ctx context.Context, f *os.File, r io.Reader, limit int64) error {
	_, err := io.Copy(struct{ io.Writer }{f}, &source{reader: reader{ctx: ctx, r: r}, limit: limit})
	return err
}

// receiveError explains a failure of receive.
func receiveError(op, what string, err error) error {
	var over *overLimit
	var sent *sendFault
	var known *fringe.Error
	switch {
	case errors.As(err, &over):
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Component: fringe.Data, Message: what + " has more than " + sized(over.limit),
			Cure: "add it as a dataset (fringe data add) and name that, or ask the operator for a higher limit"}
	case errors.As(err, &known):
		return viewError(op, err)
	case errors.As(err, &sent) && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return sent.err
	case errors.As(err, &sent):
		return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Message: what + " did not arrive whole", Cure: "send it again", Err: err}
	}
	return diskError(op, what, err)
}

// stem gives the last part of a dataset's name.
func stem(did fringe.DID) string { return did.Name[strings.LastIndexByte(did.Name, '/')+1:] }
