"""Functions that make images make a picture of them too, unless it is not wanted."""

import unittest

import numpy as np
from PIL import Image
from running import Case, call, made, path

IMAGING = {"imsize": 64, "cell": "30arcsec", "niter": 100}


class PreviewTest(Case):
    """Every function of CASA whose product is an image."""

    def check(self, out: dict, panels: int = 1) -> None:
        """A picture of so many images side by side, in which there is something."""
        with Image.open(path(out["preview"])) as picture:
            self.assertEqual(picture.width, 1000 if panels == 1 else 800 * panels)
            self.assertGreater(np.asarray(picture.convert("L"), float).std(), 10)

    def test_pictures(self):
        """A picture by each, of a plane, of a cube and of moments; none when it is not wanted."""
        ms, _, _ = made(antennas=15, times=10, channels=8, line=0.05)
        plane = call("tclean", vis=ms, imagename="plane", **IMAGING)
        cube = call("tclean", vis=ms, imagename="cube", specmode="cube", **IMAGING)
        self.check(plane)
        self.check(cube)
        smooth = call("imsmooth", imagename=plane["image"], outfile="s", kernel="gauss", major="3arcmin", minor="2arcmin", pa="30deg")
        self.check(smooth)
        self.check(call("impbcor", imagename=cube["image"], pbimage=cube["pb"], outfile="c"))
        self.check(call("imregrid", imagename=plane["image"], output="g", template="GALACTIC"))
        self.check(call("imsubimage", imagename=cube["image"], outfile="p", box="20,20,50,40"))
        self.check(call("feather", highres=plane["image"], lowres=smooth["outfile"], imagename="f"))
        self.check(call("immoments", imagename=cube["image"], moments=[0, 1]), panels=2)
        self.assertIsNone(call("imsubimage", imagename=cube["image"], outfile="p", box="20,20,50,40", preview=False)["preview"])

    def test_what_cannot_be_drawn(self):
        """An image without a sky costs nobody the call: one row of pixels along the band has its picture or none, and its image."""
        ms, _, _ = made(antennas=15, times=10, channels=8, line=0.05)
        cube = call("tclean", vis=ms, imagename="cube", specmode="cube", **IMAGING)["image"]
        self.assertTrue(call("imsubimage", imagename=cube, outfile="p", box="30,30,30,30")["outfile"])


if __name__ == "__main__":
    unittest.main()
