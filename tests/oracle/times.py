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


def not_a_knot(known, series, wanted):
    """The cubic spline with one cubic over the first two and the last two steps, from equations for all coefficients."""
    count = len(known) - 1
    width = np.diff(known)
    matrix, right = np.zeros((4 * count, 4 * count)), np.zeros(4 * count)
    row = 0

    def equation(terms, value=0.0):
        nonlocal row
        for piece, coefficients in terms:
            matrix[row, 4 * piece : 4 * piece + 4] += coefficients
        right[row] = value
        row += 1

    for piece, h in enumerate(width):
        equation([(piece, [1, 0, 0, 0])], series[piece])
        equation([(piece, [1, h, h**2, h**3])], series[piece + 1])
    for piece, h in enumerate(width[:-1]):
        equation([(piece, [0, 1, 2 * h, 3 * h**2]), (piece + 1, [0, -1, 0, 0])])
        equation([(piece, [0, 0, 2, 6 * h]), (piece + 1, [0, 0, -2, 0])])
    for piece in (0, count - 2):
        equation([(piece, [0, 0, 0, 1]), (piece + 1, [0, 0, 0, -1])])
    pieces = np.linalg.solve(matrix, right).reshape(count, 4)
    found = np.full(len(wanted), np.nan)
    for at, place in enumerate(wanted):
        if known[0] <= place <= known[-1]:
            piece = min(np.searchsorted(known, place, side="right") - 1, count - 1)
            found[at] = np.polyval(pieces[piece][::-1], place - known[piece])
    return found


# On splines through the values that are there; where there is nothing on a line there is nothing on a spline.
in_days = lambda times: (ns(times) - ns(time)[0]) / 86400e9
on_spline = np.full((len(daily), 6, 8), np.nan)
for y in range(6):
    for x in range(8):
        series = values[:, y, x].astype("f8")
        there = ~np.isnan(series)
        on_spline[:, y, x] = not_a_knot(in_days(time)[there], series[there], in_days(daily))
on_spline[np.isnan(made)] = np.nan
write("spline", data.reindex(time=daily).assign(v=(("time", "lat", "lon"), on_spline)))
