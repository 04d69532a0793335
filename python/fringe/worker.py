"""A warm worker: one process that takes call after call over descriptor 3.

``python3 -m fringe.worker`` speaks frames with the server over a unix socket.
A frame is the length of its payload (4 bytes, little endian), its kind (1
byte) and the payload. The server sends first:

====  ==========================================================================
L     load: JSON with file, handler, raw, preload
C     typed call: length of dir (2 bytes), dir, input object as JSON
R     raw call: length of head (4 bytes), head as JSON, body; head.more: B and E follow
B     a piece of the body
E     end of the body; with a payload the body is cut short
====  ==========================================================================

The worker answers:

====  ==========================================================================
Y     ready (JSON)
F     the load or the call failed: JSON with type, message, file, line, traceback
A     output object as JSON
S     whole raw answer: length of head (4 bytes), head as JSON, body
H     head of a raw answer as JSON; B and E follow
B     a piece of the body
E     end of the body; a payload says why it is cut short
O     what the handler wrote on stdout or stderr
====  ==========================================================================

Calls are handled one at a time in the main thread. The end of the socket ends
the worker. A running handler is never interrupted: the server stops the
process instead.
"""

import gc
import importlib
import io
import json
import os
import socket
import struct
import sys
import threading

from fringe import Directory, File
from fringe._handler import Mismatch, Problems, load, place, plain, trim
from fringe._request import request

LOAD, CALL, RAW, BODY, END = b"LCRBE"
HEADER = struct.Struct("<IB")
LARGEST = 64 << 20  # bytes of an answer's frame
PIECE = 256 << 10  # bytes of a body's frame


class Channel:
    """The frames on the socket. Reading is for the main thread, writing for any."""

    def __init__(self, sock):
        self.sock = sock
        self.lock = threading.Lock()
        self.buf = bytearray(64 << 10)
        self.view = memoryview(self.buf)
        self.start = self.end = 0

    def frame(self):
        """The next frame as (kind, payload view); (None, None) at the end. The view holds until the next call."""
        start, end = self.start, self.end
        if start == end:
            start, end = 0, self.sock.recv_into(self.buf)
            if not end:
                return None, None
        while end - start < 5:
            self.start, self.end = start, end
            if not self._more(5):
                return None, None
            start, end = self.start, self.end
        length, kind = HEADER.unpack_from(self.buf, start)
        start += 5
        if end - start < length:
            self.start, self.end = start, end
            if length > len(self.buf):
                return kind, self._large(length)
            while self.end - self.start < length:
                if not self._more(length):
                    return None, None
            start, end = self.start, self.end
        self.start, self.end = start + length, end
        return kind, self.view[start:start + length]

    def _more(self, want):
        """Receives something; makes room for want bytes from start."""
        if self.start + want > len(self.buf):
            held = self.end - self.start
            self.buf[:held] = self.buf[self.start:self.end]
            self.start, self.end = 0, held
        n = self.sock.recv_into(self.view[self.end:])
        self.end += n
        return n

    def _large(self, length):
        """A payload that does not fit in the buffer."""
        payload = bytearray(length)
        view = memoryview(payload)
        held = self.end - self.start
        view[:held] = self.view[self.start:self.end]
        self.start = self.end = 0
        while held < length:
            n = self.sock.recv_into(view[held:])
            if not n:
                raise EOFError
            held += n
        return view

    def send(self, kind, payload):
        """Writes one frame."""
        header = HEADER.pack(len(payload), kind)
        with self.lock:
            if len(payload) < PIECE:
                self.sock.sendall(header + payload)
            else:
                self.sock.sendall(header)
                self.sock.sendall(payload)


