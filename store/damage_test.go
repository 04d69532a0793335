package store_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/store"
)

// TestMain lets the test binary stand for another process: one that writes
// until it is killed, or one that holds a directory.
func TestMain(m *testing.M) {
	role, dir, _ := strings.Cut(os.Getenv("FRINGE_STORE_TEST"), ":")
	switch role {
	case "write":
		writeForEver(dir)
	case "lock":
		holdLock(dir)
	case "open":
		openOnce(dir)
	}
	os.Exit(m.Run())
}

// helper starts the test binary in a role.
func helper(t *testing.T, role, dir string, user uint32) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "FRINGE_STORE_TEST="+role+":"+dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if user != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: user, Gid: user}
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	return cmd, bufio.NewReader(out)
}

// writeForEver writes from several goroutines and tells each name once it is
// acknowledged.
func writeForEver(dir string) {
	s, err := store.Open(background(), store.Config{Path: filepath.Join(dir, "fringe.db")})
	if err == nil {
		err = s.Migrate(background(), testTables)
	}
	if err != nil {
		fmt.Println("ERROR", err)
		os.Exit(1)
	}
	for w := range 8 {
		go func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				if err := insert(s, name); err != nil {
					fmt.Println("ERROR", err)
					os.Exit(1)
				}
				os.Stdout.WriteString("ack " + name + "\n") // one write a line
			}
		}()
	}
	select {}
}

