package process

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"fringe"
)

// An order is what the driver tells init to do. It goes over the control
// socket as one frame; the frames that follow are commands.
type order struct {
	Base    string // directory of the host at which the root is put together
	Root    string // "/" is the host's own
	Layers  []string
	Mounts  []fringe.Mount
	Hidden  []string
	Tmp     string // directory of the host that becomes /tmp; "" keeps /tmp in memory
	TmpSize int64  // bytes of a /tmp in memory; 0 is the kernel's default
	Network bool

	Argv     []string
	Env      []string
	Dir      string
	Conn     bool  // descriptor connFD is passed on
	FileSize int64 // bytes; 0 is no limit
	Memory   int64 // bytes that init watches over; 0 does not watch
	Pids     int   // tasks that init watches over; 0 does not watch
	Cores    []int // the processors that may be used; empty is all

	Probe bool // build everything, start nothing
}

// The commands that follow an order.
const (
	cmdGo   = "go"   // the limits are in force: start the program
	cmdTerm = "term" // send SIGTERM to every process
)

// The reports of init.
const (
	repReady   = "ready"   // the tree is built; init waits for cmdGo
	repStarted = "started" // the program runs
	repFailed  = "failed"  // Kind and Message say why; init ends
	repEnded   = "ended"   // the program ended; init ends
)

// A report is what init tells the driver.
type report struct {
	What    string
	Kind    fringe.Kind `json:",omitempty"`
	Message string      `json:",omitempty"`
	Status  int         `json:",omitempty"` // wait status of the program
	Own     int64       `json:",omitempty"` // nanoseconds of CPU that init itself used
	MaxRSS  int64       `json:",omitempty"` // bytes of the largest process
	Peak    int64       `json:",omitempty"` // bytes of the whole tree as watched; 0 when not watched
	Memory  bool        `json:",omitempty"` // init ended the tree because it met order.Memory
}

// maxFrame bounds one frame, against a reader that allocates without end.
const maxFrame = 64 << 20

// send writes v as one frame: four bytes of length, then JSON.
func send(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(text) > maxFrame {
		return fmt.Errorf("the arguments and the environment have %d bytes; at most %d are possible", len(text), maxFrame)
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text)))
	_, err = w.Write(append(frame, text...))
	return err
}

// receive reads one frame into v.
func receive(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > maxFrame {
		return fmt.Errorf("a frame of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
