"""Compares cubes that Graticule wrote with what it was told to write, cell by cell.

    python zarr_written.py FOLDER

FOLDER/manifest.json lists the arrays: cube, name, shape, dimensions, chunks, Arrow type, the value
that means "missing", and the values: texts, or the name of a file of raw little-endian values.
zarr-python reads the stored values, from consolidated metadata and from those of each array; xarray
masks them; GDAL reads arrays of two dimensions of Zarr v2, the version whose codecs it knows.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import xarray
import zarr

from written_values import is_same, values_of

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
wrong = []
by_gdal = 0


def number(value):
    return {"NaN": math.nan, "Infinity": math.inf}.get(value, value)


def complain(entry, reader, what):
    wrong.append(f"{entry['cube']} {entry['array']} by {reader}: {what}")


for cube in sorted({entry["cube"] for entry in manifest}):
    entries = [entry for entry in manifest if entry["cube"] == cube]
    path = str(folder / cube)
    group = zarr.open_group(path, mode="r", use_consolidated=True)
    separate = zarr.open_group(path, mode="r", use_consolidated=False)
    attributes = {"title": "random", "numbers": [1, 2.5], "nested": {"a": None}}
    if dict(group.attrs) != attributes or dict(separate.attrs) != attributes:
        wrong.append(f"{cube}: attributes are {dict(group.attrs)}")
    if sorted(group.array_keys()) != sorted(entry["array"] for entry in entries):
        wrong.append(f"{cube}: arrays are {sorted(group.array_keys())}")
    raw = xarray.open_dataset(path, engine="zarr", consolidated=True, decode_cf=False)
    masked = xarray.open_dataset(path, engine="zarr", consolidated=True, decode_times=False)
    for entry in entries:
        name, expected = entry["array"], values_of(folder, entry)
        for reader, array in [("zarr", group[name]), ("zarr, separate", separate[name])]:
            if not is_same(array[...], expected):
                complain(entry, reader, f"{array[...]!r} is not {expected!r}")
            if list(array.chunks) != entry["chunks"]:
                complain(entry, reader, f"chunks {array.chunks}")
            if entry["shards"] != (None if array.shards is None else list(array.shards)):
                complain(entry, reader, f"shards {array.shards}")
        if list(raw[name].dims) != entry["dimensions"]:
            complain(entry, "xarray", f"dimensions {raw[name].dims}")
        if raw[name].attrs.get("long_name") != entry["long_name"]:
            complain(entry, "xarray", f"attributes {raw[name].attrs}")
        if not is_same(raw[name].values, expected) and expected.dtype != object:
            complain(entry, "xarray", f"{raw[name].values!r} is not {expected!r}")
        if expected.dtype.kind in "iuf":
            missing = entry["missing"]
            is_missing = np.isnan(expected) if expected.dtype.kind == "f" else expected != expected
            if missing is not None:
                is_missing = is_missing | (expected == expected.dtype.type(number(missing)))
            found = masked[name].values
            found = np.isnan(found) if found.dtype.kind == "f" else found != found
            if not np.array_equal(found, is_missing):
                complain(entry, "xarray", f"missing at {found!r}, not {is_missing!r}")
        is_v2 = (folder / cube / ".zgroup").exists()
        if is_v2 and expected.dtype.kind in "iuf" and expected.ndim == 2 and expected.size:
            with rasterio.open(f'ZARR:"{path}":/{name}') as dataset:
                if not is_same(dataset.read(1), expected):
                    complain(entry, "GDAL", f"{dataset.read(1)!r} is not {expected!r}")
                missing = dataset.nodata
                if entry["missing"] is not None and missing != number(entry["missing"]):
                    if not (math.isnan(missing) and entry["missing"] == "NaN"):
                        complain(entry, "GDAL", f"missing value {missing}")
                by_gdal += 1

print(f"{by_gdal} arrays by GDAL")
if by_gdal == 0 and any((folder / entry["cube"] / ".zgroup").exists() for entry in manifest):
    wrong.append("GDAL has read nothing")
if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same")
