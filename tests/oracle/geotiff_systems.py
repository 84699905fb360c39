"""Compares the coordinate reference systems that the reader of GeoTIFF names with places that GDAL computed.

    python geotiff_systems.py FOLDER

FOLDER/manifest.json lists the files: name, attributes of the grid mapping, and points of the image with their
longitudes and latitudes. Systems without a definition are those of CF's parameters on an ellipsoid.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from rasterio.crs import CRS
from rasterio.warp import transform

warnings.filterwarnings("ignore")
manifest = json.loads((Path(sys.argv[1]) / "manifest.json").read_text())
wrong = []

for entry in manifest:
    attributes = entry["attributes"] or {}
    definition = attributes.get("spatial_ref")
    if definition is None and "semi_major_axis" in attributes:
        a = attributes["semi_major_axis"]
        b = attributes.get("semi_minor_axis", a * (1 - 1 / (attributes.get("inverse_flattening") or np.inf)))
        definition = f"+proj=longlat +a={a} +b={b} +no_defs"
    if definition is None:
        wrong.append(f"{entry['name']}: no definition in {attributes}")
        continue
    xs, ys = entry["system"]["points"]
    lons, lats = transform(CRS.from_user_input(definition), "OGC:CRS84", xs, ys)
    off = np.abs(np.array([lons, lats]) - np.array(entry["system"]["places"]))
    if not np.nanmax(off) < 1e-7 or np.isnan(off).any() != np.isnan(entry["system"]["places"]).any():
        wrong.append(f"{entry['name']}: {definition} is off by {np.nanmax(off)} degrees")

if wrong:
    print("\n".join(wrong))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same")
