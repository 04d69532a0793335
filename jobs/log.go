package jobs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fringe"
)

// Stream names one of the two streams of a log.
type Stream string

// The streams.
const (
	Stdout Stream = "stdout"
	Stderr Stream = "stderr"
)

// MaxLog bounds the bytes of each stream of a job's log; what comes after is dropped, and a
// last line says so.
const MaxLog = 64 << 20

// followEvery is how often a followed log is looked at.
const followEvery = 150 * time.Millisecond

// Log takes what one job writes. The files of OpenLog are pipes: a goroutine
// moves what comes to the disk, so that the bound holds whatever the writer
// does.
type Log struct {
	stdout, stderr *os.File
	pumps          sync.WaitGroup
	close          sync.Once
}

// Stdout is where the job's standard output goes.
func (l *Log) Stdout() *os.File { return l.stdout }

// Stderr is where its standard error goes.
func (l *Log) Stderr() *os.File { return l.stderr }

// Close ends the log when every process that writes to it has ended. It is
// harmless twice.
func (l *Log) Close() (err error) {
	l.close.Do(func() {
		err = errors.Join(l.stdout.Close(), l.stderr.Close())
		l.pumps.Wait()
	})
	return err
}

// OpenFiles gives the log of a job as the files themselves, for a program that
// outlives the server. Who lets it write keeps the bound.
func (j *Jobs) OpenFiles(id fringe.CallID) (*Log, error) {
	const op = "jobs.OpenFiles"
	dir, err := j.logDir(id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	l := &Log{}
	for _, s := range []struct {
		name Stream
		file **os.File
	}{{Stdout, &l.stdout}, {Stderr, &l.stderr}} {
		f, err := os.OpenFile(filepath.Join(dir, string(s.name)), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
		if err != nil {
			l.stdout.Close() // harmless when it is not open
			return nil, fringe.E(op, err)
		}
		*s.file = f
	}
	return l, nil
}

// OpenLog makes the log of a job; an older one of the same id goes on.
func (j *Jobs) OpenLog(id fringe.CallID) (*Log, error) {
	const op = "jobs.OpenLog"
	dir, err := j.logDir(id)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	l := &Log{}
	if l.stdout, err = l.pump(filepath.Join(dir, string(Stdout))); err != nil {
		return nil, fringe.E(op, err)
	}
	if l.stderr, err = l.pump(filepath.Join(dir, string(Stderr))); err != nil {
		l.stdout.Close()
		return nil, fringe.E(op, err)
	}
	return l, nil
}

// pump gives a pipe whose bytes go to the file at path, up to the bound.
func (l *Log) pump(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	room := max(0, MaxLog-st.Size()) // what former attempts wrote is of the log
	r, w, err := os.Pipe()
	if err != nil {
		f.Close()
		return nil, err
	}
	l.pumps.Go(func() {
		defer r.Close()
		defer f.Close()
		// A full disk must not stop the tool: what cannot be kept is dropped.
		if n, err := io.Copy(f, io.LimitReader(r, room)); err == nil && n < room {
			return
		}
		if n, _ := io.Copy(io.Discard, r); n > 0 {
			fmt.Fprintf(f, "\n[the log is cut here: %d bytes more were written]\n", n)
		}
	})
	return w, nil
}

// logDir gives the directory of a job's log. An id that is no ULID has none.
func (j *Jobs) logDir(id fringe.CallID) (string, error) {
	if len(id) != 26 || strings.Trim(string(id), "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
		return "", fringe.Errorf("jobs.logDir", fringe.NotFound, "there is no job %q", id)
	}
	return filepath.Join(j.dir, string(id)), nil
}

// HasLog says whether the call wrote anything.
func (j *Jobs) HasLog(id fringe.CallID) bool {
	dir, err := j.logDir(id)
	if err != nil {
		return false
	}
	_, err = os.Stat(dir)
	return err == nil
}

// CopyLog writes the streams of a log to w. With a done channel it goes on as
// they grow, until the channel is closed.
func (j *Jobs) CopyLog(ctx context.Context, id fringe.CallID, streams []Stream, w io.Writer, done <-chan struct{}) error {
	dir, err := j.logDir(id)
	if err != nil {
		return err
	}
	read := make([]int64, len(streams))
	copyNew := func() error {
		for i, s := range streams {
			n, err := copyFrom(w, filepath.Join(dir, string(s)), read[i])
			read[i] += n
			if err != nil {
				return err
			}
		}
		return nil
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for done != nil {
		if err := copyNew(); err != nil {
			return err
		}
		select {
		case <-done:
			done = nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return copyNew()
}

// FollowLog writes the streams of a job's log to w as they grow, until the job
// has ended.
func (j *Jobs) FollowLog(ctx context.Context, id fringe.CallID, streams []Stream, w io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.Wait(ctx, id, "") // an error is met again by who copies
	}()
	return j.CopyLog(ctx, id, streams, w, done)
}

// NewOutput gives what a stream got after the offset, at most the last n bytes
// of it, and its size now.
func (j *Jobs) NewOutput(id fringe.CallID, s Stream, offset, n int64) (text []byte, size int64) {
	dir, err := j.logDir(id)
	if err != nil {
		return nil, offset
	}
	path := filepath.Join(dir, string(s))
	info, err := os.Stat(path)
	if err != nil || info.Size() == offset {
		return nil, offset
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, offset
	}
	defer f.Close()
	text = make([]byte, min(n, max(0, info.Size()-offset)))
	k, err := f.ReadAt(text, info.Size()-int64(len(text)))
	if err != nil && err != io.EOF {
		return nil, offset
	}
	return text[:k], info.Size()
}

// Tail gives the last lines of a stream, at most n bytes of them.
func (j *Jobs) Tail(id fringe.CallID, s Stream, n int64) string {
	dir, err := j.logDir(id)
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Join(dir, string(s)))
	if err != nil {
		return ""
	}
	defer f.Close()
	cut := false
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		cut = size > n
		if _, err := f.Seek(max(0, size-n), io.SeekStart); err != nil {
			return ""
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, n))
	if err != nil {
		return ""
	}
	text := string(b)
	if cut {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimSpace(strings.ToValidUTF8(text, "?"))
}

// copyFrom writes the file's bytes from offset on; a file that is not there
// has none.
func copyFrom(w io.Writer, path string, offset int64) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return 0, err
	}
	return io.Copy(w, f)
}

// ReadLog gives at most n bytes of a stream from offset on; none when there are
// no more yet.
func (j *Jobs) ReadLog(id fringe.CallID, s Stream, offset, n int64) ([]byte, error) {
	const op = "jobs.ReadLog"
	dir, err := j.logDir(id)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(dir, string(s)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fringe.E(op, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, offset, n))
	if err != nil {
		return nil, fringe.E(op, err)
	}
	return b, nil
}
