"""import-uvfits: against an independent reading of the files, and against geometry."""

import unittest
import warnings

import casacore.measures as measures
import casacore.quanta as quanta
import casacore.tables as tables
import numpy as np
from astropy.io import fits
from harness import EHT, MOJAVE, Case, file, imported, path_of

SPEED_OF_LIGHT = 299792458.0


def columns(ms, *names):
    """Whole columns of the main table."""
    with tables.table(ms, ack=False) as table:
        return [table.getcol(name) for name in names]


def subtable(ms, table, name):
    """A column of a subtable."""
    with tables.table(f"{ms}/{table}", ack=False) as found:
        return found.getcol(name)


def write_uvfits(path, *, reverse=False, hand="RIGHT", sources=False):
    """Write a small file with 3 antennas, 2 times, 2 channels and RR, LL, RL, LR.

    With `reverse` each group has its antennas exchanged: u, v, w change sign, visibilities are conjugated and RL and LR change places.
    """
    random = np.random.default_rng(3)
    pairs = [(1, 2), (1, 3), (2, 3)] * 2
    values = random.normal(size=(6, 1, 1, 2, 4, 3))
    values[..., 2] = np.abs(values[..., 2])
    values[0, ..., 0, 0, 2] = -1
    uvw = random.normal(size=(6, 3)) * 1e-6
    if reverse:
        values[..., 1] *= -1
        values = values[..., [0, 1, 3, 2], :]
        uvw, pairs = -uvw, [(b, a) for a, b in pairs]
    names = ["UU", "VV", "WW", "BASELINE", "DATE", "INTTIM"]
    parameters = [*uvw.T, np.array([256 * a + b for a, b in pairs], float), np.repeat([2457854.5, 2457854.5 + 10 / 86400], 3), np.full(6, 10.0)]
    if sources:
        names, parameters = [*names, "SOURCE"], [*parameters, np.array([1, 1, 1, 5, 5, 5], float)]
    groups = fits.GroupData(values, bitpix=-64, parnames=names, pardata=parameters)
    primary = fits.GroupsHDU(groups)
    axes = [("COMPLEX", 1, 1), ("STOKES", -1, -1), ("FREQ", 1e9, 1e6), ("RA", 10, 1), ("DEC", 20, 1)]
    for number, (kind, value, step) in enumerate(axes, start=2):
        primary.header.update({f"CTYPE{number}": kind, f"CRVAL{number}": value, f"CDELT{number}": step, f"CRPIX{number}": 1.0})
    y = -1.0 if hand == "LEFT" else 1.0
    antennas = fits.BinTableHDU.from_columns([
        fits.Column("ANNAME", "8A", array=["A", "B", "C"]), fits.Column("NOSTA", "1J", array=[1, 2, 3]), fits.Column("MNTSTA", "1J", array=[0, 1, 4]),
        fits.Column("STABXYZ", "3D", array=np.array([[5e6, y * 1e6, 3e6], [5e6, y * 2e6, 3e6], [5e6, y * 3e6, 3e6]]))], name="AIPS AN")
    antennas.header.update(ARRAYX=0.0, ARRAYY=0.0, ARRAYZ=0.0, XYZHAND=hand, TIMSYS="UTC")
    tables_ = [antennas]
    if sources:
        tables_.append(fits.BinTableHDU.from_columns([
            fits.Column("ID. NO.", "1J", array=[1, 5]), fits.Column("SOURCE", "16A", array=["ONE", "TWO"]), fits.Column("CALCODE", "4A", array=["C", ""]),
            fits.Column("RAEPO", "1D", array=[10.0, 11.0]), fits.Column("DECEPO", "1D", array=[20.0, 21.0]), fits.Column("EPOCH", "1D", array=[2000.0, 2000.0])],
            name="AIPS SU"))
    fits.HDUList([primary, *tables_]).writeto(path)