// TestKill kills a writing process at random instants. What it acknowledged is
// there, and the store opens each time.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	acknowledged := map[string]bool{}
	for range 12 {
		cmd, out := helper(t, "write", dir, 0)
		for first := true; ; first = false {
			line, err := out.ReadString('\n')
			if err != nil {
				break
			}
			if first { // its life is counted from its first write
				time.AfterFunc(time.Duration(20+rand.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
			}
			name, ok := strings.CutPrefix(strings.TrimSpace(line), "ack ")
			if !ok {
				t.Fatalf("the writer says %q", line)
			}
			acknowledged[name] = true
		}
		cmd.Wait()
	}
	s := open(t, filepath.Join(dir, "fringe.db"))
	have := map[string]bool{}
	err := s.View(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(`SELECT name FROM items`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			have[name] = true
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for name := range acknowledged {
		if !have[name] {
			lost++
		}
	}
	if lost > 0 || len(acknowledged) < 100 {
		t.Errorf("of %d acknowledged rows %d are lost", len(acknowledged), lost)
	}
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	t.Logf("12 kills, %d acknowledged rows, %d more were written and not told", len(acknowledged), len(have)-len(acknowledged))
}

func holdLock(dir string) {
	l, err := store.LockDir(dir)
	if err != nil {
		fmt.Println("ERROR", err)
		os.Exit(1)
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
	l.Unlock()
}

func TestLockDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	cmd, out := helper(t, "lock", dir, 0)
	if line, err := out.ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatal(line, err)
	}
	_, err := store.LockDir(dir)
	wantError(t, err, fringe.Conflict, dir, fmt.Sprintf("process %d", cmd.Process.Pid), fmt.Sprintf("kill %d", cmd.Process.Pid))
	cmd.Process.Kill()
	cmd.Wait()
	l, err := store.LockDir(dir)
	if err != nil {
		t.Fatalf("LockDir after the holder was killed = %v", err)
	}
	_, err = store.LockDir(dir)
	wantError(t, err, fringe.Conflict, fmt.Sprintf("process %d", os.Getpid()))
	if err := errors.Join(l.Unlock(), l.Unlock()); err != nil {
		t.Error(err)
	}
	if l, err = store.LockDir(dir); err != nil {
		t.Fatal(err)
	}
	l.Unlock()
	// What the dead server was starting holds the lock a moment longer.
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0); err != nil {
		t.Fatal(err)
	}
	started := exec.Command("sleep", "0.3")
	started.ExtraFiles = []*os.File{f}
	if err := started.Start(); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if l, err = store.LockDir(dir); err != nil {
		t.Fatalf("LockDir while what the dead holder started has it = %v", err)
	}
	l.Unlock()
	started.Wait()
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	_, err = store.LockDir(file)
	wantError(t, err, fringe.NotFound, file)
}

// A server that was killed, and that nobody has waited for yet, leaves the lock
// with a process that it was just starting.
func TestLockDirOfAKilledServer(t *testing.T) {
	dir := t.TempDir()
	cmd, out := helper(t, "lock", dir, 0)
	if line, err := out.ReadString('\n'); err != nil || line != "locked\n" {
		t.Fatal(line, err)
	}
	cmd.Process.Kill()
	if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	started := exec.Command("cat")
	started.ExtraFiles = []*os.File{f}
	until, err := started.StdinPipe()
	if err == nil {
		err = started.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer started.Wait()
	f.Close()
	took := make(chan error)
	go func() {
		l, err := store.LockDir(dir)
		if err == nil {
			err = l.Unlock()
		}
		took <- err
	}()
	select {
	case err := <-took:
		t.Errorf("LockDir while a process that the killed server started has it = %v, want it to wait", err)
		until.Close()
	case <-time.After(100 * time.Millisecond): // it waits
		until.Close()
		if err := <-took; err != nil {
			t.Errorf("LockDir once that process has let go = %v", err)
		}
	}
}

// filled makes a closed store of about 200 kB and gives its path.
func filled(t *testing.T, rows int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fringe.db")
	s := open(t, path)
	err := s.Update(t.Context(), func(tx *store.Tx) error {
		for i := range rows {
			if _, err := tx.Exec(`INSERT INTO items (name, body) VALUES (?, ?)`, fmt.Sprintf("row%06d", i), bytes.Repeat([]byte{byte(i)}, 2000)); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func openError(path string) error {
	s, err := store.Open(background(), store.Config{Path: path})
	if err == nil {
		s.Close()
	}
	return err
}

func TestDamagedStore(t *testing.T) {
	garbage := func(b []byte) {
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
	}
	for name, harm := range map[string]func(b []byte) []byte{
		"garbage":           func(b []byte) []byte { garbage(b); return b },
		"text":              func([]byte) []byte { return []byte("this is no database") },
		"garbage in header": func(b []byte) []byte { garbage(b[:100]); return b },
		"garbage in schema": func(b []byte) []byte { garbage(b[100:4096]); return b },
		"garbage in a page": func(b []byte) []byte { garbage(b[3*4096 : 5*4096]); return b },
		"zeros in a page":   func(b []byte) []byte { clear(b[2*4096 : 20*4096]); return b },
		"cut in a page":     func(b []byte) []byte { return b[:len(b)/2+100] },
		"cut after a page":  func(b []byte) []byte { return b[:8192] },
		"only a header":     func(b []byte) []byte { return b[:100] },
		"half a header":     func(b []byte) []byte { return b[:50] },
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t, 100)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			os.WriteFile(path, harm(b), 0o600)
			wantError(t, openError(path), fringe.Unavailable, "is damaged", path, "backup", "fringe.db-wal"[9:])
		})
	}
	t.Run("large, found when it is read", func(t *testing.T) {
		path := filled(t, 2000)
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		junk := make([]byte, 100*4096)
		garbage(junk)
		f.WriteAt(junk, 300*4096)
		f.Close()
		s, err := store.Open(t.Context(), store.Config{Path: path})
		if err != nil {
			t.Fatalf("Open() = %v; a large store is not read whole at the start", err)
		}
		defer s.Close()
		wantError(t, s.Check(t.Context()), fringe.Unavailable, "is damaged")
		wantError(t, s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`UPDATE items SET body = ? WHERE name >= 'row'`, []byte("x"))
			return err
		}), fringe.Unavailable, "is damaged")
	})
	t.Run("another program's", func(t *testing.T) {
		path := filled(t, 1)
		b, _ := os.ReadFile(path)
		copy(b[68:], "Xxxx")
		os.WriteFile(path, b, 0o600)
		wantError(t, openError(path), fringe.Conflict, "is not a store of Fringe")
		wantError(t, openError(t.TempDir()), fringe.Conflict, "is not a store of Fringe")
	})
	t.Run("interrupted at its birth", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fringe.db")
		os.WriteFile(path, nil, 0o600)
		open(t, path)
	})
}

