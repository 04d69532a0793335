"""The fork server: a process that has imported what calls need, and forks for each.

``python3 -m fringe.zygote`` speaks with the process driver over descriptor 3.
A frame is its length (4 bytes, little endian) and JSON; descriptors come along
with the length. The zygote runs in a user namespace of its own with the
capabilities to make namespaces. While it imports they are not in effect, and it
runs no code of a function.

For each socket that the driver sends, the zygote forks. The child is **init**:
process 1 of a new PID namespace with mounts, IPC and network of its own. It puts
the mounts in place that the driver hands over, and, once its
limits are in force, joins its cgroups and forks the **program**, which gives up every privilege for good,
loads its function and stands by. The driver gets a socket of the program: it mounts
what belongs to the call and gives the rest to the program, with no step between.
Init reaps what is left to it and tells how the program ended; its own end ends
all that is left of the call.

=========  =====================================================================
driver     nestOrder → zygote
zygote     ready with Unsafe, Seconds; or failed with Message, Traceback
driver     {} with a socket → zygote: fork. All that follows is on that socket
driver     forkOrder → init
init       born
driver     goOrder → init: the limits are in force
init       ready with Places; the program's socket and mounts of the places come along
driver     callOrder → program
driver     beganOrder → init: the program has its call
init       ended with Status and what was used
=========  =====================================================================
"""

import atexit
import base64
import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import traceback

from fringe import _sandbox as sandbox
from fringe import run, worker
from fringe._handler import load, trim

CONTROL = 3
LENGTH = struct.Struct("<I")
MOST = 253  # descriptors in one message
CALL = 16 << 10  # bytes that hold most calls
PLACE = sandbox.NOSUID | sandbox.NODEV
WATCH = 0.025  # seconds between two looks at a tree that no cgroup bounds
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def send(sock, value, fds=()):
    """Writes one frame."""
    text = json.dumps(value).encode()
    if fds:
        socket.send_fds(sock, [LENGTH.pack(len(text))], fds)
        sock.sendall(text)
    else:
        sock.sendall(LENGTH.pack(len(text)) + text)


def receive(sock, first=LENGTH.size):
    """One frame and the descriptors that came along; (None, []) at the end. No other frame is in the first bytes."""
    try:
        text, fds, _, _ = socket.recv_fds(sock, first, MOST)
        while (missing := LENGTH.size - len(text)) > 0 or (missing := missing + LENGTH.unpack_from(text)[0]) > 0:
            piece = sock.recv(missing)
            if not piece:
                return None, []
            text += piece
    except ConnectionError:
        return None, []
    return json.loads(text[LENGTH.size:]), fds


# A fork that stands by rehearses: it goes through what a call does, so that its
# memory is its own by then. Every page that it writes for the first time costs
# a copy, and Python writes to what it only uses.


def rehearsal(order):
    """A call of the kind that brings nothing."""
    return {"Streams": [1, 2], "Dir": "/tmp", "Env": (order["Env"] or [])[:1], "Unset": None, "FileSize": 0, "Cores": None}


# The zygote.


def main():
    control = socket.socket(fileno=CONTROL)
    control.set_inheritable(False)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY)
    said, _ = receive(control)
    if said is None:
        return
    sandbox.rest_privileges(True)
    begin = time.monotonic()
    try:
        preload(said["Preload"] or ())
    except BaseException as err:
        send(control, {"What": "failed", "Message": str(err), "Traceback": trim(err.__cause__ or err)})
        return
    sys.path[:] = [p for p in sys.path if p != os.getcwd()]
    forget(said["Places"])
    state = State({control.fileno(), own})
    gc.collect()
    gc.freeze()
    gc.disable()
    sandbox.gather()
    sandbox.rest_privileges(False)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the driver learns of ends by itself
    send(control, {"What": "ready", "Unsafe": state.unsafe, "Seconds": time.monotonic() - begin})
    while True:
        said, fds = receive(control)
        if said is None:
            return
        fork(socket.socket(fileno=fds[0]), own, control, state)


