"""convolve, image-stats, plot: against analytic images and tables."""

import unittest
import warnings

import numpy as np
from astropy.convolution import Ring2DKernel, convolve
from astropy.io import fits
from astropy.table import Table
from harness import Case, file, line_cube, path_of
from PIL import Image
from test_images import gaussian, header

FWHM = np.sqrt(8 * np.log(2))


class AnalysisCase(Case):
    """A test that writes images."""

    def setUp(self):
        """Be quiet about headers."""
        super().setUp()
        warnings.simplefilter("ignore")

    def write(self, data, head, name="image.fits"):
        """Write an image with four axes, or a cube as it is."""
        data = np.asarray(data, np.float32)
        fits.writeto(self.folder / name, data[None, None] if data.ndim == 2 else data, head, overwrite=True)
        return file(self.folder / name)

    def read(self, output):
        """Pixels and header of a FITS output."""
        with fits.open(path_of(output)) as hdus:
            return np.squeeze(hdus[0].data).astype(float), hdus[0].header

    def check_picture(self, output):
        """A picture that shows something."""
        with Image.open(path_of(output)) as picture:
            self.assertGreater(np.asarray(picture.convert("L"), float).std(), 10)


class ConvolveTest(AnalysisCase):
    """Kernels have their sums and widths; beams become what is asked for."""

    def test_beam(self):
        """A point source of an elliptical beam becomes one of the target beam: peak within 0.1 %, second moments within 0.5 %."""
        size, scale, old, new = 256, 2.0, (20.0, 12.0, 30.0), (40.0, 30.0, 110.0)
        y, x = (np.indices((size, size)) - size // 2) * scale

        def beam(major, minor, angle):
            turn = np.radians(angle)
            along, across = -x * np.sin(turn) + y * np.cos(turn), -x * np.cos(turn) - y * np.sin(turn)
            return np.exp(-4 * np.log(2) * ((along / major) ** 2 + (across / minor) ** 2))

        out = self.call("convolve", image=self.write(3 * beam(*old), header(size, scale, old)), kernel="beam", target_beam=list(new))
        data, head = self.read(out["image"])
        np.testing.assert_allclose(data, 3 * beam(*new), atol=0.003)
        np.testing.assert_allclose([head["BMAJ"] * 3600, head["BMIN"] * 3600, head["BPA"]], new, rtol=1e-6)
        self.check_picture(out["picture"])
        image = file(self.folder / "image.fits")
        self.fails("convolve", "at least as wide", image=image, kernel="beam", target_beam=[25.0, 15.0, 120.0])
        self.fails("convolve", "needs target_beam", image=image, kernel="beam")

    def test_every_kernel(self):
        """Each kernel of sum one keeps the sum; that of a ring is what astropy makes; a Ricker kernel leaves none."""
        image = self.write(gaussian(96, 3.0), header(96, 2.0))
        for kernel in ("Gaussian2D", "Box2D", "Tophat2D", "AiryDisk2D", "Moffat2D", "TrapezoidDisk2D", "Ring2D"):
            with self.subTest(kernel):
                data, _ = self.read(self.call("convolve", image=image, kernel=kernel, width=3.0, slope=2.5)["image"])
                self.assertAlmostEqual(data.sum() / gaussian(96, 3.0).sum(), 1, delta=0.02 if kernel in ("Moffat2D", "AiryDisk2D") else 1e-4)  # their wings leave the image
        data, _ = self.read(self.call("convolve", image=image, kernel="Ring2D", width=4.0, thickness=2.0)["image"])
        np.testing.assert_allclose(data, convolve(gaussian(96, 3.0), Ring2DKernel(4, 2), boundary="fill"), atol=1e-6)
        data, _ = self.read(self.call("convolve", image=image, kernel="RickerWavelet2D", width=2.0)["image"])
        self.assertLess(abs(data.sum()), 1e-2 * np.abs(data).sum())
        custom = self.write(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]), None, "kernel.fits")
        data, _ = self.read(self.call("convolve", image=image, kernel="Custom", custom=custom)["image"])
        self.assertAlmostEqual(data[48, 48], gaussian(96, 3.0)[48, 49], delta=1e-6)

    def test_spectral(self):
        """Kernels of one dimension work along the spectral axis: a line of one channel gets the kernel's shape, and its sum stays."""
        cube, _ = line_cube(self.folder / "cube.fits")
        head, data = fits.getheader(cube["path"]), np.zeros((40, 8, 8))
        data[20] = 1.0
        image = self.write(data, head, "channel.fits")
        for kernel in ("Gaussian1D", "Box1D", "Trapezoid1D"):
            out, _ = self.read(self.call("convolve", image=image, kernel=kernel, width=3.0)["image"])
            np.testing.assert_allclose(out.sum(0), 1, atol=1e-5)
            self.assertLess(out[20, 4, 4], 0.5)
        out, _ = self.read(self.call("convolve", image=image, kernel="Gaussian1D", width=3.0)["image"])
        self.assertAlmostEqual(np.sqrt((out[:, 4, 4] * (np.arange(40) - 20.0) ** 2).sum()), 3.0, delta=0.05)
        fits.writeto(self.folder / "plane.fits", np.ones((8, 8)))
        plane = file(self.folder / "plane.fits")
        self.fails("convolve", "no third axis", image=plane, kernel="Box1D")

    def test_blank(self):
        """Blank pixels are interpolated, filled or kept; borders are as asked for."""
        data = np.full((40, 40), 2.0)
        data[10:14, 10:14] = np.nan
        image = self.write(data, header(40, 1.0))
        smooth = lambda **how: self.read(self.call("convolve", image=image, width=2.0, boundary="extend", **how)["image"])[0]
        np.testing.assert_allclose(smooth(), 2.0, rtol=1e-6)
        self.assertLess(smooth(blank="fill")[12, 12], 1.9)
        np.testing.assert_array_equal(np.isnan(smooth(keep_blank=True)), np.isnan(data))
        out, _ = self.read(self.call("convolve", image=self.write(np.full((40, 40), 2.0), header(40, 1.0)), width=2.0, boundary="wrap")["image"])
        np.testing.assert_allclose(out, 2.0, rtol=1e-6)

    def test_header(self):
        """A Gaussian widens the beam; another kernel takes it away."""
        image = self.write(gaussian(64, 3.0), header(64, 2.0, (10.0, 10.0, 0.0)))
        _, head = self.read(self.call("convolve", image=image, kernel="Gaussian2D", width=4.0)["image"])
        self.assertAlmostEqual(head["BMAJ"] * 3600, np.hypot(10, 4 * 2 * FWHM), delta=0.02)
        _, head = self.read(self.call("convolve", image=image, kernel="Tophat2D", width=4.0)["image"])
        self.assertNotIn("BMAJ", head)


