"""Cubes that share axes, and what xarray says of them together: tests/src/zips.rs asks it in SQL.

Writes into the folder given as the argument the cubes below, and questions.json.

    whole.zarr   v(time, lat, lon), latitudes from north to south
    part.zarr    w(time, lat, lon) packed, at some of whole's times, latitudes (south to north) and longitudes
    later.zarr   w on whole's plane, at its last times and later ones
    mask.zarr    land(lat, lon)
    noisy.zarr   v with latitudes that were rounded
    months.zarr  normal(month, lat)
"""

import json
import sys
from pathlib import Path

import numpy as np
import xarray as xr

from raw_cubes import Stored, write

output = Path(sys.argv[1])
random = np.random.default_rng(7)
LATS, LONS = 60 - np.arange(9) * 0.25, np.arange(12) * 0.5
DAYS = np.arange(20) * 13


def axes(days, lats, lons):
    return {
        "time": Stored(("time",), np.asarray(days, "i4"), {"units": "days since 2001-01-05"}),
        "lat": Stored(("lat",), np.asarray(lats, "f8"), {"units": "degrees_north"}),
        "lon": Stored(("lon",), np.asarray(lons, "f8"), {"units": "degrees_east"}),
    }


def floats(*shape):
    values = np.round(random.normal(10, 5, shape), 3)
    values[random.random(shape) < 0.1] = np.nan
    return values


all3 = ("time", "lat", "lon")
v = floats(20, 9, 12)
packed = random.integers(0, 900, (9, 5, 6)).astype("i2")
packed[packed % 7 == 0] = -1
packing = {"scale_factor": 0.5, "add_offset": 3.0, "_FillValue": -1}
write(output / "whole.zarr", "zarr3", {
    **axes(DAYS, LATS, LONS), "v": Stored(all3, v, {"units": "K"}, (6, 4, 5))}, {})
write(output / "part.zarr", "zarr3", {
    **axes(DAYS[5:14], LATS[2:7][::-1], LONS[::2]), "w": Stored(all3, packed, packing, (2, 3, 4))}, {})
write(output / "later.zarr", "zarr3", {
    **axes(DAYS[12:].tolist() + [300, 313], LATS, LONS), "w": Stored(all3, floats(10, 9, 12), {}, (10, 2, 3))}, {})
write(output / "mask.zarr", "zarr2", {
    **{name: axis for name, axis in axes(DAYS, LATS, LONS).items() if name != "time"},
    "land": Stored(("lat", "lon"), random.integers(0, 2, (9, 12)).astype("i1"), {}, (9, 7))}, {})
write(output / "noisy.zarr", "zarr3", {
    **axes(DAYS, LATS + np.where(np.arange(9) % 3 == 0, 1e-7, 0), LONS), "v": Stored(all3, v, {}, (20, 9, 12))}, {})
write(output / "months.zarr", "zarr3", {
    "month": Stored(("month",), np.arange(1, 13, dtype="i4")),
    "lat": Stored(("lat",), LATS[::-1].copy()),
    "normal": Stored(("month", "lat"), np.round(random.normal(10, 1, (12, 9)), 3), {}, (5, 4))}, {})

whole, part, later, mask, months = (
    xr.open_dataset(output / f"{name}.zarr", engine="zarr").astype("f8") for name in ("whole", "part", "later", "mask", "months"))


def number(value):
    return None if np.isnan(value) else float(value)


def summary(x, y):
    """Count of cells, of both, mean of the difference."""
    return [[int(x.size), int((x.notnull() & y.notnull()).sum()), number((x - y).mean())]]


inner = xr.merge([whole.rename(v="x"), part.rename(w="y")], join="inner")
left = xr.merge([whole.rename(v="x"), part.rename(w="y")], join="left")
end = xr.merge([whole.rename(v="x"), later.rename(w="y")], join="inner")
per_lat = inner.sortby("lat")
anomaly = whole.v - months.normal.sel(month=whole.time.dt.month)
own = whole.v.groupby("time.month") - whole.v.groupby("time.month").mean("time")
using = "'{cube}/whole.zarr' a JOIN '{cube}/part.zarr' b USING (time, lat, lon)"
questions = [
    {"name": "inner join",
     "sql": f"SELECT count(*), count(v - w), avg(v - w) FROM {using}",
     "rows": summary(inner.x, inner.y)},
    {"name": "the other way round",
     "sql": "SELECT count(*), count(v - w), avg(v - w) FROM '{cube}/part.zarr' b JOIN '{cube}/whole.zarr' a USING (lat, time, lon)",
     "rows": summary(inner.x, inner.y)},
    {"name": "left join",
     "sql": f"SELECT count(*), count(v - w), avg(v - w) FROM {using}".replace(" JOIN", " LEFT JOIN"),
     "rows": summary(left.x, left.y)},
    {"name": "times that go on",
     "sql": "SELECT count(*), count(v - w), avg(v - w) FROM '{cube}/whole.zarr' JOIN '{cube}/later.zarr' USING (time, lat, lon)",
     "rows": summary(end.x, end.y)},
    {"name": "correlation per latitude",
     "sql": f"SELECT lat, count(v + w), corr(v, w) FROM {using} GROUP BY lat ORDER BY lat",
     "rows": [[float(at), int((per_lat.x + per_lat.y).sel(lat=at).count()),
               number(xr.corr(per_lat.x.sel(lat=at), per_lat.y.sel(lat=at)))] for at in per_lat.lat.values]},
    {"name": "mask on the plane",
     "sql": "SELECT land, count(*), count(v), avg(v) FROM '{cube}/whole.zarr' a JOIN '{cube}/mask.zarr' m ON a.lat = m.lat AND a.lon = m.lon GROUP BY land ORDER BY land",
     "rows": [[land, int((mask.land == land).sum()) * 20, int(whole.v.where(mask.land == land).count()),
               number(whole.v.where(mask.land == land).mean())] for land in (0, 1)]},
    {"name": "a cube of normals by month",
     "sql": "SELECT count(v - normal), avg(v - normal), max(v - normal) FROM '{cube}/whole.zarr' a JOIN '{cube}/months.zarr' n ON date_part('month', a.time) = n.month AND a.lat = n.lat",
     "rows": [[int(anomaly.count()), number(anomaly.mean()), number(anomaly.max())]]},
    {"name": "anomaly from the own climatology",
     "sql": "WITH c AS (SELECT date_part('month', time) AS month, lat, lon, avg(v) AS mean FROM '{cube}/whole.zarr' GROUP BY 1, 2, 3)"
            " SELECT count(a.v - c.mean), avg((a.v - c.mean) * (a.v - c.mean)), max(a.v - c.mean) FROM '{cube}/whole.zarr' a"
            " JOIN c ON date_part('month', a.time) = c.month AND a.lat = c.lat AND a.lon = c.lon",
     "rows": [[int(own.count()), number((own ** 2).mean()), number(own.max())]]},
]
(output / "questions.json").write_text(json.dumps({"questions": questions}, allow_nan=False))
