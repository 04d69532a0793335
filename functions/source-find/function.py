"""Find the sources of a radio image, and measure them, with PyBDSF.

Islands of emission are fitted with Gaussians, which are grouped into sources. The catalogue has
positions, flux densities, peaks, sizes and their errors; sizes with the beam taken out; the noise at
each source and its signal-to-noise ratio. A picture shows the sources on the image.
"""

import os
from typing import Annotated, NamedTuple

import bdsf
import numpy as np
from astropy.io.votable import from_table
from astropy.table import Table
from fringe import File, In, Invalid, Out, progress

from sky_image import SkyImage
from sky_plot import SkyPlot, span

FRINGE = {
    "version": "1.0.3",
    "environment": "bdsf",
    "shape": "task",
    "cpu": 1,
    "memory": "4GiB",
    "timeout": 7200,
    "author": "The Fringe authors",
    "license": "Apache-2.0",
    "keywords": ["source finding", "catalogue", "PyBDSF", "VOTable", "radio image"],
    "citation": "2015ascl.soft02007M PyBDSF: Python Blob Detection and Source Finder (GPL-3.0)",
    "example": {"image": {"class": "File", "location": "demo:m87-jet.fits"}},
}

# Columns of the catalogue: its name here, PyBDSF's, that of the error, unit, UCD, what it is.
COLUMNS = [
    ("ra", "RA", "E_RA", "deg", "pos.eq.ra;meta.main", "Right ascension of the source"),
    ("dec", "DEC", "E_DEC", "deg", "pos.eq.dec;meta.main", "Declination of the source"),
    ("flux", "Total_flux", "E_Total_flux", "Jy", "phot.flux.density;em.radio", "Flux density"),
    ("peak", "Peak_flux", "E_Peak_flux", "Jy/beam", "phot.flux.density;em.radio;stat.max", "Peak brightness"),
    ("major", "Maj", "E_Maj", "arcsec", "phys.angSize.smajAxis", "Major axis, FWHM"),
    ("minor", "Min", "E_Min", "arcsec", "phys.angSize.sminAxis", "Minor axis, FWHM"),
    ("angle", "PA", "E_PA", "deg", "pos.posAng", "Position angle, from north through east"),
    ("true_major", "DC_Maj", "E_DC_Maj", "arcsec", "phys.angSize.smajAxis;meta.modelled", "Major axis without the beam, FWHM; 0 when not resolved"),
    ("true_minor", "DC_Min", "E_DC_Min", "arcsec", "phys.angSize.sminAxis;meta.modelled", "Minor axis without the beam, FWHM; 0 when not resolved"),
    ("true_angle", "DC_PA", "E_DC_PA", "deg", "pos.posAng;meta.modelled", "Position angle without the beam"),
]


class Outputs(NamedTuple):
    """What source-find gives."""

    count: Annotated[int, Out(doc="Number of sources", ucd="meta.number")]
    catalogue: Annotated[File, Out(doc="The catalogue as a VOTable", format="application/x-votable+xml")]
    catalogue_fits: Annotated[File, Out(doc="The catalogue as a FITS table", format="application/fits")]
    picture: Annotated[File, Out(doc="The sources on the image", format="image/png")]
    noise: Annotated[float, Out(unit="Jy/beam", ucd="instr.det.noise", doc="Median over the image of its noise")]
    flux: Annotated[float, Out(unit="Jy", ucd="phot.flux.density", doc="Sum of the sources' flux densities")]


