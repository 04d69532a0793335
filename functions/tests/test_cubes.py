"""spectrum, moments, cube-preview: against a cube of a turning disk whose profile is known in every pixel."""

import unittest
import warnings

import numpy as np
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from harness import Case, file, line_cube, path_of
from PIL import Image

LIGHT = 299792.458  # km/s


class CubeCase(Case):
    """A test with the cube."""

    def setUp(self):
        """Make the cube."""
        super().setUp()
        warnings.simplefilter("ignore")
        self.cube, self.truth = line_cube(self.folder / "line-cube.fits")

    def image(self, output):
        """Pixels and header of a FITS output."""
        with fits.open(path_of(output)) as hdus:
            hdus.verify("exception")
            return hdus[0].data.astype(float), hdus[0].header

    def check_picture(self, output, least=300):
        """A picture that shows something."""
        with Image.open(path_of(output)) as picture:
            self.assertGreater(min(picture.size), least)
            self.assertGreater(np.asarray(picture.convert("L"), float).std(), 10)


class MomentsTest(CubeCase):
    """The moments of a Gaussian line are its area, centre and width."""

    def test_truth(self):
        """Without a threshold moment 0 is the truth within the noise and the flux within 1 %; with one, velocities are within 0.1 and widths within 0.3 channels where the line is 20 times the noise."""
        out = self.call("moments", cube=self.cube, threshold=0)
        self.assertAlmostEqual(out["flux"] / self.truth["flux"], 1, delta=0.01)
        self.assertAlmostEqual(out["noise"] / self.truth["noise"], 1, delta=0.12)  # the line fills up to a quarter of a channel
        zero, header = self.image(out["moment0"])
        self.assertEqual(header["BUNIT"], "Jy/beam.km/s")
        self.assertEqual((header["BMAJ"], header["NAXIS"]), (self.truth["beam"] / 3600, 2))
        noise = self.truth["noise"] * self.truth["channel"] * np.sqrt(40)
        self.assertLess(np.abs(zero - self.truth["moment0"]).max(), 5 * noise)  # of 9216 pixels
        out = self.call("moments", cube=self.cube, threshold=4)
        zero, first, second = (self.image(out[f"moment{n}"])[0] for n in range(3))
        bright = self.truth["peak"] > 20 * self.truth["noise"]
        lost = 1 - zero[bright] / self.truth["moment0"][bright]  # the wings of the line that are below the threshold
        self.assertTrue(0 < lost.mean() < 0.06, lost.mean())
        self.assertLess(np.abs(first - self.truth["velocity"])[bright].max(), 0.4 * self.truth["channel"])
        self.assertLess(np.abs(first - self.truth["velocity"])[bright].mean(), 0.1 * self.truth["channel"])
        narrower = self.truth["dispersion"] - second[bright]
        self.assertTrue(0 < narrower.mean() < 0.3 * self.truth["channel"], narrower.mean())
        self.assertTrue(np.isnan(first[0, 0]) or zero[0, 0] > 0)
        self.check_picture(out["picture"])

    def test_velocities(self):
        """The definitions of velocity differ as they should; a range of velocities cuts the line."""
        optical, _ = self.image(self.call("moments", cube=self.cube, velocity="optical", threshold=4)["moment1"])
        radio = self.truth["velocity"]
        bright = self.truth["peak"] > 20 * self.truth["noise"]
        np.testing.assert_allclose(optical[bright], (radio / (1 - radio / LIGHT))[bright], atol=0.5 * self.truth["channel"])
        half = self.call("moments", cube=self.cube, threshold=0, velocity_min=float(np.mean(radio)))
        self.assertAlmostEqual(half["flux"] / self.truth["flux"], 0.5, delta=0.06)  # to within one channel
        self.fails("moments", "No channel lies between", cube=self.cube, velocity_min=1e6)
        self.fails("moments", "No pixel is brighter", cube=self.cube, threshold=1e6)


