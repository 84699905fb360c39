"""Checks cubes with variables over some of their dimensions, as xarray reads them. Arguments: the cubes."""

import sys
import warnings

import numpy as np
import xarray

warnings.filterwarnings("ignore")
step, y, x = np.meshgrid(np.arange(4), np.arange(5), np.arange(7), indexing="ij")
for path in sys.argv[1:]:
    cube = xarray.open_dataset(path, engine="zarr" if path.endswith(".zarr") else "netcdf4")
    dims = {name: list(cube[name].dims) for name in ("v", "area", "name")}
    if dims != {"v": ["step", "y", "x"], "area": ["y", "x"], "name": ["y"]}:
        sys.exit(f"{path}: dimensions {dims}")
    if not np.array_equal(cube.v, step * 100 + y * 10 + x):
        sys.exit(f"{path}: v = {cube.v.values}")
    if not np.array_equal(cube.area, y[0] * 0.5 + x[0]):
        sys.exit(f"{path}: area = {cube.area.values}")
    if [str(name) for name in cube["name"].values] != [f"row {number}" for number in range(5)]:
        sys.exit(f"{path}: name = {cube['name'].values}")
print(f"{len(sys.argv) - 1} cubes are right")
