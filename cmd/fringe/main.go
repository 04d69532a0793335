// Command fringe is the whole of a Fringe site and the tool that talks to one:
// serve runs the site, the other subcommands publish and call functions, look
// after data, environments and tokens, or run a CWL tool without a site.
//
// Settings come from flags, else the environment (FRINGE_URL, FRINGE_TOKEN,
// FRINGE_DIR), else the file config.yaml in the user's configuration
// directory. Exit codes: 0 success, 1 failure of the call or the function, 2
// wrong use, 33 (cwl-runner) a CWL feature that is not supported.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
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
	var e *fringe.Error
	if errors.As(err, &e) {
		return 1
	}
	return 2
}

// exitCode is an error that only sets the exit code; all was said already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit %d", int(c)) }

// problem gives the document that a site would answer with.
func problem(err error) client.Problem {
	e := fringe.Errorf("", fringe.Invalid, "%s", err)
	errors.As(err, &e)
	p := client.Problem{Type: "urn:fringe:problem:" + string(e.Kind), Detail: e.Message, Component: e.Component, Pointer: e.Pointer, Cure: e.Cure}
	if p.Detail == "" {
		p.Detail = err.Error()
	}
	return p
}

// explain writes err as a user reads it: what failed, where, what to do.
func explain(w io.Writer, err error) {
	var e *fringe.Error
	if !errors.As(err, &e) {
		fmt.Fprintln(w, "fringe:", err)
		return
	}
	msg := e.Message
	if msg == "" {
		msg = err.Error()
	}
	fmt.Fprintf(w, "fringe: %s\n", msg)
	if e.Pointer != "" {
		fmt.Fprintf(w, "  input:     %s\n", e.Pointer)
	}
	if e.Component != "" {
		fmt.Fprintf(w, "  failed in: %s\n", e.Component)
	}
	if e.Cure != "" {
		fmt.Fprintf(w, "  to do:     %s\n", e.Cure)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(w, "  try again: in %s\n", e.RetryAfter)
	}
}
