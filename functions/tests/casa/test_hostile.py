"""Wrong and foolish calls are refused before CASA begins, with the input that is wrong."""

import unittest

from running import Case, call, made

SMALL = {"antennas": 10, "times": 5, "channels": 4}
IMAGE = {"imagename": "x", "imsize": 64, "cell": "30arcsec"}


class HostileTest(Case):
    """Each call of the kind that a tired astronomer sends."""

    def test_no_measurement_set(self):
        """A directory of another kind, and a table that is no measurement set."""
        ms, _, _ = made(**SMALL)
        table = call("gaincal", vis=ms, caltable="g.cal", refant="0")["caltable"]
        self.refused(422, "/vis", "not a measurement set", "tclean", vis=table, **IMAGE)
        image = call("tclean", vis=ms, **IMAGE)["image"]
        self.refused(422, "/vis", "not a measurement set", "listobs", vis=image)

    def test_selection(self):
        """A field, a window and times that are not there; each is named."""
        ms, _, _ = made(**SMALL)
        self.refused(422, "/field", "have field '99'", "tclean", vis=ms, field="99", **IMAGE)
        self.refused(422, "/spw", "have spw '7'", "gaincal", vis=ms, caltable="x", spw="7")
        self.refused(422, "/timerange", "no data", "split", vis=ms, outputvis="y.ms", datacolumn="data", timerange="2031/01/01/00:00:00~2031/01/02/00:00:00")

    def test_values(self):
        """What CASA's own check, or its documentation, does not allow."""
        ms, _, _ = made(**SMALL)
        for name, value, words in (("imsize", 0, "at least 1"), ("imsize", [64, -3], "at least 1"), ("niter", -1, "at least 0"), ("stokes", "Z", "IQUV"), ("robust", 7, "at most 2"),
                                   ("datacolumn", "nonsense", "corrected"), ("cell", {}, "string")):
            with self.subTest(name, value=value):
                pointer = f"/{name}/1" if isinstance(value, list) else f"/{name}"
                self.refused(422, pointer, words, "tclean", vis=ms, **IMAGE | {name: value})
        self.refused(422, "/datacolumn", "no column CORRECTED_DATA", "split", vis=ms, outputvis="y.ms")
        self.refused(422, "/caltype", "antpos", "gencal", vis=ms, caltable="x", caltype="nonsense")
        self.refused(422, "/niterr", "niter", "tclean", vis=ms, niterr=1, **IMAGE)

    def test_of_another_kind(self):
        """A table of another kind than the input's, and values in another unit: CASA would take a length for a flux density."""
        ms, _, _ = made(**SMALL)
        table = call("gaincal", vis=ms, caltable="g.cal", refant="0")["caltable"]
        self.refused(422, "/gaintable", "not a calibration table", "applycal", vis=ms, gaintable=ms)
        self.refused(422, "/imagename", "not an image", "imstat", imagename=table)
        for name, value in (("cell", "5 lightyears"), ("threshold", "1parsec"), ("restfreq", "1420 parsec")):
            self.refused(422, f"/{name}", "is not a value in", "tclean", vis=ms, **IMAGE | {name: value})
        self.refused(422, "/refant", "no antenna '99'; it has ea01", "gaincal", vis=ms, caltable="x", refant="99")
        self.refused(422, "/reference", "no field 'nobody'", "fluxscale", vis=ms, caltable=table, fluxtable="x", reference=["nobody"])

    def test_region(self):
        """A part that the image does not have."""
        ms, _, _ = made(**SMALL)
        image = call("tclean", vis=ms, **IMAGE)["image"]
        for name, value in (("box", "a,b"), ("box", "100,100,120,120"), ("chans", "5~9"), ("region", "a round thing"), ("stokes", "Q")):
            with self.subTest(name, value=value):
                self.refused(422, f"/{name}", "which has 64 x 64 x 1 x 1 pixels", "imstat", imagename=image, **{name: value})
        self.refused(422, "/moments", "at most 11", "immoments", imagename=image, moments=99)
        self.refused(422, "/algorithm", "biweight", "imstat", imagename=image, algorithm="nonsense")

    def test_own_words(self):
        """What CASA finds wrong only on its way is told in its own words."""
        ms, _, _ = made(**SMALL)
        self.refused(500, None, "uvcontsub failed: ", "uvcontsub", vis=ms, outputvis="y.ms", fitspec="nonsense")

    def test_too_large(self):
        """An image that the site cannot hold is refused by an estimate, before anything starts."""
        ms, _, _ = made(**SMALL)
        self.refused(422, "/imsize", "MiB of memory by its estimate", "tclean", vis=ms, **IMAGE | {"imsize": 60000, "stokes": "IQUV"})
        self.refused(422, "/size", "MiB of memory by its estimate", "wsclean", ms=ms, size=60000, scale=5)

    def test_outside(self):
        """A product cannot be named out of the call's directory."""
        ms, _, _ = made(**SMALL)
        for name in ("../x", "/tmp/x", "a/b"):
            self.refused(422, "/outputvis", "not a plain name", "split", vis=ms, outputvis=name, datacolumn="data")


if __name__ == "__main__":
    unittest.main()
