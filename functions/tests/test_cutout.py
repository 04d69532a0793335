"""cutout: every pixel of a part has the place and the value that it has in the image."""

import unittest
import warnings

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from harness import Case, file, path_of

SPEED_OF_LIGHT = 299792458.0


def header(shape, projection="SIN", frame="ICRS", **more):
    """Header of an image or cube at 12h, -30 degrees with pixels of 20 arcsec, turned by 30 degrees."""
    result = fits.Header()
    names = {"GALACTIC": ("GLON", "GLAT")}.get(frame, ("RA--", "DEC-"))
    place = SkyCoord(180, -30, unit="deg").galactic if frame == "GALACTIC" else SkyCoord(180, -30, unit="deg")
    scale, turn = 20 / 3600, np.radians(30)
    for n, (name, value) in enumerate(zip(names, (place.spherical.lon.deg, place.spherical.lat.deg)), start=1):
        result.update({f"CTYPE{n}": f"{name}-{projection}", f"CRVAL{n}": value, f"CRPIX{n}": shape[-n] / 2 + 0.25, f"CUNIT{n}": "deg"})
    result.update(CD1_1=-scale * np.cos(turn), CD1_2=scale * np.sin(turn), CD2_1=scale * np.sin(turn), CD2_2=scale * np.cos(turn), BUNIT="Jy/beam")
    if frame in ("FK5", "FK4"):
        result.update(RADESYS=frame, EQUINOX={"FK5": 1980.0, "FK4": 1950.0}[frame])
    elif frame == "ICRS":
        result["RADESYS"] = "ICRS"
    result.update(more)
    return result