class StatsTest(AnalysisCase):
    """Figures of an image of noise with a source."""

    def test_truth(self):
        """The noise within 1 %, the flux density of a source within its error, the place of its peak."""
        beam, scale, size, noise = 20.0, 4.0, 256, 1e-3
        data = np.random.default_rng(3).normal(0, noise, (size, size)) + 0.5 * gaussian(size, beam / scale / FWHM, x=100, y=140)
        data[:10, :10] = np.nan
        image = self.write(data, header(size, scale, (beam, beam, 0.0)))
        out = self.call("image-stats", image=image)
        self.assertAlmostEqual(out["noise"] / noise, 1, delta=0.01)
        self.assertEqual((out["peak_x"], out["peak_y"], out["blank"], out["pixels"]), (100, 140, 100, size**2 - 100))
        self.assertAlmostEqual(out["dynamic_range"] / (out["peak"] / noise), 1, delta=0.01)
        self.assertAlmostEqual(out["beam_area"], np.pi / (4 * np.log(2)) * 25, places=3)
        self.check_picture(out["picture"])
        part = self.call("image-stats", image=image, ra=out["peak_ra"], dec=out["peak_dec"], radius=60.0)
        self.assertAlmostEqual(part["flux"], 0.5, delta=4 * part["flux_error"])
        self.assertAlmostEqual(part["pixels"] / (np.pi * 15**2), 1, delta=0.03)
        self.assertAlmostEqual(part["mean"] * part["pixels"], part["sum"], delta=1e-6)

    def test_faults(self):
        """What has no meaning is refused with a reason."""
        image = self.write(np.zeros((16, 16)), header(16, 1.0))
        self.fails("image-stats", "give all three or none", image=image, ra=1.0)
        self.fails("image-stats", "No pixel of the image", image=image, ra=1.0, dec=1.0, radius=1.0)
        blank = self.write(np.full((16, 16), np.nan), header(16, 1.0), "blank.fits")
        self.fails("image-stats", "no finite pixel", image=blank)


