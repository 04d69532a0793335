"""make-ms: what it writes is what it says."""

import json
import os
import pathlib
import unittest

import casacore.tables as tables
import numpy as np
from harness import FUNCTIONS, Case, made, path_of

SPEED_OF_LIGHT = 299792458.0
ARCSEC = np.pi / 180 / 3600


def column(ms, name):
    """A whole column of the main table."""
    with tables.table(ms, ack=False) as table:
        return table.getcol(name)


class TruthTest(Case):
    """The visibilities against their definition."""

    def test_noise_and_sky(self):
        """Data minus the sum over the true sources is noise of the given size.

        The tolerance of 1 % is three times the sampling error of 60,000 values.
        """
        m = made(times=10, channels=8)
        data, uvw = column(m.ms, "DATA"), column(m.ms, "UVW")
        frequencies = np.load(m.arrays)["frequencies"]
        model = np.zeros(data.shape[:2], complex)
        for s in m.truth["sources"]:
            l, k = np.sin(s["east"] * ARCSEC), np.sin(s["north"] * ARCSEC)
            delay = uvw @ [l, k, np.sqrt(1 - l * l - k * k) - 1] / SPEED_OF_LIGHT
            flux = s["flux"] * (frequencies / frequencies.mean()) ** s["spectral_index"]
            model += flux * np.exp(2j * np.pi * delay[:, None] * frequencies)
        left = data - model[..., None]
        for part in (left.real, left.imag):
            self.assertAlmostEqual(part.std(), 0.1, delta=0.001)

    def test_gains(self):
        """Data divided by the true gains are those without gain errors, to single precision."""
        plain, bent = made(times=6, channels=4, noise=1e-6), made(times=6, channels=4, noise=1e-6, gain_errors=0.3)
        gains = np.load(bent.arrays)["gains"]
        first, second = column(bent.ms, "ANTENNA1"), column(bent.ms, "ANTENNA2")
        time = np.arange(len(first)) // (27 * 26 // 2)
        factor = gains[time, first] * np.conj(gains[time, second])
        np.testing.assert_allclose(column(bent.ms, "DATA") / factor[:, None], column(plain.ms, "DATA"), atol=3e-5)

    def test_interference(self):
        """Where the mask is set the data are stronger than anything else."""
        m = made(times=30, channels=32, interference=20.0)
        mask = np.load(m.arrays)["rfi_mask"]
        power = np.abs(column(m.ms, "DATA")).mean(2).reshape(30, -1, 32).mean(1)
        self.assertGreater(power[mask].min(), 3 * power[~mask].max())
        self.assertAlmostEqual(m.truth["interference_fraction"], mask.mean())

    def test_calibrator(self):
        """Field 0 is a point at the centre, field 1 the sky; scans alternate."""
        m = made(times=12, channels=4, calibrator=True, noise=1e-6)
        field, data = column(m.ms, "FIELD_ID"), column(m.ms, "DATA")
        np.testing.assert_allclose(data[field == 0], 15.0, atol=1e-4)
        self.assertGreater(np.abs(data[field == 1] - 15).min(), 10)
        scan = column(m.ms, "SCAN_NUMBER")
        self.assertEqual(sorted(set(zip(scan, field))), [(1, 0), (2, 1), (3, 0), (4, 1), (5, 0), (6, 1)])

    def test_same_seed(self):
        """The same inputs give the same bytes of data, another seed does not."""
        one, two, three = (self.call("make-ms", times=3, channels=4, seed=s) for s in (7, 7, 8))
        a, b, c = (column(path_of(o["ms"]), "DATA") for o in (one, two, three))
        self.assertTrue((a == b).all())
        self.assertFalse((a == c).all())

    def test_own_sources_and_spiral(self):
        """Sources of one's own, four correlations, and an array of any size."""
        sources = [dict(name="only", east=100, north=-50, flux=2.0)]
        out = self.call("make-ms", antennas=40, array="spiral", times=2, channels=3, correlations="RR RL LR LL", sources=sources)
        self.assertEqual(out["rows"], 2 * 40 * 39 // 2)
        truth = json.loads(pathlib.Path(path_of(out["truth"])).read_text())
        self.assertEqual([s["flux"] for s in truth["sources"]], [2.0])
        self.assertEqual(column(path_of(out["ms"]), "DATA").shape, (1560, 3, 4))

    def test_faults(self):
        """What cannot be made is refused with a reason."""
        self.fails("make-ms", "27 antennas", antennas=28)
        self.fails("make-ms", "plain file name", name="../x", times=1)


class SharedFileTest(unittest.TestCase):
    """Modules that several functions share."""

    def test_links(self):
        """A function has a shared module by a link, so that there is one of each; publishing packs what it holds."""
        for path in sorted(FUNCTIONS.glob("*/*.py")):
            shared = FUNCTIONS / "shared" / path.name
            if path.parent.name != "shared" and shared.exists():
                self.assertEqual(os.readlink(path), f"../shared/{path.name}")


if __name__ == "__main__":
    unittest.main()
