"""Compares the levels of cubes that Graticule wrote with what they must be, cell by cell.

    python levels_written.py FOLDER

FOLDER/manifest.json lists the arrays of level 0: folder, name, shape, chunks, Arrow type, the value that means
"missing", how four cells become one, and the values: texts, or the name of a file of raw values. zarr-python
reads each level; NumPy makes it of the one below. xarray opens each as a dataset.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray
import zarr

from written_values import is_same, values_of

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
wrong = []


def number(value):
    return {"NaN": math.nan, "Infinity": math.inf}.get(value, value)


def nearest(total, count):
    """The quotient of two integers, halves away from zero."""
    return (2 * abs(total) + count) // (2 * count) * (1 if total >= 0 else -1)


def halved(values, method, missing):
    if method == "first":
        return values[..., ::2, ::2]
    dtype = values.dtype
    is_valid = np.ones(values.shape, dtype=bool)
    if dtype.kind == "f":
        is_valid &= ~np.isnan(values)
    if missing is not None:
        is_valid &= values != dtype.type(number(missing))
    shape = (*values.shape[:-2], *(-(-length // 2) for length in values.shape[-2:]))
    quarters = []
    for below in (0, 1):
        for right in (0, 1):
            part, valid = values[..., below::2, right::2], is_valid[..., below::2, right::2]
            pad = [(0, whole - length) for whole, length in zip(shape, part.shape, strict=True)]
            quarters.append((np.pad(part, pad), np.pad(valid, pad)))
    count = sum(valid.astype(int) for _, valid in quarters)
    if method == "mean":
        wide = object if dtype.kind in "iu" else "float64"
        total = np.full(shape, 0 if wide is object else -0.0, dtype=wide)
        for part, valid in quarters:
            total = np.where(valid, total + part.astype(wide), total)
        if wide is object:
            found = np.frompyfunc(nearest, 2, 1)(total, np.maximum(count, 1)) if total.size else total
        else:
            found = total / np.maximum(count, 1)
        found = found.astype(dtype)
    else:
        found = np.zeros(shape, dtype=dtype)
        seen = np.zeros(shape, dtype=bool)
        for part, valid in quarters:
            better = part < found if method == "min" else part > found
            take = valid & (~seen | better)
            found, seen = np.where(take, part, found), seen | valid
    fallback = values[..., ::2, ::2] if missing is None else np.full(shape, number(missing)).astype(dtype)
    return np.where(count > 0, found, fallback)


for entry in manifest:
    cube = folder / entry["cube"]
    levels = json.loads((cube / ".zlevels").read_text())
    name = entry["array"]
    expected = values_of(folder, entry)

    def complain(what):
        wrong.append(f"{entry['cube']} {name}: {what}")

    if levels["version"] != "1.0" or len(list(cube.glob("*.zarr"))) != levels["num_levels"]:
        complain(f".zlevels is {levels}")
    for level in range(levels["num_levels"]):
        array = zarr.open_group(cube / f"{level}.zarr", mode="r")[name]
        if level > 0 and name == "y_bnds":
            edges = np.append(expected[::2, 0], expected[-1, 1])
            if len(expected) % 2 and len(expected) > 1:
                edges[-1] += expected[-1, 1] - expected[-1, 0]
            expected = np.stack([edges[:-1], edges[1:]], axis=1)
        elif level > 0 and name in ("y", "x"):
            step = expected[-1] - expected[-2] if expected.size > 1 else 0.0
            ends = np.append(expected, expected[-1] + step) if expected.size % 2 else expected
            expected = (ends[::2] + ends[1::2]) / 2
        elif level > 0:
            expected = np.ascontiguousarray(halved(expected, entry["method"], entry["missing"]))
        found = array[...]
        is_axis = name in ("y", "x", "y_bnds")
        is_fine = np.allclose(found, expected, atol=1e-9) if is_axis else is_same(found, expected)
        if not is_fine:
            complain(f"level {level} is {found!r}, not {expected!r}")
        dataset = xarray.open_zarr(cube / f"{level}.zarr", consolidated=True)
        if dataset[name].shape != expected.shape or not {"y", "x"} <= set(dataset.coords):
            complain(f"xarray reads {dataset}")
    if not is_axis:
        tiles = [-(-length // tile) for length, tile in zip(array.shape[-2:], entry["chunks"][-2:], strict=True)]
        if max(tiles) != 1 or levels["agg_methods"][name] != entry["method"]:
            complain(f".zlevels is {levels}, and the last level has {tiles} tiles")

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same")