def preload(modules):
    """Imports the modules."""
    for name in modules:
        try:
            importlib.import_module(name)
        except BaseException as err:
            raise ImportError(f"the module {name} of the environment's preload list cannot be imported: {type(err).__name__}: {err}") from err


def forget(places):
    """Drops what the import system knows of directories that each fork has of its own."""
    for path, finder in list(sys.path_importer_cache.items()):
        if finder is None or any((path + "/").startswith(place + "/") for place in places):
            del sys.path_importer_cache[path]


def fork(control, own, parent, state):
    """Forks an init; it never returns in the child."""
    try:
        sandbox.setns(own, sandbox.NEWPID)  # a process may make one PID namespace below its own
        sandbox.unshare(sandbox.NEWPID)
        pid = sandbox.fork()
    except OSError as err:
        send(control, {"What": "failed", "Message": f"no process can be forked: {err}"})
        pid = -1
    if pid:
        control.close()
        return
    try:
        parent.close()
        os.close(own)
        Init(control, state).run()
    except BaseException as err:
        try:
            send(control, {"What": "failed", "Kind": "unavailable", "Message": f"{type(err).__name__}: {err}"})
        finally:
            os._exit(1)


class State:
    """What the imports left: why the process cannot be forked safely, and what a fork makes its own."""

    def __init__(self, known):
        self.unsafe = []
        self.files = {}  # descriptors of files and how they are open; a fork shares their position
        self.others = []  # descriptors of what forks must not share: sockets, pipes, events
        self.setters = sandbox.thread_setters()
        deadline = time.monotonic() + 0.5
        while self.threads() and time.monotonic() < deadline:
            time.sleep(0.01)
        self.unsafe += [f"the thread {name!r} is alive" for name in self.threads()]
        locked = self.locked()
        for name in os.listdir("/proc/self/fd"):
            fd = int(name)
            if fd > 2 and fd not in known:
                self.look(fd, locked)
        with open("/proc/self/maps") as maps:
            self.unsafe += sorted({f"the memory of {line.split(None, 5)[5].strip()} is shared" for line in maps if line.split()[1][1:] in ("w-s", "wxs") and "/" in line})

    @staticmethod
    def threads():
        """Names of the threads beside this one."""
        names = []
        for tid in os.listdir("/proc/self/task"):
            if int(tid) != threading.get_native_id():
                try:
                    with open(f"/proc/self/task/{tid}/comm") as f:
                        names.append(f.read().strip())
                except OSError:
                    pass  # it has ended
        return names

    @staticmethod
    def locked():
        """Inodes that this process has locked."""
        with open("/proc/locks") as locks:
            lines = [line.replace("-> ", "").split() for line in locks]
        return {int(w[5].rsplit(":", 1)[1]) for w in lines if int(w[4]) == os.getpid()}

    def look(self, fd, locked):
        """Notes what the descriptor means for a fork."""
        try:
            target, found = os.readlink(f"/proc/self/fd/{fd}"), os.fstat(fd)
            with open(f"/proc/self/fdinfo/{fd}") as f:
                flags = int(next(line for line in f if line.startswith("flags:")).split()[1], 8)
        except OSError:
            return  # of the listing itself
        if found.st_ino in locked:
            self.unsafe.append(f"{target} is locked")
        elif target.startswith("/dev/"):
            pass
        elif not target.startswith("/"):
            self.unsafe.append(f"descriptor {fd} is open ({target})")
            self.others.append(fd)
        elif not flags & os.O_DIRECTORY:
            self.files[fd] = flags & (os.O_ACCMODE | os.O_APPEND)
            if flags & os.O_ACCMODE != os.O_RDONLY:
                self.unsafe.append(f"{target} is open for writing")

    def own(self):
        """Gives this process positions of its own in files, and nothing that it shares with other forks."""
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        for fd in self.others:
            os.dup2(null, fd, inheritable=False)
        os.close(null)
        for fd, flags in self.files.items():
            fresh = os.open(f"/proc/self/fd/{fd}", flags | os.O_CLOEXEC)
            os.lseek(fresh, os.lseek(fd, 0, os.SEEK_CUR), os.SEEK_SET)
            os.dup2(fresh, fd, inheritable=False)
            os.close(fresh)


