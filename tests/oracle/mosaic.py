"""Overlapping scenes, and what rasterio.merge and NumPy make of them.

    python mosaic.py FOLDER

| file | what it is |
|---|---|
| a.tif, b.tif, c.tif | scenes on one grid that overlap, with cells that are missing |
| far.tif | one on the same grid that touches none of them |
| beside.tif | one whose cells lie between those of the others |
| zone33.tif | one in another system |
| first.tif … mean.tif | a, b and c together |
| apart.tif | a and far together |
| both.tif | a and zone33 on the grid of a's system, by nearest cells, a on top |
| monday.zarr, tuesday.zarr | scenes of different days that overlap in space and share a day |
| days.zarr | the two together, monday on top |
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import Resampling
from rasterio.merge import merge
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform

folder = Path(sys.argv[1])
random = np.random.default_rng(11)
MISSING = -9999.0
WEST, NORTH, STEP = 500_000, 5_900_000, 300


def write(name, values, column, row, crs="EPSG:32632", shift=0.0):
    corner = Affine(STEP, 0, WEST + (column + shift) * STEP, 0, -STEP, NORTH - (row + shift) * STEP)
    height, width = values.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "float32"}
    tiles = {"tiled": True, "blockxsize": 32, "blockysize": 16}
    with rasterio.open(folder / f"{name}.tif", "w", crs=crs, transform=corner, nodata=MISSING, **profile, **tiles) as file:
        file.write(values.astype("f4"), 1)
        file.set_band_description(1, "v")


def scene(height, width):
    values = random.normal(10, 3, (height, width)).astype("f4")
    values[random.random((height, width)) < 0.2] = MISSING
    return values


scenes = {"a": (scene(70, 90), 0, 0), "b": (scene(60, 80), 50, 30), "c": (scene(90, 40), 30, 20)}
for name, (values, column, row) in scenes.items():
    write(name, values, column, row)
write("far", scene(20, 30), 200, 150)
write("beside", scene(20, 30), 10, 10, shift=0.25)


def merged(name, names, **options):
    values, corner = merge([folder / f"{scene}.tif" for scene in names], nodata=MISSING, **options)
    row, column = round((NORTH - corner.f) / STEP), round((corner.c - WEST) / STEP)
    write(name, values[0], column, row)


for method in ["first", "last", "min", "max"]:
    merged(method, "abc", method=method)
merged("apart", ["a", "far"])

# The mean has no method in rasterio.
height = max(row + values.shape[0] for values, _, row in scenes.values())
width = max(column + values.shape[1] for values, column, _ in scenes.values())
layers = np.full((3, height, width), np.nan)
for layer, (values, column, row) in zip(layers, scenes.values()):
    rows, columns = values.shape
    layer[row : row + rows, column : column + columns] = np.where(values == MISSING, np.nan, values)
count = np.sum(~np.isnan(layers), axis=0)
mean = np.where(count > 0, np.nansum(layers, axis=0) / np.maximum(count, 1), MISSING)
write("mean", mean, 0, 0)

# A scene in the next zone, put on the grid of the first by nearest cells. Its fields change slowly, so that a cell on an
# edge is no matter.
corner = transform("EPSG:32632", "EPSG:32633", [WEST + 60 * STEP], [NORTH - 10 * STEP])
x, y = (round(number[0] / STEP) * STEP for number in corner)
values = np.add.outer(np.arange(50) * 0.01, np.arange(60) * 0.02) + 5
profile = {"driver": "GTiff", "height": 50, "width": 60, "count": 1, "dtype": "float32", "nodata": MISSING}
with rasterio.open(folder / "zone33.tif", "w", crs="EPSG:32633", transform=Affine(STEP, 0, x, 0, -STEP, y), **profile) as file:
    file.write(values.astype("f4"), 1)
    file.set_band_description(1, "v")
grid = {"transform": Affine(STEP, 0, WEST, 0, -STEP, NORTH), "width": 140, "height": 80}
with rasterio.open(folder / "zone33.tif") as file:
    with WarpedVRT(file, crs="EPSG:32632", resampling=Resampling.nearest, nodata=MISSING, tolerance=0.001, **grid) as warped:
        below = warped.read(1)
on_top, column, row = scenes["a"]
both = below.copy()
rows, columns = on_top.shape
both[:rows, :columns] = np.where(on_top == MISSING, both[:rows, :columns], on_top)
write("both", both, 0, 0)


def days(name, first, count, column):
    time = np.datetime64("2021-03-01", "ns") + (first + np.arange(count)) * np.timedelta64(1, "D")
    values = random.normal(size=(count, 12, 20))
    values[random.random(values.shape) < 0.3] = np.nan
    lat, lon = 50 - np.arange(12) * 0.1, 5 + (column + np.arange(20)) * 0.1
    data = xr.Dataset({"v": (("time", "lat", "lon"), values)}, {"time": time, "lat": lat, "lon": lon})
    data.v.encoding["chunks"] = (1, 5, 7)
    data.to_zarr(folder / f"{name}.zarr", zarr_format=3, consolidated=True)
    return data


monday, tuesday = days("monday", 0, 2, 0), days("tuesday", 1, 3, 8)
near = {"method": "nearest", "tolerance": 0.01}
lon = 5 + np.arange(28) * 0.1
time = np.union1d(monday.time, tuesday.time)
on = lambda data: data.reindex(time=time).reindex(lon=lon, **near)
together = on(monday).combine_first(on(tuesday))
together.v.encoding = {}
together.to_zarr(folder / "days.zarr", zarr_format=3, consolidated=True)
