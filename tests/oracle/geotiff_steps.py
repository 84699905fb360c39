"""Compares files per step, held together by a VRT, with one file of all bands.

    python geotiff_steps.py FOLDER

FOLDER/manifest.json lists the cubes: NAME.tif, NAME.vrt, and how many files there are in NAME.steps.
"""

import json
import sys
from pathlib import Path

import numpy as np
import rasterio

folder = Path(sys.argv[1])
wrong = []
count = 0

for entry in json.loads((folder / "manifest.json").read_text()):
    name = entry["name"]
    count += 1
    files = sorted((folder / f"{name}.steps").iterdir())
    if len(files) != entry["files"]:
        wrong.append(f"{name}: {len(files)} files, not {entry['files']}")
    with rasterio.open(folder / f"{name}.tif") as one, rasterio.open(folder / f"{name}.vrt") as many:
        # A GeoTIFF of a plane that nobody has named has a system of its own, a virtual raster has none.
        is_named = one.crs is not None and (one.crs.is_geographic or one.crs.is_projected)
        if (one.crs if is_named else None) != many.crs:
            wrong.append(f"{name}: system {many.crs}, not {one.crs}")
        for what in ("count", "shape", "dtypes", "transform", "descriptions", "units", "scales", "offsets"):
            if getattr(one, what) != getattr(many, what):
                wrong.append(f"{name}: {what} {getattr(many, what)}, not {getattr(one, what)}")
        if not np.array_equal(one.nodatavals, many.nodatavals, equal_nan=one.nodata is not None):
            wrong.append(f"{name}: missing cells are {many.nodatavals}, not {one.nodatavals}")
        if not {"title", "numbers"} <= set(many.tags()):
            wrong.append(f"{name}: tags {many.tags()}")
        for band in range(1, one.count + 1):
            expected, found = one.read(band), many.read(band)
            if not np.array_equal(found, expected, equal_nan=expected.dtype.kind in "fc"):
                wrong.append(f"{name} band {band}: other cells")
            if one.tags(band) != many.tags(band):
                wrong.append(f"{name} band {band}: tags {many.tags(band)}, not {one.tags(band)}")
    for file in files:
        with rasterio.open(file) as step:
            if step.count * entry["files"] != one.count or step.descriptions[0] not in one.descriptions:
                wrong.append(f"{file.name}: {step.count} bands, {step.descriptions}")

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{count} arrays are the same")
