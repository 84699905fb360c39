"""Compares GeoTIFF files that Graticule wrote with what it was told to write, cell by cell.

    python geotiff_written.py FOLDER

FOLDER/manifest.json lists the variables: file, name, number of the first band, shape, chunks, codec, Arrow
type, the value that means "missing", attributes, where the image lies, and the name of a file of raw values.
GDAL reads them, through rasterio.
"""

import itertools
import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
wrong = []
COMPRESSIONS = {"none": None, "zstd": "zstd", "deflate": "deflate"}


def number(value):
    return {"NaN": math.nan, "Infinity": math.inf}.get(value, value)


def is_same(found, expected):
    """Bit for bit, except that "not a number" is one value."""
    found = np.ascontiguousarray(found)
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if expected.dtype.kind == "f":
        nan = np.isnan(expected)
        found, expected = found[~nan & ~np.isnan(found)], expected[~nan]
    return found.tobytes() == expected.tobytes()


for entry in manifest:
    with rasterio.open(folder / entry["cube"]) as file:

        def check(what, found, expected):
            if found != expected:
                wrong.append(f"{entry['cube']} {entry['array']}: {what} {found!r} is not {expected!r}")

        is_truth = entry["type"] == "Boolean"
        dtype = "uint8" if is_truth else entry["type"].lower()
        images = np.fromfile(folder / entry["values"], dtype=dtype).reshape(-1, *entry["shape"][-2:])
        labels = [[(name, label) for label in labels] for name, labels in entry["steps"]]
        for offset, (image, places) in enumerate(zip(images, itertools.product(*labels), strict=True)):
            band = entry["first_band"] + offset
            if not is_same(file.read(band), image):
                wrong.append(f"{entry['cube']} band {band}: {file.read(band)!r} is not {image!r}")
            tags = file.tags(band)
            for name, label in places:
                check("tag", tags[name], label)
            check("tag", tags["long_name"], entry["attributes"]["long_name"])
            check("tag", tags["variable"], entry["array"])
            described = entry["array"] + "".join(f" {name}={label}" for name, label in places)
            check("description", file.descriptions[band - 1], described)
            check("scale", file.scales[band - 1], entry["attributes"]["scale_factor"])
            check("offset", file.offsets[band - 1], entry["attributes"]["add_offset"])
            check("units", file.units[band - 1], entry["attributes"]["units"])
            missing = entry["missing"]
            if is_truth and missing is not None:
                missing = int(missing)
            found = file.nodatavals[band - 1]
            if missing is None:
                check("nodata", found, None)
            else:
                expected = float(np.dtype(dtype).type(number(missing)))
                if not (found == expected or (math.isnan(found) and math.isnan(expected))):
                    wrong.append(f"{entry['cube']}: nodata {found} is not {missing}")
        west, north = entry["edges"]
        width, height = entry["sizes"]
        check("transform", tuple(file.transform)[:6], (width, 0.0, west, 0.0, -height, north))
        codes = {None: None, "OGC:CRS84": 4326, "EPSG:3035": 3035, "EPSG:32733": 32733}
        check("system", file.crs.to_epsg() if file.crs else None, codes[entry["crs"]])
        compression = COMPRESSIONS[(entry["codec"] or "deflate").split(":")[0]]
        check("compression", file.compression and file.compression.name, compression)
        check("tiles", file.block_shapes[0], tuple(entry["chunks"][-2:]))
        head = (folder / entry["cube"]).read_bytes()[:4]
        check("header", head, b"II\x2b\0" if entry["is_big"] else b"II\x2a\0")
        check("title", file.tags()["TIFFTAG_IMAGEDESCRIPTION"], 'random "images"')
        check("numbers", json.loads(file.tags()["numbers"]), [1, 2.5])

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same")
