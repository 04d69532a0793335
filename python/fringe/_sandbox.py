"""System calls of Linux for which Python has no names: namespaces, mounts, privileges.

The fork server uses them; see ``fringe.zygote``. Every function raises OSError.
"""

import ctypes
import os

NEWNS, NEWIPC, NEWPID, NEWNET = 0x00020000, 0x08000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND = 1, 2, 4, 8, 32, 4096

_MOVE_MOUNT = 429  # the number is the same on every architecture
_FROM_DESCRIPTOR = 4  # MOVE_MOUNT_F_EMPTY_PATH
_AT_FDCWD = -100
_SET_DUMPABLE, _SET_NAME, _SET_SECCOMP, _DROP_BOUND, _NO_NEW_PRIVS = 4, 15, 22, 24, 38
_CAPABILITIES = 0x20080522  # version 3 of the interface
_SETPCAP, _SYS_ADMIN = 8, 21
_COLLAPSE = 25  # MADV_COLLAPSE, of Linux 6.1
_HUGE, _PAGE = 2 << 20, os.sysconf("SC_PAGE_SIZE")

_libc = ctypes.CDLL(None, use_errno=True)
_holding = ctypes.PyDLL(None, use_errno=True)  # calls it without letting other threads run


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _call(name, *args):
    if getattr(_libc, name)(*args) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")


def _prctl(option, value, *rest):
    _call("prctl", option, *(ctypes.c_ulong(x) if isinstance(x, int) else x for x in (value, *rest, 0, 0, 0)[:4]))


def unshare(flags):
    """New namespaces for this process; a PID namespace is for its children."""
    _call("unshare", flags)


def setns(fd, kind):
    """Enters the namespace of a descriptor."""
    _call("setns", fd, kind)


def mount(source, target, kind=None, flags=0, options=""):
    """Mounts as mount(2) does."""
    texts = [x if x is None else os.fsencode(x) for x in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def attach(fd, target):
    """Puts a detached mount at a path."""
    _call("syscall", ctypes.c_long(_MOVE_MOUNT), ctypes.c_int(fd), b"", ctypes.c_int(_AT_FDCWD), os.fsencode(target), ctypes.c_uint(_FROM_DESCRIPTOR))


def rest_privileges(resting):
    """Takes the capabilities out of effect, or puts those that are kept into effect."""
    header, sets = _Header(_CAPABILITIES, 0), (_Sets * 2)()
    _call("capget", ctypes.byref(header), sets)
    for s in sets:
        s.effective = 0 if resting else s.permitted
    _call("capset", ctypes.byref(header), sets)


def renounce(program):
    """Gives up every capability for good and goes behind the system call filter, an array of struct sock_filter.

    Of the bounding set the fork server has no more than the two that it uses.
    """
    for capability in (_SYS_ADMIN, _SETPCAP):
        _prctl(_DROP_BOUND, capability)
    _call("capset", ctypes.byref(_Header(_CAPABILITIES, 0)), (_Sets * 2)())
    _prctl(_NO_NEW_PRIVS, 1)
    code = ctypes.create_string_buffer(program, len(program))
    said = _Program(len(program) // 8, ctypes.cast(code, ctypes.c_void_p))
    _prctl(_SET_SECCOMP, 2, ctypes.byref(said))


def present(name, open):
    """Names this process; unless open, no other process of the same user may look into it."""
    _prctl(_SET_NAME, name.encode()[:15])
    _prctl(_SET_DUMPABLE, int(open))


def flush():
    """Writes out what C libraries hold back of their output."""
    _libc.fflush(None)


def fork():
    """Forks as the system does, without what modules have Python do then.

    The child goes on in the interpreter as it is, so that it neither ends it
    nor uses threads; os.fork in it makes a process that may.
    """
    pid = _holding.fork()
    if pid < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"fork: {os.strerror(code)}")
    return pid


def gather():
    """Puts memory of which most is used into huge pages, as far as the kernel does that.

    A fork then copies, and its end drops, one entry instead of 512. What a fork
    writes becomes its own in small pages all the same.
    """
    state = (ctypes.c_ubyte * (_HUGE // _PAGE))()
    with open("/proc/self/maps") as maps:
        lines = [line.split(None, 5) for line in maps]
    for place, rights, _, _, _, *name in lines:
        if rights != "rw-p" or name and name[0].strip() != "[heap]":
            continue
        begin, end = (int(x, 16) for x in place.split("-"))
        for at in range(-(-begin // _HUGE) * _HUGE, end - _HUGE + 1, _HUGE):
            where, size = ctypes.c_void_p(at), ctypes.c_size_t(_HUGE)
            if _libc.mincore(where, size, state) == 0 and sum(state) > len(state) // 2:
                _libc.madvise(where, size, _COLLAPSE)


def thread_setters():
    """Pairs of an environment variable and the function of a loaded library that sets the number of threads anew."""
    names = {
        "OMP_NUM_THREADS": ("omp_set_num_threads",),
        "OPENBLAS_NUM_THREADS": ("openblas_set_num_threads", "openblas_set_num_threads64_", "scipy_openblas_set_num_threads",
                                 "scipy_openblas_set_num_threads64_"),
    }
    paths = set()
    with open("/proc/self/maps") as maps:
        for line in maps:
            path = line.split(None, 5)[5].strip() if line.count("/") else ""
            if any(word in os.path.basename(path) for word in ("openblas", "libgomp", "libomp", "libiomp")):
                paths.add(path)
    found = []
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        found += [(variable, getattr(library, name)) for variable, all_ in names.items() for name in all_ if hasattr(library, name)]
    return found
