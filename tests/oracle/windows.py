"""A series with gaps per cell and what pandas and xarray make of it: tests/slt/dense/window.slt compares.

Writes gaps.zarr into the folder given as the argument: `v`, and one variable per question.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from raw_cubes import Stored, write

output = Path(sys.argv[1])
random = np.random.default_rng(20240229)
DAYS, LAT, LON = 140, 4, 7

# Days at uneven steps, so that interpolation along the axis differs from interpolation along rows.
days = np.sort(random.choice(400, DAYS, replace=False)).astype("i4")
time = pd.to_datetime("2001-01-01") + pd.to_timedelta(days, unit="D")
cells = DAYS * LAT * LON
values = (np.sin(np.arange(cells) * 0.7) * 20).astype("f4").reshape(DAYS, LAT, LON)
missing = random.random(values.shape) < 0.4
missing[30:55, 1, :] = True
missing[:, 3, 6] = True
values[missing] = np.nan

table = pd.DataFrame(values.reshape(DAYS, -1).astype("f8"), index=time)
array = xr.DataArray(values.astype("f8"), dims=("time", "lat", "lon"), coords={"time": time})
month = array.time.dt.month
year = table.index.year


def gap_bounds():
    """For each cell the days of the valid neighbours."""
    at = pd.DataFrame(np.broadcast_to(days[:, None], table.shape).astype("f8"), index=time).where(table.notna())
    return at.ffill(), at.bfill()


before, after = gap_bounds()
interpolated = pd.DataFrame(array.interpolate_na("time").values.reshape(DAYS, -1), index=time)
run = table.isna().astype(int)
longest = run.apply(lambda gaps: gaps.groupby((gaps == 0).cumsum()).transform("sum"))

questions = {
    "rolling": table.rolling(5, center=True, min_periods=1).mean(),
    "trailing": table.rolling(7, min_periods=1).sum(),
    "lowest": table.rolling(4, min_periods=1).min(),
    "running": table.expanding(min_periods=1).max(),
    "thirty_days": table.rolling("30D", min_periods=1).mean(),
    "of_year": table.groupby(year).cumsum().where(table.notna()),
    "carried": table.ffill(),
    "carried_two": table.ffill(limit=2),
    "backwards": table.bfill(),
    "line": interpolated,
    "line_twenty_days": interpolated.where(after - before <= 20),
    "line_two_cells": interpolated.where((longest <= 2) | table.notna()),
    "anomaly": array.groupby(month) - array.groupby(month).mean("time"),
    "zonal": array - array.mean(("time", "lon")),
    "previous": table.shift(1),
}

variables = {
    "time": Stored(("time",), days, {"units": "days since 2001-01-01"}),
    "lat": Stored(("lat",), np.arange(LAT)[::-1] * 1.0),
    "lon": Stored(("lon",), np.arange(LON) * 1.0),
    "v": Stored(("time", "lat", "lon"), values, {}, (17, 3, 2)),
}
for name, answer in questions.items():
    answer = np.asarray(answer, "f8").reshape(values.shape)
    variables[name] = Stored(("time", "lat", "lon"), answer, {}, (50, 4, 7))
write(output / "gaps.zarr", "zarr3", variables, {})
