"""Wrong and foolish calls are refused before CASA begins, with the input that is wrong."""

import functools
import unittest

from running import Case, Refused, call, made

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
        with self.assertRaises(Refused) as caught:
            call("mstransform", vis=ms, outputvis="y.ms", datacolumn="data", regridms=True, outframe="source")
        said = caught.exception.problem["detail"]
        self.assertEqual(said, "mstransform failed: Problem parsing output reference frame:source")

    def refused_all(self, function: str, inputs: dict, *wrong) -> None:
        """Check that a call is refused for each (input, value, words)."""
        for name, value, words in wrong:
            with self.subTest(function, name=name, value=value):
                self.refused(422, f"/{name}", words, function, **{k: v for k, v in (inputs | {name: value}).items() if v is not None})

    def test_averaging(self):
        """Channels, times and tiles that cannot be; CASA would take a width of -1 for 1."""
        ms, _, _ = made(**SMALL)
        made_of = {"vis": ms, "outputvis": "y.ms", "datacolumn": "data"}
        self.refused_all("split", made_of, ("width", -1, "number of channels"), ("width", 0, "number of channels"), ("width", "x", "number of channels"), ("width", [], "empty"),
                         ("width", [2, 2], "for 1 spectral windows"), ("timebin", "-5s", "less than 0"), ("timebin", "10Jy", "not a value in s"), ("combine", "scan,foo", "'foo' is not one of"),
                         ("correlation", "ZZ", "correlation 'ZZ'"), ("array", "9", "no data"), ("feed", "9", "no feed 9"), ("spw", "0:99", "no channel 99; it has 4"), ("outputvis", " ", "no name"))
        self.refused_all("mstransform", made_of | {"chanaverage": True}, ("chanbin", [2, 2], "for 1 spectral windows"), ("tileshape", [1, 2], "shape of tiles"), ("phasecenter", "here", "no direction"),
                         ("datacolumn", "lag_data", "no column LAG_DATA"))
        self.refused_all("mstransform", made_of | {"regridms": True}, ("nchan", 0, "no channel"), ("start", "x", "number of channels"), ("width", 0, "number of channels"), ("nspw", 0, "at least 1"), ("nspw", 9, "there are 4 channels for 9"),
                         ("restfreq", "1420", "has no unit"))
        self.refused_all("mstransform", made_of | {"timeaverage": True}, ("timebin", "0s", "greater than 0"))
        self.refused_all("uvcontsub", {"vis": ms, "outputvis": "y.ms"}, ("fitspec", "nonsense", "'nonsense'"), ("fitspec", "9:0", "have"), ("fitspec", "0:0~99", "no channel 99"),
                         ("fitspec", '{"nobody": "0:0~1"}', "of field 'nobody'"), ("fitspec", '{"0": 5}', "neither channels"), ("fitspec", '{"0":', "not a JSON object"), ("fitorder", 50, "at most 20"))
        self.refused_all("statwt", {"vis": ms, "datacolumn": "data"}, ("timebin", "-1s", "not greater"), ("chanbin", "1parsec", "not a value in Hz"), ("statalg", "x", "chauvenet"), ("minsamp", 1, "at least 2"),
                         ("wtrange", [5, 1], "5 is greater than 1"), ("datacolumn", "residual", "no column MODEL_DATA"), ("combine", "x", "is not one of"))

    def test_flags(self):
        """Flagging by what is not there, and versions of flags that there are not."""
        ms, _, _ = made(**SMALL)
        flags = {"vis": ms, "flagbackup": False}
        self.refused_all("flagdata", flags | {"mode": "clip"}, ("clipminmax", [5, 1], "is greater than"), ("clipminmax", [1, 2, 3], "3 values"), ("datacolumn", "x", "is not one of"), ("timebin", "x", "not a value in s"))
        self.refused_all("flagdata", flags | {"mode": "tfcrop"}, ("ntime", "1Jy", "not a value in s"), ("ntime", -1, "not greater"), ("timefit", "x", "line"), ("growtime", 200, "at most 100"), ("maxnpieces", 99, "at most 9"))
        self.refused_all("flagdata", flags | {"mode": "rflag"}, ("timedev", "nosuch.txt", "not a noise"), ("winsize", 0, "at least 1"))
        self.refused_all("flagdata", flags | {"mode": "antint"}, ("antint_ref_antenna", "zz", "no antenna 'zz'"), ("antint_ref_antenna", "", "must be given"))
        self.refused_all("flagdata", flags | {"mode": "shadow"}, ("addantenna", "x", "not a JSON object"))
        saved = call("flagmanager", vis=ms, mode="save", versionname="first")["flagversions"]
        self.refused_all("flagmanager", {"vis": ms, "mode": "save"}, ("versionname", "", "must be given"), ("versionname", "a/b", "not a plain name"), ("flagversions", ms, "no versions of flags"))
        self.refused_all("flagmanager", {"vis": ms, "mode": "restore", "flagversions": saved}, ("versionname", "second", "there are first"))
        self.refused_all("flagmanager", {"vis": ms, "mode": "delete", "versionname": "first"}, ("flagversions", None, "no version 'first'"))
        self.assertTrue(call("flagmanager", vis=ms, mode="restore", versionname="first", flagversions=saved))

    def test_calibration(self):
        """Intervals, models, tables and fields with which nothing can be solved or applied."""
        ms, _, _ = made(**SMALL)
        table = call("gaincal", vis=ms, caltable="g.cal", refant="0")["caltable"]
        band = call("bandpass", vis=ms, caltable="b.cal", refant="0")["caltable"]
        solved = {"vis": ms, "caltable": "x"}
        self.refused_all("gaincal", solved, ("solint", "nonsense", "not a value in s"), ("solint", "10Jy", "not a value in s"), ("solint", "inf,nonsense", "not a value in Hz"),
                         ("solint", "inf,-2ch", "number of channels"), ("combine", "nonsense", "is not one of"), ("smodel", [1, 0], "2 values"), ("smodel", [0, 0, 0, 0], "without intensity"),
                         ("minblperant", 99, "baselines"), ("interp", "linear", "there is none"), ("msselect", "garbage((", "garbage(("))
        self.refused(422, "/gaintype", "no correlation XX", "gaincal", gaintype="XY+QU", **solved)
        self.refused(422, "/parameter", "must be given", "gencal", caltype="antpos", **solved)
        self.refused_all("bandpass", solved, ("solint", "inf,10Jy", "not a value in Hz"), ("maskedge", -1, "at least 0"))
        self.refused(422, "/callib", "must be given", "gaincal", docallib=True, **solved)
        applied = {"vis": ms, "gaintable": table}
        self.refused_all("applycal", applied, ("gainfield", "nobody", "no field 'nobody'"), ("interp", "linearx", "no interpolation"), ("interp", ["linear", "linear"], "for 1 calibration tables"),
                         ("spwmap", [9], "no spectral window 9"), ("gaintable", None, "must be given"))
        self.refused_all("fluxscale", {"vis": ms, "caltable": table, "fluxtable": "x", "reference": ["0"]}, ("reference", [], "no field"), ("transfer", ["0"], "a reference too"), ("refspwmap", [9], "no spectral window 9"),
                         ("caltable", band, "has no gains"))
        self.refused_all("gencal", {"vis": ms, "caltable": "x", "caltype": "amp", "parameter": [2.0]}, ("parameter", None, "must be given"), ("parameter", [1, 2], "2 values for 1"), ("pol", "Z", "no polarization"),
                         ("caltype", "tsys", "no table SYSCAL"))
        self.refused_all("setjy", {"vis": ms}, ("model", "nosuch.im", "no model"), ("standard", "Butler-JPL-Horizons 2012", "no body of the solar system"))
        self.refused_all("setjy", {"vis": ms, "standard": "manual"}, ("fluxdensity", [], "0 values"), ("fluxdensity", [1, 2, 3, 4, 5], "5 values"), ("reffreq", "1", "has no unit"))

    def test_imaging(self):
        """Places, sizes and units of an image that cannot be; CASA would take a frequency without a unit for Hz, and any word for a velocity."""
        ms, _, _ = made(**SMALL)
        self.refused_all("tclean", {"vis": ms} | IMAGE, ("phasecenter", "here", "no direction"), ("phasecenter", 99, "no field '99'"), ("imsize", [], "0 values"), ("imsize", 1, "8 pixels"),
                         ("cell", "0arcsec", "not greater"), ("restfreq", "1420", "has no unit"), ("outframe", "x", "is not one of"), ("restoringbeam", ["5arcsec", "10arcsec", "0deg"], "is greater than the major"),
                         ("uvtaper", ["1Jy"], "not a value in arcsec"), ("stokes", "XX", "no correlation XX"), ("mask_image", ms, "not an image"), ("gain", -1, "at least 0"), ("imagename", "", "no name"))
        self.refused_all("tclean", {"vis": ms, "specmode": "cube"} | IMAGE, ("nchan", 0, "no channel"), ("start", "x", "not a value in Hz"))
        twin = call("make-twin")["ms"]
        self.refused_all("tclean", {"vis": twin} | IMAGE, ("field", "", "too far apart for one image"), ("field", "1,2", "too far apart for one image"))
        model = call("tclean", vis=ms, niter=10, **IMAGE)["model"]
        self.refused_all("tclean", {"vis": ms} | IMAGE, ("mask", "foo", "no region"), ("mask", "circle[[32pix,32pix],5foo]", "5foo"), ("mask", "circle[[15h22m,45d00m00],2arcmin]", "no such part"))
        self.refused(422, "/startmodel", "another part of the sky", "tclean", vis=ms, startmodel=model, phasecenter="J2000 10h00m00 60d00m00", **IMAGE)
        self.assertTrue(call("tclean", vis=ms, startmodel=model, mask="circle[[15h22m,35d00m00],5arcmin]", **IMAGE | {"imsize": 96, "cell": "20arcsec"}))
        self.assertTrue(call("tclean", vis=ms, phasecenter="J2000 15h22m00 35d00m00", uvtaper=["1klambda"], outframe="bary", restfreq="1.4GHz", **IMAGE))

    @functools.cached_property
    def images(self):
        """A cube and its primary beam, a plane of it, and a UVFITS file."""
        ms, _, _ = made(**SMALL)
        cube = call("tclean", vis=ms, specmode="cube", **IMAGE)
        return cube["image"], cube["pb"], call("tclean", vis=ms, **IMAGE)["image"], call("exportuvfits", vis=ms, fitsfile="x.uvfits", datacolumn="data")["fitsfile"]

    def test_images(self):
        """Kernels, grids, axes and masks that cannot be, and files of another kind."""
        cube, beam, plane, visibilities = self.images
        smooth = {"imagename": cube, "outfile": "o"}
        self.refused_all("imsmooth", smooth, ("major", None, "must be given"), ("beam", "x", "not a JSON object"), ("beam", '{"major": "9arcmin"}', "has no minor"),
                         ("beam", '{"major": "1Jy", "minor": "1arcsec", "pa": "0deg"}', "not a value in arcsec"))
        self.refused_all("imsmooth", smooth | {"major": "9arcmin", "minor": "9arcmin", "pa": "0deg"}, ("minor", None, "must be given"), ("pa", None, "must be given"), ("major", "1Jy", "not a value in arcsec"),
                         ("major", "540", "has no unit"), ("major", 540, "has no unit"), ("minor", "10arcmin", "is greater than the major"), ("kimage", visibilities, "not an image"))
        self.refused(422, "/kimage", "must be given", "imsmooth", kernel="image", **smooth)
        self.refused_all("imregrid", {"imagename": cube, "output": "o", "template": "GALACTIC"}, ("template", "nosuch.im", "is not one of"), ("template_image", visibilities, "not an image"),
                         ("axes", [9], "no axis 9"), ("shape", [10], "not the shape"), ("interpolation", "x", "nearest"), ("decimate", 0, "at least 1"))
        self.refused(422, "/template_image", "must be given", "imregrid", imagename=cube, output="o")
        self.refused_all("imstat", {"imagename": cube}, ("mask", "(((", "no mask"), ("mask", "nosuch.im", "no mask"), ("axes", [9], "no axis 9"), ("axes", [0, 0], "named twice"), ("imagename", visibilities, "not an image"))
        self.refused_all("immoments", {"imagename": cube}, ("axis", "x", "no axis"), ("axis", "", "no axis"), ("moments", [0, 0], "named twice"), ("includepix", [5, 1], "is greater than"), ("outfile", "", "no name"))
        self.refused_all("impbcor", {"imagename": cube, "pbimage": beam, "outfile": "o"}, ("pbimage", plane, "the image 64 x 64 x 1 x 4"), ("mode", "x", "divide"))
        self.refused_all("imfit", {"imagename": plane}, ("rms", "x", "no value"), ("noisefwhm", "1Jy", "not a value in arcsec"), ("estimates", visibilities, "no estimates"))
        self.refused_all("specflux", {"imagename": cube}, ("unit", "parsec", "no unit of a spectral axis"), ("function", "x", "mean"), ("unit", "", "no unit"))
        self.refused_all("specfit", {"imagename": cube}, ("axis", 9, "no axis 9"), ("minpts", 0, "at least 1"), ("estimates", visibilities, "no estimates"))
        self.refused_all("exportfits", {"imagename": cube, "fitsimage": "o"}, ("bitpix", 7, "-32 or 16"))
        self.refused(422, "/fitsimage", "not a FITS image", "importfits", fitsimage=visibilities, imagename="x")
        picture = call("exportfits", imagename=plane, fitsimage="p.fits")["fitsimage"]
        self.refused(422, "/fitsfile", "not a UVFITS file", "importuvfits", fitsfile=picture, vis="x.ms")
        self.refused_all("imsmooth", {"imagename": plane, "outfile": "o", "targetres": True, "kernel": "gauss", "minor": "1arcsec", "pa": "0deg"}, ("major", "2arcsec", "smoothing does not give this resolution"))
        self.refused_all("importfits", {"fitsimage": picture, "imagename": "x"}, ("whichhdu", 7, "has 1 unit"), ("beam", ["1arcsec"], "1 values"), ("beam", ["1Jy", "1Jy", "0deg"], "not a value in arcsec"))

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
