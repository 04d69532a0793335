package fringe

import "time"

// Shape says how a function lives.
type Shape string

// The two shapes.
const (
	Service Shape = "service" // many short calls in one warm instance
	Task    Shape = "task"    // one process tree per call
)

// Contract names the protocol spoken with running code.
type Contract string

// The contracts.
const (
	Exec   Contract = "exec"   // a command line
	Python Contract = "python" // a handler in our Python worker
	HTTP   Contract = "http"   // a program that listens on $PORT or on the unix socket $FRINGE_SOCKET
	Worker Contract = "worker" // a program that takes calls as frames over descriptor 3
)

// Digest identifies content: "sha256:" and 64 hexadecimal digits.
type Digest string

// EnvironmentName names an environment in the catalogue.
type EnvironmentName string

// FunctionName names a function in the catalogue: lower-case letters, digits
// and hyphens, at most 63.
type FunctionName string

// Limits bound one instance. A zero field means no bound of its own: the
// site's bound applies.
type Limits struct {
	CPU      float64       `json:"cpu,omitempty"`      // cores
	Memory   int64         `json:"memory,omitempty"`   // bytes
	Pids     int           `json:"pids,omitempty"`     // processes and threads
	FileSize int64         `json:"fileSize,omitempty"` // bytes of the largest file it may write
	Time     time.Duration `json:"time,omitempty"`     // wall time of one call
}

// Or gives l with each zero field taken from other.
func (l Limits) Or(other Limits) Limits {
	if l.CPU == 0 {
		l.CPU = other.CPU
	}
	if l.Memory == 0 {
		l.Memory = other.Memory
	}
	if l.Pids == 0 {
		l.Pids = other.Pids
	}
	if l.FileSize == 0 {
		l.FileSize = other.FileSize
	}
	if l.Time == 0 {
		l.Time = other.Time
	}
	return l
}

// Warm is the policy by which the pool keeps instances of a service.
type Warm struct {
	Min         int           `json:"min,omitempty"`         // instances kept even when idle
	Max         int           `json:"max,omitempty"`         // most instances at once
	Concurrency int           `json:"concurrency,omitempty"` // calls that one instance takes at once
	Queue       int           `json:"queue,omitempty"`       // calls that may wait for an instance however long they do; 0: as long as the site lets them
	Idle        time.Duration `json:"idle,omitempty"`        // how long an instance above Min may be idle
	Uses        int           `json:"uses,omitempty"`        // calls after which an instance is replaced; 1: each call has one of its own; 0: no bound
}

// Policy says how often a task is tried and how long each part of it may take.
// In a function's own policy 0 leaves a field to the site, and less than 0
// means none; in a job's, both are decided.
type Policy struct {
	Platform int           `json:"platform,omitempty"` // tries again after failures of the platform
	Function int           `json:"function,omitempty"` // tries again after temporary failures of the function
	Codes    []int         `json:"codes,omitempty"`    // exit codes that are temporary, beside those of the document
	Backoff  time.Duration `json:"backoff,omitempty"`  // before the first try again; it doubles each time
	Most     time.Duration `json:"most,omitempty"`     // bound of the backoff
	Queue    time.Duration `json:"queue,omitempty"`    // waiting for its turn
	Start    time.Duration `json:"start,omitempty"`    // staging and starting
	Idle     time.Duration `json:"idle,omitempty"`     // running without writing anything
	AtOnce   int           `json:"atOnce,omitempty"`   // attempts of the function at once
}

// Or gives p with each field that it leaves open taken from other, and none
// where it wants none.
func (p Policy) Or(other Policy) Policy {
	p.Platform, p.Function, p.AtOnce = decided(p.Platform, other.Platform), decided(p.Function, other.Function), decided(p.AtOnce, other.AtOnce)
	p.Backoff, p.Most = decided(p.Backoff, other.Backoff), decided(p.Most, other.Most)
	p.Queue, p.Start, p.Idle = decided(p.Queue, other.Queue), decided(p.Start, other.Start), decided(p.Idle, other.Idle)
	return p
}

func decided[T int | time.Duration](own, other T) T {
	if own == 0 {
		own = other
	}
	return max(own, 0)
}

// Function is one immutable version of a function, as far as running it needs.
// The typed interface is in room cwl.
type Function struct {
	Name        FunctionName    `json:"name"`
	Version     string          `json:"version"`
	Digest      Digest          `json:"digest"` // of the published content
	Shape       Shape           `json:"shape"`
	Contract    Contract        `json:"contract"`
	Environment EnvironmentName `json:"environment,omitempty"`
	Handler     string          `json:"handler,omitempty"` // python: "module:name"; http: empty
	Command     []string        `json:"command,omitempty"` // http: the program that listens
	Raw         bool            `json:"raw,omitempty"`     // takes the HTTP request itself, not a CWL input object
	Limits      Limits          `json:"limits"`
	Warm        Warm            `json:"warm"`
	Network     bool            `json:"network,omitempty"` // the instance may use the network
	Durable     bool            `json:"durable,omitempty"` // a Python task that starts as a process of its own, which outlives the server, and never as a fork
	Dir         string          `json:"-"`                 // the published content on this machine, read-only
}

// Ref gives name@version.
func (f *Function) Ref() string { return string(f.Name) + "@" + f.Version }
