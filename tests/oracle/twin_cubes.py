"""Questions about the OLCI cube, answered by xarray: tests/src/twin_cubes.rs asks them in SQL."""

import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import xarray as xr

output = Path(sys.argv[1])
data = Path(os.environ["GRATICULE_TEST_DATA"])
ds = xr.open_zarr(data / "olci-sns" / "cube-1-250-250.zarr").load()
chl, tsm = ds.conc_chl, ds.conc_tsm


def iso(days):
    """Days since 1970 to the nearest microsecond, exactly: xarray's nanoseconds are rounded before."""
    return str(np.datetime64(round(Fraction(float(days)) * 86_400_000_000), "us"))


def number(value):
    value = float(value)
    return None if np.isnan(value) else value


def rows(*columns):
    return [list(row) for row in zip(*columns)]


stored = xr.open_zarr(data / "olci-sns" / "cube-1-250-250.zarr", decode_times=False)
times = [iso(days) for days in stored.time.values]
lat0, lon0 = float(ds.lat[417]), float(ds.lon[1234])
south, north = float(ds.lat[600]), float(ds.lat[395])
west, east = float(ds.lon[120]), float(ds.lon[777])
in_box = lambda axis, low, high: np.flatnonzero((axis.values >= min(low, high)) & (axis.values <= max(low, high)))
box = chl.isel(lat=in_box(ds.lat, south, north), lon=in_box(ds.lon, west, east))
band = np.floor(ds.lat.values * 4) / 4

questions = [
    {
        "name": "cells and valid cells",
        "sql": "SELECT count(*), count(conc_chl), count(conc_tsm), count(kd489), count(quality_flags) FROM {cube}",
        "rows": [[chl.size, int(chl.count()), int(tsm.count()), int(ds.kd489.count()), int(ds.quality_flags.count())]],
    },
    {
        "name": "moments of a variable",
        "sql": "SELECT avg(conc_chl), min(conc_chl), max(conc_chl), stddev_pop(conc_chl) FROM {cube}",
        "rows": [[number(chl.mean()), number(chl.min()), number(chl.max()), number(chl.std())]],
    },
    {
        "name": "mean per time",
        "sql": "SELECT time, count(conc_chl), avg(conc_chl) FROM {cube} GROUP BY time ORDER BY time",
        "rows": rows(times, [int(n) for n in chl.count(["lat", "lon"])], [number(v) for v in chl.mean(["lat", "lon"])]),
    },
    {
        "name": "series at a point",
        "sql": f"SELECT time, conc_chl, conc_tsm FROM {{cube}} WHERE lat = {lat0!r} AND lon = {lon0!r} ORDER BY time",
        "rows": rows(times, [number(v) for v in chl[:, 417, 1234]], [number(v) for v in tsm[:, 417, 1234]]),
    },
    {
        "name": "series of a box",
        "sql": f"SELECT time, count(*), count(conc_chl), avg(conc_chl) FROM {{cube}} WHERE lat BETWEEN {min(south, north)!r} AND {max(south, north)!r} AND lon BETWEEN {west!r} AND {east!r} GROUP BY time ORDER BY time",
        "rows": rows(
            times,
            [box.sizes["lat"] * box.sizes["lon"]] * len(times),
            [int(n) for n in box.count(["lat", "lon"])],
            [number(v) for v in box.mean(["lat", "lon"])],
        ),
    },
    {
        "name": "mean per band of latitude",
        "sql": "SELECT floor(lat * 4) / 4 AS band, avg(conc_chl), count(*) FROM {cube} GROUP BY 1 ORDER BY 1",
        "rows": [
            [float(b), number(chl.isel(lat=np.flatnonzero(band == b)).mean()), int((band == b).sum()) * 2000 * 5]
            for b in np.unique(band)
        ],
    },
    {
        "name": "predicate on values",
        "sql": "SELECT count(*), avg(conc_tsm) FROM {cube} WHERE conc_chl > 10",
        "rows": [[int((chl > 10).sum()), number(tsm.where(chl > 10).mean())]],
    },
    {
        "name": "top three values",
        "sql": "SELECT conc_chl FROM {cube} WHERE conc_chl IS NOT NULL ORDER BY conc_chl DESC LIMIT 3",
        "rows": [[float(v)] for v in np.sort(chl.values[~np.isnan(chl.values)])[::-1][:3]],
    },
    {
        "name": "months",
        "sql": "SELECT date_trunc('month', time), avg(conc_chl) FROM {cube} GROUP BY 1 ORDER BY 1",
        "rows": [
            [f"{month}-01T00:00:00", number(chl.isel(time=[i for i, t in enumerate(times) if t[:7] == month]).mean())]
            for month in sorted({t[:7] for t in times})
        ],
    },
]

flags = ds.c2rcc_flags
meanings = flags.attrs["flag_meanings"].split()
masks = flags.attrs["flag_masks"]
bits = flags.fillna(0).values.astype("int64")
for meaning, mask in list(zip(meanings, masks))[:6]:
    chosen = (bits & int(mask)) != 0
    questions.append(
        {
            "name": f"flag {meaning}",
            "sql": f"SELECT count(*), avg(conc_chl) FROM {{cube}} WHERE has_flag(c2rcc_flags, '{meaning}')",
            "rows": [[int(chosen.sum()), number(chl.where(xr.DataArray(chosen, dims=chl.dims, coords=chl.coords)).mean())]],
        }
    )

# Of the five chunks of 1 × 250 × 250 cells that hold the point, three are not stored.
point_chunks = {
    "cube-1-250-250": "chunks_missing=3, chunks_pruned=155, chunks_read=2, chunks_total=160",
    "cube-5-100-200": "chunks_missing=0, chunks_pruned=99, chunks_read=1, chunks_total=100",
}
(output / "questions.json").write_text(json.dumps({"questions": questions, "point": [lat0, lon0], "point_chunks": point_chunks}))
