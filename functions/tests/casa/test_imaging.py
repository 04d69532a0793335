"""tclean against the made truth and against wsclean, flagdata on made interference, and calls at the same time."""

import concurrent.futures
import unittest

import casacore.tables as tables
import numpy as np
from astropy.wcs import WCS
from running import Case, call, digest, made, path, pixels, read_json

IMAGING = {"imagename": "clean", "imsize": 512, "cell": "5arcsec", "niter": 1000, "threshold": "0.6mJy", "weighting": "briggs", "robust": 0.0,
           "restoringbeam": ["36arcsec", "32arcsec", "0deg"]}


def peak_near(plane: np.ndarray, x: float, y: float) -> tuple[float, float, float]:
    """The largest pixel within 4 pixels of a place; its value and its place by a parabola through the logarithms."""
    x0, y0 = round(x), round(y)
    box = plane[y0 - 4 : y0 + 5, x0 - 4 : x0 + 5]
    j, i = np.unravel_index(box.argmax(), box.shape)
    yp, xp = y0 - 4 + j, x0 - 4 + i
    shift = lambda a, b, c: 0.5 * (np.log(a) - np.log(c)) / (np.log(a) - 2 * np.log(b) + np.log(c))
    return plane[yp, xp], xp + shift(*plane[yp, xp - 1 : xp + 2]), yp + shift(*plane[yp - 1 : yp + 2, xp])


