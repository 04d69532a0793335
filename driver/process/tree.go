package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fringe"
)

// A tree is the root of an instance while init puts it together. It is a
// small tmpfs on which the entries of the environment's root are bound one by
// one, so that a mount point can be made wherever one is asked for. All paths
// are those of the instance; symbolic links in them stay inside.
type tree struct {
	at   string // where the tree is, until it becomes /
	fd   int    // its root
	seal []int  // mounts that become read-only when the tree is complete
}

// ownTop are the entries of / that every instance has of its own.
var ownTop = map[string]bool{"proc": true, "sys": true, "dev": true, "tmp": true, "run": true}

// systemTop are the entries of the host's own / that an instance sees: programs
// and what they need, and no one's data. A host has some of them.
var systemTop = map[string]bool{
	"bin": true, "sbin": true, "lib": true, "lib32": true, "lib64": true, "libx32": true, "usr": true, "etc": true, "opt": true, "var": true,
	"nix": true, "gnu": true, "cvmfs": true, "sw": true, "software": true,
}

// secrets are paths of the host's own root that no instance sees, although it
// may run as the user who owns them.
var secrets = []string{
	"/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private",
	"/etc/krb5.keytab", "/etc/docker", "/etc/kubernetes", "/var/lib/docker", "/var/lib/containerd", "/var/lib/kubelet",
	"/var/lib/private", "/var/log", "/var/mail", "/var/spool", "/var/backups",
}

// plant builds the whole tree of o and makes it the root of this process.
func plant(o *order) error {
	// What the host mounts from here on comes in, and nothing goes out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("mounts do not become private: %w", err)
	}
	t := &tree{at: o.Base}
	size := "mode=0755"
	if o.Memory > 0 {
		size += fmt.Sprintf(",size=%d", o.Memory)
	}
	if err := t.tmpfs("", size); err != nil {
		return err
	}
	t.fd = t.seal[0]
	for _, step := range []func(*order) error{t.root, t.system, t.scratch, t.hide, t.mounts, t.complete} {
		if err := step(o); err != nil {
			return err
		}
	}
	return nil
}

// tmpfs mounts an empty, writable tmpfs on the directory dir of the host side
// of the tree, to be sealed.
func (t *tree) tmpfs(dir, options string) error {
	at := filepath.Join(t.at, dir)
	if err := unix.Mount("fringe", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("a tmpfs for /%s: %w", dir, err)
	}
	fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	t.seal = append(t.seal, fd)
	return nil
}

// root brings in the entries of the environment's root and layers.
func (t *tree) root(o *order) error {
	entries, err := os.ReadDir(o.Root)
	if err != nil {
		return startError(fringe.NotFound, "the root directory %s of the environment cannot be read: %w", o.Root, err)
	}
	ly := &layers{root: o.Root, dirs: o.Layers}
	if err := ly.read(entries); err != nil {
		return err
	}
	for _, e := range entries {
		if ownTop[e.Name()] || o.Root == "/" && !systemTop[e.Name()] {
			continue
		}
		if err := t.entry(o.Root, e, ly); err != nil {
			return err
		}
	}
	return t.layered(ly)
}

// entry brings in one entry of dir, a directory of the host, at the same name
// in the tree's root; what layers cover is left to them.
func (t *tree) entry(dir string, e fs.DirEntry, ly *layers) error {
	src, dst := filepath.Join(dir, e.Name()), "/"+e.Name()
	switch {
	case e.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(src)
		if err != nil {
			return err
		}
		return unix.Symlinkat(target, t.fd, e.Name())
	case ly.covers(e.Name()):
		return nil
	case e.IsDir(), e.Type().IsRegular():
		return t.bind(fringe.Mount{Source: src, Target: dst})
	}
	return nil
}

