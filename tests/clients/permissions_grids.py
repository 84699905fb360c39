"""Results as files, of users that may write none: `permissions_grids.py FILE`, see permissions.py.

What a file holds is what the same user is told as rows.
"""

import csv
import io
import os
import tempfile
import urllib.parse

import numpy as np
import rasterio
import xarray as xr
import zarr

from http_door import ask, problem
from permissions import SECRET, given

about = given()
url = about["servers"][0]
COLUMNS = "time, lat, lon, v"
desk = tempfile.TemporaryDirectory()


def proof(name):
    return {"Authorization": f"Bearer {about['users'][name]['key']}"}


def got(name, statement, form):
    query = urllib.parse.urlencode({"sql": statement, "format": form})
    return ask(f"{url}/sql?{query}", **proof(name))


def opened(name, statement, form):
    status, _, body = got(name, statement, form)
    assert status == 200, (name, statement, form, body)
    path = os.path.join(desk.name, f"result.{form}.zip")
    with open(path, "wb") as file:
        file.write(body)
    if form == "netcdf":
        return xr.load_dataset(path)
    if form == "zarr":
        return xr.open_zarr(zarr.storage.ZipStore(path, mode="r"), consolidated=False).load()
    with rasterio.open(path) as raster:
        return raster.read(1)


def rows(name, statement):
    status, _, body = got(name, statement, "csv")
    assert status == 200, body
    return list(csv.DictReader(io.StringIO(body.decode())))


# The reader may read all of the table, the limited user four latitudes and one variable of it.
for name, variables, latitudes in (("reader", {"v", "w", "hush"}, 8), ("limited", {"v"}, 4)):
    found = rows(name, "SELECT time, lat, lon, v FROM lake.ocean ORDER BY time, lat, lon")
    expected = np.array([float(row["v"]) for row in found]).reshape(8, latitudes, 8)
    for form in ("netcdf", "zarr"):
        grid = opened(name, "SELECT * FROM lake.ocean", form)
        assert set(grid.data_vars) - {"crs"} == variables, (name, form, grid)
        assert "COPY (" in grid.attrs["graticule_sql"] and tempfile.gettempdir() not in grid.attrs["graticule_sql"], grid.attrs
        np.testing.assert_array_equal(grid.v.transpose("time", "lat", "lon"), expected)
        if name == "limited":
            assert float(grid.lat.max()) == 3 and float(grid.v.max()) < 10_000, grid
            assert SECRET not in repr((grid.attrs, grid.v.attrs)), grid
    step = "SELECT lat, lon, v FROM lake.ocean WHERE time = TIMESTAMP '2020-01-03'"
    image = opened(name, step, "geotiff")
    wanted = np.array([float(row["v"]) for row in rows(name, f"{step} ORDER BY lat DESC, lon")])
    np.testing.assert_array_equal(image, wanted.reshape(latitudes, 8))

for form in ("netcdf", "zarr", "geotiff"):
    # Columns that are not granted are unknown, and a mistake is told in its own words.
    told = problem(got("limited", "SELECT time, lat, lon, hush FROM lake.ocean", form), 400)
    assert told["sqlstate"] == "42703" and "COPY" not in told["detail"], told
    # Nothing that writes goes along.
    for statement in (
        f"COPY (SELECT {COLUMNS} FROM lake.ocean) TO '{about['folder']}.nc'",
        f"EXPLAIN ANALYZE COPY (SELECT {COLUMNS} FROM lake.ocean) TO '{about['folder']}.nc'",
        f"SELECT {COLUMNS} FROM lake.ocean) TO '{about['folder']}.nc' STORED AS NETCDF --",
        f"SELECT {COLUMNS} FROM lake.ocean) TO '{about['folder']}.nc' STORED AS NETCDF; SELECT (1",
        "CREATE TABLE lake.mine AS SELECT * FROM lake.ocean",
    ):
        query = urllib.parse.urlencode({"format": form})
        status, _, body = ask(f"{url}/sql?{query}", statement, **proof("limited"))
        assert status in (400, 403), (statement, status, body)

# Else it is as it was: who may write no files writes none, wherever the server keeps its own.
for folder in (about["folder"], tempfile.gettempdir()):
    for target in (f"{folder}/out.nc", f"{folder}/out.csv", f"{folder}/out.zarr"):
        copy = f"COPY (SELECT {COLUMNS} FROM lake.ocean) TO '{target}'"
        told = problem(ask(f"{url}/sql", copy, **proof("reader")), 403)
        assert "WRITE FILES" in told["detail"] and not os.path.exists(target), told
print("ok")
