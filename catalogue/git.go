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
	"slices"
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
// shallow. The URL's scheme is https, http, ssh or file, or it is written
// user@host:path. The function is the repository itself, or the one directory
// that holds a function; after a # follows the directory when there are several.
//
// A repository of this machine, and one that is read with the keys of the
// server's user (ssh), is for operators; so are http: addresses and those of
// private networks, unless Config.Private.
func (c *Catalogue) PublishGit(ctx context.Context, address string, by fringe.Principal) (Published, error) {
	const op = "catalogue.PublishGit"
	repository, dir, chosen := strings.Cut(address, "#")
	u, err := gitURL(repository)
	if err != nil {
		return Published{}, err
	}
	name := strings.TrimSuffix(path.Base(strings.TrimRight(u.Path, "/")), ".git")
	web := u.Scheme == "https" || u.Scheme == "http"
	if !web && !by.Role.Includes(fringe.Operator) {
		return Published{}, &fringe.Error{Op: op, Kind: fringe.Denied, Component: fringe.Catalogue,
			Message: fmt.Sprintf("%.200q is read with the rights of the server's user, so only operators may name it", fringe.Redacted(repository)),
			Cure:    "give an https: address, or publish the function's directory"}
	}
	if dir != "" && !filepath.IsLocal(dir) {
		return Published{}, fringe.Errorf(op, fringe.Invalid, "%q is not a directory of the repository", dir)
	}
	tmp, err := os.MkdirTemp(c.path("tmp"), "git-")
	if err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	defer os.RemoveAll(tmp)
	from := remote{address: repository, scheme: u.Scheme}
	if _, secret := u.User.Password(); secret { // of use to nobody but the web, and seen by all on git's command line
		named := *u
		named.User = url.User(u.User.Username())
		from.address = named.String()
	}
	if web {
		if from, err = c.onWeb(ctx, u, by.Role); err != nil {
			return Published{}, err
		}
	}
	at := filepath.Join(tmp, "clone")
	if err := c.clone(ctx, from, at); err != nil {
		return Published{}, err
	}
	found := functionsIn(at)
	if !chosen && !slices.Contains(found, ".") && len(found) == 1 {
		dir = found[0]
	}
	dir = filepath.Clean(dir)
	if !slices.Contains(found, dir) {
		return Published{}, noFunction(address, dir, found)
	}
	if dir == "." { // the name of a repository may be none of a function; then the document's id is it
		return c.Publish(ctx, PublishRequest{Dir: at, Name: name, By: by.Name, byID: !functionRE.MatchString(name)})
	}
	if err := settleLinks(at, dir); err != nil {
		return Published{}, disk(op, c.dir, err)
	}
	return c.Publish(ctx, PublishRequest{Dir: filepath.Join(at, dir), By: by.Name})
}

// settleLinks puts a file in the place of each link of a function's directory
// that leads to a file elsewhere in the repository: a module that functions
// share. Links out of the repository stay, to be refused.
func settleLinks(repository, dir string) error {
	root, err := os.OpenRoot(repository)
	if err != nil {
		return err
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), filepath.ToSlash(dir), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		target, err := root.Readlink(name)
		if err != nil {
			return err
		}
		if to, err := filepath.Rel(dir, filepath.Join(filepath.Dir(name), target)); err == nil && filepath.IsLocal(to) {
			return nil
		}
		info, err := root.Stat(name)
		if err != nil || !info.Mode().IsRegular() || info.Size() > maxContent {
			return nil
		}
		text, err := root.ReadFile(name)
		if err == nil {
			err = root.Remove(name)
		}
		if err == nil {
			err = root.WriteFile(name, text, info.Mode().Perm())
		}
		return err
	})
}