class Output(io.TextIOBase):
    """Stands for sys.stdout or sys.stderr; each finished line goes to the call's log."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, channel, fd):
        self.channel = channel
        self.fd = fd
        self.pending = b""
        self.buffer = _Bytes(self)

    def writable(self):
        return True

    def fileno(self):
        return self.fd

    def isatty(self):
        return False

    def write(self, text):
        self.put(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def put(self, data):
        self.pending += data
        if b"\n" in data or len(self.pending) > 4096:
            self.flush()

    def flush(self):
        data, self.pending = self.pending, b""
        for i in range(0, len(data), PIECE):
            self.channel.send(79, data[i:i + PIECE])  # O


class _Bytes(io.RawIOBase):
    """The bytes side of an Output."""

    def __init__(self, text):
        self.text = text

    def writable(self):
        return True

    def fileno(self):
        return self.text.fd

    def write(self, data):
        self.text.put(bytes(data))
        return len(data)

    def flush(self):
        self.text.flush()


class Body:
    """The body of a raw request, read as it comes."""

    def __init__(self, channel, first, more):
        self.channel = channel
        self.piece = first
        self.more = more

    def read(self, size=-1):
        """At most size bytes, or all; empty at the end."""
        if size is None or size < 0:
            return self._all()
        while not self.piece and self.more:
            self._next()
        data = bytes(self.piece[:size])
        self.piece = self.piece[size:]
        return data

    def _all(self):
        pieces = [bytes(self.piece)]
        while self.more:
            self._next()
            pieces.append(bytes(self.piece))
        self.piece = b""
        return b"".join(pieces)

    def __iter__(self):
        while True:
            data = self.read(PIECE)
            if not data:
                return
            yield data

    def _next(self):
        kind, payload = self.channel.frame()
        if kind == BODY:
            self.piece = payload
            return
        self.piece, self.more = b"", False
        if kind != END:
            raise EOFError("the server closed the connection")
        if len(payload):
            raise ConnectionError(f"the request's body was cut short: {bytes(payload).decode('utf-8', 'replace')}")

    def drain(self):
        """Drops what was not read."""
        self.piece = b""
        while self.more:
            try:
                self._next()
            except ConnectionError:
                return
            self.piece = b""


def failure(err, function):
    """What is told of an exception; function is the path of the loaded file."""
    if isinstance(err, Mismatch):
        return {"type": "Mismatch", "message": str(err), "file": "", "line": 0, "traceback": ""}
    name, line = place(err, function)
    message = "the handler called exit" if isinstance(err, SystemExit) else str(err)
    return {"type": type(err).__name__, "message": message, "file": name, "line": line, "traceback": trim(err)}


def native_output(channel):
    """A function that sends what was written on descriptors 1 and 2 themselves.

    It needs them to be one file, which is emptied; None when they are not.
    """
    try:
        lseek(1, 0, os.SEEK_CUR)
        if not os.path.samestat(os.fstat(1), os.fstat(2)):
            return None
    except OSError:
        return None

    def send():
        size, at = os.fstat(1).st_size, 0
        while at < size:
            data = os.pread(1, PIECE, at)
            if not data:
                break
            channel.send(79, data)  # O
            at += len(data)
        os.ftruncate(1, 0)
        lseek(1, 0, os.SEEK_SET)

    return send


lseek = os.lseek


class Worker:
    """Handles the calls that come over a channel."""

    def __init__(self, channel, handler, outputs):
        self.channel = channel
        self.handler = handler
        self.function, self.arguments, self.output = handler.function, handler.arguments, handler.output
        self.outputs = outputs
        self.native = native_output(channel)
        self.traced = False
        self.home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)

    def serve(self):
        """Handles calls until the socket ends."""
        frame, call, raw = self.channel.frame, self.call, self.raw
        while True:
            kind, payload = frame()
            if kind == CALL:
                call(payload)
            elif kind == RAW:
                raw(payload)
            elif kind is None:
                return
            else:
                raise RuntimeError(f"the server sent a frame of kind {kind} between calls")

    def call(self, payload):
        size = payload[0] | payload[1] << 8
        try:
            if size:
                directory, _, trace = str(payload[2:2 + size], "utf-8").partition("\0")
                self.place(directory, trace)
            inputs = loads(str(payload[2 + size:], "utf-8"))
            answer = dumps(self.output(self.function(**self.arguments(inputs)))).encode()
            if len(answer) > LARGEST:
                raise Mismatch(f"the output object has {len(answer)} bytes of JSON, and may have {LARGEST}; return a File for large data")
            kind = 65  # A
        except BaseException as err:
            kind, answer = 70, self.failed(err)  # F
        self.finish()
        self.channel.send(kind, answer)

    def place(self, directory, trace):
        """Goes to the call's directory, and tells the handler of the caller's trace as tasks are told."""
        if directory:
            os.chdir(directory)
        if trace:
            os.environ["TRACEPARENT"] = trace
            self.traced = True

    def failed(self, err):
        if isinstance(err, KeyboardInterrupt):
            raise err
        return json.dumps(failure(err, self.handler.file)).encode()

    def finish(self):
        """What follows each call before its answer is sent."""
        out, err = self.outputs
        if self.native is not None and lseek(1, 0, os.SEEK_CUR):
            self.native()
        if out.pending:
            out.flush()
        if err.pending:
            err.flush()
        os.fchdir(self.home)
        if self.traced:
            del os.environ["TRACEPARENT"]
            self.traced = False

    def raw(self, payload):
        (size,) = struct.unpack_from("<I", payload)
        head = json.loads(bytes(payload[4:4 + size]))
        body = Body(self.channel, bytes(payload[4 + size:]), head.get("more", False))
        request._fill(head, body)
        try:
            self.place(head.get("dir"), request.headers.get("traceparent"))
            status, headers, answer = response(self.handler.function())
            self.answer(head["method"], status, headers, answer)
        except BaseException as err:
            failed = self.failed(err)
            self.finish()
            self.channel.send(70, failed)
        body.drain()
        request._clear()

    def answer(self, method, status, headers, answer):
        """Sends a raw answer; an exception before its head is sent is the caller's."""
        bodyless = method == "HEAD" or status in (204, 304)
        if isinstance(answer, (bytes, bytearray)):
            if status not in (204, 304):
                headers.append(("Content-Length", str(len(answer))))
            if bodyless:
                answer = b""
            self.finish()
            head = json.dumps({"status": status, "headers": headers}).encode()
            if len(answer) <= PIECE:
                self.channel.send(83, struct.pack("<I", len(head)) + head + answer)  # S
                return
            view = memoryview(answer)
            pieces = (view[i:i + PIECE] for i in range(0, len(view), PIECE))
        else:
            head = json.dumps({"status": status, "headers": headers}).encode()
            pieces = () if bodyless else split(answer)
        self.channel.send(72, head)  # H
        end = b""
        try:
            for piece in pieces:
                self.channel.send(66, piece)  # B
        except Exception as err:
            sys.stderr.write(trim(err))
            end = f"{type(err).__name__}: {err}".encode()
        self.finish()
        self.channel.send(69, end)  # E


