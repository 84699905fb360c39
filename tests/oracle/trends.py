"""Random series with ties and gaps, and what NumPy makes of their trends, by the definitions."""

import itertools
import math
import os
import sys

import numpy as np
import xarray as xr

folder = sys.argv[1]
random = np.random.default_rng(3)
steps, places = 40, 12
values = np.round(random.normal(size=(steps, places)) + np.linspace(0, 2, steps)[:, None] * np.linspace(-1, 1, places), 1)
values[random.random(values.shape) < 0.15] = np.nan
values[:, 3] = np.nan
values[1:, 4] = np.nan
values[:, 5] = 2.5
years = 1980 + np.cumsum(random.integers(1, 3, steps)).astype("f8")


def slope(v):
    known = np.flatnonzero(np.isfinite(v))
    slopes = [(v[b] - v[a]) / (years[b] - years[a]) for a, b in itertools.combinations(known, 2)]
    return np.median(slopes) if slopes else np.nan


def kendall(v):
    v = v[np.isfinite(v)]
    n = len(v)
    if n < 2:
        return np.nan, np.nan
    s = sum(np.sign(b - a) for a, b in itertools.combinations(v, 2))
    ties = sum(t * (t - 1) * (2 * t + 5) for t in np.unique(v, return_counts=True)[1])
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    z = (s - np.sign(s)) / math.sqrt(variance) if variance > 0 else 0.0
    return s, math.erfc(abs(z) / math.sqrt(2))


def run(v):
    v = v[np.isfinite(v)]
    if len(v) == 0:
        return np.nan
    return max((len(list(group)) for holds, group in itertools.groupby(v > 0) if holds), default=0)


axes = {"year": years, "place": np.arange(places)}
xr.Dataset({"v": (("year", "place"), values)}, axes).to_zarr(os.path.join(folder, "series.zarr"), zarr_format=2)
columns = [values[:, place] for place in range(places)]
made = {
    "slope": [slope(v) for v in columns],
    "s": [kendall(v)[0] for v in columns],
    "p": [kendall(v)[1] for v in columns],
    "run": [float(run(v)) for v in columns],
}
made = {name: (("place",), np.array(column, "f8")) for name, column in made.items()}
xr.Dataset(made, {"place": np.arange(places)}).to_zarr(os.path.join(folder, "expected.zarr"), zarr_format=2)