class SourcesTest(Case):
    """One image of six sources, asked of both imagers."""

    @classmethod
    def setUpClass(cls):
        """Image with the same pixels, weights, depth and restoring beam; docs/casa.md has the table of what is equivalent."""
        cls.ms, cls.truth, _ = made()
        cls.tclean = call("tclean", vis=cls.ms, **IMAGING)
        cls.wsclean = call("wsclean", ms=cls.ms, size=512, scale=5, niter=1000, mgain=0.8, threshold=0.0006, weight="briggs", robust=0,
                           beam_shape={"major": 36, "minor": 32, "position_angle": 0})

    def check(self, image: dict) -> None:
        """Fluxes within 1 % and four times the noise, places within 0.2 arcsec. One percent is what a source between pixels loses;
        the noise is a fifth more than the natural one."""
        plane, header = pixels(image)
        wcs = WCS(header).celestial
        for s in self.truth["sources"]:
            x, y = (float(v) for v in wcs.world_to_pixel_values(s["ra"], s["dec"]))
            flux, xp, yp = peak_near(plane, x, y)
            self.assertAlmostEqual(flux, s["flux"], delta=0.01 * s["flux"] + 5 * self.truth["expected_rms"], msg=s["name"])
            self.assertLess(np.hypot(xp - x, yp - y) * 5, 0.2, msg=s["name"])

    def test_tclean(self):
        """The truth, by tclean."""
        self.check(self.tclean["image"])

    def test_wsclean(self):
        """The truth, by wsclean."""
        self.check(self.wsclean["image"])

    def test_comparable(self):
        """The two FITS images have the same grid and beam, the same noise within 10 %, and differ by less than the noise."""
        one, first = pixels(self.tclean["image"])
        two, second = pixels(self.wsclean["image"])
        for key in ("NAXIS1", "NAXIS2", "CRPIX1", "CRPIX2"):
            self.assertEqual(first[key], second[key], key)
        for key in ("CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "BMAJ", "BMIN"):
            self.assertAlmostEqual(first[key] % 360, second[key] % 360, places=7, msg=key)
        noise = [1.4826 * np.nanmedian(np.abs(p - np.nanmedian(p))) for p in (one, two)]
        self.assertAlmostEqual(noise[0] / noise[1], 1, delta=0.1)
        self.assertLess(np.nanstd((one - two)[100:412, 100:412]), noise[0])

    def test_fit(self):
        """imfit finds source A: flux within 1 %, in what it returns."""
        fit = read_json(call("imfit", imagename=self.tclean["image"], box="246,246,266,266")["returned"])
        self.assertTrue(fit["converged"][0])
        self.assertAlmostEqual(fit["results"]["component0"]["flux"]["value"][0], 1.0, delta=0.01)


class FlaggingTest(Case):
    """Interference that was put in is found."""

    def test_recall_and_precision(self):
        """tfcrop and then extend find at least 90 % of the interference, and of what they flag at least 85 % is interference; the input keeps its flags."""
        ms, _, arrays = made(times=60, channels=64, interference=20.0)
        found = call("flagdata", vis=ms, mode="tfcrop", datacolumn="DATA", ntime="scan", combinescans=True, timecutoff=3.5, freqcutoff=3.0, flagbackup=True)
        found = call("flagdata", vis=found["vis"], mode="extend", growtime=70.0, growfreq=70.0, flagbackup=False)
        with tables.table(path(found["vis"]), ack=False) as table:
            flag = table.getcol("FLAG")
        flagged = flag.any(2).reshape(60, -1, 64)
        true = np.broadcast_to(arrays["rfi_mask"][:, None], flagged.shape)
        self.assertGreater((flagged & true).sum() / true.sum(), 0.90)
        self.assertGreater((flagged & true).sum() / flagged.sum(), 0.85)
        with tables.table(path(ms), ack=False) as table:
            self.assertFalse(table.getcol("FLAG").any())

    def test_versions(self):
        """Versions of flags are products: saved, listed and restored by later calls."""
        ms, _, _ = made(antennas=10, times=5, channels=4)
        saved = call("flagmanager", vis=ms, mode="save", versionname="clean")
        flagged = call("flagdata", vis=saved["vis"], mode="manual", antenna="0", flagbackup=False)
        listed = call("flagmanager", vis=flagged["vis"], flagversions=saved["flagversions"], mode="list")
        self.assertIn("clean", [v["name"] for v in read_json(listed["returned"]).values() if isinstance(v, dict)])
        restored = call("flagmanager", vis=flagged["vis"], flagversions=saved["flagversions"], mode="restore", versionname="clean")
        for out, want in ((flagged, True), (restored, False)):
            with tables.table(path(out["vis"]), ack=False) as table:
                self.assertEqual(bool(table.getcol("FLAG").any()), want)


class AtOnceTest(Case):
    """Calls at the same time."""

    def test_four_calls(self):
        """Two that write into the measurement set and two that read it, all at once: each gives what it gives alone, and the input's bytes stay."""
        ms, _, _ = made(antennas=20, times=10, channels=8)
        before = digest(path(ms))
        calls = [("flagdata", {"mode": "manual", "antenna": "0", "flagbackup": False}), ("setjy", {"standard": "manual", "fluxdensity": [2.0, 0.0, 0.0, 0.0], "usescratch": True}),
                 ("tclean", IMAGING | {"imsize": 128, "cell": "20arcsec"}), ("gaincal", {"caltable": "g.cal", "refant": "0"})]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            flagged, modelled, imaged, solved = pool.map(lambda c: call(c[0], vis=ms, **c[1]), calls)
        self.assertEqual(digest(path(ms)), before)
        with tables.table(path(flagged["vis"]), ack=False) as table:
            first = (table.getcol("ANTENNA1") == 0) | (table.getcol("ANTENNA2") == 0)
            self.assertTrue((table.getcol("FLAG").all((1, 2)) == first).all())
        with tables.table(path(modelled["vis"]), ack=False) as table:
            np.testing.assert_allclose(table.getcol("MODEL_DATA"), 2.0, atol=1e-6)
        alone = call("tclean", vis=ms, **IMAGING | {"imsize": 128, "cell": "20arcsec"})
        self.assertTrue(np.array_equal(pixels(alone["image"])[0], pixels(imaged["image"])[0], equal_nan=True))
        with tables.table(path(solved["caltable"]), ack=False) as table:
            self.assertEqual(table.nrows() % 20, 0)


if __name__ == "__main__":
    unittest.main()
