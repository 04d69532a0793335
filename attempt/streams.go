package attempt

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fringe/cwl"
)

// What an error shows of the program's own words.
const (
	tailBytes = 4 << 10
	tailLines = 15
)

// streams are the standard streams of the instance.
type streams struct {
	in, out, err   *os.File
	outMax, errMax int64      // bytes that are kept; 0 is all
	own            []*os.File // to be closed
	errStart       int64      // where err stood at the start
	outStart       int64
}

func openStreams(r *Request, e *cwl.Execution, s *stage) (*streams, error) {
	st := &streams{out: r.Stdout, err: r.Stderr}
	// What the tool keeps is an output and not a log.
	if e.Stdout == "" {
		st.outMax = left(r.LogMax, st.out)
	}
	if e.Stderr == "" {
		st.errMax = left(r.LogMax, st.err)
	}
	if err := st.open(e, s); err != nil {
		st.close()
		return nil, err
	}
	st.errStart, st.outStart = size(st.err), size(st.out)
	return st, nil
}

// reopenStreams gives the streams of an instance that another process started,
// as far as they can be read.
func reopenStreams(r *Request, e *cwl.Execution, s *stage) *streams {
	st := &streams{out: r.Stdout, err: r.Stderr}
	root, err := os.OpenRoot(s.out)
	if err != nil {
		return st
	}
	defer root.Close()
	for _, k := range []struct {
		name string
		to   **os.File
	}{{e.Stdout, &st.out}, {e.Stderr, &st.err}} {
		if k.name == "" {
			continue
		}
		// The program may have put anything there.
		if *k.to, err = root.OpenFile(k.name, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
			st.own = append(st.own, *k.to)
		}
	}
	return st
}

func (st *streams) open(e *cwl.Execution, s *stage) error {
	if e.Stdin != "" {
		host, err := e.Locate(s.out, e.Stdin)
		if err != nil {
			return fmt.Errorf("standard input cannot be read from %s: %w", e.Stdin, err)
		}
		f, err := os.Open(host)
		if err != nil {
			return err
		}
		st.in, st.own = f, append(st.own, f)
	}
	root, err := os.OpenRoot(s.out)
	if err != nil {
		return err
	}
	defer root.Close()
	create := func(name string) (*os.File, error) {
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return nil, err
		}
		f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return nil, fmt.Errorf("the output %s cannot be kept: %w", name, err)
		}
		st.own = append(st.own, f)
		return f, nil
	}
	if e.Stdout != "" {
		if st.out, err = create(e.Stdout); err != nil {
			return err
		}
	}
	if e.Stderr == "" {
		return nil
	}
	if e.Stderr == e.Stdout {
		st.err = st.out
		return nil
	}
	st.err, err = create(e.Stderr)
	return err
}

// left gives how much of a bound a file still has room for, and at least a
// byte, for nothing would be no bound: what former attempts wrote is of the log.
func left(bound int64, f *os.File) int64 {
	if bound == 0 {
		return 0
	}
	return max(1, bound-max(0, size(f)))
}

func (st *streams) close() {
	for _, f := range st.own {
		f.Close()
	}
}

func size(f *os.File) int64 {
	if f == nil {
		return 0
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return -1
	}
	return info.Size()
}

// tail gives the last lines that the program wrote to its standard error; when
// there are none, to its standard output.
func (st *streams) tail() string {
	if t := tailOf(st.err, st.errStart); t != "" {
		return t
	}
	return tailOf(st.out, st.outStart)
}

func tailOf(f *os.File, start int64) string {
	end := size(f)
	if start < 0 || end <= start {
		return ""
	}
	// The stream may be open for writing only.
	r, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return ""
	}
	defer r.Close()
	start = max(start, end-tailBytes)
	text, err := io.ReadAll(io.NewSectionReader(r, start, end-start))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(string(text), "�")), "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}
