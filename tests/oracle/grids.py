"""What GDAL makes of fields on other grids, and what analytic fields are there.

Writes cubes to be put on other grids, for each case what GDAL gives, and `cases.json` that lists the cases.
GDAL's approximation of positions is held to a thousandth of a cell, so that what differs is ours.
"""

import json
import os
import sys

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform

folder = sys.argv[1]
POINTS = ["nearest", "bilinear", "cubic", "cubic_spline", "lanczos"]
AREAS = ["average", "min", "max", "median", "mode", "q1", "q3", "sum", "rms"]
cases = []


def field(lon, lat):
    """Smooth on the globe: no seam, no pole."""
    lon, lat = np.radians(lon), np.radians(lat)
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    return 10 + 3 * x - 2 * y + 4 * z + np.sin(3 * x) * np.cos(2 * y) + 2 * x * y * z


def globe(step, first, descending):
    lon = first + step * (np.arange(round(360 / step)) + 0.5)
    lat = -90 + step * (np.arange(round(180 / step)) + 0.5)
    if descending:
        lat = lat[::-1]
    values = field(*np.meshgrid(lon, lat))
    return lon, lat, values.astype("f4")


def write(name, lon, lat, values, **chunks):
    axes = {
        "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    data = xr.Dataset({"v": (("lat", "lon"), values)}, axes)
    data.v.encoding["chunks"] = chunks.get("chunks", (60, 90))
    data.to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=2)


def affine(x, y):
    step_x, step_y = (x[-1] - x[0]) / (len(x) - 1), (y[-1] - y[0]) / (len(y) - 1)
    return Affine(step_x, 0, x[0] - step_x / 2, 0, step_y, y[0] - step_y / 2)


def centres(bbox, step):
    west, south, east, north = bbox
    x = west + step * (np.arange(round((east - west) / step)) + 0.5)
    y = north - step * (np.arange(round((north - south) / step)) + 0.5)
    return x, y


def warped(values, lon, lat, x, y, crs, method, **options):
    names = {"median": "med"}
    profile = dict(driver="GTiff", count=1, dtype=values.dtype, crs="EPSG:4326", nodata=np.nan)
    with MemoryFile() as memory:
        size = dict(width=values.shape[1], height=values.shape[0])
        with memory.open(transform=affine(lon, lat), **size, **profile) as file:
            file.write(values, 1)
        with memory.open() as file, WarpedVRT(
            file,
            crs=crs,
            transform=affine(x, y),
            width=len(x),
            height=len(y),
            resampling=Resampling[names.get(method, method)],
            tolerance=0.001,
            nodata=np.nan,
            **options,
        ) as view:
            return view.read(1)


def expect(name, source, values, lon, lat, crs, bbox, step, methods, tolerance, **options):
    """One table of what GDAL gives, a variable per method."""
    x, y = centres(bbox, step)
    made = {}
    for method in methods:
        made[f"v_{method}"] = (("y", "x"), warped(values, lon, lat, x, y, crs, method, **options))
        cases.append(
            {
                "name": f"{name} {method}",
                "source": source,
                "arguments": f"crs => '{crs}', resolution => {step}, bbox => {list(bbox)}, method => '{method}'",
                "expected": f"{name}.zarr",
                "variable": f"v_{method}",
                # GDAL cuts the cells of the source, we cut those of the target: edges are straight in one of both.
                "tolerance": tolerance if method != "sum" else 0.012 * float(np.nanmax(made[f"v_{method}"][1])),
            }
        )
    axes = {"y": ("y", y, {"standard_name": "projection_y_coordinate"}), "x": ("x", x, {"standard_name": "projection_x_coordinate"})}
    xr.Dataset(made, axes).to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=2)


