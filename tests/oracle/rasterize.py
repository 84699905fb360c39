"""Random geometries, and what GDAL burns of them into grids."""

import json
import os
import sys

import numpy as np
import rasterio.features
import shapely
import xarray as xr
from affine import Affine
from pyproj import Transformer
from rasterio.enums import MergeAlg

folder = sys.argv[1]
rng = np.random.default_rng(11)


def star(x, y, size, corners):
    angles = np.sort(rng.random(corners)) * 2 * np.pi
    radii = size * (0.3 + 0.7 * rng.random(corners))
    corners = np.column_stack([x + radii * np.cos(angles), y + radii * np.sin(angles)])
    return shapely.make_valid(shapely.Polygon(corners)).buffer(0)


def places(count):
    return np.column_stack([rng.uniform(5, 15, count), rng.uniform(45, 55, count)])


shapes = []
for x, y in places(40):
    outer = star(x, y, 1.5, rng.integers(3, 12))
    shapes.append(outer.difference(star(x, y, 0.3, 5)))
shapes.append(shapely.MultiPolygon([star(6, 46, 0.5, 5), star(13, 54, 0.7, 6)]))
for _ in range(20):
    shapes.append(shapely.LineString(places(rng.integers(2, 6))))
shapes.append(shapely.MultiLineString([places(2), places(3)]))
for x, y in places(60):
    shapes.append(shapely.Point(x, y))
shapes.append(shapely.MultiPoint(places(10)))
order = rng.permutation(len(shapes))
shapes = [shapes[at] for at in order]
values = rng.integers(1, 1000, len(shapes)) / 4
# GeoJSON has its own number of digits: what is burnt is what was written.
features = [
    {"type": "Feature", "properties": {"id": n, "value": v, "name": f"n{n}"}, "geometry": shapely.geometry.mapping(s)}
    for n, (s, v) in enumerate(zip(shapes, values))
]
areas = [f for f, s in zip(features, shapes) if s.geom_type.endswith("Polygon")]
for name, some in [("features", features), ("areas", areas)]:
    with open(os.path.join(folder, f"{name}.geojson"), "w") as file:
        json.dump({"type": "FeatureCollection", "features": some}, file)


def write(name, shapes, bbox, step, axes, **options):
    west, south, east, north = bbox
    columns, rows = round((east - west) / step), round((north - south) / step)
    burnt = rasterio.features.rasterize(
        list(zip(shapes, values)),
        out_shape=(rows, columns),
        transform=Affine(step, 0, west, 0, -step, north),
        fill=-1,
        dtype="float64",
        **options,
    )
    y, x = north - step * (np.arange(rows) + 0.5), west + step * (np.arange(columns) + 0.5)
    expected = np.where(burnt == -1, np.nan, burnt)
    data = xr.Dataset({"e": (axes, expected)}, {axes[0]: y, axes[1]: x})
    data.to_zarr(os.path.join(folder, f"{name}.zarr"), zarr_format=3, consolidated=True)


degrees = (4.0, 44.0, 16.0, 56.0)
write("last", shapes, degrees, 0.02, ("lat", "lon"))
polygons = [s for s in shapes if s.geom_type.endswith("Polygon")]
values_of_all = values
values = np.array([v for s, v in zip(shapes, values_of_all) if s.geom_type.endswith("Polygon")])
# What is added to is not nothing: the background is taken off again.
west, south, east, north = degrees
added = rasterio.features.rasterize(
    list(zip(polygons, values)),
    out_shape=(600, 600),
    transform=Affine(0.02, 0, west, 0, -0.02, north),
    fill=0,
    dtype="float64",
    merge_alg=MergeAlg.add,
)
y, x = north - 0.02 * (np.arange(600) + 0.5), west + 0.02 * (np.arange(600) + 0.5)
data = xr.Dataset({"e": (("lat", "lon"), np.where(added == 0, np.nan, added))}, {"lat": y, "lon": x})
data.to_zarr(os.path.join(folder, "sum.zarr"), zarr_format=3, consolidated=True)
values = values_of_all
move = Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
moved = [shapely.transform(s, lambda c: np.column_stack(move.transform(c[:, 0], c[:, 1]))) for s in shapes]
write("moved", moved, (3900000, 2300000, 4800000, 3600000), 2500, ("y", "x"))
