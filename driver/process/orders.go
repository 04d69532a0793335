package process

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// An order is what the driver tells init to do. It goes over the control
// socket as one frame; the frame that follows is a goOrder.
type order struct {
	ID      fringe.InstanceID
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
	Conn     bool     // descriptor connFD is passed on
	FileSize int64    // bytes; 0 is no limit
	Memory   int64    // bytes that init watches over; 0 does not watch
	Pids     int      // tasks that init watches over; 0 does not watch
	Cores    []int    // the processors that may be used; empty is all
	Keep     [2]int64 // bytes that are kept of standard output and error; 0 is all
	OneLog   bool     // both streams are one file

	Role role // what the instance is for

	// Of a durable instance:
	Record string        // directory of the host for its records; "" when it is not durable
	Time   time.Duration // time limit that init keeps; 0 is none
	Begun  int64         // when it was asked for, on the monotonic clock
}

// A role says what an instance is for.
type role string

// The roles.
const (
	running role = ""      // it runs a program
	probing role = "probe" // everything is built, nothing is started
	nesting role = "nest"  // its program forks further instances (see Nest)
)

// goOrder follows an order: the limits are in force, the program may start. Of
// cgroups of version 1 there come along the descriptors by which init joins them
// and, when memory is bounded, those of memory.oom_control and of its event.
type goOrder struct {
	Doors int // how many of the descriptors are for joining
}

// The reports of init.
const (
	repBorn    = "born"    // a fork or a spare waits for its order
	repReady   = "ready"   // the tree is built; init waits for its goOrder
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
	CPU     int64       `json:",omitempty"` // nanoseconds of CPU of the tree
	Wall    int64       `json:",omitempty"` // nanoseconds; of a durable instance
	MaxRSS  int64       `json:",omitempty"` // bytes of the largest process
	Peak    int64       `json:",omitempty"` // bytes of the whole tree as watched; 0 when not watched
	Memory  bool        `json:",omitempty"` // init ended the tree because it met its memory limit
	Late    bool        `json:",omitempty"` // init ended the tree because it met order.Time
}

// maxFrame bounds one frame, against a reader that allocates without end.
const maxFrame = 64 << 20

// send writes v as one frame: four bytes of length, then JSON.
func send(w io.Writer, v any) error {
	frame, err := frameOf(v)
	if err == nil {
		_, err = w.Write(frame)
	}
	return err
}

func frameOf(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(text) > maxFrame {
		return nil, fmt.Errorf("the arguments and the environment have %d bytes; at most %d are possible", len(text), maxFrame)
	}
	frame := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)), uint32(len(text)))
	return append(frame, text...), nil
}

// receiveWith reads one frame into v and gives the descriptors that came with
// its header.
func receiveWith(control int, v any) (fds []int, err error) {
	var head [4]byte
	var rights [128]byte
	var n, m int
	for {
		n, m, _, _, err = unix.Recvmsg(control, head[:], rights[:], unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if err := receive(io.MultiReader(bytes.NewReader(head[:n]), descriptor(control)), v); err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil || len(messages) == 0 {
		return nil, err
	}
	return unix.ParseUnixRights(&messages[0])
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
