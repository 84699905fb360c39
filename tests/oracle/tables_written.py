"""Compares tables that Graticule wrote with the cube that they were made of, as xarray reads it.

    python tables_written.py FOLDER CUBE

FOLDER has cells.parquet, cells.csv and cells.arrow: the cells of three months; places.geoparquet: a point per
place with the mean over time; zones.geoparquet: three geometries, one of them NULL.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas
import pyarrow.ipc
import pyarrow.parquet
import rasterio
import shapely
import xarray

warnings.filterwarnings("ignore")
folder, cube = Path(sys.argv[1]), xarray.open_dataset(sys.argv[2])
sst = cube.surface_temperature
months = sst.sel(time=sst.time < np.datetime64("2006-07-01"))
files = 0


def check(table, name):
    global files
    table["time"] = pandas.to_datetime(table["time"]).astype("datetime64[ns]")
    found = table.astype({"latitude": "float32", "longitude": "float32"})
    found = found.set_index(["time", "latitude", "longitude"]).sst.sort_index()
    if len(found) != months.size or found.isna().sum() != np.isnan(months.values).sum():
        sys.exit(f"{name}: {len(found)} rows, {found.isna().sum()} without a value")
    times, lats, lons = (np.unique(index.values) for index in (months.time, months.latitude, months.longitude))
    cells = months.sortby(["time", "latitude", "longitude"]).values.ravel()
    if not np.array_equal(found.values.astype("float32"), cells, equal_nan=True):
        sys.exit(f"{name}: values differ")
    for level, axis in zip(found.index.levels, (times, lats, lons), strict=True):
        if not np.array_equal(np.asarray(level).astype(axis.dtype), axis):
            sys.exit(f"{name}: {level.name} is {level}")
    files += 1


check(pyarrow.parquet.read_table(folder / "cells.parquet").to_pandas(), "cells.parquet")
check(pandas.read_csv(folder / "cells.csv"), "cells.csv")
check(pyarrow.ipc.open_file(folder / "cells.arrow").read_all().to_pandas(), "cells.arrow")


def geometries(file, column):
    global files
    table = pyarrow.parquet.read_table(folder / file)
    geo = json.loads(pyarrow.parquet.read_metadata(folder / file).metadata[b"geo"])
    if geo["version"] != "1.1.0" or geo["primary_column"] != column or list(geo["columns"]) != [column]:
        sys.exit(f"{file}: {geo}")
    files += 1
    shapes, said = shapely.from_wkb(table[column].to_pandas()), geo["columns"][column]
    boxes = said["covering"]["bbox"]
    if boxes != {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}:
        sys.exit(f"{file}: {boxes}")
    rows = [tuple(row.values()) for row in table["bbox"].to_pylist()]
    bounds = [tuple(None if np.isnan(side) else side for side in bound) for bound in shapely.bounds(shapes)]
    if rows != bounds or said["bbox"] != list(shapely.total_bounds(shapes)):
        sys.exit(f"{file}: boxes are {rows[:3]}, {said['bbox']} instead of {bounds[:3]}, {shapely.total_bounds(shapes)}")
    # What readers prune by: each row group tells the least and the greatest of each side.
    metadata = pyarrow.parquet.read_metadata(folder / file)
    for group in (metadata.row_group(number) for number in range(metadata.num_row_groups)):
        columns = {group.column(number).path_in_schema: group.column(number) for number in range(group.num_columns)}
        if not columns["bbox.xmin"].statistics.has_min_max:
            sys.exit(f"{file}: a row group does not tell where it is")
    return table.to_pandas(), shapes, said


table, points, said = geometries("places.geoparquet", "place")
if said["encoding"] != "WKB" or said["geometry_types"] != ["Point"]:
    sys.exit(f"places.geoparquet: {said}")
# The cube is on a sphere of the radius of a weather model.
system = rasterio.crs.CRS.from_string(json.dumps(said["crs"]))
if not system.is_geographic or system.to_dict()["R"] != 6371229:
    sys.exit(f"places.geoparquet: {system}")
coordinates = shapely.get_coordinates(points)
if not np.array_equal(coordinates, table[["longitude", "latitude"]].to_numpy().astype("float64")):
    sys.exit("places.geoparquet: points lie elsewhere")
mean = sst.mean("time", dtype="float64").to_series().dropna()
found = table.set_index(["latitude", "longitude"]).sst.dropna()
if not np.allclose(found.loc[mean.index].values, mean.values, rtol=1e-6):
    sys.exit("places.geoparquet: values differ")
table, zones, said = geometries("zones.geoparquet", "zone")
if said["geometry_types"] != [] or said["crs"] is not None:
    sys.exit(f"zones.geoparquet: {said}")
of_number = dict(zip(table.number, zones, strict=True))
if of_number[1].wkt != "POLYGON ((0 0, 10 0, 10 10, 0 0))" or of_number[2].wkt != "POINT (1 2)" or of_number[3] is not None:
    sys.exit(f"zones.geoparquet: {of_number}")
print(f"{files} files are the same")
