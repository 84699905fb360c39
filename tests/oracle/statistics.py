"""A cube with a variable of every kind that statistics tell apart, and what NumPy says of it.

Chunks of 2 x 2 x 4 cells: 12 per variable. `statistics.json` holds minimum, maximum and number of values
per variable, as decoded."""

import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from raw_cubes import Stored, write

output = Path(sys.argv[1])
shape = (6, 4, 8)
time, lat, lon = np.meshgrid(np.arange(6), np.arange(4), np.arange(8), indexing="ij")
number = (time * 4 + lat) * 8 + lon
dims, chunks = ("time", "lat", "lon"), (2, 2, 4)

t = (270 + 5 * time + lat + lon / 8).astype("f4")
t[number % 7 == 3] = np.nan
t[2:4, 2:4, 4:8] = np.nan  # one whole chunk
t[4, 0, 0] = 350  # rare
zero = np.where(number % 3 == 0, -0.0, np.where(number % 3 == 1, 0.0, -(number % 5))).astype("f4")
packed = (number % 100 - 50).astype("i2")
packed[number % 11 == 0] = -999
flags = (1 << (number % 8)).astype("u1")
large = (number.astype("u8") + (1 << 63)).astype("u8")
when = (number * 3600).astype("i8")
nothing = np.full(shape, np.nan)

variables = {
    "time": Stored(("time",), np.arange(6, dtype="i4"), {"units": "days since 2001-01-01"}),
    "lat": Stored(("lat",), np.array([60.0, 59.0, 58.0, 57.0]), {"units": "degrees_north"}),
    "lon": Stored(("lon",), np.arange(8, dtype="f8"), {"units": "degrees_east"}),
    "t": Stored(dims, t, {}, chunks),
    "zero": Stored(dims, zero, {}, chunks),
    "packed": Stored(
        dims, packed, {"scale_factor": 0.1, "add_offset": 5.0, "_FillValue": -999}, chunks, -999, ((1, 0, 1),)
    ),
    "flags": Stored(dims, flags, {"flag_masks": [1, 2, 4, 8], "flag_meanings": "a b c d"}, chunks),
    "large": Stored(dims, large, {}, chunks),
    "happened": Stored(dims, when, {"units": "seconds since 2001-01-01", "calendar": "standard"}, chunks),
    "nothing": Stored(dims, nothing, {}, chunks),
    "mask": Stored(("lat", "lon"), (lat[0] * 8 + lon[0]).astype("i1"), {}, (2, 4)),
}
write(output / "s.zarr", "zarr2", variables, {})

ds = xr.open_zarr(output / "s.zarr", consolidated=False)
expected = {}
for name in ds.data_vars:
    values = ds[name].values.ravel()
    valid = values[~np.isnat(values)] if values.dtype.kind == "M" else values[~np.isnan(values.astype("f8"))]
    bounds = [str(valid.min()), str(valid.max())] if len(valid) else [None, None]
    expected[name] = [*bounds, len(valid)]
(output / "statistics.json").write_text(json.dumps(expected, indent=1))
