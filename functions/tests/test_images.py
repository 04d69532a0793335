"""gaussian-blur, fits-preview, image-shape: against analytic images."""

import unittest
import warnings

import numpy as np
from astropy.io import fits
from harness import Case, file, path_of
from PIL import Image

FWHM = np.sqrt(8 * np.log(2))


def header(size, scale, beam=None):
    """Header of a square image with a pixel of `scale` arcsec around 12h30m, +12 degrees; like wsclean's with four axes."""
    result = fits.Header()
    axes = [("RA---SIN", 187.5, -scale / 3600, size // 2 + 1), ("DEC--SIN", 12.0, scale / 3600, size // 2 + 1), ("FREQ", 1.4e9, 1e6, 1), ("STOKES", 1.0, 1.0, 1)]
    for number, (kind, value, step, pixel) in enumerate(axes, start=1):
        result.update({f"CTYPE{number}": kind, f"CRVAL{number}": value, f"CDELT{number}": step, f"CRPIX{number}": float(pixel)})
    result.update(CUNIT1="deg", CUNIT2="deg", CUNIT3="Hz", BUNIT="JY/BEAM", OBJECT="TEST")
    if beam:
        result.update(BMAJ=beam[0] / 3600, BMIN=beam[1] / 3600, BPA=beam[2])
    return result


def gaussian(size, sigma, x=None, y=None, sigma_y=None):
    """A Gaussian of peak 1 at a pixel, the centre when none is given."""
    j, i = np.indices((size, size))
    x, y = (size // 2 if v is None else v for v in (x, y))
    return np.exp(-((i - x) ** 2) / (2 * sigma**2) - (j - y) ** 2 / (2 * (sigma_y or sigma) ** 2))


class BlurTest(Case):
    """Convolution of a Gaussian with a Gaussian is a Gaussian of known width and the same sum."""

    def write(self, data, head=None, name="image.fits"):
        """Write a FITS image."""
        fits.writeto(self.folder / name, np.asarray(data), head, overwrite=True)
        return file(self.folder / name)

    def read(self, out):
        """Data and header of the result."""
        with fits.open(path_of(out["image"])) as hdus:
            return hdus[0].data, hdus[0].header

    def test_flux_and_width(self):
        """The sum is kept to 1e-5, and the width is the root of the sum of squares to 0.1 %: a kernel cut at 5 sigma loses 6e-7."""
        image = self.write(gaussian(129, 4.0).astype(np.float32))
        data, _ = self.read(self.call("gaussian-blur", image=image, sigma=3.0))
        self.assertEqual(data.dtype.newbyteorder("="), np.float32)
        self.assertAlmostEqual(data.sum() / (2 * np.pi * 16), 1, delta=1e-5)
        j, i = np.indices(data.shape)
        for offset in (i - 64, j - 64):
            self.assertAlmostEqual(np.sqrt((data * offset**2).sum() / data.sum()), 5.0, delta=0.005)

    def test_arcsec_and_beam(self):
        """A width in arcsec: the beam grows in quadrature, the peak of a point source in Jy/beam is kept."""
        beam = (20.0, 20.0, 30.0)
        image = self.write(gaussian(128, 20 / FWHM / 2)[None, None].astype(np.float32), header(128, 2.0, beam))
        data, head = self.read(self.call("gaussian-blur", image=image, fwhm=15.0, units="beam"))
        self.assertEqual(data.shape, (1, 1, 128, 128))
        self.assertAlmostEqual(head["BMAJ"] * 3600, 25.0, places=6)
        self.assertEqual(head["BPA"], 30.0)
        self.assertEqual(head["CTYPE1"], "RA---SIN")
        self.assertAlmostEqual(float(data.max()), 1.0, delta=0.002)  # the kernel is sampled: sigma is 3.2 pixels

    def test_blank_pixels(self):
        """Blank pixels stay blank and do not spread; a constant stays constant beside them."""
        image = np.full((40, 40), 2.5)
        image[10:20, 10:20] = np.nan
        data, _ = self.read(self.call("gaussian-blur", image=self.write(image), sigma=2.0))
        np.testing.assert_array_equal(np.isnan(data), np.isnan(image))
        np.testing.assert_allclose(data[np.isfinite(data)], 2.5, rtol=1e-12)

    def test_planes(self):
        """Each plane of a cube is blurred on its own; integer images become real numbers; width 0 changes nothing."""
        cube = np.stack([gaussian(64, 3.0), np.zeros((64, 64)), 2 * gaussian(64, 3.0)])
        data, _ = self.read(self.call("gaussian-blur", image=self.write(cube), sigma=2.0))
        self.assertEqual(np.abs(data[1]).max(), 0)
        np.testing.assert_allclose(data[2], 2 * data[0])
        integers = (100 * gaussian(64, 3.0)).astype(np.int16)
        data, _ = self.read(self.call("gaussian-blur", image=self.write(integers, name="int.fits"), sigma=0.0))
        np.testing.assert_array_equal(data, integers)

    def test_pictures(self):
        """PNG pictures keep size, mode and mean; a palette becomes colour; JPEG stays JPEG."""
        random = np.random.default_rng(1)
        for kind, array in (("RGB", random.integers(0, 256, (50, 60, 3))), ("L", random.integers(0, 256, (50, 60))), ("RGBA", random.integers(0, 256, (50, 60, 4)))):
            path = self.folder / f"{kind}.png"
            Image.fromarray(array.astype(np.uint8), mode=kind).save(path)
            with Image.open(path_of(self.call("gaussian-blur", image=file(path), sigma=2.0)["image"])) as picture:
                self.assertEqual((picture.mode, picture.size, picture.format), (kind, (60, 50), "PNG"))
                result = np.asarray(picture, float)
            self.assertAlmostEqual(result.mean(), array.mean(), delta=0.5)
            self.assertLess(result.std(), 0.3 * array.std())
        path = self.folder / "photo.jpg"
        Image.fromarray(random.integers(0, 256, (50, 60, 3)).astype(np.uint8)).save(path)
        with Image.open(path_of(self.call("gaussian-blur", image=file(path))["image"])) as picture:
            self.assertEqual(picture.format, "JPEG")

    def test_faults(self):
        """What has no meaning is refused with a reason."""
        text = self.folder / "text.png"
        text.write_text("no picture")
        self.fails("gaussian-blur", "neither FITS nor a picture", image=file(text))
        self.fails("gaussian-blur", "no celestial coordinates", image=self.write(np.zeros((8, 8))), fwhm=3.0)
        self.fails("gaussian-blur", "image of two or more dimensions", image=self.write(np.zeros(8)))


class PreviewTest(Case):
    """Pictures of known images."""

    def picture(self, out):
        """The picture as an array (y, x, 3)."""
        with Image.open(path_of(out["preview"])) as picture:
            return np.asarray(picture.convert("RGB"), int)

    def write(self, data, head, name="image.fits"):
        """Write an image with four axes."""
        fits.writeto(self.folder / name, np.asarray(data, np.float32)[None, None], head, overwrite=True)
        return file(self.folder / name)

    def test_orientation(self):
        """A source in the north-east is in the upper left quarter, with sky axes and with offsets; the picture has the width asked for."""
        data = gaussian(128, 3.0, x=24, y=104)
        for scale in (5.0, 1e-3):
            image = self.write(data, header(128, scale))
            pixels = self.picture(self.call("fits-preview", image=image, width=700, colors="gray", title="", beam=False))
            self.assertEqual(pixels.shape[1], 700)
            inside = pixels[:, :590].sum(2).astype(float)
            dark = inside < 30
            rows, columns = np.flatnonzero(dark.mean(1) > 0.5), np.flatnonzero(dark.mean(0) > 0.5)  # the frame of the plot
            inside = inside[rows[0] + 2 : rows[-1] - 2, columns[0] + 2 : columns[-1] - 2]
            y, x = np.unravel_index(np.argmax(inside), inside.shape)
            self.assertAlmostEqual(x / inside.shape[1], 24.5 / 128, delta=0.03)
            self.assertAlmostEqual(y / inside.shape[0], 1 - 104.5 / 128, delta=0.03)

    def test_beam(self):
        """The beam's ellipse leans as its position angle says: 45 degrees from north through east is towards the upper left."""
        for scale in (5.0, 1e-3):
            image = self.write(gaussian(128, 1.0), header(128, scale, (20 * scale, 4 * scale, 45.0)))
            pixels = self.picture(self.call("fits-preview", image=image, colors="gray"))
            corner = pixels[-290:-90, 130:330].min(2) > 190
            y, x = np.nonzero(corner)
            self.assertGreater(len(x), 300)
            self.assertGreater(np.corrcoef(x, y)[0, 1], 0.5)  # rows run downwards

    def test_every_choice(self):
        """All stretches, themes and axes draw, contours and crops too, cubes by their plane."""
        image = self.write(gaussian(64, 5.0) - 0.01, header(64, 1.0, (3, 2, 10)))
        options = [dict(stretch=s) for s in ("linear", "sqrt", "asinh", "log")] + [dict(axes=a, contours=[-3.0, 3.0, 30.0]) for a in ("sky", "offset", "pixel")]
        options += [dict(theme="dark", field=20.0, centre="peak", percentile=99.0, interpolation="bicubic", minimum=-0.1, maximum=0.5, width=300)]
        for option in options:
            with self.subTest(option):
                self.assertGreater(self.picture(self.call("fits-preview", image=image, **option)).std(), 20)
        plain = self.folder / "plain.fits"
        fits.writeto(plain, np.stack([np.zeros((32, 48)), gaussian(48, 4.0)[:32]]))
        self.assertGreater(self.picture(self.call("fits-preview", image=file(plain), channel=1)).std(), 20)

    def test_faults(self):
        """What cannot be drawn is refused with a reason."""
        blank = self.write(np.full((16, 16), np.nan), header(16, 1.0))
        self.fails("fits-preview", "no finite pixel", image=blank)
        image = self.write(np.zeros((16, 16)), header(16, 1.0), "zero.fits")
        self.fails("fits-preview", "smaller than two pixels", image=image, field=0.5)
        self.fails("fits-preview", "larger than minimum", image=image, minimum=1.0, maximum=0.0)
        self.fails("fits-preview", "planes 0 to 0", image=image, channel=3)
        self.assertGreater(self.picture(self.call("fits-preview", image=image)).shape[0], 100)


class ShapeTest(Case):
    """Rings and jets of known size and direction."""

    def write(self, data, head):
        """Write an image with four axes and a little noise."""
        noise = np.random.default_rng(5).normal(0, 1e-3, data.shape)
        fits.writeto(self.folder / "image.fits", (data + noise)[None, None].astype(np.float32), head, overwrite=True)
        return file(self.folder / "image.fits")

    def test_ring(self):
        """A ring of radius 12 pixels and Gaussian width, off the centre and brighter in the south: diameter within 2 %."""
        j, i = np.indices((128, 128))
        x, y = i - 66.0, j - 61.0
        ring = np.exp(-((np.hypot(x, y) - 12) ** 2) / (2 * 2.5**2)) * (1 - 0.4 * y / np.maximum(np.hypot(x, y), 1))
        out = self.call("image-shape", image=self.write(ring, header(128, 2e-6, (2e-5, 2e-5, 0))), shape="ring")
        self.assertAlmostEqual(out["diameter"] / 48e-6, 1, delta=0.02)
        self.assertLess(out["depth"], 0.1)
        self.assertIsNone(out["position_angle"])

    def test_jet(self):
        """A jet in each of four directions: position angle within 2 degrees."""
        for angle in (20.0, 110.0, 200.0, 288.0):
            jet = gaussian(256, 3.0)
            for step in np.arange(5, 60, 1.0):
                x, y = 128 - step * np.sin(np.radians(angle)), 128 + step * np.cos(np.radians(angle))
                jet += 0.1 * np.exp(-step / 30) * gaussian(256, 3.0, x=x, y=y)
            out = self.call("image-shape", image=self.write(jet, header(256, 1e-3, (7e-3, 7e-3, 0))), shape="jet")
            self.assertLess(abs((out["position_angle"] - angle + 180) % 360 - 180), 2, msg=angle)
            self.assertIsNone(out["diameter"])

    def test_faults(self):
        """An image with a point alone has no jet."""
        self.fails("image-shape", "no emission beside the core", image=self.write(gaussian(64, 2.0), header(64, 1.0, (5, 5, 0))), shape="jet")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    unittest.main()
