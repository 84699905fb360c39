"""Cubes on shared axes whose coordinates differ, and what xarray makes of them once they are aligned.

    python alignment.py FOLDER

| cube | its grid |
|---|---|
| fine.zarr | v every six hours, cells of 0.25 degrees |
| coarse.zarr | w every day at noon, cells of 0.5 degrees, each of four of fine's |
| third.zarr | w, cells of a third of a degree |
| shifted.zarr | w, cells of 0.25 degrees, half a cell beside fine's |
| single.zarr | w of fine's cells, coordinates in 32 bits |
| deep.zarr, deeper.zarr | along depths that differ |
| zone32.zarr, zone33.zarr | the same numbers in two systems |
| later.zarr | v of fine's cells, days after fine |
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import CRS

folder = Path(sys.argv[1])
random = np.random.default_rng(5)


def write(name, variable, time, lat, lon):
    axes = {"time": time, "lat": lat, "lon": lon}
    kept = {axis: places for axis, places in axes.items() if places is not None}
    values = random.normal(size=[len(places) for places in kept.values()])
    data = xr.Dataset({variable: (tuple(kept), values)}, kept)
    data.to_zarr(folder / f"{name}.zarr", zarr_format=3, consolidated=True)
    return data


def times(start, count, hours):
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(hours, "h")


def cells(first, count, step):
    return first + (np.arange(count) + 0.5) * step


lat, lon = cells(50, 8, 0.25)[::-1], cells(5, 12, 0.25)
fine = write("fine", "v", times("2022-01-01", 20, 6), lat, lon)
coarse = write("coarse", "w", times("2022-01-01T03", 5, 24), cells(50, 4, 0.5)[::-1], cells(5, 6, 0.5))
write("plane", "w", None, cells(50, 4, 0.5)[::-1], cells(5, 6, 0.5))
write("third", "w", None, cells(50, 6, 1 / 3)[::-1], cells(5, 9, 1 / 3))
write("shifted", "w", None, lat - 0.125, lon)
write("single", "w", None, (lat + 0.01).astype("f4").astype("f8"), (lon + 0.01).astype("f4").astype("f8"))
write("digits", "v", None, lat + 0.01, lon + 0.01)
write("later", "v", times("2023-01-01", 20, 6), lat, lon)

# The plane of coarse, and the mean of four cells of fine, at noon and thereafter.
means = fine.v.coarsen(lat=2, lon=2).mean()
nearest = means.reindex(time=coarse.time, method="nearest")
product = (nearest * coarse.w).sum()
(folder / "expected.txt").write_text(f"{float(product):.9f}")

for name, depth in [("deep", [5.0, 10.0, 20.0]), ("deeper", [6.0, 12.0, 18.0])]:
    data = xr.Dataset({"v": (("depth",), random.normal(size=3))}, {"depth": ("depth", depth, {"axis": "Z", "positive": "down"})})
    data.to_zarr(folder / f"{name}.zarr", zarr_format=3, consolidated=True)

for zone in (32, 33):
    axes = {"y": ("y", 5_900_000 - 300.0 * np.arange(6), {"units": "m"}), "x": ("x", 500_000 + 300.0 * np.arange(7), {"units": "m"})}
    mapping = ((), 0, {"crs_wkt": CRS(f"EPSG:{32600 + zone}").to_wkt(), "grid_mapping_name": "transverse_mercator"})
    data = xr.Dataset({"v": (("y", "x"), random.normal(size=(6, 7)), {"grid_mapping": "crs"}), "crs": mapping}, axes)
    data.to_zarr(folder / f"zone{zone}.zarr", zarr_format=3, consolidated=True)
