// Package python carries the Python package fringe inside the binary: the
// types that handlers are annotated with, the derivation of an interface, and
// the runners of tasks and services. It needs nothing but Python's standard
// library.
//
// Room server writes it to the site's directory; instances see it at
// /fringe/python.
package python

import "embed"

// Files holds the directory fringe.
//
//go:embed fringe/*.py
var Files embed.FS
