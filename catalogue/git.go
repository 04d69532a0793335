package catalogue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"fringe"
)

// Bounds of a clone.
const (
	gitTime  = 2 * time.Minute
	gitBytes = 256 << 20
)

var scpRE = regexp.MustCompile(`^[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:[A-Za-z0-9._~/-]+$`)

// PublishGit publishes the function in a git repository: its default branch,
// shallow. The URL's scheme is https, ssh or file, or it is written
// user@host:path; after a # follows the function's directory when it is not the
// repository's own.
func (c *Catalogue) PublishGit(ctx context.Context, address, by string) (Published, error) {
	const op = "catalogue.PublishGit"
	repository, dir, _ := strings.Cut(address, "#")
	name, err := gitName(repository)
	if err != nil {
		return Published{}, err
	}
	if dir != "" && !filepath.IsLocal(dir) {
		return Published{}, fringe.Errorf(op, fringe.Invalid, "%q is not a directory of the repository", dir)
	}
	tmp, err := os.MkdirTemp(c.path("tmp"), "git-")
	if err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	defer os.RemoveAll(tmp)
	at := filepath.Join(tmp, name)
	if err := c.clone(ctx, repository, at); err != nil {
		return Published{}, err
	}
	if dir != "" {
		root, err := filepath.EvalSymlinks(filepath.Join(at, dir))
		if err != nil || !strings.HasPrefix(root, at+"/") {
			return Published{}, fringe.Errorf(op, fringe.NotFound, "the repository %s has no directory %s; it has functions in %s", repository, dir, functionsIn(at))
		}
		at = root
	}
	if !exists(at, cwlFile) && !exists(at, pythonFile) {
		return Published{}, fringe.Errorf(op, fringe.Invalid, "there is no function.cwl and no function.py at the top of %s; write URL#DIRECTORY; it has functions in %s", address, functionsIn(at))
	}
	return c.Publish(ctx, PublishRequest{Dir: at, By: by})
}

// gitName checks an address and gives the repository's name.
func gitName(repository string) (string, error) {
	bad := func(why, cure string) (string, error) {
		return "", &fringe.Error{Op: "catalogue.PublishGit", Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("%.200q %s", repository, why), Cure: cure}
	}
	at := ""
	if scpRE.MatchString(repository) {
		_, at, _ = strings.Cut(repository, ":")
	} else {
		u, err := url.Parse(repository)
		if err != nil || u.Path == "" || strings.ContainsAny(repository, " \t\r\n") || strings.HasPrefix(u.Host, "-") {
			return bad("is not the URL of a git repository", "write https://HOST/PATH.git, ssh://HOST/PATH or file:///PATH")
		}
		switch u.Scheme {
		case "https", "ssh", "file":
		default:
			return bad("has a scheme that is not taken", "use https, ssh or file")
		}
		at = u.Path
	}
	name := strings.TrimSuffix(path.Base(strings.TrimRight(at, "/")), ".git")
	if !functionRE.MatchString(name) {
		return "repository", nil // the document's id must name the function then
	}
	return name, nil
}

// functionsIn lists the directories that hold functions.
func functionsIn(root string) string {
	var found []string
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && ignored(d.Name()) || len(found) == 8 {
			return fs.SkipDir
		}
		if d.Name() == cwlFile || d.Name() == pythonFile {
			if rel, err := filepath.Rel(root, filepath.Dir(p)); err == nil {
				found = append(found, rel)
			}
		}
		return nil
	})
	if found == nil {
		return "no directory"
	}
	return strings.Join(found, ", ")
}

// clone clones without hooks, submodules, filters or questions. It is ended
// when it takes too long or grows too large.
func (c *Catalogue) clone(ctx context.Context, repository, at string) error {
	const op = "catalogue.PublishGit"
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", "-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true", "-c", "protocol.allow=never",
		"-c", "protocol.https.allow=always", "-c", "protocol.ssh.allow=always", "-c", "protocol.file.allow=always",
		"clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template=", "--", repository, at)
	cmd.Env = append(cmd.Environ(), "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true", "GIT_LFS_SKIP_SMUDGE=1",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=20", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err, Message: "git cannot be started here", Cure: "run: sudo apt-get install git"}
	}
	watch := make(chan bool, 1)
	go func() { watch <- watchSize(ctx, at, cancel) }()
	err := cmd.Wait()
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	switch {
	case <-watch || err == nil && sizeOf(at) > gitBytes:
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the repository %s is larger than %d MiB", repository, gitBytes>>20), Cure: "publish the function's directory instead"}
	case late:
		return fringe.Errorf(op, fringe.Unavailable, "the repository %s was not cloned within %s", repository, gitTime)
	case err != nil:
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
			Message: fmt.Sprintf("git could not clone %s: %s", repository, strings.TrimSpace(strings.ReplaceAll(said.String(), "\n", " "))),
			Cure:    "check the URL, and that this site may read it"}
	}
	return nil
}

// watchSize calls stop and gives true when the directory grows too large; false
// when ctx ends first.
func watchSize(ctx context.Context, dir string, stop func()) bool {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			if sizeOf(dir) > gitBytes {
				stop()
				return true
			}
		}
	}
}

// sizeOf is the sum of the sizes of the files below dir.
func sizeOf(dir string) int64 {
	var sum int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				sum += info.Size()
			}
		}
		return nil
	})
	return sum
}
