package data

import "context"

// View is a private, copy-on-write sight of a file or a directory: what is
// written through it never reaches the source.
type View struct {
	Path   string // where the sight is
	Method string // "overlay", "reflink" or "copy"
}

// NewView gives a private sight of source. What it needs it keeps in scratch,
// a directory of the caller's that holds nothing else.
func NewView(ctx context.Context, source, scratch string) (*View, error) {
	return nil, context.Canceled
}

// Release takes the sight away. It is harmless twice.
func (v *View) Release() error { return nil }

// CopyTree copies the file or directory src to dst, which does not exist.
func CopyTree(ctx context.Context, src, dst string) error { return context.Canceled }
