"""Cubes, regions of them in three shapes, and aggregates of the cells of each, by shapely, PROJ and NumPy."""

import json
import pathlib
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import rasterio.crs
import rasterio.warp
import shapely
import xarray as xr

folder = pathlib.Path(sys.argv[1])
RANDOM = np.random.default_rng(20261125)

time = np.datetime64("2001-01-15", "ns") + np.arange(24) * np.timedelta64(30, "D")
lat = np.arange(60, -61, -2.5).astype("f4")
lon = np.arange(0, 360, 2.5).astype("f4")
values = RANDOM.normal(10, 5, (time.size, lat.size, lon.size)).astype("f4")
values[RANDOM.random(values.shape) < 0.2] = np.nan
month = (time.astype("datetime64[M]").astype(int) % 12 + 1).astype("i8")
# No value at all in one of the zones, in March.
values[month == 3, :, : np.searchsorted(lon, 65)] = np.nan
cube = xr.Dataset({"v": (("time", "lat", "lon"), values)}, {"time": time, "lat": lat, "lon": lon})
cube["lat"].attrs["units"] = "degrees_north"
cube["lon"].attrs["units"] = "degrees_east"
cube["v"].encoding["chunks"] = (7, 10, 36)
cube.to_zarr(folder / "cube.zarr", zarr_format=2, consolidated=True)

