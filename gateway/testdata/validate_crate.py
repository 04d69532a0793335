"""Validate an RO-Crate with roc-validator, without a network: validate_crate.py CRATE.

The context that a crate names is put into the validator's cache from the package
rocrate. Both come with: scripts/setup.sh test.
"""

import io
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

import requests
from requests_cache import CachedSession
from urllib3 import HTTPResponse

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
NEEDS_TOKEN = "ro-crate-1.1_28.1"  # that data at a URL can be fetched: the site asks for a token


class FromPackage(requests.adapters.HTTPAdapter):
    """Answers every request with the context."""

    def send(self, request, **_):
        body = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
        raw = HTTPResponse(io.BytesIO(body), {"Content-Type": "application/ld+json"}, 200, preload_content=False, request_url=request.url)
        return self.build_response(request, raw)


with tempfile.TemporaryDirectory() as d:
    cache = str(Path(d, "cache"))
    session = CachedSession(cache, backend="sqlite", expire_after=-1)
    session.mount("https://", FromPackage())
    session.get(CONTEXT)
    session.close()
    sys.exit(subprocess.run([str(Path(sys.executable).with_name("rocrate-validator")), "--no-interactive", "--disable-color", "validate", "--offline",
                             "--cache-path", cache, "--profile-identifier", "process-run-crate", "--requirement-severity", "recommended",
                             "--skip-checks", NEEDS_TOKEN, "--verbose", "--no-paging", sys.argv[1]], check=False).returncode)
