// Command fringe is the whole of a Fringe site and the tool that talks to one:
// serve runs the site, the other subcommands publish and call functions, look
// after data, environments and tokens, or run a CWL tool without a site.
//
// Settings come from flags, else the environment (FRINGE_URL, FRINGE_TOKEN,
// FRINGE_DIR), else the file config.yaml in the user's configuration
// directory. Exit codes: 0 success, 1 what was asked for failed or was refused,
// 2 the command line is wrong and nothing was asked for, 33 (cwl-runner) a CWL
// feature that is not supported.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"fringe"
	"fringe/client"
	"fringe/driver/process"
)

func main() {
	process.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes the command line and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRootCommand(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	var code exitCode
	if errors.As(err, &code) {
		return int(code)
	}
	if asJSON, _ := root.PersistentFlags().GetBool("json"); asJSON {
		json.NewEncoder(stderr).Encode(problem(err))
	} else {
		explain(stderr, err)
	}
	var wrong *misuse
	if errors.As(err, &wrong) {
		return 2
	}
	return 1
}

// exitCode is an error that only sets the exit code; all was said already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// failure gives any error as an Error: that of the command line is of the kind
// Invalid, one that no part named, such as of a file of ours, Unavailable.
func failure(err error) *fringe.Error {
	var e *fringe.Error
	var wrong *misuse
	switch {
	case errors.As(err, &wrong):
		return &fringe.Error{Kind: fringe.Invalid, Message: wrong.said, Cure: "usage: " + wrong.usage}
	case errors.Is(err, context.Canceled):
		return &fringe.Error{Kind: fringe.Unavailable, Message: "interrupted"}
	case !errors.As(err, &e):
		return &fringe.Error{Kind: fringe.Unavailable, Message: err.Error()}
	case e.Message == "":
		e = fringe.E(e.Op, e)
		e.Message = err.Error()
	}
	return e
}

// problem gives the document that a site would answer with.
func problem(err error) client.Problem {
	e := failure(err)
	return client.Problem{Type: "urn:fringe:problem:" + string(e.Kind), Detail: e.Message, Component: e.Part(), Pointer: e.Pointer, Cure: e.Cure, Call: e.Call}
}

// explain writes err as a user reads it: what failed, where, what to do.
func explain(w io.Writer, err error) {
	var wrong *misuse
	if errors.As(err, &wrong) {
		fmt.Fprintf(w, "fringe: %s\n  usage:     %s\n", wrong.said, wrong.usage)
		return
	}
	e := failure(err)
	part := e.Part()
	fmt.Fprintf(w, "fringe: %s\n", e.Message)
	if e.Pointer != "" {
		fmt.Fprintf(w, "  input:     %s\n", strings.TrimPrefix(e.Pointer, "/"))
	}
	if part != "" {
		fmt.Fprintf(w, "  failed in: %s\n", part)
	}
	if e.Call != "" && (part != "" || e.Kind == fringe.Failed) {
		fmt.Fprintf(w, "  call:      %s\n", e.Call)
	}
	if e.Cure != "" {
		fmt.Fprintf(w, "  to do:     %s\n", e.Cure)
	}
	if e.Call != "" && e.Kind == fringe.Failed && !strings.Contains(e.Cure, "fringe logs") {
		fmt.Fprintf(w, "  log:       fringe logs %s\n", e.Call)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(w, "  try again: in %s\n", e.RetryAfter)
	}
}
