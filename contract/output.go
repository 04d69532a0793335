package contract

import (
	"io"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"fringe"
)

const tailSize = 2 << 10 // bytes kept of the end of an instance's output

// memory is the stdout and stderr of a worker: a file in memory, which the
// worker empties into the log of each call. What is left in it is of a start
// that failed or of a crash.
type memory struct {
	nothing
	file *os.File

	mu   sync.Mutex // guards tail
	tail tail       // of what the worker told while it loaded
}

func newMemory() (*memory, error) {
	fd, err := unix.MemfdCreate("output", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, unix.O_APPEND); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &memory{file: os.NewFile(uintptr(fd), "output")}, nil
}

func (m *memory) Write(b []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail.add(b)
	return len(b), nil
}

func (m *memory) last() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	told := slices.Clone(m.tail)
	if info, err := m.file.Stat(); err == nil && info.Size() > 0 {
		b := make([]byte, min(info.Size(), tailSize))
		n, _ := m.file.ReadAt(b, info.Size()-int64(len(b)))
		told.add(b[:n])
	}
	return string(told)
}

func (m *memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail = nil
}

func (m *memory) close() { m.file.Close() }

// tail is the end of what was added.
type tail []byte

func (t *tail) add(b []byte) {
	if n := len(b); n >= tailSize {
		*t = append((*t)[:0], b[n-tailSize:]...)
		return
	}
	*t = append(*t, b...)
	if extra := len(*t) - tailSize; extra > 0 {
		*t = slices.Delete(*t, 0, extra)
	}
}

// output hands what an instance writes on stdout and stderr to the logs of the
// calls that it handles, as it comes.
type output struct {
	file  *os.File // read end of the pipe
	raw   syscall.RawConn
	drain func(fd uintptr)

	mu   sync.Mutex // guards all below
	buf  []byte
	logs []io.Writer
	tail tail
	end  bool
}

// newOutput gives an output and the descriptor for the instance's stdout and stderr.
func newOutput() (*output, *os.File, error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(p[0], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, nil, err
	}
	o := &output{file: os.NewFile(uintptr(p[0]), "output"), buf: make([]byte, 4<<10)}
	raw, err := o.file.SyscallConn()
	if err != nil {
		o.file.Close()
		unix.Close(p[1])
		return nil, nil, err
	}
	o.raw, o.drain = raw, func(fd uintptr) { o.take(int(fd)) }
	return o, os.NewFile(uintptr(p[1]), "output"), nil
}

// run forwards until the instance has closed its end.
func (o *output) run() {
	for {
		err := o.raw.Read(func(fd uintptr) bool {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.take(int(fd)) || o.end
		})
		o.mu.Lock()
		end := o.end
		o.mu.Unlock()
		if err != nil || end {
			return
		}
	}
}

// take forwards what is there; false when nothing was. The caller holds mu.
func (o *output) take(fd int) bool {
	some := false
	for {
		n, err := unix.Read(fd, o.buf)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN {
			return some
		}
		if err != nil || n == 0 {
			o.end = true
			return some
		}
		some = true
		o.forward(o.buf[:n])
	}
}

func (o *output) forward(b []byte) {
	for _, w := range o.logs {
		w.Write(b)
	}
	o.tail.add(b)
}

// Write forwards what came by another way.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forward(b)
	return len(b), nil
}

// begin adds the log of a call.
func (o *output) begin(log io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.logs = append(o.logs, log)
}

// finish forwards what the call still wrote and takes its log away.
func (o *output) finish(log io.Writer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.end {
		o.raw.Control(o.drain)
	}
	if i := slices.Index(o.logs, log); i >= 0 {
		o.logs = slices.Delete(o.logs, i, i+1)
	}
}

// last gives the end of the output, from the beginning of a line when it can.
func (o *output) last() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.end {
		o.raw.Control(o.drain)
	}
	return string(o.tail)
}

func (o *output) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tail = nil
}

func (o *output) close() { o.file.Close() }

// plumb gives the spec a pipe for its output and returns the reading side, and
// a function that closes the instance's end once the instance has it.
func plumb(s *fringe.Spec) (*output, func(), error) {
	out, file, err := newOutput()
	if err != nil {
		return nil, nil, err
	}
	if s.Stdout == nil {
		s.Stdout = file
	}
	if s.Stderr == nil {
		s.Stderr = file
	}
	return out, func() { file.Close() }, nil
}