class CutoutTest(Case):
    """Parts of images whose pixels say where they are."""

    def setUp(self):
        """Numbers that differ from pixel to pixel."""
        super().setUp()
        warnings.simplefilter("ignore")

    def write(self, shape=(200, 300), head=None, kind=np.float32):
        """Write an image of which each pixel has another value."""
        self.data = np.arange(np.prod(shape)).reshape(shape).astype(kind)
        self.path = self.folder / "image.fits"
        fits.writeto(self.path, self.data, header(shape) if head is None else head, overwrite=True)
        return file(self.path)

    def cut(self, image, **inputs):
        """Data and header of the part; None without overlap."""
        out = self.call("cutout", image=image, **inputs)["cutout"]
        if out is None:
            return None, None
        with fits.open(path_of(out)) as hdus:
            hdus.verify("exception")
            return hdus[0].data.copy(), hdus[0].header

    def check_same(self, data, head):
        """The value of each pixel that is not blank is that of the image at the same place on the sky, as astropy says."""
        y, x = np.nonzero(np.isfinite(data))
        whole, part = WCS(fits.getheader(self.path)).celestial, WCS(head).celestial
        places = part.pixel_to_world(x, y)
        xs, ys = whole.world_to_pixel(places)
        np.testing.assert_allclose(np.c_[xs, ys], np.rint(np.c_[xs, ys]), atol=1e-6)
        np.testing.assert_array_equal(self.data[np.rint(ys).astype(int), np.rint(xs).astype(int)], data[y, x])
        return whole, places

    def test_circle(self):
        """In every projection and frame the box is the smallest that holds the circle of ICRS."""
        for projection in ("SIN", "TAN", "ZEA", "CAR"):
            for frame in ("ICRS", "FK5", "FK4", "GALACTIC"):
                with self.subTest(projection + " " + frame):
                    data, head = self.cut(self.write(head=header((200, 300), projection, frame)), circle=[180.1, -30.05, 0.2])
                    whole, _ = self.check_same(data, head)
                    y, x = np.indices(self.data.shape)
                    near = whole.pixel_to_world(x, y).icrs.separation(SkyCoord(180.1, -30.05, unit="deg")) < 0.2 * u.deg
                    rows, columns = np.nonzero(near)
                    for size, found in ((data.shape[0], np.ptp(rows) + 1), (data.shape[1], np.ptp(columns) + 1)):
                        self.assertIn(size - found, (0, 1, 2))  # pixels whose centre is outside, but not all of their area
                    np.testing.assert_array_equal(np.isin(self.data[near], data), True)

    def test_polygon(self):
        """Outside of a polygon pixels are blank, inside they are all there; a mask for a circle too."""
        corners = [180.2, -30.2, 179.8, -30.25, 179.95, -30.0, 179.8, -29.8, 180.3, -29.9]
        data, head = self.cut(self.write(), polygon=corners)
        whole, _ = self.check_same(data, head)
        xs, ys = whole.world_to_pixel(SkyCoord(corners[::2], corners[1::2], unit="deg"))
        from matplotlib.path import Path

        y, x = np.indices(self.data.shape)
        within = Path(np.c_[xs, ys]).contains_points(np.c_[x.ravel(), y.ravel()]).reshape(x.shape)
        self.assertLessEqual(abs(np.isfinite(data).sum() - within.sum()), 3)  # of 14,000: sides are great circles, not straight
        data, head = self.cut(self.write(), circle=[180.0, -30.0, 0.25], mask=True)
        _, places = self.check_same(data, head)
        self.assertLess(places.separation(SkyCoord(180, -30, unit="deg")).deg.max(), 0.25 + 1e-4)
        self.assertAlmostEqual(len(places) / (np.pi * (0.25 * 180) ** 2), 1, delta=0.005)

    def test_integers(self):
        """Integers stay as they are; blank ones are BLANK, or the image becomes real numbers where it has none."""
        image = self.write(kind=np.int32, head=header((200, 300), BLANK=-1))
        data, head = self.cut(image, polygon=[180.2, -30.2, 179.8, -30.2, 180.0, -29.8])
        self.assertEqual(head["BITPIX"], 32)
        with fits.open(image["path"], do_not_scale_image_data=True) as hdus, fits.open(path_of(self.call("cutout", image=image, circle=[180, -30, 0.1])["cutout"]), do_not_scale_image_data=True) as part:
            self.assertIn(part[0].data[0, 0], hdus[0].data)
        data, head = self.cut(self.write(kind=np.int16, head=header((100, 100), BSCALE=2.0, BZERO=5.0), shape=(100, 100)), circle=[180, -30, 0.1], mask=True)
        self.assertEqual(head["BITPIX"], -32)
        with fits.open(self.path) as hdus:
            self.data = hdus[0].data
        self.check_same(data, head)

    def test_range_through_zero(self):
        """A range that crosses right ascension 0, and one of the whole circle."""
        head = header((200, 300), CRVAL1=0.0)
        data, part = self.cut(self.write(head=head), range=[359.8, 0.2, -30.1, -29.9])
        self.check_same(data, part)
        places = WCS(part).pixel_to_world([0, 0, data.shape[1] - 1, data.shape[1] - 1], [0, data.shape[0] - 1, 0, data.shape[0] - 1])
        self.assertTrue((places.ra.wrap_at("180d").deg < 0).any() and (places.ra.wrap_at("180d").deg > 0).any())
        data, _ = self.cut(self.write(head=head), range=[0.0, 360.0, -90.0, 90.0])
        self.assertEqual(data.shape, (200, 300))

    def test_no_overlap(self):
        """Nothing is given when the region is elsewhere, on the other side of the sky too; all is given when it holds the image."""
        image = self.write()
        for region in (dict(circle=[190.0, -30.0, 0.1]), dict(circle=[0.0, 30.0, 0.1]), dict(polygon=[10.0, 10.0, 11.0, 10.0, 10.0, 11.0]), dict(range=[100.0, 101.0, 0.0, 1.0])):
            self.assertIsNone(self.cut(image, **region)[0])
        self.assertEqual(self.cut(image, circle=[180.0, -30.0, 120.0])[0].shape, (200, 300))
        self.assertEqual(self.cut(image)[0].shape, (200, 300))

    def test_band(self):
        """The same band in vacuum wavelength picks the same channels on every kind of spectral axis."""
        rest, frequencies = 1.420405751e9, 1.40e9 + 1e6 * np.arange(40)
        low, high = SPEED_OF_LIGHT / 1.4201e9, SPEED_OF_LIGHT / 1.4099e9  # channels 10 to 20
        v = SPEED_OF_LIGHT * (1 - frequencies / rest)
        axes = {"FREQ": ("Hz", frequencies), "VRAD": ("m/s", v), "WAVE": ("m", None), "VOPT": ("m/s", None)}
        for kind, (unit, values) in axes.items():
            if values is None:  # linear in wavelength: from the 40th channel's to the first's
                length = np.linspace(SPEED_OF_LIGHT / frequencies[-1], SPEED_OF_LIGHT / frequencies[0], 40)
                values = length if kind == "WAVE" else SPEED_OF_LIGHT * (length * rest / SPEED_OF_LIGHT - 1)
            head = header((40, 20, 30), CTYPE3=kind, CUNIT3=unit, CRVAL3=values[0], CDELT3=values[1] - values[0], CRPIX3=1.0, RESTFRQ=rest)
            head["CD3_3"] = head.pop("CDELT3")
            data, part = self.cut(self.write((40, 20, 30), head), band_min=low, band_max=high)
            lengths = WCS(part).spectral.pixel_to_world(np.arange(len(data))).to_value(u.m, equivalencies=u.spectral() if kind in ("FREQ", "WAVE") else {"VRAD": u.doppler_radio, "VOPT": u.doppler_optical}[kind](rest * u.Hz))
            step = abs(lengths[1] - lengths[0])
            self.assertTrue((lengths > low - step).all() and (lengths < high + step).all(), kind)
            self.assertIn(len(data), (11, 12), kind)
            first = int(data[0].min()) // 600
            np.testing.assert_array_equal(data, self.data[first : first + len(data)])
            self.assertIsNone(self.cut(file(self.path), band_max=0.1)[0])

    def test_air(self):
        """A band in vacuum picks a line of an axis in air: H alpha is at 656.46 nm in vacuum, 656.28 in air (NIST)."""
        head = header((11, 20, 30), CTYPE3="AWAV", CUNIT3="m", CRVAL3=656.28e-9, CRPIX3=6.0)
        head["CD3_3"] = 0.02e-9
        data, part = self.cut(self.write((11, 20, 30), head), band_min=656.460e-9, band_max=656.462e-9)
        self.assertAlmostEqual(WCS(part).wcs.crval[2] + (1 - part["CRPIX3"]) * 0.02e-9, 656.28e-9, delta=0.021e-9)
        self.assertLessEqual(len(data), 2)

    def test_polarizations(self):
        """One, and several with even spacing; other ones are refused, absent ones give nothing."""
        head = header((4, 5, 20, 30), CTYPE4="STOKES", CRVAL4=1.0, CRPIX4=1.0, CTYPE3="FREQ", CUNIT3="Hz", CRVAL3=1.4e9, CRPIX3=1.0)
        head.update(CD3_3=1e6, CD4_4=1.0)
        image = self.write((4, 5, 20, 30), head)
        for names, planes, values in ((["V"], [3], [4]), (["V", "I"], [0, 3], [1, 4]), (["Q", "U"], [1, 2], [2, 3])):
            data, part = self.cut(image, pol=names)
            np.testing.assert_array_equal(data, self.data[planes])
            np.testing.assert_allclose(WCS(part).sub(["stokes"]).wcs_pix2world(np.arange(len(planes)), 0)[0], values)
        self.assertIsNone(self.cut(image, pol=["RR"])[0])
        self.fails("cutout", "not evenly spaced", image=image, pol=["I", "Q", "V"])

    def test_extension_and_compression(self):
        """The first image is taken from where it is, and tile-compressed ones too."""
        data = np.arange(60000).reshape(200, 300).astype(np.int32)
        for hdu in (fits.ImageHDU(data, header(data.shape)), fits.CompImageHDU(data, header(data.shape))):
            self.data, self.path = data, self.folder / "plain.fits"
            fits.writeto(self.path, data, header(data.shape), overwrite=True)
            fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(self.folder / "extension.fits", overwrite=True)
            part, head = self.cut(file(self.folder / "extension.fits"), circle=[180, -30, 0.1])
            self.check_same(part, head)

    def test_faults(self):
        """What has no meaning is refused with a reason."""
        image = self.write()
        self.fails("cutout", "only one can be given", image=image, circle=[1, 2, 3], polygon=[1, 2, 3, 4, 5, 6])
        self.fails("cutout", "A circle has 3 numbers", image=image, circle=[1, 2])
        self.fails("cutout", "three corners", image=image, polygon=[1, 2, 3, 4])
        self.fails("cutout", "between -90 and 90", image=image, circle=[1, 92, 3])
        self.fails("cutout", "no spectral axis", image=image, band_min=0.2)
        self.fails("cutout", "no polarization axis", image=image, pol=["I"])
        text = self.folder / "text.fits"
        text.write_text("no image")
        self.fails("cutout", "not a FITS file", image=file(text))


if __name__ == "__main__":
    unittest.main()
