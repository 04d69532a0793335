package fringe

import (
	"context"
	"io"
	"net/http"
	"time"
)

// CallID identifies a call: a ULID, so that ids sort by time.
type CallID string

// Call is one request to a function.
type Call struct {
	ID       CallID
	Function *Function

	// For typed functions: the CWL input object as JSON. Nil for raw ones.
	Inputs []byte

	// For raw functions (contract http, and Python handlers without
	// arguments): the request as it came. Path is what follows the
	// function's name and begins with a slash.
	Method string
	Path   string
	Query  string
	Header http.Header
	Body   io.Reader // nil when there is none; read once
	Length int64     // of Body; -1 when not known

	// Trace is the caller's trace context (traceparent of W3C Trace Context);
	// empty when there is none. Typed functions get it with the call, raw
	// ones find it in Header too.
	Trace string

	// Same is the same for calls that ask the same, however they are told
	// apart; 0: it is not known. By it a call is known again that was told to
	// come later.
	Same uint64

	// MaxWait is how long the call may be expected to wait for an instance;
	// 0 leaves it to the site. One that would wait for longer is refused.
	MaxWait time.Duration

	// Dir is the call's private directory as the instance sees it; empty
	// when the call has no files. Files are made visible below it before
	// the handler runs.
	Dir   string
	Files []Mount

	// Log takes what the function writes while it handles the call. Nil
	// drops it. Writes come from one goroutine.
	Log io.Writer
}

// Result is what a function answered. A function that failed has a result
// too: Failed is set and Body explains.
type Result struct {
	Status int
	Header http.Header
	Body   io.ReadCloser // the caller closes it
	Failed bool          // the handler raised, or the program broke the contract
	Dir    string        // Call.Dir as this machine sees it; it goes when Body is closed
	Start  time.Duration // time spent to get an instance started; 0 when it was warm
	Queue  time.Duration // time spent waiting for an instance
	Cold   bool          // an instance was started for this call
}

// Invoker hands a call to running code and gives its answer.
//
// A function that fails answers with a Result whose Failed is set; an error
// means that the platform failed. When ctx ends before the answer, Invoke
// returns ctx's error and the instance is not left in an unknown state: it is
// either told to stop this call or stopped itself.
type Invoker interface {
	Invoke(ctx context.Context, c *Call) (*Result, error)
}
