"""Drive functions as UWS services with Debian's pyVO and astroquery, unmodified: uws_client.py URL TOKEN.

Prints what was checked; an exception is a failure.
"""

import http.client
import io
import sys
import tempfile
import time
import warnings
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyvo
import requests
from astropy.io import fits
from astroquery.utils.tap.conn.tapconn import ConnectionHandler, TapConn
from astroquery.utils.tap.core import Tap
from pyvo.dal.tap import AsyncTAPJob


def galaxy():
    """A round blob, as the bytes of a FITS file."""
    y, x = np.mgrid[:64, :64]
    out = io.BytesIO()
    fits.PrimaryHDU(np.exp(-((x - 32) ** 2 + (y - 32) ** 2) / 18).astype(np.float32)).writeto(out)
    return out.getvalue()


def check_blurred(content):
    with fits.open(io.BytesIO(content)) as hdus:
        peak, total = hdus[0].data.max(), hdus[0].data.sum()
    assert peak < 0.6, peak
    np.testing.assert_allclose(total, 18 * np.pi, rtol=0.01)


def with_pyvo(site, session):
    base = site + "/uws/gaussian-blur"
    before = datetime.now(timezone.utc)
    job = AsyncTAPJob.create(base, "", session=session, image="uws:galaxy", sigma="1", RUNID="pyvo")
    assert job.phase == "PENDING" and job.uws_version == "1.1" and job.owner == "operator", job.job
    session.post(job.url + "/parameters", data={"sigma": "3"}).raise_for_status()
    values = {p.id_: p.content for p in job.job.parameters}
    assert values == {"image": "uws:galaxy", "sigma": "3.0"} or values == {"image": "uws:galaxy", "sigma": "3"}, values
    job.execution_duration = 300
    assert job.execution_duration.value == 300
    job.destruction = datetime(2100, 1, 2, 3, 4, 5)
    assert job.destruction.isot == "2100-01-02T03:04:05.000"
    job.run().wait()
    assert job.phase == "COMPLETED" and job.result.mimetype == "application/fits", (job.phase, job.result)
    assert job.job.runid == "pyvo" and abs(job.job.creationtime.unix - before.timestamp()) < 600
    job.raise_if_error()
    check_blurred(session.get(job.result_uri).content)

    service = pyvo.dal.TAPService(base, session=session)
    assert service.available
    assert [c.standardid for c in service.capabilities if c.standardid and "UWS" in c.standardid] == ["ivo://ivoa.net/std/UWS#rest-1.1"]
    listed = service.get_job_list(phases=["COMPLETED"], last=1, after=before)
    assert [j.jobid for j in listed] == [job.job_id]
    assert service.get_job(job.job_id).phase == "COMPLETED"
    quoted = AsyncTAPJob.create(base, "", session=session, image="uws:galaxy")
    assert quoted.quote.unix >= before.timestamp()
    quoted.abort()
    assert quoted.phase == "ABORTED"
    quoted.delete()
    url = job.url
    job.delete()
    assert session.get(url).status_code == 404
    print("pyvo: created, set up, ran, fetched, listed, quoted, aborted and deleted jobs of gaussian-blur")

    with tempfile.TemporaryDirectory() as d:
        path = Path(d, "own.fits")
        path.write_bytes(galaxy())
        with path.open("rb") as file, AsyncTAPJob.create(base, "", session=session, uploads={"image": file}, sigma="3") as job:
            assert [p.byreference for p in job.job.parameters if p.id_ == "image"] == [True]
            job.run().wait()
            check_blurred(session.get(job.result_uri).content)
    check_blurred(session.post(base + "/sync", data={"image": "uws:galaxy", "SIGMA": "3"}).content)
    print("pyvo: an inline upload; sync leads to the image itself")


def a_task(site, session):
    """A task: a measurement set is made, imaged, and an imaging is aborted while it runs."""
    job = AsyncTAPJob.create(site + "/uws/make-ms", "", session=session, times="5", channels="4", antennas="10").run().wait()
    job.raise_if_error()
    ms = session.get(site + "/api/v1/jobs/" + job.job_id).json()["outputs"]["ms"]["location"]  # of another job when that had made the same
    assert session.get(job.result_uri).headers["Content-Type"] == "application/x-tar"
    image = AsyncTAPJob.create(site + "/uws/wsclean", "", session=session, ms=ms, size="256", scale="5").run().wait()
    image.raise_if_error()
    with fits.open(io.BytesIO(session.get(image.result_uri).content)) as hdus:
        assert hdus[0].data.shape[-2:] == (256, 256)
    long = AsyncTAPJob.create(site + "/uws/wsclean", "", session=session, ms=ms, size="8192", scale="1", niter="1000000").run()
    while long.phase == "QUEUED":
        time.sleep(0.1)
    long.abort()
    assert long.phase == "ABORTED"
    long.delete()
    print("pyvo: make-ms, then wsclean on what it made; one aborted while it ran")


def with_astroquery(site, session, token):
    class Authorized(http.client.HTTPConnection):
        def putrequest(self, *args, **kwargs):
            super().putrequest(*args, **kwargs)
            self.putheader("Authorization", "Bearer " + token)

    class Handler(ConnectionHandler):
        def get_connection(self, ishttps=False, cookie=None, verbose=False):
            return Authorized(host, int(port))

    host, port = site.removeprefix("http://").split(":")
    conn = TapConn(False, host, "/uws", int(port), tap_context="gaussian-blur", connhandler=Handler(host, port, 443))
    tap = Tap(host=host, server_context="/uws", tap_context="gaussian-blur", port=int(port), connhandler=conn)
    job = tap.launch_job_async("", autorun=False)
    assert job.get_phase(update=True) == "PENDING"
    session.post(f"{site}/uws/gaussian-blur/async/{job.jobid}/parameters", data={"image": "uws:galaxy", "sigma": "3"}).raise_for_status()
    job.start()
    _, phase = job.wait_for_job_end()
    assert phase == "COMPLETED", phase
    with tempfile.TemporaryDirectory() as d:
        job.outputFileUser = str(Path(d, "blurred.fits"))
        job.save_results()
        check_blurred(Path(job.outputFileUser).read_bytes())
    assert job.jobid in [j.jobid for j in tap.list_async_jobs()]
    loaded = tap.load_async_job(job.jobid, load_results=False)
    assert loaded.get_phase() == "COMPLETED" and loaded.parameters["image"] == "uws:galaxy", loaded.parameters
    print("astroquery: created, started, awaited, fetched, listed and loaded a job of gaussian-blur")


def main():
    warnings.simplefilter("ignore")
    site, token = sys.argv[1:]
    session = requests.Session()
    session.auth = ("astronomer", token)
    session.put(site + "/api/v1/content/uws:galaxy?basename=galaxy.fits", data=galaxy()).raise_for_status()
    with_pyvo(site, session)
    a_task(site, session)
    with_astroquery(site, session, token)


main()
