"""What the tests of the worker call."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Annotated, Literal, NamedTuple, Optional

from fringe import File, In

FRINGE = {"version": "1.0.0", "shape": "service"}

print("loading")


class Outputs(NamedTuple):
    text: str
    number: Optional[float] = None
    file: Optional[File] = None


def main(do: str = "echo", text: str = "", number: Annotated[float, In(minimum=0)] = 1, file: Optional[File] = None) -> Outputs:
    return globals()["do_" + do](text, number, file)


def do_echo(text, number, file):
    return Outputs(text, number)


def do_environment(text, number, file):
    return Outputs(os.environ.get(text, ""))


def do_raise(text, number, file):
    deeper(text)


def deeper(text):
    raise ValueError(text)


def do_exit(text, number, file):
    sys.exit(text)


def do_die(text, number, file):
    os.write(2, text.encode())
    os._exit(int(number))


def do_kill(text, number, file):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(10)


def do_sleep(text, number, file):
    time.sleep(number)
    return Outputs(text)


def do_nan(text, number, file):
    return Outputs(text, float("nan"))


def do_wrong(text, number, file):
    return Outputs(7)


def do_large(text, number, file):
    return Outputs("y" * int(number))


def do_size(text, number, file):
    return Outputs(str(len(text)))


def do_print(text, number, file):
    print(text, "out")
    print(text, "err", file=sys.stderr)
    print(text, end=" unfinished")
    return Outputs("")


def do_native(text, number, file):
    libc = ctypes.CDLL(None)
    libc.write(1, (text + " native\n").encode(), len(text) + 8)
    subprocess.run(["echo", text, "child"], check=True)
    return Outputs("")


def do_fork(text, number, file):
    pid = os.fork()
    if pid == 0:
        print(text, "forked")
        os._exit(0)
    os.waitpid(pid, 0)
    return Outputs("")


def do_thread(text, number, file):
    threads = [threading.Thread(target=print, args=(f"{text} {n}",)) for n in range(int(number))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return Outputs("")


def do_garbage(text, number, file):
    os.write(3, b"this is no frame at all, and it is long enough to be read as one")
    time.sleep(10)


def do_close(text, number, file):
    os.close(3)
    time.sleep(10)


def do_cwd(text, number, file):
    if text:
        os.chdir(text)
    return Outputs(os.getcwd())


def do_file(text, number, file):
    with open(file) as f, open("out.txt", "w") as g:
        g.write(f.read().upper())
    return Outputs(str(file.size), None, File("out.txt"))


def do_nofile(text, number, file):
    return Outputs("", None, File("missing.txt"))


def do_outside(text, number, file):
    return Outputs("", None, File("/etc/passwd"))


def do_recursion(text, number, file):
    return do_recursion(text, number, file)


def do_memory(text, number, file):
    return Outputs(str(len(bytearray(int(number)))))
