package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"fringe"
)

// work is one build under way: where its tools write.
type work struct {
	decl     Declaration
	log      *os.File
	logPath  string
	progress io.Writer
	env      []string

	mu   sync.Mutex // guards tail
	tail []byte     // the end of what the tools said
}

const tailBytes = 16 << 10

// Write takes what a tool says: to the log, to the progress and to the tail.
func (w *work) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail = append(w.tail, p...)
	if len(w.tail) > 2*tailBytes {
		w.tail = append([]byte(nil), w.tail[len(w.tail)-tailBytes:]...)
	}
	_, _ = w.progress.Write(p) // a reader that left does not stop a build
	return w.log.Write(p)
}

// say writes a line of our own to the log and to the progress.
func (w *work) say(format string, args ...any) {
	fmt.Fprintf(w, "fringe: "+format+"\n", args...)
}

// lastLines gives the last n lines that are not empty.
func (w *work) lastLines(n int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(string(w.tail), "\r", "\n"), "\n") {
		if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, "fringe: ") {
			lines = append(lines, "  "+line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// fail makes the error of a step whose tool failed.
func (w *work) fail(kind fringe.Kind, err error, format string, args ...any) error {
	return &fringe.Error{
		Op: "build.Build", Kind: kind, Component: fringe.Build, Err: err,
		Message: fmt.Sprintf(format, args...) + "; the last lines of the log:\n" + w.lastLines(12),
		Cure:    "the whole log is " + w.logPath + "; correct the declaration and build again; the former build can be used meanwhile",
	}
}

// command makes a command whose process tree ends with ctx and with this
// process. Its output is not yet connected.
func command(ctx context.Context, env []string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = env
	cmd.Env = append(cmd.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", "PYTHONNOUSERSITE=1", "PIP_NO_INPUT=1",
		"PYTHONPATH=", "PYTHONHOME=", "PIP_USER=0", "PIP_REQUIRE_VIRTUALENV=0", "PIP_DISABLE_PIP_VERSION_CHECK=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// tool runs a command with its output going to the build's log.
func (w *work) tool(ctx context.Context, argv ...string) error {
	fmt.Fprintf(w.log, "$ %s\n", strings.Join(argv, " "))
	cmd := command(ctx, w.env, argv...)
	cmd.Stdout, cmd.Stderr = w, w
	return run(ctx, cmd)
}

// output runs a command and gives what it printed; stderr goes to the log.
func (w *work) output(ctx context.Context, argv ...string) (string, error) {
	var out strings.Builder
	cmd := command(ctx, w.env, argv...)
	cmd.Stdout, cmd.Stderr = &out, w.log
	err := run(ctx, cmd)
	return out.String(), err
}

// run runs cmd on a thread of its own, so that Pdeathsig means the death of
// this process and not of a thread.
func run(ctx context.Context, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// exitCode gives the exit code that err carries; -1 when the tool did not run.
func exitCode(err error) int {
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		return ee.ExitCode()
	}
	return -1
}