// TestReadOnly has a file system that cannot be written, for root too.
func TestReadOnly(t *testing.T) {
	needRoot(t)
	path := filled(t, 5)
	dir := filepath.Dir(path)
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	wantError(t, openError(path), fringe.Unavailable, "cannot be written", dir)
	wantError(t, openError(filepath.Join(dir, "other.db")), fringe.Unavailable, "cannot be written")
	_, err := store.LockDir(dir)
	wantError(t, err, fringe.Unavailable, "cannot be written")
	s, err := store.Open(t.Context(), store.Config{Path: path, ReadOnly: true})
	if err != nil {
		t.Fatalf("Open(ReadOnly) = %v", err)
	}
	defer s.Close()
	if n := count(t, s); n != 5 {
		t.Errorf("count = %d, want 5", n)
	}
	if err := insert(s, "x"); fringe.KindOf(err) != fringe.Unavailable {
		t.Errorf("Update of a store opened for reading = %v", err)
	}
	if _, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "none"), ReadOnly: true}); fringe.KindOf(err) != fringe.NotFound {
		t.Errorf("Open(ReadOnly) of nothing = %v", err)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts file systems and needs root: run the tests as root")
	}
}

func openOnce(path string) {
	fmt.Println(openError(path))
	os.Exit(0)
}

// TestOtherUser opens the store as a user who may read the file and not write
// it, and as one who may not even read it.
func TestOtherUser(t *testing.T) {
	needRoot(t)
	path := filled(t, 5)
	for p := filepath.Dir(path); len(p) > len("/tmp"); p = filepath.Dir(p) {
		os.Chmod(p, 0o755)
	}
	for _, mode := range []os.FileMode{0o644, 0o600} {
		os.Chmod(path, mode)
		_, out := helper(t, "open", path, 65534)
		if line, err := out.ReadString('\n'); err != nil || !strings.Contains(line, "cannot be written") {
			t.Errorf("Open of a file with mode %o by another user = %q, %v", mode, line, err)
		}
	}
}

func TestFullDisk(t *testing.T) {
	needRoot(t)
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(small, unix.MNT_DETACH) })
	s := open(t, filepath.Join(small, "fringe.db"))
	acknowledged := 0
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = s.Update(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(`INSERT INTO items (name, body) VALUES (?, ?)`, fmt.Sprint(i), make([]byte, 10_000))
			return err
		})
		if err == nil {
			acknowledged++
		}
	}
	wantError(t, err, fringe.Unavailable, "no space is left", "nothing that was acknowledged is lost")
	if n := count(t, s); n != acknowledged {
		t.Errorf("%d rows, %d were acknowledged", n, acknowledged)
	}
	if err := unix.Mount("", small, "", unix.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if err := insert(s, "after"); err != nil {
		t.Errorf("Update with space again = %v", err)
	}
	s.Close()
	if n := count(t, open(t, filepath.Join(small, "fringe.db"))); n != acknowledged+1 {
		t.Errorf("after reopening %d rows, want %d", n, acknowledged+1)
	}
	full := t.TempDir()
	if err := unix.Mount("tmpfs", full, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(full, unix.MNT_DETACH) })
	os.WriteFile(filepath.Join(full, "filler"), make([]byte, 4096), 0o600)
	wantError(t, openError(filepath.Join(full, "fringe.db")), fringe.Unavailable, "no space is left")
}
