"""ms-summary and echo."""

import json
import pathlib
import unittest

from harness import MOJAVE, Case, digest, directory, imported, made, path_of


class ListTest(Case):
    """The summary against what is known."""

    def summary(self, ms):
        """The JSON and the text."""
        out = self.call("ms-summary", ms=directory(ms))
        return json.loads(pathlib.Path(path_of(out["summary"])).read_text()), pathlib.Path(path_of(out["text"])).read_text(), out

    def test_made(self):
        """Fields, scans, windows, antennas and counts of a made measurement set; its bytes are the same after."""
        m = made(times=12, channels=4, calibrator=True)
        before = digest(m.ms)
        s, text, out = self.summary(m.ms)
        self.assertEqual(digest(m.ms), before)
        self.assertEqual((s["rows"], out["rows"], out["flagged"]), (12 * 351, 12 * 351, 0))
        self.assertEqual([(f["name"], f["code"], f["rows"]) for f in s["fields"]], [("CAL", "C", 6 * 351), ("TARGET", "", 6 * 351)])
        self.assertAlmostEqual(s["fields"][1]["ra"], 230.5)
        self.assertAlmostEqual(s["fields"][1]["dec"], 35.0)
        self.assertEqual([(c["scan"], c["field"], c["integrations"]) for c in s["scans"]], [(i + 1, i % 2, 2) for i in range(6)])
        window = s["spectral_windows"][0]
        self.assertEqual((window["channels"], window["first_frequency"], window["channel_width"], window["frame"]), (4, 1.4e9, 1e6, "TOPO"))
        self.assertEqual(s["polarizations"], [["RR", "LL"]])
        self.assertEqual((len(s["antennas"]), s["antennas"][0]["station"], s["observations"][0]["telescope"]), (27, "W01", "VLA"))
        for word in ("TARGET", "15:22:00.0000", "+35.00.00.000", "RR LL", "Antennas: 27"):
            self.assertIn(word, text)

    def test_real(self):
        """The VLBA observation: 10 scans on 15 and 16 June 2006, two windows, 5.6 % flagged."""
        s, text, out = self.summary(imported(MOJAVE))
        self.assertEqual([len(s[k]) for k in ("scans", "antennas", "spectral_windows", "fields")], [10, 10, 2, 1])
        self.assertTrue(s["time_range"][0].startswith("2006-06-15T20:5"))
        self.assertAlmostEqual(out["flagged"], 0.0562, places=3)
        self.assertAlmostEqual(s["longest_baseline"] / 1e3, 8611.6, delta=1)  # Mauna Kea - St. Croix
        self.assertIn("12:30:49.4234", text)

    def test_faults(self):
        """A directory that is no measurement set."""
        folder = self.folder / "nothing.ms"
        folder.mkdir()
        self.fails("ms-summary", "not a measurement set", ms=directory(folder))


class EchoTest(Case):
    """echo gives back what was sent."""

    def test_echo(self):
        """Text and numbers, and nothing."""
        self.assertEqual(self.call("echo", message="héllo\n☉", numbers=[1.5, -2.0]), {"message": "héllo\n☉", "numbers": [1.5, -2.0]})
        self.assertEqual(self.call("echo"), {"message": "", "numbers": []})


if __name__ == "__main__":
    unittest.main()
