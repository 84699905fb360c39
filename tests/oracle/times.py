"""A cube at times of its own, and what xarray finds at others."""

import os
import sys

import numpy as np
import xarray as xr

folder = sys.argv[1]
rng = np.random.default_rng(3)
start = np.datetime64("2020-01-01T00:00:00", "ns")
hours = np.cumsum(rng.integers(5, 60, 40))
time = start + hours * np.timedelta64(1, "h")
shape = (len(time), 6, 8)
values = rng.normal(size=shape).astype("f4")
values[rng.random(shape) < 0.05] = np.nan
axes = {"time": time, "lat": np.arange(6) + 50.5, "lon": np.arange(8) + 3.5}
data = xr.Dataset({"v": (("time", "lat", "lon"), values)}, axes)
data.v.encoding["chunks"] = (7, 3, 8)
data.to_zarr(os.path.join(folder, "observed.zarr"), zarr_format=3, consolidated=True)
daily = start + np.arange(60) * np.timedelta64(1, "D") + np.timedelta64(30, "m")
other = xr.Dataset({"w": (("time",), np.arange(60.0))}, {"time": daily})
other.to_zarr(os.path.join(folder, "daily.zarr"), zarr_format=3, consolidated=True)


def write(name, made):
    made = made.assign_coords(time=daily)
    made["v"].encoding.clear()
    made.to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=3, consolidated=True)


write("nearest", data.reindex(time=daily, method="nearest"))
write("previous", data.reindex(time=daily, method="pad"))
write("next", data.reindex(time=daily, method="backfill"))
write("near", data.reindex(time=daily, method="nearest", tolerance=np.timedelta64(6, "h")))
# Linearly in time, by NumPy for each place: a missing neighbour makes the value missing.
ns = lambda times: times.astype("int64").astype("f8")
made = np.full((len(daily), 6, 8), np.nan)
for y in range(6):
    for x in range(8):
        made[:, y, x] = np.interp(ns(daily), ns(time), values[:, y, x], left=np.nan, right=np.nan)
write("linear", data.reindex(time=daily).assign(v=(("time", "lat", "lon"), made)))