def split(pieces):
    """The pieces of a streamed answer as bytes of bounded length."""
    for piece in pieces:
        data = piece.encode() if isinstance(piece, str) else bytes(piece)
        for i in range(0, len(data), PIECE):
            yield data[i:i + PIECE]


def response(value):
    """Status, headers and body of what a raw handler returned."""
    status, headers = 200, []
    if isinstance(value, tuple):
        if not 1 <= len(value) <= 3:
            raise Mismatch(f"the handler returned a tuple of {len(value)}; return (body, status, headers)")
        for x in value[1:]:
            if isinstance(x, int) and not isinstance(x, bool):
                status = int(x)
            elif isinstance(x, (dict, list, tuple)):
                headers = [(str(k), str(v)) for k, v in (x.items() if isinstance(x, dict) else x)]
            elif x is not None:
                raise Mismatch(f"the handler returned {x!r:.60} beside the body; return (body, status, headers)")
        value = value[0]
    if not 200 <= status <= 599:
        raise Mismatch(f"the handler returned the status {status}; it must be between 200 and 599")
    for k, v in headers:
        if not k or not k.isascii() or any(c in k for c in " \t\r\n:") or "\r" in v or "\n" in v or "\0" in v:
            raise Mismatch(f"the handler returned the header {k!r}: {v!r:.60}, which is none")
    headers = [h for h in headers if h[0].lower() not in ("content-length", "transfer-encoding", "connection")]
    kind, body = content(value, headers)
    if kind and not any(k.lower() == "content-type" for k, _ in headers):
        headers.append(("Content-Type", kind))
    return status, headers, body


def content(value, headers):
    """Media type and body of a value; the body is bytes or an iterator of pieces."""
    if isinstance(value, str):
        return "text/plain; charset=utf-8", value.encode()
    if isinstance(value, (bytes, bytearray)):
        return "application/octet-stream", value
    if isinstance(value, memoryview):
        return "application/octet-stream", bytes(value)
    if isinstance(value, Directory):
        raise Mismatch("the handler returned a Directory; return a File, or text, bytes or a dictionary")
    if isinstance(value, (File, os.PathLike)):
        import mimetypes
        file = open(os.fspath(value), "rb")
        headers.append(("Content-Length", str(os.fstat(file.fileno()).st_size)))
        return mimetypes.guess_type(os.fspath(value))[0] or "application/octet-stream", pieces_of(file)
    if value is None:
        raise Mismatch("the handler returned None; return a text, bytes, a dictionary, a list or (body, status, headers)")
    if hasattr(value, "__next__"):
        return "application/octet-stream", value
    try:
        return "application/json", dumps(value).encode()
    except TypeError:
        raise Mismatch(f"the handler returned a {type(value).__name__}; return a text, bytes, a dictionary, a list or (body, status, headers)") from None


