package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"fringe"
)

// A spare is an init that stands by for the next instance: it runs and has its
// namespaces, which takes far longer than what depends on the instance. It sees
// what this process mounts meanwhile, and ends with this process.
type spare struct {
	control *net.UnixConn
	init    *os.Process
}

// standby begins the name of a spare in its command line; no instance has such a
// name. Padding gives it room for any.
const (
	standby  = "standby."
	maxID    = 128
	cmdAdopt = "adopt" // precedes the order of a spare; with it come the program's 0, 1 and 2
)

// Run keeps inits ready until ctx ends, as many as the configuration says from
// the first start of an instance on that one could have served.
func (d *Driver) Run(ctx context.Context) error {
	d.standing.Store(d.spares > 0 && Private() && d.cgroups.version != 2)
	for n := 0; ; {
		select {
		case <-ctx.Done():
			d.standing.Store(false)
			d.dismiss()
			return nil
		case <-d.missing:
		}
		for len(d.ready) < d.spares && ctx.Err() == nil {
			n++
			s, err := d.ahead(n)
			if err != nil {
				d.log.Warn("no init stands by", "err", err)
				break
			}
			d.ready <- s
		}
	}
}

// dismiss ends the spares.
func (d *Driver) dismiss() {
	for {
		select {
		case s := <-d.ready:
			if err := d.instanceOf(s).discard(); err != nil {
				d.log.Error("a spare left something behind", "err", err)
			}
		default:
			return
		}
	}
}

// ahead starts the n-th spare.
func (d *Driver) ahead(n int) (*spare, error) {
	name := fmt.Sprintf("%s%d", standby, n)
	in := &instance{d: d, spec: fringe.Spec{ID: fringe.InstanceID(name)}, done: make(chan struct{})}
	if err := d.spawn(in, name+strings.Repeat(" ", maxID-len(name)), d.attributes(&in.spec, false)); err != nil {
		return nil, errors.Join(err, in.discard())
	}
	return &spare{in.control, in.init}, nil
}

func (d *Driver) instanceOf(s *spare) *instance {
	return &instance{d: d, control: s.control, init: s.init}
}

// standsFor says whether a spare can be the init of an instance.
func (d *Driver) standsFor(s *fringe.Spec) bool {
	return d.standing.Load() && s.Conn == nil && d.attributes(s, false).Cloneflags == d.attributes(&fringe.Spec{}, false).Cloneflags
}

// adopt makes a spare the init of in, when there is one that can be. Without
// one in is as it was.
func (d *Driver) adopt(ctx context.Context, in *instance) bool {
	if !d.standsFor(&in.spec) {
		return false
	}
	for ctx.Err() == nil {
		select {
		case s := <-d.ready:
			err := s.serve(ctx, in)
			if err == nil {
				in.control, in.init = s.control, s.init
				return true
			}
			d.log.Warn("a spare cannot be used", "instance", in.spec.ID, "err", errors.Join(err, d.instanceOf(s).discard()))
		default:
			return false
		}
	}
	return false
}

// replace has Run make a spare for the next instance like s.
func (d *Driver) replace(s *fringe.Spec) {
	if !d.standsFor(s) {
		return
	}
	select {
	case d.missing <- struct{}{}:
	default:
	}
}

// serve gives a spare the streams of in. The spare has answered then: it lives.
// When ctx ends it does not.
func (s *spare) serve(ctx context.Context, in *instance) error {
	defer context.AfterFunc(ctx, func() { s.init.Kill() })()
	files, null, err := streams(&in.spec)
	if err != nil {
		return err
	}
	defer null.Close()
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if err := sendWith(s.control, cmdAdopt, fds); err != nil {
		return err
	}
	return in.d.instanceOf(s).expect(repBorn)
}

// standBy is the part of init's life as a spare: it waits for the streams of
// its instance, and makes meanwhile what the order needs cheap.
func standBy() {
	rehearse()
	var said string
	fds, err := receiveWith(controlFD, &said)
	if err != nil || len(fds) != 3 {
		os.Exit(1) // the driver is gone
	}
	for i, fd := range fds {
		if err := unix.Dup3(fd, i, 0); err != nil {
			fail(err)
		}
		unix.Close(fd)
	}
	tell(report{What: repBorn})
}

// rehearse reads an order, as the first one costs most.
func rehearse() {
	frame, err := json.Marshal(order{Layers: []string{"/"}, Mounts: []fringe.Mount{{Source: "/", Target: "/"}}, Argv: []string{"/"}, Env: []string{"A=B"}})
	if err == nil {
		var o order
		err = json.Unmarshal(frame, &o)
	}
	if err != nil {
		fail(err)
	}
}

// takeName writes the instance's name into this process's command line, where
// Sweep of a later driver reads it. The kernel shows the memory of the
// arguments itself, which the runtime does not copy.
func takeName(id fringe.InstanceID) {
	name := os.Args[2]
	at := unsafe.Slice(unsafe.StringData(name), len(name))
	clear(at[copy(at, id):])
}
