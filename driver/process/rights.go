package process

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// onSocket calls f with the descriptor of c, which stays open meanwhile.
func onSocket(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// sendWith writes v as one frame, with descriptors that come along with its
// header.
func sendWith(conn *net.UnixConn, v any, fds []int) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(head, rights, nil); err != nil {
		return err
	}
	_, err = conn.Write(text)
	return err
}

// receiveBorn reads the first report of a fork and gives the number of its
// process, as the kernel says it and as this process sees it.
func receiveBorn(conn *net.UnixConn) (pid int, err error) {
	frame, oob := make([]byte, 4096), make([]byte, 256)
	n, oobn, _, _, err := conn.ReadMsgUnix(frame, oob)
	if err != nil {
		return 0, err
	}
	if n < 4 || n != 4+int(binary.LittleEndian.Uint32(frame)) {
		return 0, fmt.Errorf("the first report has %d bytes", n)
	}
	var r report
	if err := json.Unmarshal(frame[4:n], &r); err != nil {
		return 0, err
	}
	if r.What != repBorn {
		return 0, fmt.Errorf("%s", r.Message)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, err
	}
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			return int(cred.Pid), nil
		}
	}
	return 0, fmt.Errorf("the kernel does not say which process it is")
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