def expect_analytic(name, source, crs, bbox, step, arguments, tolerance):
    x, y = centres(bbox, step)
    places = np.meshgrid(x, y)
    lon, lat = transform(crs, "EPSG:4326", places[0].ravel(), places[1].ravel())
    values = field(np.array(lon), np.array(lat)).reshape(places[0].shape)
    inside = np.isfinite(values) & (np.abs(np.array(lat)) <= 90).reshape(values.shape)
    values = np.where(inside, values, np.nan)
    axes = {"y": ("y", y, {"standard_name": "projection_y_coordinate"}), "x": ("x", x, {"standard_name": "projection_x_coordinate"})}
    xr.Dataset({"v": (("y", "x"), values)}, axes).to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=2)
    cases.append(
        {
            "name": name,
            "source": source,
            "arguments": f"crs => '{crs}', resolution => {step}, bbox => {list(bbox)}, {arguments}",
            "expected": f"{name}.zarr",
            "variable": "v",
            "tolerance": tolerance,
        }
    )


# A globe with holes, to an equal-area grid and into Europe: every method, finer and coarser than the source.
lon, lat, values = globe(1.0, -180.0, descending=True)
holes = values.copy()
holes[(np.indices(values.shape).sum(axis=0) % 37 == 0) | (field(*np.meshgrid(lon, lat)) > 15)] = np.nan
write("globe", lon, lat, values)
write("holes", lon, lat, holes)
europe = (2_600_000, 1_400_000, 5_800_000, 5_000_000)
expect("europe_fine", "holes", holes, lon, lat, "EPSG:3035", europe, 40_000, POINTS, 0.02)
expect("europe_coarse", "holes", holes, lon, lat, "EPSG:3035", europe, 400_000, AREAS, 1e-4)
world = (-16_000_000, -7_000_000, 16_000_000, 7_000_000)
expect("world_coarse", "holes", holes, lon, lat, "EPSG:6933", world, 500_000, AREAS, 1e-4)

# Analytic fields: over the antimeridian, over the pole, longitudes from 0 to 360, latitudes upwards.
for name, first, descending in [("west_first", -180.0, True), ("east_first", 0.0, False)]:
    lon, lat, values = globe(0.5, first, descending)
    write(name, lon, lat, values)
    for crs, bbox, step in [
        ("EPSG:3832", (-3_000_000, -3_000_000, 3_000_000, 3_000_000), 50_000),
        ("EPSG:3413", (-2_500_000, -2_500_000, 2_500_000, 2_500_000), 50_000),
        ("EPSG:3031", (-2_500_000, -2_500_000, 2_500_000, 2_500_000), 50_000),
        ("EPSG:6933", (-17_000_000, -7_200_000, 17_000_000, 7_200_000), 200_000),
    ]:
        label = f"{name}_{crs[5:]}"
        for method, tolerance in [("bilinear", 2e-3), ("average", 4e-2), ("conservative", 4e-2)]:
            # Over cells that are larger than those of the source values are means.
            bound = tolerance if step < 100_000 else 5e-2
            expect_analytic(f"{label}_{method}", name, crs, bbox, step, f"method => '{method}'", bound)

# Real data: chlorophyll of the southern North Sea.
data = os.environ.get("GRATICULE_TEST_DATA")
if data:
    cube = xr.open_zarr(os.path.join(data, "olci-sns", "cube-1-250-250.zarr"))
    step = cube.conc_chl.isel(time=0)
    lon, lat, values = cube.lon.values, cube.lat.values, step.values.astype("f4")
    write("chlorophyll", lon, lat, values, chunks=(250, 250))
    box = (3_700_000, 3_050_000, 3_850_000, 3_200_000)
    expect("sea_fine", "chlorophyll", values, lon, lat, "EPSG:3035", box, 150, POINTS, 0.05)
    expect("sea_coarse", "chlorophyll", values, lon, lat, "EPSG:3035", box, 2000, AREAS, 1e-4)

with open(os.path.join(folder, "cases.json"), "w") as file:
    json.dump({"gdal": rasterio.__gdal_version__, "cases": cases}, file, indent=1)
