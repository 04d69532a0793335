"""aoflagger: found against true interference."""

import os
import unittest

import casacore.tables as tables
import numpy as np
from harness import FUNCTIONS, Case, digest, directory, file, made, path_of


class FlagTest(Case):
    """Flags against the mask."""

    def flags(self, ms, mask):
        """Flags of any correlation, and the mask, both (times, baselines, channels)."""
        with tables.table(ms, ack=False) as table:
            flags = table.getcol("FLAG").any(2).reshape(mask.shape[0], -1, mask.shape[1])
        return flags, np.broadcast_to(mask[:, None], flags.shape)

    def test_recall_and_precision(self):
        """At least 95 % of the interference is found and 90 % of what is flagged is interference; the input is not changed.

        Flagging grows a little in time and frequency by design, which costs precision.
        """
        m = made(times=120, integration=10.0, channels=64, interference=20.0)
        before = digest(m.ms)
        out = self.call("aoflagger", ms=directory(m.ms), strategy="generic-default")
        flags, mask = self.flags(path_of(out["flagged_ms"]), np.load(m.arrays)["rfi_mask"])
        self.assertGreaterEqual((flags & mask).sum() / mask.sum(), 0.95)
        self.assertGreaterEqual((flags & mask).sum() / flags.sum(), 0.90)
        self.assertEqual(digest(m.ms), before)
        self.assertEqual(out["fraction_before"], 0)
        with tables.table(path_of(out["flagged_ms"]), ack=False) as table:
            self.assertAlmostEqual(out["fraction_after"], table.getcol("FLAG").mean(), places=6)

    def test_own_strategy_and_column(self):
        """A strategy of one's own is used; it is one that flags nothing."""
        m = made(times=6, channels=16)
        nothing = self.folder / "nothing.lua"
        nothing.write_text("function execute(data)\n data:clear_mask()\nend\n")
        out = self.call("aoflagger", ms=directory(m.ms), strategy_file=file(nothing), threads=1)
        self.assertEqual(out["fraction_after"], 0)

    def test_strategies_are_installed(self):
        """Every strategy of the interface is a file that comes with AOFlagger."""
        text = (FUNCTIONS / "aoflagger" / "function.cwl").read_text()
        names = [line.strip()[2:] for line in text.split("symbols:")[1].split("default:")[0].splitlines() if line.strip().startswith("- ")]
        self.assertGreater(len(names), 10)
        for name in names[1:]:
            self.assertTrue(os.path.exists(f"/usr/share/aoflagger/strategies/{name}.lua"), name)

    def test_faults(self):
        """What is not a measurement set, and a column that is not there."""
        empty = self.folder / "empty.ms"
        empty.mkdir()
        self.fails("aoflagger", "not a measurement set", ms=directory(empty))


if __name__ == "__main__":
    unittest.main()
