package process

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// denied are the system calls that fail with EPERM in an instance: those that
// change the machine, mounts or namespaces, reach other processes' secrets, or
// open large parts of the kernel that no tool needs.
var denied = []uint32{
	unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG,
	unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_SETHOSTNAME,
	unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG, unix.SYS_VHANGUP,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE,
}

// nestCalls are those that are denied too, but to a nest.
var nestCalls = []uint32{unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT, unix.SYS_SETNS}

// newNamespaces are the flags of clone and unshare that make namespaces.
// CLONE_NEWTIME is of unshare only: clone has the exit signal in its place.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// Offsets in struct seccomp_data of a little-endian machine.
const (
	dataNumber = 0
	dataArch   = 4
	dataArg0   = 16
)

// filter gives the BPF program that denies.
func filter(nest bool) ([]unix.SockFilter, error) {
	arch, ok := map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("there is no system call filter for %s", runtime.GOARCH)
	}
	const (
		load  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		bits  = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	)
	ret := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	perm := ret(unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM))
	none := ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	allow := ret(unix.SECCOMP_RET_ALLOW)
	prog := []unix.SockFilter{
		{Code: load, K: dataArch},
		{Code: equal, K: arch, Jt: 1},
		none, // another architecture's numbering
		{Code: load, K: dataNumber},
		{Code: above, K: 0x40000000, Jf: 1},
		none, // x32
		// The flags of clone3 are behind a pointer; libraries then use clone.
		{Code: equal, K: unix.SYS_CLONE3, Jf: 1},
		none,
	}
	refused := denied
	if !nest {
		refused = slices.Concat(denied, nestCalls)
	}
	for _, nr := range refused {
		prog = append(prog, unix.SockFilter{Code: equal, K: nr, Jf: 1}, perm)
	}
	if nest {
		return append(prog, allow), nil
	}
	for _, c := range []struct{ nr, flags uint32 }{
		{unix.SYS_CLONE, newNamespaces},
		{unix.SYS_UNSHARE, newNamespaces | unix.CLONE_NEWTIME},
	} {
		prog = append(prog,
			unix.SockFilter{Code: equal, K: c.nr, Jf: 4},
			unix.SockFilter{Code: load, K: dataArg0},
			unix.SockFilter{Code: bits, K: c.flags, Jf: 1},
			perm, allow)
	}
	return append(prog, allow), nil
}

// filterBytes gives the program as the kernel takes it.
func filterBytes(prog []unix.SockFilter) []byte {
	var b []byte
	for _, f := range prog {
		b = binary.LittleEndian.AppendUint16(b, f.Code)
		b = append(b, f.Jt, f.Jf)
		b = binary.LittleEndian.AppendUint32(b, f.K)
	}
	return b
}

// confine puts all threads of this process, and all that it starts, behind
// the filter. The calling thread has set no_new_privs.
func confine(nest bool) error {
	prog, err := filter(nest)
	if err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return fmt.Errorf("the system call filter: %w", errno)
	}
	return nil
}