class RealFileTest(Case):
    """The EHT and VLBA files."""

    def test_visibilities(self):
        """Values, weights, flags and uvw agree with astropy's reading, group by group."""
        for path in (EHT, MOJAVE):
            with self.subTest(path.name), warnings.catch_warnings(), fits.open(path) as hdus:
                warnings.simplefilter("ignore")
                groups = hdus[0].data
                values = groups.data.reshape(len(groups), -1, 4, 3)[:, :, [0, 2, 3, 1]]  # RR RL LR LL
                windows = values.shape[1]
                uvw = np.stack([groups.field(i) for i in range(3)], 1).astype(float) * SPEED_OF_LIGHT
                data, flag, weight, found_uvw, window = columns(imported(path), "DATA", "FLAG", "WEIGHT_SPECTRUM", "UVW", "DATA_DESC_ID")
                self.assertEqual(len(data), len(groups) * windows)
                for number in range(windows):
                    mine = window == number
                    # A group is recognized by its u and v; rows are sorted otherwise than groups.
                    order, expected = (np.lexsort(np.round(a[:, :2], 1).T) for a in (found_uvw[mine], uvw))
                    np.testing.assert_allclose(found_uvw[mine][order], uvw[expected], rtol=1e-6, atol=0.5)
                    reference = values[expected, number]
                    good = (reference[..., 2] > 0) & np.isfinite(reference[..., 2])
                    np.testing.assert_array_equal(flag[mine][order][:, 0], ~good)
                    np.testing.assert_array_equal(data[mine][order][:, 0][good], (reference[..., 0] + 1j * reference[..., 1])[good].astype(np.complex64))
                    np.testing.assert_allclose(weight[mine][order][:, 0], np.where(good, reference[..., 2], 0), rtol=1e-6)

    def test_geometry(self):
        """U and v are position 1 minus position 2, projected by casacore: same sign, and within 0.5 % of the longest baseline.

        The EHT file has no w, and its u and v ignore precession, 0.24 degrees or 0.4 % since J2000; a wrong sign or hand would be 200 %.
        """
        for path in (EHT, MOJAVE):
            with self.subTest(path.name):
                ms = imported(path)
                uvw, time, first, second = columns(ms, "UVW", "TIME", "ANTENNA1", "ANTENNA2")
                position, (direction,) = subtable(ms, "ANTENNA", "POSITION"), subtable(ms, "FIELD", "PHASE_DIR")
                dm = measures.measures()
                dm.do_frame(dm.position("ITRF", *(quanta.quantity(float(x), "m") for x in position[0])))
                dm.do_frame(dm.direction("J2000", *(quanta.quantity(float(x), "rad") for x in direction[0])))
                for row in range(0, len(uvw), len(uvw) // 20):
                    dm.do_frame(dm.epoch("UTC", quanta.quantity(float(time[row]), "s")))
                    difference = position[first[row]] - position[second[row]]
                    expected = dm.to_uvw(dm.baseline("ITRF", *(quanta.quantity(float(x), "m") for x in difference)))["xyz"].get_value("m")
                    np.testing.assert_allclose(uvw[row, :2], expected[:2], atol=5e-3 * np.linalg.norm(uvw, axis=1).max())

    def test_description(self):
        """Windows, correlations, names, times and intervals are those of the file."""
        out = self.call("import-uvfits", uvfits=file(MOJAVE))
        ms = path_of(out["ms"])
        self.assertEqual(out["antennas"], ["BR", "FD", "HN", "KP", "LA", "MK", "NL", "OV", "PT", "SC"])
        self.assertEqual(out["correlations"], ["RR", "RL", "LR", "LL"])
        np.testing.assert_allclose(subtable(ms, "SPECTRAL_WINDOW", "CHAN_FREQ").ravel(), [8104458750.0, 8112458750.0])
        np.testing.assert_allclose(out["longest_baseline"], 232.27e6, rtol=1e-3)
        interval, time = columns(ms, "INTERVAL", "TIME")
        np.testing.assert_allclose(interval, 10.0, atol=0.01)  # INTTIM says 84 s for samples that are 10 s apart
        self.assertAlmostEqual(time.min() / 86400, 53901.870208, places=3)  # 2006-06-15 20:53

    def test_options(self):
        """One IF, another telescope name, another interval."""
        out = self.call("import-uvfits", uvfits=file(MOJAVE), ifs=[2], telescope="X", interval=5.0)
        ms = path_of(out["ms"])
        self.assertEqual(out["rows"], 3150)
        self.assertEqual(subtable(ms, "SPECTRAL_WINDOW", "CHAN_FREQ").ravel().tolist(), [8112458750.0])
        self.assertEqual(list(subtable(ms, "OBSERVATION", "TELESCOPE_NAME")), ["X"])
        self.assertTrue((columns(ms, "INTERVAL")[0] == 5.0).all())
        self.fails("import-uvfits", "IF 3", "IFs 1 to 2", uvfits=file(MOJAVE), ifs=[3])


class MadeFileTest(Case):
    """What the real files do not have."""

    def load(self, **options):
        """Write a file, import it, give the measurement set."""
        path = self.folder / f"{len(options)}{''.join(options)}.uvfits"
        write_uvfits(path, **options)
        return path_of(self.call("import-uvfits", uvfits=file(path))["ms"])

    def test_exchanged_antennas(self):
        """A file with antenna 1 > antenna 2 gives the same measurement set as one in the usual order."""
        plain, turned = self.load(), self.load(reverse=True)
        for a, b in zip(*(columns(ms, "DATA", "UVW", "WEIGHT_SPECTRUM", "FLAG", "ANTENNA1", "ANTENNA2") for ms in (plain, turned))):
            np.testing.assert_array_equal(a, b)

    def test_left_hand(self):
        """A left-handed antenna table gives the same positions; mounts have their names."""
        right, left = self.load(), self.load(hand="LEFT")
        np.testing.assert_allclose(*(subtable(ms, "ANTENNA", "POSITION") for ms in (right, left)))
        self.assertEqual(list(subtable(right, "ANTENNA", "MOUNT")), ["ALT-AZ", "EQUATORIAL", "ALT-AZ+NASMYTH-R"])

    def test_sources(self):
        """Sources become fields, and end scans."""
        ms = self.load(sources=True)
        self.assertEqual(list(subtable(ms, "FIELD", "NAME")), ["ONE", "TWO"])
        np.testing.assert_allclose(np.degrees(subtable(ms, "FIELD", "PHASE_DIR")[:, 0]), [[10, 20], [11, 21]])
        self.assertEqual([c.tolist() for c in columns(ms, "FIELD_ID", "SCAN_NUMBER")], [[0, 0, 0, 1, 1, 1], [1, 1, 1, 2, 2, 2]])

    def test_faults(self):
        """Other files are refused with a reason."""
        image, text = self.folder / "image.fits", self.folder / "text.uvfits"
        fits.writeto(image, np.zeros((4, 4)))
        text.write_text("no FITS")
        self.fails("import-uvfits", "it is an image", uvfits=file(image))
        self.fails("import-uvfits", "not a FITS file", uvfits=file(text))
        cut = self.folder / "cut.uvfits"
        cut.write_bytes(MOJAVE.read_bytes()[:300000])
        self.fails("import-uvfits", "", uvfits=file(cut))


if __name__ == "__main__":
    unittest.main()
