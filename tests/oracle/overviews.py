"""Cubes to make overviews of, and what NumPy finds for their levels.

`<cube>-<level>.zarr` holds what each level is: made of the cube itself, whatever is missing there, not of the level below;
and as `number` how many cells of `v` that are there are under each of its own.
"""

import os
import sys
import warnings

import numpy as np
import xarray as xr

folder = sys.argv[1]
# Cells under which all is missing are part of the test.
warnings.simplefilter("ignore", RuntimeWarning)
rng = np.random.default_rng(5)


def blocks(values, factor):
    """The cells under each cell of a level along a last axis; edges are filled up with missing ones."""
    *others, rows, columns = values.shape
    padded = np.full((*others, -(-rows // factor) * factor, -(-columns // factor) * factor), np.nan)
    padded[..., :rows, :columns] = values
    cut = padded.reshape(*others, padded.shape[-2] // factor, factor, padded.shape[-1] // factor, factor)
    cut = np.moveaxis(cut, -3, -2)
    return cut.reshape(*cut.shape[:-2], -1)


def mean(values, factor):
    return np.nanmean(blocks(values, factor), axis=-1)


def largest(values, factor):
    return np.nanmax(blocks(values, factor), axis=-1)


def root(values, factor):
    return np.sqrt(np.nanmean(blocks(values, factor) ** 2, axis=-1))


def total(values, factor):
    cells = blocks(values, factor)
    return np.where(np.isnan(cells).all(axis=-1), np.nan, np.nansum(cells, axis=-1))


def centres(axis, factor):
    step = (axis[-1] - axis[0]) / (len(axis) - 1)
    return axis[0] - step / 2 + step * factor * (np.arange(-(-len(axis) // factor)) + 0.5)


def write(name, lat, lon, steps, chunks):
    shape = (steps, len(lat), len(lon))
    values = rng.normal(size=shape) + np.linspace(0, 9, shape[1])[:, None]
    values[rng.random(shape) < 0.3] = np.nan
    values[:, : shape[1] // 3, : shape[2] // 4] = np.nan
    depth = rng.normal(size=shape[1:])
    depth[rng.random(shape[1:]) < 0.1] = np.nan
    time = np.datetime64("2020-01-01", "ns") + np.arange(steps) * np.timedelta64(1, "D")
    axes = {
        "time": time,
        "lat": ("lat", lat, {"units": "degrees_north"}),
        "lon": ("lon", lon, {"units": "degrees_east"}),
    }
    dims = ("time", "lat", "lon")
    reduced = {
        "v": mean,
        "most": largest,
        "power": root,
        "amount": total,
        "depth": mean,
    }
    variables = {n: (dims, values.astype("f4")) for n in reduced}
    variables["depth"] = (dims[1:], depth.astype("f4"))
    data = xr.Dataset(variables, axes)
    for n in reduced:
        data[n].encoding["chunks"] = chunks[1:] if n == "depth" else chunks
    data.to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=3, consolidated=True)
    for level in (1, 2, 3, 4):
        factor = 2**level
        with np.errstate(all="ignore"):
            made = {n: (data[n].dims, f(data[n].values.astype("f8"), factor)) for n, f in reduced.items()}
        number = np.isfinite(blocks(data["v"].values, factor)).sum(axis=-1)
        made["number"] = (dims, number.astype("i4"))
        axes["lat"] = ("lat", centres(lat, factor), {"units": "degrees_north"})
        axes["lon"] = ("lon", centres(lon, factor), {"units": "degrees_east"})
        xr.Dataset(made, axes).to_zarr(os.path.join(folder, f"{name}-{level}.zarr"), zarr_format=3, consolidated=True)


def axis(first, step, count):
    return first + step * (np.arange(count) + 0.5)


# Sides that are no multiples, chunks that cut tiles, latitudes from north to south.
write("odd", axis(60, -0.02, 811), axis(-3, 0.02, 1027), 3, (2, 100, 130))
# A globe in chunks of all of it, latitudes from south to north.
write("globe", axis(-90, 0.5, 360), axis(-180, 0.5, 720), 2, (1, 360, 720))
# Chunks along time.
write("series", axis(50, -0.1, 120), axis(0, 0.1, 96), 40, (40, 12, 10))