# Vertices and edges on centres of cells and between them; a hole, two parts, overlaps, no cell, no geometry,
# beyond the last longitude, and what is no polygon.
ZONES = {
    "hole": "POLYGON ((10 10, 60 12, 55 47, 10 10), (30 20, 40 20, 40 27, 30 20))",
    "parts": "MULTIPOLYGON (((100 -30, 140 -30, 140 10, 100 10, 100 -30)), ((150 0, 170.1 0, 160 33.3, 150 0)))",
    "overlap": "POLYGON ((37.5 0, 120 0, 120 40, 37.5 40, 37.5 0))",
    "empty": "POLYGON ((1 1, 2 1, 2 2, 1 1))",
    "edge": "POLYGON ((200 -20, 230 -20, 230 20, 200 20, 200 -20))",
    "beyond": "POLYGON ((340 -10, 380 -10, 380 10, 340 10, 340 -10))",
    "nothing": None,
    "place": "POINT (250 2.5)",
    "way": "LINESTRING (250 -10, 260 0)",
}
as_json = lambda wkt: json.loads(shapely.to_geojson(shapely.from_wkt(wkt)))
features = [
    {"type": "Feature", "properties": {"zone": zone, "kind": number % 3}, "geometry": wkt and as_json(wkt)}
    for number, (zone, wkt) in enumerate(ZONES.items())
]
(folder / "zones.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))

BOXES = [
    ("tropics", -23.5, 23.5, 0, 360, 1),
    ("edge", 10, 20, 30, 40, 2),
    ("edge", 15, 30, 30, 40, 2),
    ("point", 2.5, 2.5, 5, 5, 1),
    ("none", 50, 40, 0, 360, 3),
]
boxes = pd.DataFrame(BOXES, columns=["box", "south", "north", "west", "east", "kind"])
boxes = boxes.astype({name: "f4" for name in ("south", "north", "west", "east")})
boxes.to_parquet(folder / "boxes.parquet", index=False)

latitudes, longitudes = (a.astype("f8") for a in np.meshgrid(lat, lon, indexing="ij"))


def inside(test, wkt):
    if wkt is None:
        return np.zeros(latitudes.shape, bool)
    return test(shapely.from_wkt(wkt), longitudes, latitudes)


def aggregates(masks):
    """One row per name and month; a cell counts once for each mask that it is in."""
    found = []
    for name in dict.fromkeys(name for name, _ in masks):
        of_name = [mask for other, mask in masks if other == name]
        for number in range(1, 13):
            picked = np.concatenate([values[month == number][:, mask].ravel() for mask in of_name]).astype("f8")
            if picked.size:
                valid = picked[~np.isnan(picked)]
                empty = valid.size == 0
                found.append({
                    "name": name, "month": number, "cells": picked.size, "n": valid.size,
                    "mean": None if empty else valid.mean(), "low": None if empty else valid.min(),
                    "high": None if empty else valid.max(), "deviation": valid.std(ddof=1) if valid.size > 1 else None,
                    "middle": None if empty else np.median(valid),
                })
    return found


zones = {
    "contains": [(zone, inside(shapely.contains_xy, wkt)) for zone, wkt in ZONES.items()],
    "intersects": [(zone, inside(shapely.intersects_xy, wkt)) for zone, wkt in ZONES.items()],
}
within = lambda box: (lat[:, None] >= box.south) & (lat[:, None] <= box.north) & (lon >= box.west) & (lon <= box.east)
zones["boxes"] = [(box.box, within(box)) for box in boxes.itertuples()]

# Cells of zones as a table; one cell is in it twice.
cells = []
for name, mask in zones["contains"]:
    rows, columns = np.nonzero(mask)
    cells += [(lat[row], lon[column], name) for row, column in zip(rows, columns)]
cells.append(cells[0])
cells.append((np.float32(1), np.float32(1), "off the grid"))
cells = pd.DataFrame(cells, columns=["lat", "lon", "zone"]).astype({"lat": "f4", "lon": "f4"})
cells.sample(frac=1, random_state=1).to_parquet(folder / "cells.parquet", index=False)
row, column = np.argwhere(zones["contains"][0][1])[0]
once = np.zeros(latitudes.shape, bool)
once[row, column] = True
zones["cells"] = [*zones["contains"], (zones["contains"][0][0], once)]

expected = pd.DataFrame([{"how": how, **row} for how, masks in zones.items() for row in aggregates(masks)])
pq.write_table(pa.Table.from_pandas(expected, preserve_index=False), folder / "expected.parquet")

# Zones in a projected system on the cube in degrees, and zones in degrees on a projected cube.
METRES = {
    "hole": "POLYGON ((2500000 1500000, 6500000 1700000, 6000000 4900000, 2600000 4400000, 2500000 1500000), (4000000 3000000, 5000000 3000000, 4500000 3900000, 4000000 3000000))",
    "parts": "MULTIPOLYGON (((1000000 900000, 2100000 1000000, 1500000 2100000, 1000000 900000)), ((7000000 900000, 7900000 1000000, 7200000 2500000, 7000000 900000)))",
    "nothing": None,
}
DEGREES = {
    "alps": "POLYGON ((5.1 43.3, 16.2 45.1, 15.7 48.2, 6.3 47.9, 5.1 43.3))",
    "north": "MULTIPOLYGON (((-5.3 55.1, 3.1 56.2, 1.2 60.3, -5.3 55.1)), ((10.1 55.3, 25.2 58.1, 18.3 64.2, 10.1 55.3)))",
}


def transformed(wkt, source, target):
    """The geometry with its vertices moved by PROJ."""
    if wkt is None:
        return None
    geometry = shapely.geometry.mapping(shapely.from_wkt(wkt))
    return shapely.geometry.shape(rasterio.warp.transform_geom(source, target, geometry)).wkt


def as_file(name, driver, crs, zones):
    pyogrio.raw.write(
        folder / name,
        geometry=shapely.to_wkb([wkt and shapely.from_wkt(wkt) for wkt in zones.values()]),
        field_data=[np.array(list(zones), dtype=object)],
        fields=["zone"],
        geometry_type="Unknown" if driver == "FlatGeobuf" else "Polygon",
        driver=driver,
        crs=crs,
        layer_options={"SPATIAL_INDEX": "NO"} if driver == "FlatGeobuf" else {},
    )


as_file("metres.fgb", "FlatGeobuf", "EPSG:3035", METRES)
# Beside it stands the system in ESRI's words, without a code.
as_file("metres_of_esri.shp", "ESRI Shapefile", "EPSG:3035", METRES)
as_file("degrees.fgb", "FlatGeobuf", "EPSG:4326", DEGREES)

y = np.arange(5_400_000, 1_400_000, -50_000.0)
x = np.arange(2_500_000, 6_500_000, 50_000.0)
heights = RANDOM.normal(0, 1, (y.size, x.size))
crs = xr.DataArray(0, attrs={"crs_wkt": rasterio.crs.CRS.from_epsg(3035).to_wkt()})
projected = xr.Dataset({"height": (("y", "x"), heights), "crs": crs}, {"y": y, "x": x})
projected["height"].attrs["grid_mapping"] = "crs"
for name in ("y", "x"):
    projected[name].attrs = {"standard_name": f"projection_{name}_coordinate", "units": "m"}
projected.to_zarr(folder / "projected.zarr", zarr_format=2, consolidated=True)

found = []
for zone, wkt in METRES.items():
    mask = inside(shapely.contains_xy, transformed(wkt, "EPSG:3035", "EPSG:4326"))
    found.append({"zones": "metres", "zone": zone, "cells": int(mask.sum()) * time.size, "mean": np.nanmean(values[:, mask].astype("f8")) if mask.any() else None})
for zone, wkt in DEGREES.items():
    eastings, northings = np.meshgrid(x, y)
    mask = shapely.contains_xy(shapely.from_wkt(transformed(wkt, "EPSG:4326", "EPSG:3035")), eastings, northings)
    found.append({"zones": "degrees", "zone": zone, "cells": int(mask.sum()), "mean": heights[mask].mean()})
pd.DataFrame(found).to_parquet(folder / "systems.parquet", index=False)
