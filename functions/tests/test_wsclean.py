"""wsclean, wsclean-predict: images and visibilities against the made truth."""

import unittest

import casacore.tables as tables
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from harness import Case, digest, directory, file, made, path_of


def read(path):
    """The plane and the header of an image."""
    with fits.open(path) as hdus:
        return np.squeeze(hdus[0].data).astype(float), hdus[0].header


def peak_near(plane, x, y):
    """Value of the largest pixel within 4 pixels of a place, and the peak's place by a parabola through the logarithms."""
    x0, y0 = int(round(x)), int(round(y))
    box = plane[y0 - 4 : y0 + 5, x0 - 4 : x0 + 5]
    j, i = np.unravel_index(box.argmax(), box.shape)
    yp, xp = y0 - 4 + j, x0 - 4 + i
    shift = lambda a, b, c: 0.5 * (np.log(a) - np.log(c)) / (np.log(a) - 2 * np.log(b) + np.log(c))
    return plane[yp, xp], xp + shift(*plane[yp, xp - 1 : xp + 2]), yp + shift(*plane[yp - 1 : yp + 2, xp])


class ImageTest(Case):
    """One image of the six sources."""

    def check_sources(self, image, truth, relative, floor):
        """Every true source is in the image: flux within `relative` plus `floor` Jy, place within 0.2 arcsec."""
        plane, header = read(image)
        wcs = WCS(header).celestial
        for s in truth["sources"]:
            x, y = (float(v) for v in wcs.world_to_pixel_values(s["ra"], s["dec"]))
            flux, xp, yp = peak_near(plane, x, y)
            self.assertAlmostEqual(flux, s["flux"], delta=relative * s["flux"] + floor, msg=s["name"])
            self.assertLess(np.hypot(xp - x, yp - y) * abs(header["CDELT1"]) * 3600, 0.2, msg=s["name"])

    def test_six_sources(self):
        """Fluxes within 1 % and four times the noise, positions within 0.2 arcsec; the input's bytes are the same after.

        One percent is the loss when a source is between two pixels of 5 arcsec in a beam of 35; the noise of a uniformly
        weighted image is twice the natural one. Position noise is half a beam over the signal-to-noise ratio: 0.1 for the faintest.
        """
        m = made()
        before = digest(m.ms)
        out = self.call("wsclean", ms=directory(m.ms), size=512, scale=5, niter=1000, mgain=0.8, auto_threshold=3)
        self.check_sources(path_of(out["image"]), m.truth, 0.01, 8 * m.truth["expected_rms"])
        self.assertEqual(digest(m.ms), before)
        self.assertEqual(out["images"], [])
        self.assertIn("WSClean version 3.1", open(path_of(out["log"]), encoding="utf-8").read())

    def test_noise(self):
        """The noise of a naturally weighted residual is the expected one within 15 %: sidelobes of what is below the threshold add."""
        m = made()
        out = self.call("wsclean", ms=[directory(m.ms)], size=512, height=384, scale="5asec", niter=1000, mgain=0.8, auto_threshold=3, weight="natural", threads=1)
        plane, header = read(path_of(out["residual"]))
        self.assertEqual(plane.shape, (384, 512))
        self.assertAlmostEqual(plane.std() / m.truth["expected_rms"], 1, delta=0.15)

    def test_cube(self):
        """Four channels, joined: the spectrum falls as it should, the main image is the multi-frequency one, and a sky model is kept."""
        m = made(channels=8, channel_width=5e7, noise=0.02)
        out = self.call("wsclean", ms=directory(m.ms), size=384, scale=8, niter=2000, mgain=0.8, auto_threshold=4, channels_out=4, join_channels=True, fit_spectral_pol=2,
                        weight="briggs", robust=0.5, beam_size=40.0, save_source_list=True, name="cube")
        self.assertEqual(out["image"]["basename"], "cube-MFS-image.fits")
        self.assertEqual([f["basename"] for f in out["images"]], [f"cube-{i:04d}-image.fits" for i in range(4)])
        fluxes, frequencies = [], []
        for image in out["images"]:
            plane, header = read(path_of(image))
            fluxes.append(plane[188:197, 188:197].max())
            frequencies.append(header["CRVAL3"])
        slope = np.polyfit(np.log(frequencies), np.log(fluxes), 1)[0]
        self.assertAlmostEqual(slope, -0.7, delta=0.05)
        self.assertIn("POINT", open(path_of(out["sources"]), encoding="utf-8").read())

    def test_selection(self):
        """Field 1, the first channels and time steps, and long baselines only; two measurement sets at once."""
        m = made(times=12, channels=4, calibrator=True)
        out = self.call("wsclean", ms=[directory(m.ms)], size=256, scale=8, fields=[1], channel_range={"start": 0, "end": 2}, interval={"start": 0, "end": 6},
                        min_uv=200.0, weight="natural", gridder="wgridder", make_psf=True)
        plane, _ = read(path_of(out["image"]))
        self.assertAlmostEqual(plane.max(), 1.0, delta=0.1)
        self.assertGreater(read(path_of(out["psf"]))[0].max(), 0.99)

    def test_mask(self):
        """With a mask only what is inside is cleaned."""
        m = made()
        first = self.call("wsclean", ms=directory(m.ms), size=256, scale=8)
        plane, header = read(path_of(first["image"]))
        mask = self.folder / "mask.fits"
        inside = np.zeros((1, 1, 256, 256), np.float32)
        inside[..., 118:138, 118:138] = 1
        fits.writeto(mask, inside, header)
        out = self.call("wsclean", ms=directory(m.ms), size=256, scale=8, niter=500, fits_mask=file(mask))
        model = read(path_of(out["model"]))[0]
        self.assertEqual(np.count_nonzero(model * (1 - inside[0, 0])), 0)
        self.assertAlmostEqual(model.sum(), 1.0, delta=0.05)


