package data

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"fringe"
)

// unknownDataset is the error of a name that no dataset has; near are names
// that it may stand for.
func unknownDataset(op string, did fringe.DID, near []string) error {
	e := &fringe.Error{Op: op, Kind: fringe.NotFound, Component: fringe.Data,
		Message: fmt.Sprintf("there is no dataset %s", did), Cure: "see the datasets with: fringe data list"}
	if len(near) > 0 {
		e.Message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return e
}

// refused is an error of kind Invalid.
func refused(op, cure, format string, args ...any) error {
	return &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Data, Message: fmt.Sprintf(format, args...), Cure: cure}
}

// diskError is the error of a disk that does not take what is to be written.
// Another error that is explained already is kept.
func diskError(op, what string, err error) error {
	e := &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Data, Err: err}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Message = "no space is left on the site's disk for " + what
		e.Cure = "remove datasets that are not needed, or serve a directory on a larger disk"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		e.Message = what + " cannot be written: the directory is read-only for the server's user"
		e.Cure = "give the server's user the right to write there, or serve another directory (--dir)"
	case explained(err):
		return viewError(op, err)
	default:
		e.Message = what + " cannot be written"
		e.Cure = "see the server's log, and the kernel's for faults of the disk"
	}
	return e
}

// explained says whether err has a sentence for the user.
func explained(err error) bool {
	var known *fringe.Error
	return errors.As(err, &known) && known.Kind != fringe.Internal
}

// checkBasename refuses what is not one plain file name.
func checkBasename(op, name string) error {
	bad := name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsRune(name, '/')
	for _, r := range name {
		bad = bad || r < ' ' || r == 0x7f || r == 0xfffd
	}
	if bad {
		return refused(op, "take a name of 1 to 255 bytes without '/' and control characters", "%.100q is not a file name", name)
	}
	return nil
}
