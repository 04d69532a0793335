"""preview: pictures that functions make beside images show what is there, with east to the left."""

import sys
import unittest
import warnings

import numpy as np
from astropy.io import fits
from harness import FUNCTIONS, Case, directory, line_cube, made, path_of
from PIL import Image

sys.path.insert(0, str(FUNCTIONS / "shared"))
import preview

BORDER = 0.1  # of the picture's width and height, on which axes and titles are


def bright(path) -> np.ndarray:
    """Where the plot is bright: fractions (x, y) of the picture's width and height, y downwards."""
    with Image.open(path) as picture:
        grey = np.asarray(picture.convert("L"), float)
    height, width = grey.shape
    inner = np.zeros_like(grey)
    box = slice(int(BORDER * height), int(0.85 * height)), slice(int(0.2 * width), int(0.8 * width))
    inner[box] = grey[box]
    y, x = np.nonzero(inner > 0.8 * inner.max())
    return np.array([x.mean() / width, y.mean() / height])


class PreviewTest(Case):
    """One bright place whose place in the picture is known."""

    def draw(self, shape, place, noise=1e-3, **more):
        """Draw an image with noise and a source in a block of 3 pixels at a place (numpy order)."""
        warnings.simplefilter("ignore")
        data = np.random.default_rng(1).normal(0, noise, shape).astype(np.float32)
        data[place[:-2] + (slice(place[-2] - 1, place[-2] + 2), slice(place[-1] - 1, place[-1] + 2))] = 1
        size, head = shape[-1], fits.Header()
        kinds = [("RA---SIN", 187.5, -1 / 3600, size / 2), ("DEC--SIN", 12.0, 1 / 3600, size / 2), ("FREQ", 1.4e9, 1e4, 1), ("STOKES", 1.0, 1.0, 1)]
        for n, (kind, value, step, pixel) in enumerate(kinds[: len(shape)], start=1):
            head.update({f"CTYPE{n}": kind, f"CRVAL{n}": value, f"CDELT{n}": step, f"CRPIX{n}": float(pixel)})
        head.update(CUNIT1="deg", CUNIT2="deg", BUNIT="Jy/beam", RADESYS="ICRS", **more)
        fits.writeto(self.folder / "image.fits", data, head, overwrite=True)
        self.assertTrue(preview.draw(str(self.folder / "image.png"), str(self.folder / "image.fits")))
        return self.folder / "image.png"

    def test_east_is_left(self):
        """A source with a large x, which is west, is right in the picture, and one with a large y, which is north, above."""
        x, y = bright(self.draw((100, 100), (75, 65)))
        self.assertGreater(x, 0.5)
        self.assertLess(y, 0.45)

    def test_one_pixel_of_many(self):
        """A small source of a large image is in the picture, where it is."""
        x, y = bright(self.draw((4000, 4000), (2000, 1000)))
        self.assertAlmostEqual(x, 0.115 + 0.25 * 0.745, delta=0.02)

    def test_brightest_plane(self):
        """Of a cube the plane with the brightest pixel is drawn."""
        self.assertEqual(preview.brightest(7, 100, lambda n: np.full(100, [0, 1, 5, np.nan, 2, 0, 0][n])), 2)
        self.assertEqual(preview.brightest(3, 4, lambda n: np.full(4, np.nan)), 0)
        x, _ = bright(self.draw((1, 9, 60, 60), (0, 4, 30, 15)))
        self.assertLess(x, 0.4)

    def test_a_large_cube_is_read_in_part(self):
        """Of a cube with more than READ pixels not every plane is read."""
        seen = []
        preview.brightest(100, preview.READ // 10, lambda n: seen.append(n) or np.zeros(1))
        self.assertEqual(seen, list(range(0, 100, 10)))

    def test_nothing_to_draw(self):
        """An image without a finite pixel has no picture, and that is no error."""
        fits.writeto(self.folder / "blank.fits", np.full((8, 8), np.nan, np.float32))
        self.assertFalse(preview.draw(str(self.folder / "blank.png"), str(self.folder / "blank.fits")))


class FunctionsTest(Case):
    """Functions of this suite that make a picture when asked."""

    def test_cutout(self):
        """cutout draws the part when asked, and only then."""
        cube, _ = line_cube(self.folder / "cube.fits")
        asked = {"image": cube, "circle": [230.5, 5.0, 0.1]}
        self.assertIsNone(self.call("cutout", **asked)["preview"])
        x, y = bright(path_of(self.call("cutout", preview=True, **asked)["preview"]))
        self.assertAlmostEqual(x, 0.49, delta=0.05)

    def test_wsclean(self):
        """wsclean draws its image when asked, and only then."""
        asked = {"ms": directory(made().ms), "size": 256, "scale": 8}
        self.assertIsNone(self.call("wsclean", **asked)["preview"])
        with Image.open(path_of(self.call("wsclean", preview=True, **asked)["preview"])) as picture:
            self.assertEqual(picture.width, 1000)


if __name__ == "__main__":
    unittest.main()
