package process

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
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
	var r report
	messages, err := receiveMessage(conn, &r)
	if err != nil {
		return 0, err
	}
	if r.What != repBorn {
		return 0, fmt.Errorf("%s", r.Message)
	}
	for _, m := range messages {
		if cred, err := unix.ParseUnixCredentials(&m); err == nil {
			return int(cred.Pid), nil
		}
	}
	return 0, fmt.Errorf("the kernel does not say which process it is")
}

// receiveRights reads one frame into v and gives the descriptors that came with
// its beginning.
func receiveRights(conn *net.UnixConn, v any) (fds []int, err error) {
	messages, err := receiveMessage(conn, v)
	for _, m := range messages {
		if some, e := unix.ParseUnixRights(&m); e == nil {
			fds = append(fds, some...)
		}
	}
	return fds, err
}

// receiveMessage reads one frame into v and gives what came with its beginning.
func receiveMessage(conn *net.UnixConn, v any) ([]unix.SocketControlMessage, error) {
	var head [4]byte
	oob := make([]byte, 256)
	n, oobn, _, _, err := conn.ReadMsgUnix(head[:], oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, err
	}
	return messages, receive(io.MultiReader(bytes.NewReader(head[:n]), conn), v)
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
