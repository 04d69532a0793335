"""Drive a site's SODA service with Debian's pyVO, unmodified: soda_client.py URL TOKEN.

Prints what was checked; an exception is a failure.
"""

import io
import sys
import urllib.parse
import warnings

import astropy.units as u
import numpy as np
import requests
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from pyvo.dal.adhoc import DatalinkQuery, DatalinkResults, SodaQuery

PATH = "/ska/datasets/soda"
ID = "ivo://auth.example.org/datasets/fits?soda-test/5b/f5/cube.fits"


def cube():
    """A cube of which each pixel has another value."""
    data = np.arange(16 * 120 * 160, dtype=np.float32).reshape(16, 120, 160)
    header = fits.Header()
    axes = [("RA---TAN", 202.5, -20 / 3600, 80.5, "deg"), ("DEC--TAN", 47.2, 20 / 3600, 60.0, "deg"), ("FREQ", 1.41e9, 1e6, 1.0, "Hz")]
    for n, (kind, value, step, pixel, unit) in enumerate(axes, start=1):
        header.update({f"CTYPE{n}": kind, f"CRVAL{n}": value, f"CDELT{n}": step, f"CRPIX{n}": pixel, f"CUNIT{n}": unit})
    header.update(RADESYS="FK5", EQUINOX=2000.0)
    return data, header


def check(answer, data, header):
    """The answer's pixels are those of the cube at the same place on the sky and the same frequency; gives its shape."""
    with fits.open(io.BytesIO(answer)) as hdus:
        part, head = hdus[0].data, hdus[0].header
        z, y, x = np.nonzero(np.isfinite(part))
        places = WCS(head).all_pix2world(x, y, z, 0)
        whole = np.rint(WCS(header).all_world2pix(*places, 0)).astype(int)
        np.testing.assert_array_equal(part[z, y, x], data[whole[2], whole[1], whole[0]])
        return part.shape, WCS(head).celestial.pixel_to_world(x, y)


def main(url, token):
    """Put the cube into the site, and take parts of it."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {token}"
    data, header = cube()
    content = io.BytesIO()
    fits.PrimaryHDU(data, header).writeto(content)
    session.put(f"{url}/api/v1/content/soda-test:cube.fits", content.getvalue(), params={"basename": "cube.fits"}).raise_for_status()

    def ask(**region):
        query = SodaQuery(url + PATH + "/sync", session=session, **region)
        query["ID"] = ID
        return query.execute_stream().read()

    shape, places = check(ask(circle=(202.55, 47.18, 0.1)), data, header)
    assert shape[0] == 16 and 36 <= shape[1] <= 38, shape
    shape, places = check(ask(polygon=(202.4, 47.1, 202.7, 47.1, 202.6, 47.3)), data, header)
    assert places.separation(SkyCoord(202.57, 47.17, unit="deg")).deg.max() < 0.14, "pixels outside of the polygon"
    shape, _ = check(ask(circle=(202.5, 47.2, 0.05), band=[1.4149, 1.4171] * u.GHz), data, header)
    assert shape[0] == 3, shape
    for address in (PATH, PATH + "/sync"):
        answer = session.post(url + address, data={"id": ID, "pos": "RANGE 202.4 202.6 47.1 47.3", "RESPONSE_FORMAT": "application/fits"})
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/fits", answer.text
        check(answer.content, data, header)

    def refused(status, begins, auth=session, **parameters):
        answer = auth.get(url + PATH + "/sync", params={"ID": ID, **parameters})
        assert answer.status_code == status and answer.text.startswith(begins), (answer.status_code, answer.text)
        return answer

    refused(204, "", CIRCLE="10 10 0.1")
    refused(400, "UsageError: ", CIRCLE="10 10")
    refused(400, "UsageError: The image has no polarization axis", POL="I")
    refused(400, "MultiValuedParamNotSupported", CIRCLE=["10 10 1", "11 10 1"])
    refused(404, "Error: ", ID="ivo://auth.example.org/datasets/fits?soda-test/none.fits")
    challenge = refused(401, "AuthenticationError: ", requests.Session()).headers["WWW-Authenticate"]
    assert "ivoa_bearer" in challenge, challenge
    for name in ("capabilities", "availability"):
        answer = requests.get(f"{url}{PATH}/{name}")
        assert answer.status_code == 200 and "vosi:" in answer.text, answer.text
    links = DatalinkResults.from_result_url(f"{url}/ska/datasets/links?{urllib.parse.urlencode({'ID': [ID, 'soda-test:none'], 'RUNID': 'x'}, doseq=True)}", session=session)
    this = next(row for row in links if row.semantics == "#this")
    assert session.get(this.access_url).content == content.getvalue() and this.content_length == len(content.getvalue()), this.access_url
    cutouts = links.get_first_proc()  # its process() of Debian's pyVO asks without the session, and so without the token
    query = DatalinkQuery.from_resource(cutouts, links.get_adhocservice_by_id(cutouts.service_def), session=session, circle=(202.55, 47.18, 0.1), band=(0.2111, 0.2113))
    shape, _ = check(query.execute_stream().read(), data, header)
    assert shape[0] < 4 and 36 <= shape[1] <= 38, shape
    missing = [row.error_message for row in links if row.id == "soda-test:none"]
    assert len(missing) == 1 and missing[0].startswith("NotFoundFault: "), missing
    print("pyVO took a circle, a polygon, a band and a range; refusals are as SODA has them")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(*sys.argv[1:])