def pieces_of(file):
    with file:
        while True:
            data = file.read(PIECE)
            if not data:
                return
            yield data


def other(value):
    """JSON of what JSON does not know."""
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    found = plain(value)
    if found is not value:
        return found
    raise TypeError(f"a {type(value).__name__} has no JSON")


_scan = json.JSONDecoder().scan_once


SPECIAL = bytes(range(32)) + b'"\\\x7f'  # what a JSON string escapes
_ascii = json.encoder.encode_basestring_ascii


def quoted(text):
    """A JSON string. Of a long text without anything special, finding that out and copying costs half of what escaping does."""
    if len(text) > 64 and text.isascii() and len(text.encode().translate(None, SPECIAL)) == len(text):
        return f'"{text}"'
    return _ascii(text)


def encoder():
    """The function that encodes JSON; the C encoder itself where there is one, as making it anew for each call costs as much as its use."""
    made = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"), default=other)
    if json.encoder.c_make_encoder is None:
        return made.encode
    encode = json.encoder.c_make_encoder(None, other, quoted, None, ":", ",", False, False, False)
    return lambda value: "".join(encode(value, 0))


_encode = encoder()


def loads(text):
    """An input object."""
    try:
        value = _scan(text, 0)[0]
    except (StopIteration, ValueError):
        value = json.loads(text)
    if type(value) is not dict:
        raise Mismatch("the input is no JSON object")
    return value


def dumps(value):
    """JSON of an output object."""
    try:
        return _encode(value)
    except ValueError as err:
        raise Mismatch(f"the output holds a number that JSON cannot say (NaN or infinity): {err}") from None
    except RecursionError:
        raise Mismatch("the output is nested too deeply for JSON") from None


def prepare(channel, outputs):
    """Loads the handler as the server asks; None when that failed or the server went away."""
    kind, payload = channel.frame()
    if kind != LOAD:
        return None
    said = json.loads(bytes(payload))
    try:
        for name in said.get("preload") or ():
            importlib.import_module(name)
        handler = load(said["file"], said.get("handler") or "main")
        if handler.raw != bool(said.get("raw")):
            raise Mismatch("the handler has no parameters and takes HTTP requests, but its interface is typed; publish it again" if handler.raw else
                           "the handler has parameters, but its interface is raw; publish it again")
    except Problems as ps:
        p = ps.problems[0]
        told = {"type": "Problem", "message": p.message + (f"; {p.cure}" if p.cure else ""), "file": p.file, "line": p.line, "traceback": p.trace}
    except Exception as err:
        told = failure(err, said["file"])
        if isinstance(err, ImportError):
            told["message"] = f"the module {name} of the environment's preload list cannot be imported: {err}"
    else:
        gc.collect()
        gc.freeze()
        for out in outputs:
            out.flush()
        channel.send(89, json.dumps({"pid": os.getpid(), "python": sys.version.split()[0]}).encode())  # Y
        return handler
    for out in outputs:
        out.flush()
    channel.send(70, json.dumps(told).encode())
    return None


def after_fork(channel, outputs):
    """In a child of the handler: the socket is the parent's; output goes to the plain descriptors."""
    channel.sock.close()
    for out in outputs:
        out.pending = b""
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", line_buffering=True, write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", line_buffering=True, write_through=True)


def main():
    os.set_inheritable(3, False)
    channel = Channel(socket.socket(fileno=3))
    outputs = Output(channel, 1), Output(channel, 2)
    sys.stdout, sys.stderr = outputs
    os.register_at_fork(after_in_child=lambda: after_fork(channel, outputs))
    handler = prepare(channel, outputs)
    if handler is None:
        return 1
    try:
        Worker(channel, handler, outputs).serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    return 0


if __name__ == "__main__":
    os._exit(main())  # a thread of the handler does not hold the process
