// Package attempt is one attempt of a CommandLineTool: stage, start, wait,
// collect.
package attempt

import (
	"context"
	"os"
	"time"

	"fringe"
	"fringe/cwl"
)

// Request says what to run.
type Request struct {
	Tool    *cwl.Tool
	Inputs  map[string]any // as Tool.Validate gives them; files have an absolute path or a file: location
	Driver  fringe.Driver
	ID      fringe.InstanceID
	WorkDir string        // empty or absent directory of this machine; the caller removes it after Outcome.Close
	Limits  fringe.Limits // the tool's own limits apply where these are zero

	// Base is what the environment and the function bring: Root, Layers,
	// Hidden, Mounts (they come before the staged ones), Env (it gives way
	// to what the tool sets). The rest of it is not used.
	Base fringe.Spec

	Network bool     // allow the network when the tool asks for it
	Stdout  *os.File // takes what the tool does not keep of its standard output; nil drops it
	Stderr  *os.File // the same for its standard error
}

// Outcome is what an attempt gave.
type Outcome struct {
	Outputs map[string]any // the output object; files have paths of this machine
	Exit    fringe.Exit
	Argv    []string
	OutDir  string // the work directory on this machine
	Phases  Phases
}

// Phases says where the time went.
type Phases struct {
	Stage, Start, Run, Collect time.Duration
}

// Run makes one attempt.
func Run(ctx context.Context, r Request) (Outcome, error) { return Outcome{}, nil }

// Close releases the private views of the inputs.
func (o *Outcome) Close() error { return nil }