def main(
    image: Annotated[File, In(doc="FITS image in Jy/beam, with celestial coordinates", format="image/fits")],
    threshold: Annotated[float, In(minimum=1, maximum=1000, doc="Faintest peak of a source, in units of the noise")] = 5.0,
    island_threshold: Annotated[float, In(minimum=1, maximum=1000, doc="Faintest pixel of an island, in units of the noise")] = 3.0,
    rms_box: Annotated[int | None, In(unit="pixel", minimum=5, doc="Side of the box in which the noise is measured; chosen by PyBDSF when absent")] = None,
    uniform_noise: Annotated[bool, In(doc="One noise for the whole image, instead of a map")] = False,
    beam: Annotated[list[float] | None, In(doc="Major and minor axis in arcsec (FWHM) and position angle in degrees of the beam; the header's when absent")] = None,
    frequency: Annotated[float | None, In(unit="Hz", exclusive_minimum=0, doc="Frequency of the image; the header's when absent")] = None,
    adaptive_noise: Annotated[bool, In(doc="Smaller boxes for the noise around bright sources, where artefacts are")] = False,
    wavelets: Annotated[bool, In(doc="Look for extended emission by wavelets too; slow")] = False,
) -> Outputs:
    """Find sources."""
    sky = SkyImage.read(image.path)
    if sky.wcs is None:
        raise Invalid("The image has no celestial coordinates.", "image")
    if beam is not None and (len(beam) != 3 or not beam[0] >= beam[1] > 0):
        raise Invalid("A beam has a major axis, a minor axis that is not larger, both in arcsec, and a position angle in degrees.", "beam")
    if beam is None and sky.beam() is None:
        raise Invalid("The image has no beam (BMAJ, BMIN).", "image", "give beam")
    if frequency is None and sky.frequency() is None:
        raise Invalid("The image has no frequency axis.", "image", "give frequency")
    progress(0.1, "looking for islands")
    options = dict(thresh_pix=threshold, thresh_isl=min(island_threshold, threshold), rms_box=(rms_box, max(1, rms_box // 3)) if rms_box else None, rms_map=False if uniform_noise else None,
                   beam=(beam[0] / 3600, beam[1] / 3600, beam[2]) if beam else None, frequency=frequency, adaptive_rms_box=adaptive_noise, atrous_do=wavelets)
    found = bdsf.process_image(os.path.abspath(image.path), outdir=os.getcwd(), ncores=1, quiet=True, print_timing=False, **options)
    progress(0.9, "writing the catalogue")
    root = os.path.splitext(os.path.basename(image.path))[0]
    table = _table(found, root)
    names = root + "-sources.vot", root + "-sources.fits", root + "-sources.png"
    _write_votable(table, names[0])
    table.write(names[1], overwrite=True)
    _draw(sky, table, names[2])
    return Outputs(len(table), *map(File, names), float(np.nanmedian(found.rms_arr)), float(np.sum(table["flux"])))


def _table(found, root: str) -> Table:
    """The catalogue in our columns, the brightest source first; empty when there is none."""
    raw = None
    if found.sources:
        found.write_catalog(outfile=root + "-bdsf.fits", format="fits", catalog_type="srl", clobber=True, force_output=True)
        raw = Table.read(root + "-bdsf.fits")
        os.remove(root + "-bdsf.fits")
        raw.sort("Total_flux", reverse=True)
    table = Table(meta={"FINDER": f"PyBDSF {bdsf.__version__}", "FUNCTION": f"source-find {FRINGE['version']}"})
    column = lambda name: np.asarray(raw[name], float) if raw is not None else np.zeros(0)
    table["name"] = np.array([f"{root}-{n}" for n in range(1, 1 + (len(raw) if raw is not None else 0))], "U64")
    _note(table, "name", None, "meta.id;meta.main", "Name of the source")
    for name, theirs, error, unit, ucd, doc in COLUMNS:
        factor = 3600.0 if unit == "arcsec" else 1.0
        for key, source, word, text in ((name, theirs, ucd, doc), (f"{name}_error", error, f"stat.error;{ucd.split(';')[0]}", f"Error of {name}")):
            table[key] = column(source) * factor
            _note(table, key, unit, word, text)
    table["noise"] = column("Isl_rms")
    _note(table, "noise", "Jy/beam", "instr.det.noise", "Noise at the source")
    table["snr"] = table["peak"].data / np.where(table["noise"].data > 0, table["noise"].data, np.nan)
    _note(table, "snr", None, "stat.snr", "Peak over noise")
    table["kind"] = np.array(raw["S_Code"], "U1") if raw is not None else np.zeros(0, "U1")
    _note(table, "kind", None, "meta.code.class", "S: one Gaussian, alone in its island; C: one of several in an island; M: several Gaussians")
    return table


def _note(table: Table, key: str, unit: str | None, ucd: str, doc: str) -> None:
    table[key].unit, table[key].description = unit, doc
    table[key].meta["ucd"] = ucd


def _write_votable(table: Table, name: str) -> None:
    document = from_table(table)
    for field in document.get_first_table().fields:
        field.ucd = table[field.name].meta["ucd"]
    document.to_xml(name)


def _draw(sky: SkyImage, table: Table, name: str) -> None:
    page = SkyPlot(1000)
    panel = page.image(sky, stretch="asinh", limits=span(sky.pixels, percentile=99.95), colors="gray_r")
    least = 0.012 * max(sky.pixels.shape) * float(sky.scale[0])
    for number, row in enumerate(table, start=1):
        x, y = (float(v) for v in sky.wcs.world_to_pixel_values(row["ra"], row["dec"]))
        grow = max(2.0, 2 * least / max(row["major"], 1e-12))
        panel.ellipse(x, y, grow * row["major"], grow * row["minor"], row["angle"], facecolor="none", edgecolor="#c8102e", linewidth=1.2)
        if len(table) <= 60:
            panel.axes.annotate(str(number), panel.place(x, y), xytext=(9, 9), textcoords="offset points", color="#c8102e", fontsize=11)
    page.save(name)
