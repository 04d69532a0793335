"""Compare a catalogue of source-find with the truth: check_sources.py VOTABLE FITS TRUTH.

Prints the table of found and true; an exception is a failure.
"""

import json
import sys

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.votable import parse_single_table
from astropy.table import Table


def main(votable, fits, truth):
    """Every true source is found once, and nothing else."""
    document = parse_single_table(votable)
    for field in document.fields:
        assert field.ucd and (field.unit or field.ucd.split(";")[0] in ("meta.id", "meta.code.class", "stat.snr")), f"{field.name} has no UCD or unit"
    found, again = document.to_table(), Table.read(fits)
    np.testing.assert_array_equal(found["flux"], again["flux"])
    with open(truth, encoding="utf-8") as file:
        true = json.load(file)["sources"]
    assert len(found) == len(true), f"{len(found)} sources are found, {len(true)} are there"
    places = SkyCoord(found["ra"], found["dec"], unit="deg")
    taken = set()
    for source in true:
        place = SkyCoord(source["ra"], source["dec"], unit="deg")
        nearest = int(place.separation(places).argmin())
        taken.add(nearest)
        row, offset = found[nearest], place.separation(places[nearest]).arcsec
        print(f"{source['name']}: {row['flux']:.4f} ± {row['flux_error']:.4f} Jy, true {source['flux']:.4f}; {offset:.3f} arcsec off; signal to noise {row['snr']:.0f}")
        assert offset < 0.2, f"{source['name']} is {offset:.2f} arcsec off"
        # One percent is what a pixel of 5 arcsec costs; the rest is the fit's own error.
        assert abs(row["flux"] - source["flux"]) < 0.01 * source["flux"] + 3 * row["flux_error"], f"{source['name']} has {row['flux']} Jy"
        assert 0 < row["flux_error"] < 0.03 * source["flux"] + 3 * row["noise"] and 0 < row["ra_error"] < 1 / 3600
    assert len(taken) == len(true), "one source is found for two"


if __name__ == "__main__":
    main(*sys.argv[1:])