class FaultTest(Case):
    """A call that made nothing useful fails."""

    def test_no_data(self):
        """No such field, or no visibility in the range: the sentence says so."""
        m = made(times=6, channels=4)
        self.fails("wsclean", "NaN or 0 everywhere", "'fields'", ms=directory(m.ms), size=64, scale=8, min_uv=1e6)
        path = self.folder / "other.ms"
        with tables.table(m.ms, ack=False) as table:
            table.copy(str(path), deep=True).close()
        with tables.table(str(path), readonly=False, ack=False) as table:
            table.putcol("FIELD_ID", np.full(table.nrows(), 2, np.int32))
        self.fails("wsclean", "WSClean", ms=directory(path), size=64, scale=8, niter=10)

    def test_scales(self):
        """What WSClean cannot read as the size of a pixel is refused before it starts, with the units that it knows."""
        ms = directory(made(times=6, channels=4).ms)
        for scale, word in {"0.12furlong": "'furlong'", "120uasec": "'uasec'", "5": "no unit", "asec": "no number", "-5asec": "no size", "0asec": "no size"}.items():
            self.fails("wsclean", word, ms=ms, size=64, scale=scale)
        for scale in ("1e-3 deg", "5ASEC", "0.1'", ".5e1arcsec"):
            self.call("wsclean", ms=ms, size=64, scale=scale, threads=1)

    def test_own_words(self):
        """WSClean's own reason reaches the caller."""
        m = made(times=6, channels=4)
        self.fails("wsclean", "NO_SUCH is unknown", ms=directory(m.ms), size=64, scale=8, data_column="NO_SUCH")


class PredictTest(Case):
    """Visibilities from an image."""

    def test_residual_is_noise(self):
        """Data minus the prediction of the CLEAN model have the noise that was put in, within 1 %; the input is not changed."""
        m = made()
        before = digest(m.ms)
        model = self.call("wsclean", ms=directory(m.ms), size=512, scale=5, niter=2000, mgain=0.8, auto_threshold=2)["model"]
        out = self.call("wsclean-predict", ms=directory(m.ms), model=file(path_of(model)))
        with tables.table(path_of(out["predicted_ms"]), ack=False) as table:
            left = table.getcol("DATA") - table.getcol("MODEL_DATA")
        self.assertAlmostEqual(left.real.std(), 0.1, delta=0.001)
        self.assertEqual(digest(m.ms), before)


if __name__ == "__main__":
    unittest.main()