class SpectrumTest(CubeCase):
    """The spectrum of the disk is known in each pixel and as a whole."""

    def test_region(self):
        """The flux density of a circle that holds the disk, its axes, and their table."""
        out = self.call("spectrum", cube=self.cube, ra=self.truth["ra"], dec=self.truth["dec"], radius=1200)
        self.assertAlmostEqual(out["line_flux"] / self.truth["flux"], 1, delta=0.02)
        self.assertEqual(out["unit"], "Jy")
        table = Table.read(path_of(out["table"]))
        self.assertEqual(str(table["value"].unit), "Jy")
        f, f0 = np.asarray(table["frequency"]) * 1e9, self.truth["rest"]
        np.testing.assert_allclose(f, self.truth["frequencies"], rtol=1e-12)
        np.testing.assert_allclose(table["wavelength"], LIGHT * 1e3 / f, rtol=1e-12)
        np.testing.assert_allclose(table["velocity_radio"], LIGHT * (1 - f / f0), atol=1e-6)
        np.testing.assert_allclose(table["velocity_optical"], LIGHT * (f0 / f - 1), atol=1e-6)
        np.testing.assert_allclose(table["velocity_relativistic"], LIGHT * (f0**2 - f**2) / (f0**2 + f**2), atol=1e-6)
        self.check_picture(out["picture"])

    def test_pixel(self):
        """At a place, the spectrum is that of its pixel; without one, of the brightest; the noise does not count the line."""
        with fits.open(self.cube["path"]) as hdus:
            data = hdus[0].data
        place = WCS(fits.getheader(self.cube["path"])).celestial.pixel_to_world(40, 33)
        out = self.call("spectrum", cube=self.cube, ra=float(place.ra.deg), dec=float(place.dec.deg), axis="frequency")
        np.testing.assert_array_equal(np.asarray(Table.read(path_of(out["table"]))["value"], np.float32), data[:, 33, 40])
        self.assertAlmostEqual(out["noise"] / self.truth["noise"], 1, delta=0.35)  # of 39 differences
        out = self.call("spectrum", cube=self.cube)
        self.assertAlmostEqual(out["peak"], float(data.max()), delta=1e-6)
        mean = self.call("spectrum", cube=self.cube, ra=self.truth["ra"], dec=self.truth["dec"], radius=40, statistic="mean")
        self.assertEqual(mean["unit"], "Jy/beam")

    def test_casa_beams(self):
        """Beams of each channel in a table, as CASA exports them, are taken by their median."""
        with fits.open(self.cube["path"]) as hdus:
            head = hdus[0].header
            for key in ("BMAJ", "BMIN", "BPA"):
                del head[key]
            beams = [fits.Column(name, "E", unit, array=np.full(40, value)) for name, unit, value in (("BMAJ", "arcsec", 45.0), ("BMIN", "arcsec", 45.0), ("BPA", "deg", 0.0))]
            table = fits.BinTableHDU.from_columns(beams, name="BEAMS")
            fits.HDUList([fits.PrimaryHDU(hdus[0].data, head), table]).writeto(self.folder / "casa.fits")
        out = self.call("spectrum", cube=file(self.folder / "casa.fits"), ra=self.truth["ra"], dec=self.truth["dec"], radius=1200)
        self.assertAlmostEqual(out["line_flux"] / self.truth["flux"], 1, delta=0.02)

    def test_faults(self):
        """What has no meaning is refused with a reason."""
        self.fails("spectrum", "outside of the cube", cube=self.cube, ra=10.0, dec=10.0)
        self.fails("spectrum", "both ra and dec", cube=self.cube, ra=10.0)
        plain = self.folder / "plane.fits"
        fits.writeto(plain, np.zeros((8, 8)))
        self.fails("spectrum", "has no cube", cube=file(plain))


class PreviewTest(CubeCase):
    """Pictures of the disk, and a cut along it."""

    def test_cut(self):
        """Along the disk's long axis, which is found within 5 degrees, the line's velocity changes as the disk turns."""
        out = self.call("cube-preview", cube=self.cube, panels=9, frames=8)
        for name in ("channel_maps", "position_velocity"):
            self.check_picture(out[name])
        with Image.open(path_of(out["animation"])) as animation:
            self.assertEqual((animation.format, animation.n_frames), ("GIF", 8))
        cut, header = self.image(out["position_velocity_fits"])
        angle = float(str(header["HISTORY"]).split("position angle ")[1].split(" ")[0])
        self.assertLess(abs((angle - self.truth["angle"] + 90) % 180 - 90), 5)
        wcs = WCS(header)
        for offset in (-200.0, 0.0, 200.0):
            x = int(round(float(wcs.sub([1]).wcs_world2pix([offset / 3600 if wcs.wcs.cunit[0] == "deg" else offset], 0)[0][0])))
            velocities = header["CRVAL2"] + (np.arange(cut.shape[0]) + 1 - header["CRPIX2"]) * header["CDELT2"]
            mean = (cut[:, x] * velocities).sum() / cut[:, x].sum()
            side = 1 if abs((angle - self.truth["angle"] + 180) % 360 - 180) < 90 else -1
            self.assertAlmostEqual(mean, self.truth["systemic"] + side * self.truth["gradient"] * offset, delta=2 * self.truth["channel"])

    def test_choices(self):
        """A cut of a given place, direction, length and width; a range of channels; one channel."""
        out = self.call("cube-preview", cube=self.cube, ra=self.truth["ra"], dec=self.truth["dec"], angle=10.0, length=300.0, width=60.0, axis="frequency", axis_min=1.4133, panels=2, frames=2)
        self.assertEqual(self.image(out["position_velocity_fits"])[1]["CTYPE2"], "FREQ")
        out = self.call("cube-preview", cube=self.cube, axis="channel", axis_min=20, axis_max=20)
        self.assertEqual(self.image(out["position_velocity_fits"])[0].shape[0], 1)


if __name__ == "__main__":
    unittest.main()
