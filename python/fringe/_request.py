"""The HTTP request of a raw handler, and what it may answer."""

import json


class Headers:
    """Header fields; names do not depend on case."""

    def __init__(self, pairs=()):
        self._pairs = [(str(k), str(v)) for k, v in pairs]
        self._index = {}
        for k, v in self._pairs:
            self._index.setdefault(k.lower(), []).append(v)

    def get(self, name, default=None):
        """Value of a field; the first when there are several."""
        values = self._index.get(name.lower())
        return values[0] if values else default

    def getlist(self, name):
        """All values of a field."""
        return list(self._index.get(name.lower(), ()))

    def __getitem__(self, name):
        return self._index[name.lower()][0]

    def __contains__(self, name):
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self):
        return iter(self._pairs)

    def __len__(self):
        return len(self._pairs)

    def items(self):
        """Pairs of name and value, as they came."""
        return list(self._pairs)

    def keys(self):
        """Names, as they came."""
        return [k for k, _ in self._pairs]


class Args(dict):
    """Query parameters: a dictionary of the first value of each."""

    def __init__(self, query):
        from urllib.parse import parse_qsl  # here, as few workers need it and it takes long to import

        super().__init__()
        self._all = {}
        for k, v in parse_qsl(query, keep_blank_values=True):
            self.setdefault(k, v)
            self._all.setdefault(k, []).append(v)

    def get(self, name, default=None, type=None):
        """Value of a parameter; type converts it, and default stands for one that does not convert."""
        if name not in self:
            return default
        if type is None:
            return self[name]
        try:
            return type(self[name])
        except (TypeError, ValueError):
            return default

    def getlist(self, name):
        """All values of a parameter."""
        return list(self._all.get(name, ()))


class Request:
    """The request that is being handled.

    One object stands for each call's request in turn; the worker fills it.
    """

    def __init__(self):
        self._clear()

    def _clear(self):
        self.method = ""
        self.path = ""
        self.raw_path = ""
        self.query_string = b""
        self.headers = Headers()
        self.content_length = None
        self.stream = None
        self._query = ""
        self._args = None
        self._data = None

    def _fill(self, head, stream):
        self.method = head["method"]
        self.raw_path = self.path = head["path"]
        if "%" in self.raw_path:
            from urllib.parse import unquote

            self.path = unquote(self.raw_path)
        self._query = head.get("query", "")
        self.query_string = self._query.encode()
        self.headers = Headers(head.get("headers") or ())
        length = head.get("length", -1)
        self.content_length = length if length >= 0 else None
        self.stream = stream
        self._args = self._data = None

    @property
    def args(self):
        """Query parameters."""
        if self._args is None:
            self._args = Args(self._query)
        return self._args

    @property
    def content_type(self):
        """Content-Type of the body, or an empty string."""
        return self.headers.get("Content-Type", "")

    @property
    def mimetype(self):
        """Content-Type without its parameters, in lower case."""
        return self.content_type.partition(";")[0].strip().lower()

    @property
    def is_json(self):
        """Whether the body says that it is JSON."""
        return self.mimetype == "application/json" or self.mimetype.endswith("+json")

    @property
    def data(self):
        """The body as bytes."""
        return self.get_data()

    @property
    def json(self):
        """The body read as JSON."""
        return self.get_json()

    def get_data(self, as_text=False):
        """The body, as bytes or as text. It stays in memory: for a large one read ``stream``."""
        if self._data is None:
            self._data = self.stream.read() if self.stream is not None else b""
        return self._data.decode("utf-8", "replace") if as_text else self._data

    def get_json(self, force=False, silent=False):
        """The body read as JSON.

        None when it does not say that it is JSON and force is not set, or
        when it is not JSON and silent is set; ValueError when it is not JSON.
        """
        if not force and not self.is_json:
            return None
        try:
            return json.loads(self.get_data())
        except ValueError as err:
            if silent:
                return None
            raise ValueError(f"the request's body is not JSON: {err}") from err


request = Request()
