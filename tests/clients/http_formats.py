"""Every format of the HTTP door holds what the command line, or xarray, gives for the same statement."""

import io
import subprocess
import sys
import tempfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import xarray as xr
import zarr

from http_door import ask

url, binary, folder, samples = sys.argv[1:]

STATEMENT = """SELECT time, latitude, longitude, surface_temperature AS sst FROM samples.ostia_monthly
WHERE time < '2006-07-01' AND latitude BETWEEN -2 AND 2 ORDER BY 1, 2, 3"""


def command_line(name):
    arguments = [binary, "sql", "--config", "graticule.toml", "--format", name, "-c", STATEMENT]
    return subprocess.run(arguments, cwd=folder, stdout=subprocess.PIPE, check=True).stdout


def door(name, statement=STATEMENT, **headers):
    status, headers, body = ask(f"{url}/sql?format={name}", statement, **headers)
    assert status == 200, (name, body)
    return headers, body


for name, media_type in [
    ("csv", "text/csv; charset=utf-8; header=present"),
    ("json", "application/json"),
    ("ndjson", "application/x-ndjson"),
    ("table", "text/plain; charset=utf-8"),
]:
    headers, body = door(name)
    assert headers["Content-Type"] == media_type, headers
    assert len(body) > 100_000 and body == command_line(name), name
    status, headers, negotiated = ask(f"{url}/sql", STATEMENT, Accept=media_type.split(";")[0])
    assert negotiated == body, name

stream = lambda body: pa.ipc.open_stream(io.BytesIO(body)).read_all()
expected = stream(command_line("arrow"))
assert expected.num_rows > 1000
assert stream(door("arrow")[1]).equals(expected, check_metadata=True)
headers, body = ask(f"{url}/sql", STATEMENT)[1:]
assert headers["Content-Type"] == "application/vnd.apache.arrow.stream", headers
assert stream(body).equals(expected), "Arrow is what programs get"

headers, body = door("parquet", Accept_Encoding="gzip")
assert headers["Content-Encoding"] is None, "Parquet is compressed already"
assert 'filename="result.parquet"' in headers["Content-Disposition"]
assert pq.read_table(io.BytesIO(body)).equals(pq.read_table(io.BytesIO(command_line("parquet"))))

# Without an order, for a grid has its own.
GRID = STATEMENT.split(" ORDER")[0]
original = xr.open_dataset(f"{samples}/ostia_monthly.nc", decode_times=xr.coders.CFDatetimeCoder())
original = original.surface_temperature
original = original.sel(time=original.time < np.datetime64("2006-07-01"), latitude=slice(-2, 2))
assert original.size > 1000
with tempfile.TemporaryDirectory() as desk:
    for name, open_cube in [
        ("netcdf", lambda path: xr.open_dataset(path)),
        ("zarr", lambda path: xr.open_zarr(zarr.storage.ZipStore(path, mode="r"), consolidated=False)),
    ]:
        path = f"{desk}/{name}.zip"
        with open(path, "wb") as file:
            file.write(door(name, GRID)[1])
        found = open_cube(path).sst.transpose("time", "latitude", "longitude")
        np.testing.assert_array_equal(found.values, original.values)
        np.testing.assert_array_equal(found.latitude.values, original.latitude.values)
        np.testing.assert_array_equal(found.time.values, original.time.values)

    mean = "SELECT latitude, longitude, avg(surface_temperature) AS sst FROM samples.ostia_monthly GROUP BY 1, 2"
    path = f"{desk}/mean.tif"
    with open(path, "wb") as file:
        file.write(door("geotiff", mean)[1])
    with rasterio.open(path) as raster:
        found = raster.read(1, masked=True).filled(np.nan)
        north_up = raster.transform.e < 0
    expected = xr.open_dataset(f"{samples}/ostia_monthly.nc").surface_temperature.astype("f8").mean("time")
    expected = expected.transpose("latitude", "longitude").sortby("latitude", ascending=not north_up)
    np.testing.assert_allclose(found, expected.values, rtol=1e-6)

told = ask(f"{url}/sql?format=netcdf", "SELECT 1 AS a")
assert told[0] == 400 and b"/tmp" not in told[2], told
assert ask(f"{url}/sql?format=netcdf", "SET cube.grid_aggregate = false")[0] == 400
assert ask(f"{url}/sql?format=netcdf", f"SELECT 1) TO '{folder}/out.nc' --")[0] == 400