// system makes /proc, /dev, /sys, /run and the places that init needs.
func (t *tree) system(o *order) error {
	for _, dir := range []string{"proc", "dev", "dev/pts", "dev/shm", "sys", "sys/devices", "sys/devices/system", "run", "run/lock", "tmp"} {
		if err := os.Mkdir(filepath.Join(t.at, dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if o.Role == nesting {
		for _, dir := range callPlaces {
			if err := os.Mkdir(filepath.Join(t.at, dir), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
	}
	// All of /proc is read-only: it has switches of the machine that the
	// machine's root may turn without any capability.
	if err := unix.Mount("proc", t.at+"/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("/proc: %w", err)
	}
	for _, dev := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		if err := t.graft("/dev/"+dev, "/dev/"+dev); err != nil {
			return err
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"} {
		if err := os.Symlink(target, t.at+"/dev/"+name); err != nil {
			return err
		}
	}
	if err := unix.Mount("devpts", t.at+"/dev/pts", "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return fmt.Errorf("/dev/pts: %w", err)
	}
	// /dev/shm is of the same tmpfs as the root, through a writable mount.
	if err := os.Chmod(t.at+"/dev/shm", 0o777|fs.ModeSticky); err != nil {
		return err
	}
	if err := t.bind(fringe.Mount{Source: t.at + "/dev/shm", Target: "/dev/shm", Writable: true}); err != nil {
		return err
	}
	if err := t.bind(fringe.Mount{Source: "/sys/devices/system", Target: "/sys/devices/system"}); err != nil {
		return err
	}
	return t.resolver(o)
}

// graft brings in a path of the host as it is mounted there.
func (t *tree) graft(source, target string) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return t.place(fd, target, st.Mode&unix.S_IFMT == unix.S_IFDIR)
}

// resolver brings in the host's name resolution when /etc/resolv.conf leads
// into /run, which instances do not see.
func (t *tree) resolver(o *order) error {
	if !o.Network {
		return nil
	}
	real, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil || !strings.HasPrefix(real, "/run/") {
		return nil
	}
	return t.bind(fringe.Mount{Source: real, Target: real})
}

// scratch makes /tmp, which is /var/tmp too.
func (t *tree) scratch(o *order) error {
	if o.Tmp != "" {
		if err := t.bind(fringe.Mount{Source: o.Tmp, Target: "/tmp", Writable: true}); err != nil {
			return err
		}
	} else {
		options := "mode=1777"
		if o.TmpSize > 0 {
			options += fmt.Sprintf(",size=%d", o.TmpSize)
		}
		if err := unix.Mount("fringe-tmp", t.at+"/tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			return fmt.Errorf("/tmp: %w", err)
		}
	}
	if fd, err := t.open("/var/tmp"); err == nil {
		unix.Close(fd)
		return t.bind(fringe.Mount{Source: t.at + "/tmp", Target: "/var/tmp", Writable: true})
	}
	return nil
}

// hide covers paths by empty directories, and files by an empty file.
func (t *tree) hide(o *order) error {
	names := o.Hidden
	if o.Root == "/" {
		names = append(names, secrets...)
	}
	for _, name := range names {
		fd, err := t.open(name)
		if err != nil {
			continue // there is nothing to hide
		}
		var st unix.Stat_t
		err = unix.Fstat(fd, &st)
		if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			err = t.cover(fd)
		} else if err == nil {
			err = t.graft("/dev/null", name)
		}
		unix.Close(fd)
		if err != nil {
			return fmt.Errorf("hiding %s: %w", name, err)
		}
	}
	return nil
}

// cover mounts an empty tmpfs, to be sealed, on the directory fd.
func (t *tree) cover(fd int) error {
	sb, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(sb)
	if err := unix.FsconfigSetString(sb, "mode", "0755"); err != nil {
		return err
	}
	if err := unix.FsconfigCreate(sb); err != nil {
		return err
	}
	m, err := unix.Fsmount(sb, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return err
	}
	if err := unix.MoveMount(m, "", fd, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		unix.Close(m)
		return err
	}
	t.seal = append(t.seal, m)
	return nil
}

// mounts brings in what the Spec names.
func (t *tree) mounts(o *order) error {
	for _, m := range o.Mounts {
		if err := t.bind(m); err != nil {
			return err
		}
	}
	return nil
}

// complete seals the tree and makes it the root.
func (t *tree) complete(*order) error {
	for _, fd := range t.seal {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH, &attr); err != nil {
			return fmt.Errorf("the root does not become read-only: %w", err)
		}
	}
	if err := unix.Fchdir(t.fd); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("the root does not change: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("the host's root does not go away: %w", err)
	}
	for _, fd := range t.seal {
		unix.Close(fd)
	}
	return unix.Chdir("/")
}

// bind brings in a path of the host, with all that is mounted below it.
func (t *tree) bind(m fringe.Mount) error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, m.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return startError(fringe.NotFound, "%s, to be mounted at %s, does not exist", m.Source, m.Target)
	}
	if err != nil {
		return startError(fringe.Unavailable, "%s cannot be mounted at %s: %w", m.Source, m.Target, err)
	}
	defer unix.Close(fd)
	// A writable mount stays a slave of the server's, so that what the
	// server mounts below it appears here as well.
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV, Propagation: unix.MS_SLAVE}
	if !m.Writable {
		attr.Attr_set |= unix.MOUNT_ATTR_RDONLY
		attr.Propagation = unix.MS_PRIVATE
	}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		return startError(fringe.Unavailable, "the mount of %s cannot be bounded: %w", m.Source, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return startError(fringe.Unavailable, "%s cannot be mounted at %s: %w", m.Source, m.Target, err)
	}
	return t.place(fd, m.Target, st.Mode&unix.S_IFMT == unix.S_IFDIR)
}

