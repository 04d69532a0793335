package fringe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind says what sort of failure an Error is. Kinds cross the wire: a remote
// error reads as a local one.
type Kind string

// The kinds of failure.
const (
	Invalid     Kind = "invalid"     // the request is wrong and stays wrong
	NotFound    Kind = "not-found"   // the named thing is not here
	Conflict    Kind = "conflict"    // it exists already, or with other content
	Denied      Kind = "denied"      // the principal may not do this
	Unknown     Kind = "unknown"     // the principal is not known
	Busy        Kind = "busy"        // full now; the same request can succeed later
	Unavailable Kind = "unavailable" // a part that is needed does not answer or is not installed
	TooLarge    Kind = "too-large"   // the request is over a limit of size
	OverQuota   Kind = "over-quota"  // the principal has as much as he may have
	Failed      Kind = "failed"      // the function itself failed: its code, its limits or its outputs
	Internal    Kind = "internal"    // a fault of our own
)

// Component names the part of the platform in which a failure arose.
type Component string

// The components that an error can name.
const (
	Gateway   Component = "gateway"
	Catalogue Component = "catalogue"
	Build     Component = "build"
	Stage     Component = "stage"
	Start     Component = "start"
	UserCode  Component = "user code"
	Timeout   Component = "timeout"
	Memory    Component = "memory"
	Collect   Component = "collect"
	Data      Component = "data"
	Store     Component = "store"
	Engine    Component = "engine"
)

// Error is a failure of the platform or of a request to it.
type Error struct {
	Op        string    // room and verb: "jobs.Claim"
	Kind      Kind      // what sort of failure
	Component Component // the part that failed; empty when Op says it all
	Message   string    // a sentence for the user: what was wrong, and what would be right
	Pointer   string    // JSON pointer into the input object; empty when not about one input
	Cure      string    // what to do; empty when Message says it
	Call      CallID    // whose log tells more; empty when there is none
	Err       error     // the cause; for the log, not for the caller

	// RetryAfter is when the same request can succeed; only with Busy and
	// Unavailable, 0 when not known.
	RetryAfter time.Duration
}

// Error gives the operation, the message and the cause, each once.
func (e *Error) Error() string {
	var in *Error
	s := e.Message
	switch {
	case e.Err == nil:
	case s == "" || errors.As(e.Err, &in) && in.Message == s:
		s = e.Err.Error()
	case !strings.Contains(s, e.Err.Error()):
		s += ": " + e.Err.Error()
	}
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	return s
}

// Part gives the part of the platform that failed. A request that is wrong, or
// that may not be, fails in none; an accepted call does, and one that had come as
// far as to be staged.
func (e *Error) Part() Component {
	steps := []Component{Stage, Start, UserCode, Timeout, Memory, Collect}
	switch e.Kind {
	case Invalid, NotFound, Conflict, Denied, Unknown, TooLarge, OverQuota:
		if e.Call == "" && !slices.Contains(steps, e.Component) {
			return ""
		}
	}
	return e.Component
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of the kind with a user's sentence. A %w verb sets the cause.
func Errorf(op string, kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Op: op, Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// E wraps err with the operation. The kind, component, pointer, cure and time to
// retry of an Error inside are kept; any other error becomes Internal.
func E(op string, err error) *Error {
	var in *Error
	if errors.As(err, &in) {
		return &Error{Op: op, Kind: in.Kind, Component: in.Component, Message: in.Message, Pointer: in.Pointer, Cure: in.Cure, Call: in.Call, RetryAfter: in.RetryAfter, Err: err}
	}
	return &Error{Op: op, Kind: Internal, Err: err}
}

// KindOf gives the kind of err: that of the outermost Error, else Internal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Gone says whether err is that the caller has left before the answer: it is
// nobody's fault, and nobody reads what is said of it.
func Gone(err error) bool { return KindOf(err) == Internal && errors.Is(err, context.Canceled) }
