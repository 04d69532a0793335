package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"fringe/client"
)

// plain runs commands as a user who is not root, with a home of his own.
type plain struct {
	t    *testing.T
	home string
	who  *syscall.Credential // nil: whom the tests run as
}

func newPlain(t *testing.T) *plain {
	t.Helper()
	home, err := os.MkdirTemp("", "fringe-plain-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	p := &plain{t: t, home: home}
	if os.Geteuid() != 0 {
		return p
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatalf("there is no user nobody: %v", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	p.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(home, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return p
}

// file writes a file that the user can read and run.
func (p *plain) file(name string, text []byte) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.home, name), text, 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// fringe is a command of the program under the user's home.
func (p *plain) fringe(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(p.home, "fringe"), args...)
	cmd.Dir = p.home
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + p.home}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.who}
	return cmd
}

// run runs a command of the program that must succeed, and gives what it printed.
func (p *plain) run(args ...string) string {
	p.t.Helper()
	out, stderr, err := p.try(args...)
	if err != nil {
		p.t.Fatalf("fringe %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return out
}

func (p *plain) try(args ...string) (stdout, stderr string, err error) {
	cmd := p.fringe(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// TestPlainUser is the whole session of a user without rights: a site of his
// own in his home, where limits are kept without cgroups and nothing of his is
// seen by a function.
func TestPlainUser(t *testing.T) {
	p := newPlain(t)
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	p.file("fringe", self)
	p.file("private.txt", []byte("the user's own\n"))
	p.file("words.txt", []byte("one\ntwo\nthree\n"))
	p.file("environment.yaml", []byte("name: plain\ncontract: python\npython: \"3\"\n"))
	for name, body := range map[string]string{
		"count":  "baseCommand: [wc, -l]\ninputs: {text: File}\nstdin: $(inputs.text.path)\nstdout: count.txt\noutputs: {count: stdout}\n",
		"greedy": "baseCommand: [/usr/bin/python3, -c, \"x = b'x' * (600 << 20); import time; time.sleep(5)\"]\ninputs: []\noutputs: []\n",
		"peek":   "baseCommand: [cat, " + filepath.Join(p.home, "private.txt") + "]\ninputs: []\noutputs: []\n",
	} {
		p.file(name+".cwl", []byte("cwlVersion: v1.2\nclass: CommandLineTool\nid: "+name+"\n$namespaces: {fringe: \"urn:fringe:ns#\"}\n"+
			"hints:\n  fringe:Function: {version: 1.0.0}\n  ResourceRequirement: {ramMin: 128, ramMax: 128}\n"+body))
	}
	p.file("twice.py", []byte("\"\"\"Twice.\"\"\"\nFRINGE = {\"version\": \"1.0.0\", \"environment\": \"plain\", \"shape\": \"service\"}\n\n\ndef main(x: int) -> int:\n    return 2 * x\n"))

	out, _, _ := p.try("doctor", "--json")
	var checks []client.Check
	if err := json.Unmarshal([]byte(out), &checks); err != nil || len(checks) < 5 {
		t.Fatalf("doctor --json = %q, %v", out, err)
	}
	for _, c := range checks {
		if !c.OK && (c.Detail == "" || c.Cure == "") {
			t.Errorf("the doctor finds %s amiss and says %q, cure %q", c.Name, c.Detail, c.Cure)
		}
	}
	serve := p.fringe("serve", "--listen", "127.0.0.1:0")
	var log bytes.Buffer
	serve.Stderr = &log
	pipe, err := serve.StdoutPipe()
	if err == nil {
		err = serve.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(pipe)
	if line, err := lines.ReadString('\n'); !strings.HasPrefix(line, "Fringe ") {
		serve.Wait()
		t.Fatalf("the site says %q, %v\n%s", line, err, log.String())
	}
	ended := make(chan error, 1)
	go func() {
		io.Copy(io.Discard, lines)
		ended <- serve.Wait()
	}()
	defer serve.Process.Kill()

	p.run("env", "build", "environment.yaml")
	p.run("publish", "count.cwl", "greedy.cwl", "peek.cwl", "twice.py")
	if out := p.run("call", "twice", "x=21"); !strings.Contains(out, "42") {
		t.Errorf("the service answers %q", out)
	}
	p.run("data", "add", "words", "words.txt")
	p.run("call", "count", "text=user:words", "-o", "out")
	if b, err := os.ReadFile(filepath.Join(p.home, "out", "count.txt")); err != nil || strings.TrimSpace(string(b)) != "3" {
		t.Errorf("the task's output is %q, %v", b, err)
	}
	if _, stderr, err := p.try("call", "greedy"); err == nil || !strings.Contains(stderr, "failed in: memory") {
		t.Errorf("a task over its memory = %v, %q; want that it failed in memory", err, stderr)
	}
	if _, stderr, err := p.try("call", "peek"); err == nil || strings.Contains(stderr, "the user's own") {
		t.Errorf("a function that reads the user's home = %v, %q", err, stderr)
	}
	if err := serve.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the site ended with %v\n%s", err, log.String())
	}
}
