package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"fringe/driver/process"
)

func TestMain(m *testing.M) {
	process.Main()
	testscript.Main(m, map[string]func(){"fringe": main})
}

// TestScripts runs testdata/*.txtar: each is a session at a shell with a real
// site of its own, started by the command 'site'.
func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("REPO", repo)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("FRINGE_DIR", filepath.Join(e.WorkDir, "site"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"site":  siteCommand,
			"kill9": kill9Command,
		},
	})
}

// siteCommand starts 'fringe serve' with the arguments and waits until it says
// that it is ready; it is stopped at the end of the script.
func siteCommand(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("fringe", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	for _, kv := range []string{"PATH", "HOME", "FRINGE_DIR", "TMPDIR"} {
		cmd.Env = append(cmd.Env, kv+"="+ts.Getenv(kv))
	}
	path := filepath.Join(filepath.Dir(ts.Getenv("FRINGE_DIR")), "server.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	defer log.Close()
	cmd.Stderr = log
	cmd.Dir = ts.Getenv("WORK")
	cmd.Path, err = lookPath(ts.Getenv("PATH"), "fringe")
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Setenv("SERVER_PID", fmt.Sprint(cmd.Process.Pid))
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		first <- line
		io.Copy(io.Discard, out)
	}()
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		done := make(chan struct{})
		go func() { cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			<-done
		}
		if b, err := os.ReadFile(path); err == nil {
			ts.Logf("server log:\n%s", b)
		}
	})
	select {
	case line := <-first:
		if !strings.HasPrefix(line, "Fringe ") {
			b, _ := os.ReadFile(path)
			ts.Fatalf("the site is not ready: %q\n%s", line, b)
		}
		url := strings.TrimSpace(line[strings.Index(line, "http://"):])
		ts.Setenv("URL", url)
		ts.Setenv("ADDRESS", strings.TrimPrefix(url, "http://"))
	case <-time.After(30 * time.Second):
		ts.Fatalf("the site is not ready after 30 s")
	}
}

func lookPath(path, name string) (string, error) {
	for _, d := range filepath.SplitList(path) {
		if p := filepath.Join(d, name); exec.Command(p).Path != "" {
			if info, err := os.Stat(p); err == nil && info.Mode()&0o111 != 0 {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("%s is not in %s", name, path)
}

// kill9Command kills the site of the script with SIGKILL and waits until it is gone.
func kill9Command(ts *testscript.TestScript, neg bool, args []string) {
	var pid int
	_, err := fmt.Sscan(ts.Getenv("SERVER_PID"), &pid)
	ts.Check(err)
	ts.Check(syscall.Kill(pid, syscall.SIGKILL))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // the others hold its files, too
		if err != nil || bytes.Contains(b, []byte(") Z ")) && len(threads) <= 1 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("the site lives on after SIGKILL")
}