# Init.


class Init:
    """Process 1 of a call."""

    def __init__(self, control, state):
        self.control = control
        self.state = state
        self.program = None  # the process, until it has ended
        self.status = None  # of its end
        self.began = False  # the call has come
        self.memory = ()  # descriptors of the cgroup's memory.oom_control and of its event, or none
        self.baseline = self.peak = 0
        self.over = False

    def run(self):
        sandbox.present("fringe-init", False)
        send(self.control, {"What": "born"})
        self.order, fds = receive(self.control)
        if self.order is None:
            os._exit(1)
        order = self.order
        self.places = order["Places"]
        sandbox.unshare(sandbox.NEWNS | sandbox.NEWIPC | (0 if order["Network"] else sandbox.NEWNET))
        writable = self.plant(fds)
        said, fds = receive(self.control)
        if said is None:
            os._exit(1)
        doors, self.memory = fds[:said["Doors"]], fds[said["Doors"]:]
        for door in doors:  # into a cgroup, with what is forked from here on
            os.write(door, b"0")
            os.close(door)
        self.early = [os.memfd_create("early"), os.memfd_create("early")]
        line, theirs = socket.socketpair()
        self.program = os.fork()
        if self.program == 0:
            self.control.close()
            line.close()
            for fd in writable.values():
                os.close(fd)
            program(theirs, order, self.early, self.state)
        theirs.close()
        if self.bounded():
            self.baseline, _ = self.tree()
        woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        self.reap()  # what ended before
        send(self.control, {"What": "ready", "Places": self.places}, [line.fileno(), *(writable[place] for place in self.places)])
        line.close()
        for fd in writable.values():
            os.close(fd)
        self.watch(woken)

    def bounded(self):
        """Whether there are limits that no cgroup keeps."""
        return bool(self.order["Memory"] or self.order["Pids"])

    def plant(self, fds):
        """Puts in place what is of this call alone. Gives for each place a descriptor by which it can be written to."""
        order = self.order
        sandbox.mount("proc", "/proc", "proc", PLACE | sandbox.NOEXEC | sandbox.RDONLY)
        sandbox.mount("devpts", "/dev/pts", "devpts", sandbox.NOSUID | sandbox.NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
        size = f",size={order['Memory']}" if order["Memory"] else ""
        sandbox.mount("fringe", "/dev/shm", "tmpfs", PLACE, "mode=1777" + size)
        writable = {}
        for place in self.places:
            sandbox.mount("fringe", place, "tmpfs", PLACE, "mode=0755" + size)
            writable[place] = os.open(place, os.O_PATH | os.O_DIRECTORY)
            sandbox.mount(place, place, None, sandbox.BIND)  # what is seen there, and will be read-only
        if order["TmpSize"]:
            sandbox.mount("fringe-tmp", "/tmp", "tmpfs", PLACE, f"mode=1777,size={order['TmpSize']}")
        self.place(order["Mounts"], fds)
        if os.path.isdir("/var/tmp"):
            sandbox.mount("/tmp", "/var/tmp", None, sandbox.BIND)
        for place in self.places:
            sandbox.mount(None, place, None, sandbox.REMOUNT | sandbox.BIND | PLACE | sandbox.RDONLY)
        return writable

    def place(self, points, fds):
        """Puts the detached mounts where they belong, on points that are made."""
        for point, fd in zip(points or (), fds):
            target = point["Target"]
            os.makedirs(target if point["Dir"] else os.path.dirname(target), exist_ok=True)
            if not point["Dir"] and not os.path.lexists(target):
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
            sandbox.attach(fd, target)
            os.close(fd)
            if target in self.places:
                self.places.remove(target)  # what is there is not ours to seal

    def watch(self, woken):
        """Takes what comes until the program has ended."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(woken, select.POLLIN)
        if self.memory:
            poll.register(self.memory[1], select.POLLIN)
        bounded = self.bounded()
        while True:
            ready = [fd for fd, _ in poll.poll(WATCH * 1000 if bounded and self.began else None)]
            if woken in ready:
                if signal.SIGTERM in os.read(woken, 512):
                    self.kill(signal.SIGTERM)
                self.reap()
            if self.control.fileno() in ready:
                self.obey(*receive(self.control))
            if self.memory and self.memory[1] in ready:
                self.overrun()
            if bounded:
                self.bound()
            if self.began and self.program is None:
                self.end()

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.program:
                self.program, self.status = None, status

    def obey(self, said, fds):
        if said is None:
            os._exit(1)  # the driver is gone
        for fd in fds:
            if self.program is None:  # its last words, if it did not come to say them
                for early in self.early:
                    os.write(fd, os.pread(early, 1 << 20, 0))
            os.close(fd)
        self.began = True

    def tree(self):
        """Private memory and number of tasks of every process but this one."""
        memory = tasks = 0
        for name in os.listdir("/proc"):
            if not name.isdigit() or name == "1":
                continue
            try:
                with open(f"/proc/{name}/statm") as f:
                    _, resident, shared = map(int, f.read().split()[:3])
                tasks += os.stat(f"/proc/{name}/task").st_nlink - 2
            except (OSError, ValueError):
                continue  # it has ended
            memory += (resident - shared) * resource.getpagesize()
        return memory, tasks

    def bound(self):
        """Keeps the limits that no cgroup keeps. What the zygote had is not counted."""
        memory, tasks = self.tree()
        used = max(0, memory - self.baseline)
        self.peak = max(self.peak, used)
        self.over = self.over or bool(self.order["Memory"]) and used > self.order["Memory"]
        if self.over or self.order["Pids"] and tasks > self.order["Pids"]:
            self.kill(signal.SIGKILL)

    def overrun(self):
        """Ends all when the kernel has ended one process because the cgroup met its limit."""
        control, event = self.memory
        os.read(event, 8)
        for _ in range(200):  # the event comes before the kill that it announces is counted
            counts = os.pread(control, 256, 0).split()
            if b"oom_kill" in counts and int(counts[counts.index(b"oom_kill") + 1]):
                self.over = True
                self.kill(signal.SIGKILL)
                return
            time.sleep(0.001)

    @staticmethod
    def kill(number):
        """Sends a signal to every other process of the call."""
        try:
            os.kill(-1, number)
        except ProcessLookupError:
            pass

    def end(self):
        self.kill(signal.SIGKILL)
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        send(self.control, {"What": "ended", "Status": self.status, "CPU": int((used.ru_utime + used.ru_stime) * 1e9),
                            "MaxRSS": used.ru_maxrss * 1024, "Peak": self.peak, "Memory": self.over})
        os._exit(0)


# The program.


def program(line, order, early, state):
    """The whole life of the program. It never returns."""
    code = 1
    try:
        become(order, early, state)
        action = prepare(order, early)
        call, fds = receive(line, CALL)
        line.close()
        if call is None:
            os._exit(1)
        begin(call, fds, early)
        code = ended(action)
    except BaseException:
        traceback.print_exc()
    try:
        threading._shutdown()  # waits for threads that are no daemons
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sandbox.flush()
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def become(order, early, state):
    """Makes this process one like any other: nothing of the zygote's state is left, and no privilege."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    state.own()
    null = os.open(os.devnull, os.O_RDWR)
    for number, fd in enumerate((null, *early)):
        os.dup2(fd, number)
    os.close(null)
    sandbox.renounce(base64.b64decode(order["Filter"]))
    sandbox.present("fringe-call", True)
    os.chdir("/tmp")
    set_variables(order)
    sys.path[:0] = [p for p in os.environ.get("PYTHONPATH", "").split(":") if p and p not in sys.path]
    for variable, set_threads in state.setters:
        if os.environ.get(variable, "1").isdigit():
            set_threads(int(os.environ.get(variable, "1")))
    tempfile.tempdir = None
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    atexit._clear()  # what the imports registered is the zygote's
    gc.enable()


def set_variables(order):
    """Makes the environment that of the order. What is so already is left alone."""
    want = dict(pair.split("=", 1) for pair in order["Env"] or ())
    have = dict(os.environ)
    for name in have.keys() - want.keys():
        del os.environ[name]
    for name, value in want.items():
        if have.get(name) != value:
            os.environ[name] = value


def prepare(order, early):
    """Gives what the call will do; what can be done before it comes is done."""
    argv = order["Argv"]
    module = argv[argv.index("-m") + 1] if "-m" in argv else ""
    failed = attempt(preload, order["Preload"] or ())
    if module == "fringe.worker":
        sys.argv = argv[argv.index("-m") + 1:]
        return worker.main  # imports again what failed, and tells it
    if module == "fringe.run":
        args = argv[argv.index("-m") + 1:]
        loaded = attempt(load, *args[1:]) if len(args) in (2, 3) else None
        if order["Standby"]:
            attempt(rehearse, order, early, loaded)
        return lambda: failed() or run.main(args, lambda *_: loaded())
    return lambda: os.execve(argv[0], argv, os.environ)


def attempt(action, *args):
    """Does it now; gives a function that tells how it went."""
    try:
        value = action(*args)
    except BaseException as err:
        failure = err

        def again():
            raise failure
        return again
    return lambda: value


def rehearse(order, early, loaded):
    """Begins a call without inputs, up to what its function does."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, rehearsal(order), early)
        begin(*receive(theirs, CALL), ())
    inputs = os.memfd_create("inputs")
    os.write(inputs, b"{}")
    try:
        run.write("/tmp/.fringe-rehearsal", run.read(f"/proc/self/fd/{inputs}"))
        os.unlink("/tmp/.fringe-rehearsal")
        loaded().arguments({})
    finally:
        os.close(inputs)


def begin(call, fds, early):
    """Takes the streams, the directory and the bounds of the call."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    sandbox.flush()
    words = [taken(fd) for fd in early]
    # What came may have a number that another stream gets.
    came = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, CONTROL + 1) for fd in fds]
    null = os.open(os.devnull, os.O_RDWR)
    streams = {**dict.fromkeys(range(3), null), **dict(zip(call["Streams"] or (), came))}
    for fd in (*fds, *early):
        os.close(fd)
    for number, fd in streams.items():
        os.dup2(fd, number)
    for fd in {*came, null}:
        if fd not in streams:
            os.close(fd)
    for number, text in enumerate(words, 1):
        if text:
            os.write(number, text)
    os.chdir(call["Dir"])
    for name in call["Unset"] or ():
        os.environ.pop(name, None)
    for pair in call["Env"] or ():
        name, value = pair.split("=", 1)
        os.environ[name] = value
    if call["FileSize"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (call["FileSize"], call["FileSize"]))
    if call["Cores"]:
        os.sched_setaffinity(0, call["Cores"])


def taken(fd):
    """The bytes of a file that is left empty."""
    size = os.fstat(fd).st_size
    if size == 0:
        return b""
    words = os.pread(fd, size, 0)
    os.ftruncate(fd, 0)
    return words


def ended(action):
    """The exit code of the action, as the interpreter would give it."""
    try:
        return action() or 0
    except SystemExit as err:
        if err.code is None or isinstance(err.code, int):
            return (err.code or 0) & 0xFF
        print(err.code, file=sys.stderr)
        return 1


if __name__ == "__main__":
    main()
