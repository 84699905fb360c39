"""Compares NetCDF files that Graticule wrote with what it was told to write, cell by cell.

    python netcdf_written.py FOLDER

FOLDER/manifest.json lists the arrays: file, name, shape, dimensions, chunks, codec, Arrow type, the value
that means "missing", and the name of a file of raw values. The netCDF library reads the stored values,
xarray masks them.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import netCDF4
import numpy as np
import xarray

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
wrong = []


def number(value):
    return {"NaN": math.nan, "Infinity": math.inf}.get(value, value)


def is_same(found, expected):
    """Bit for bit, except that "not a number" is one value."""
    found = np.array(found, order="C")
    if found.shape != expected.shape or found.dtype != expected.dtype:
        return False
    if expected.dtype.kind == "f":
        nan = np.isnan(expected)
        found, expected = found[~nan & ~np.isnan(found)], expected[~nan]
    return found.tobytes() == expected.tobytes()


for cube in sorted({entry["cube"] for entry in manifest}):
    file = netCDF4.Dataset(folder / cube)
    file.set_auto_maskandscale(False)
    if file.title != "random" or list(file.numbers) != [1, 2.5] or file.nested != '{"a":null}':
        wrong.append(f"{cube}: attributes are {file.__dict__}")
    masked = xarray.open_dataset(folder / cube, engine="netcdf4", decode_times=False)
    for entry in (entry for entry in manifest if entry["cube"] == cube):
        name, variable = entry["array"], file[entry["array"]]
        if entry["type"] == "Utf8":
            # Characters, as netCDF4 and xarray decode them.
            texts = entry["values"]
            found = [variable[...], masked[name].values] if texts else []
            for decoded in found:
                if [str(text) for text in np.ravel(decoded)] != texts:
                    wrong.append(f"{cube} {name}: {decoded!r} is not {texts!r}")
            dimensions = [*entry["dimensions"], "string64"]
            if list(variable.dimensions) != dimensions or list(masked[name].dims) != dimensions[:-1]:
                wrong.append(f"{cube} {name}: dimensions {variable.dimensions}, {masked[name].dims}")
            if variable.dtype != "S1" or variable.chunking() != [*entry["chunks"], 64]:
                wrong.append(f"{cube} {name}: {variable.dtype} in chunks {variable.chunking()}")
            continue
        is_truth = entry["type"] == "Boolean"
        dtype = "int8" if is_truth else entry["type"].lower()
        expected = np.fromfile(folder / entry["values"], dtype=dtype).reshape(entry["shape"])

        def complain(what):
            wrong.append(f"{cube} {name}: {what}")

        if not is_same(variable[...] if expected.size else np.empty(variable.shape, variable.dtype), expected):
            complain(f"{variable[...]!r} is not {expected!r}")
        if list(variable.dimensions) != entry["dimensions"]:
            complain(f"dimensions {variable.dimensions}")
        if expected.ndim and list(variable.chunking()) != entry["chunks"]:
            complain(f"chunks {variable.chunking()} are not {entry['chunks']}")
        if expected.ndim and variable.filters()["zlib"] != (entry["codec"] != "none"):
            complain(f"filters {variable.filters()} for {entry['codec']}")
        if variable.long_name != entry["long_name"]:
            complain(f"attributes {variable.__dict__}")
        missing = entry["missing"]
        if missing is not None:
            found, told = variable.getncattr("_FillValue"), expected.dtype.type(number(missing))
            is_equal = found == told or (found != found and told != told)
            if found.dtype != expected.dtype or not is_equal:
                complain(f"_FillValue {found!r} is not {missing!r}")
        decoded = masked[name].values if expected.size else None
        if is_truth and decoded is not None and decoded.dtype != bool:
            complain(f"xarray reads {decoded.dtype}")
        if expected.dtype.kind == "f" and decoded is not None:
            is_missing = np.isnan(expected)
            if missing is not None:
                is_missing = is_missing | (expected == expected.dtype.type(number(missing)))
            if not np.array_equal(np.isnan(decoded), is_missing):
                complain("xarray masks other cells")

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same")