class PlotTest(AnalysisCase):
    """Plots of tables of every kind."""

    def test_tables(self):
        """VOTable, FITS, ECSV and CSV give the same picture; arrays do as well."""
        table = Table(dict(time=np.linspace(0.1, 10, 50), power=np.linspace(0.1, 10, 50) ** 2, label=["a"] * 50))
        pictures = []
        for name, kind in (("t.vot", "votable"), ("t.fits", "fits"), ("t.ecsv", "ascii.ecsv"), ("t.csv", "ascii.csv")):
            table.write(self.folder / name, format=kind)
            out = self.call("plot", table=file(self.folder / name), x="time", y=["power"], y_scale="log")
            with Image.open(path_of(out["picture"])) as picture:
                pictures.append(np.asarray(picture.convert("RGB")))
            with open(path_of(out["vector"]), "rb") as document:
                self.assertEqual(document.read(5), b"%PDF-")
        for picture in pictures[1:]:
            np.testing.assert_array_equal(picture, pictures[0])
        out = self.call("plot", x_values=list(table["time"]), y_values=list(table["power"]), y_scale="log", x_label="time", y_label="power")
        with Image.open(path_of(out["picture"])) as picture:
            np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), pictures[0])

    def test_place(self):
        """A single point is where the axes say."""
        out = self.call("plot", x_values=[2.0], y_values=[7.0], style="points", x_range=[0.0, 4.0], y_range=[0.0, 10.0])
        with Image.open(path_of(out["picture"])) as picture:
            pixels = np.asarray(picture.convert("RGB"), int)
        ink = pixels.sum(2) < 60
        rows, columns = np.flatnonzero(ink.mean(1) > 0.6), np.flatnonzero(ink.mean(0) > 0.6)  # the frame
        y, x = np.nonzero((pixels[..., 2] - pixels[..., 0]) > 100)
        self.assertAlmostEqual((x.mean() - columns[0]) / (columns[-1] - columns[0]), 0.5, delta=0.01)
        self.assertAlmostEqual((y.mean() - rows[0]) / (rows[-1] - rows[0]), 0.3, delta=0.01)

    def test_choices_and_faults(self):
        """All styles draw; what has no meaning is refused with a reason."""
        for style in ("line", "points", "line and points", "steps"):
            self.check_picture(self.call("plot", y_values=[1.0, 3.0, 2.0], error_values=[0.1, 0.2, 0.1], style=style, x_range=[3.0, -1.0])["picture"])
        self.fails("plot", "nothing to plot")
        self.fails("plot", "of one length", x_values=[1.0], y_values=[1.0, 2.0])
        self.fails("plot", "two different values", y_values=[1.0, 2.0], x_range=[1.0, 1.0])
        Table(dict(a=[1.0], b=["x"])).write(self.folder / "t.csv", format="ascii.csv")
        self.fails("plot", "no column of numbers 'b'", table=file(self.folder / "t.csv"), y=["b"])
        (self.folder / "none").write_bytes(bytes(range(256)))
        self.fails("plot", "cannot be read", table=file(self.folder / "none"))


if __name__ == "__main__":
    unittest.main()