// place puts the detached mount fd at target, which is made when it is not there.
func (t *tree) place(fd int, target string, dir bool) error {
	at, err := t.point(target, dir)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	var st unix.Stat_t
	if err := unix.Fstat(at, &st); err != nil {
		return err
	}
	if is := st.Mode&unix.S_IFMT == unix.S_IFDIR; is != dir {
		kind := map[bool]string{true: "a directory", false: "a file"}
		return startError(fringe.Invalid, "%s is mounted at %s, where the instance has %s", kind[dir], target, kind[is])
	}
	if err := unix.MoveMount(fd, "", at, "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH); err != nil {
		return startError(fringe.Unavailable, "the mount at %s: %w", target, err)
	}
	return nil
}

// open opens a path of the tree, for naming it only.
func (t *tree) open(name string) (int, error) {
	for {
		fd, err := unix.Openat2(t.fd, name, &unix.OpenHow{
			Flags:   unix.O_PATH | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// point opens target, and makes it, and what leads to it, when it is missing.
func (t *tree) point(target string, dir bool) (int, error) {
	fd, err := t.open(target)
	if !errors.Is(err, unix.ENOENT) {
		if err != nil {
			err = startError(fringe.Invalid, "the mount point %s: %w", target, err)
		}
		return fd, err
	}
	parent, name := path.Split(path.Clean(target))
	up, err := t.point(parent, true)
	if err != nil {
		return -1, err
	}
	err = makeEntry(up, name, dir)
	if errors.Is(err, unix.EROFS) {
		unix.Close(up)
		if up, err = t.loosen(parent); err != nil {
			return -1, err
		}
		err = makeEntry(up, name, dir)
	}
	unix.Close(up)
	if err != nil {
		return -1, startError(fringe.Unavailable, "the mount point %s cannot be made: %w", target, err)
	}
	return t.open(target)
}

// makeEntry makes an empty directory or an empty file in the directory dir.
func makeEntry(dir int, name string, isDir bool) error {
	if isDir {
		return unix.Mkdirat(dir, name, 0o755)
	}
	return unix.Mknodat(dir, name, unix.S_IFREG|0o644, 0)
}

// loosen lays a tmpfs over the read-only directory name and binds each of its
// entries there, so that entries can be added. It opens the new directory.
func (t *tree) loosen(name string) (int, error) {
	old, err := t.open(name)
	if err != nil {
		return -1, err
	}
	defer unix.Close(old)
	// The tree is below t.at as the host sees it; a descriptor's path leads
	// to the same directory whatever is laid over it.
	from := fmt.Sprintf("/proc/self/fd/%d", old)
	entries, err := os.ReadDir(from)
	if err != nil {
		return -1, startError(fringe.Unavailable, "the directory %s cannot be read to add a mount point: %w", name, err)
	}
	if err := t.cover(old); err != nil {
		return -1, startError(fringe.Unavailable, "no mount point can be added to %s: %w", name, err)
	}
	for _, e := range entries {
		src, dst := from+"/"+e.Name(), path.Join(name, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			err = t.relink(src, name, e.Name())
		case e.IsDir(), e.Type().IsRegular():
			err = t.graft(src, dst)
		}
		if err != nil {
			return -1, err
		}
	}
	return t.open(name)
}

// relink makes the symbolic link src of the host again as name in dir.
func (t *tree) relink(src, dir, name string) error {
	target, err := os.Readlink(src)
	if err != nil {
		return err
	}
	fd, err := t.open(dir)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Symlinkat(target, fd, name)
}