// noFunction says where the functions of a repository are.
func noFunction(address, dir string, found []string) error {
	e := &fringe.Error{Op: "catalogue.PublishGit", Kind: fringe.NotFound, Component: fringe.Catalogue,
		Message: fmt.Sprintf("there is no function.cwl and no function.py in the directory %s of %s", dir, fringe.Redacted(address)),
		Cure:    "give a repository of functions"}
	if found != nil {
		repository, _, _ := strings.Cut(address, "#")
		if len(found) > 8 {
			found = append(found[:8:8], "…")
		}
		e.Message += "; there are functions in " + strings.Join(found, ", ")
		e.Cure = "write " + fringe.Redacted(repository) + "#DIRECTORY"
	}
	return e
}

// gitURL checks an address. That of user@host:path is an ssh: one.
func gitURL(repository string) (*url.URL, error) {
	bad := func(why, cure string) (*url.URL, error) {
		return nil, &fringe.Error{Op: "catalogue.PublishGit", Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("%.200q %s", fringe.Redacted(repository), why), Cure: cure}
	}
	if scpRE.MatchString(repository) {
		_, at, _ := strings.Cut(repository, ":")
		return &url.URL{Scheme: "ssh", Path: at}, nil
	}
	u, err := url.Parse(repository)
	if err != nil || u.Path == "" || strings.ContainsAny(repository, " \t\r\n") || strings.HasPrefix(u.Host, "-") {
		return bad("is not the URL of a git repository", "write https://HOST/PATH.git, ssh://HOST/PATH, USER@HOST:PATH or file:///PATH")
	}
	switch u.Scheme {
	case "https", "http", "ssh", "file":
		return u, nil
	}
	return bad("has a scheme that is not taken", "use https, http, ssh or file")
}

// remote is where a clone comes from.
type remote struct {
	address string   // as git takes it
	scheme  string   // the only transport that git may use
	config  []string // further options of git
	env     []string // further variables of git: what is not for all to see
	web     bool     // nothing of the server's user is seen or sent
}

// functionsIn lists the directories of a repository that hold functions; "." is
// the repository itself.
func functionsIn(root string) []string {
	var found []string
	_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir(): // what cannot be read holds no function
			return nil
		case ignored(d.Name()):
			return fs.SkipDir
		case !exists(p, cwlFile) && !exists(p, pythonFile):
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err == nil {
			found = append(found, rel)
		}
		return err
	})
	return found
}

// clone clones without hooks, submodules, filters or questions. It is ended
// when it takes too long or grows too large.
func (c *Catalogue) clone(ctx context.Context, from remote, at string) error {
	const op = "catalogue.PublishGit"
	ctx, cancel := context.WithTimeout(ctx, gitTime)
	defer cancel()
	args := append([]string{"-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true"}, from.config...)
	cmd := exec.CommandContext(ctx, "git", append(args, "clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template=", "--", from.address, at)...)
	env := cmd.Environ()
	if from.web {
		env = webEnviron(env, filepath.Dir(at))
	}
	cmd.Env = append(append(env, from.env...), "GIT_ALLOW_PROTOCOL="+from.scheme, "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true", "GIT_LFS_SKIP_SMUDGE=1",
		"GIT_SSH_COMMAND=ssh -oBatchMode=yes -oConnectTimeout=20", "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return noGit(err)
	}
	watch := make(chan bool, 1)
	go func() { watch <- watchSize(ctx, at, cancel) }()
	err := cmd.Wait()
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	switch {
	case <-watch || err == nil && sizeOf(at) > gitBytes:
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the repository %s is larger than %d MiB", fringe.Redacted(from.address), gitBytes>>20), Cure: "publish the function's directory instead"}
	case late:
		return fringe.Errorf(op, fringe.Unavailable, "the repository %s was not cloned within %s", fringe.Redacted(from.address), gitTime)
	case err != nil:
		return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err,
			Message: fringe.Redacted(fmt.Sprintf("git could not clone %s: %s", from.address, strings.TrimSpace(strings.ReplaceAll(said.String(), "\n", " ")))),
			Cure:    "check the URL, that this site may read it, and that it redirects nowhere"}
	}
	return nil
}

func noGit(err error) error {
	return &fringe.Error{Op: "catalogue.PublishGit", Kind: fringe.Unavailable, Component: fringe.Catalogue, Err: err, Message: "git cannot be started here", Cure: "run: sudo apt-get install git"}
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
