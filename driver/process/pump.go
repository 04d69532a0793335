package process

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A pump moves what the program writes to a stream into a file, up to a bound.
type pump struct {
	from *os.File   // what the program writes to leads here
	to   descriptor // init's own descriptor of the file
	keep int64      // bytes
	file *os.File   // the file itself; where the driver pumps
}

// pumps are those of an instance's standard output and error. A stream without
// a bound has none: the program writes to its file.
type pumps struct {
	program [2]uintptr // what becomes the program's descriptors 1 and 2
	all     []*pump
	theirs  []int // write ends, which are the program's only once it runs
	running sync.WaitGroup
}

// pumpPatience is how long what is still in the pipes may take to be written
// when every process of the instance has ended.
const pumpPatience = 10 * time.Second

// openPumps makes the pipes of the bounded streams.
func openPumps(o *order) (*pumps, error) {
	ps := &pumps{program: [2]uintptr{1, 2}}
	for i, keep := range o.Keep {
		if keep <= 0 {
			continue
		}
		if i == 1 && o.OneLog && len(ps.all) == 1 {
			ps.program[1] = ps.program[0]
			continue
		}
		var ends [2]int
		if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
			return nil, fmt.Errorf("no pipe for a log: %w", err)
		}
		to, err := unix.FcntlInt(uintptr(1+i), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("no descriptor for a log: %w", err)
		}
		// Only the end that init reads does not block: the runtime waits on it.
		if err := unix.SetNonblock(ends[0], true); err != nil {
			return nil, err
		}
		if o.FileSize > 0 { // init is under that limit too
			keep = min(keep, max(o.FileSize-int64(len(cutLine(most(keep)))), 0))
		}
		ps.all = append(ps.all, &pump{from: os.NewFile(uintptr(ends[0]), "stream"), to: descriptor(to), keep: keep})
		ps.theirs = append(ps.theirs, ends[1])
		ps.program[i] = uintptr(ends[1])
	}
	return ps, nil
}

// start lets the pumps run; the program has its ends.
func (ps *pumps) start() {
	for _, fd := range ps.theirs {
		unix.Close(fd)
	}
	for _, p := range ps.all {
		ps.running.Go(p.run)
	}
}

// finish waits until the pumps have moved all that the program wrote. A process
// outside of the instance that was given a stream does not hold it up for ever.
func (ps *pumps) finish() {
	for _, p := range ps.all {
		p.from.SetReadDeadline(time.Now().Add(pumpPatience))
	}
	ps.running.Wait()
}

// cutLine ends a log that is not kept whole.
func cutLine(why string) string { return "\n[the log is cut here: " + why + "]\n" }

// most is why a log is cut that has all that it may have.
func most(keep int64) string { return fmt.Sprintf("%d bytes of it are kept", keep) }

// run moves bytes until the stream ends. What cannot be kept, because there are
// too many or the disk is full, is dropped: a log never stops the program.
func (p *pump) run() {
	buffer := make([]byte, 64<<10)
	left, why, said := p.keep, most(p.keep), false
	for {
		n, err := p.from.Read(buffer)
		wrote, failed := p.to.Write(buffer[:min(int64(n), left)])
		left -= int64(wrote)
		if failed != nil {
			left, why = 0, failed.Error()
		}
		if n > wrote && !said {
			_, failed := p.to.Write([]byte(cutLine(why)))
			said = failed == nil
		}
		if err != nil {
			return
		}
	}
}
