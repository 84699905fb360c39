"""Questions about the sample files, answered by xarray: tests/src/samples.rs asks them in SQL."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import xarray as xr

folder = Path(os.environ["GRATICULE_SAMPLES"])
questions = []


def open_cube(name):
    return xr.open_dataset(folder / name).load()


def mean(array):
    return float(array.astype("f8").mean())


def cell(value):
    if isinstance(value, np.datetime64):
        return value.astype("datetime64[us]").item().isoformat()
    return value.item() if isinstance(value, np.generic) else value


def ask(name, sql, rows):
    questions.append({"name": name, "sql": sql, "rows": [[cell(value) for value in row] for row in rows]})


# Sea-surface temperature around the equator, month by month.
sst = open_cube("ostia_monthly.nc")
surface = sst.surface_temperature
ask(
    "cells and range",
    "SELECT count(*), count(surface_temperature), min(surface_temperature), max(surface_temperature),"
    " avg(surface_temperature) FROM '$SAMPLES/ostia_monthly.nc'",
    [[surface.size, int(surface.count()), np.nanmin(surface.values), np.nanmax(surface.values), mean(surface)]],
)
ask(
    "coordinates",
    "SELECT min(time), max(time), count(DISTINCT latitude), count(DISTINCT longitude) FROM '$SAMPLES/ostia_monthly.nc'",
    [[sst.time.values[0], sst.time.values[-1], sst.latitude.size, sst.longitude.size]],
)
box = surface.sel(latitude=slice(-5, 5), longitude=slice(190, 240))
ask(
    "series of a box",
    "SELECT time, avg(surface_temperature) FROM '$SAMPLES/ostia_monthly.nc'"
    " WHERE latitude BETWEEN -5 AND 5 AND longitude BETWEEN 190 AND 240 GROUP BY time ORDER BY time",
    [[step.time.values, mean(step)] for step in box],
)
ask(
    "climatology by month",
    "SELECT date_part('month', time) AS month, count(surface_temperature), avg(surface_temperature)"
    " FROM '$SAMPLES/ostia_monthly.nc' GROUP BY month ORDER BY month",
    [[month, int(group.count()), mean(group)] for month, group in surface.groupby("time.month")],
)

# Two scenario runs in a calendar of twelve months with thirty days.
a1b = open_cube("A1B_north_america.nc")
e1 = open_cube("E1_north_america.nc")
ask(
    "years of a 360-day calendar",
    "SELECT date_part('year', time) AS year, avg(air_temperature) FROM '$SAMPLES/A1B_north_america.nc'"
    " WHERE date_part('year', time) BETWEEN 1990 AND 2009 GROUP BY year ORDER BY year",
    [
        [year, mean(group)]
        for year, group in a1b.air_temperature.groupby("time.year")
        if 1990 <= year <= 2009
    ],
)
ask(
    "dates of a 360-day calendar",
    "SELECT count(*) FROM '$SAMPLES/A1B_north_america.nc' WHERE time >= '2000-01-30' AND time < '2050-02-30'",
    [[int(((a1b.time.dt.year >= 2000) & (a1b.time.dt.year < 2050)).sum()) * a1b.latitude.size * a1b.longitude.size]],
)
warming = (a1b.air_temperature.astype("f8") - e1.air_temperature.astype("f8")).groupby((a1b.time.dt.year // 10) * 10)
ask(
    "difference of two scenarios by decade",
    "SELECT CAST(floor(date_part('year', time) / 10.0) * 10 AS BIGINT) AS decade,"
    " avg(CAST(a.air_temperature AS DOUBLE) - CAST(e.air_temperature AS DOUBLE))"
    " FROM '$SAMPLES/A1B_north_america.nc' AS a JOIN '$SAMPLES/E1_north_america.nc' AS e"
    " USING (time, latitude, longitude) GROUP BY decade HAVING decade >= 2000 ORDER BY decade",
    [[decade, float(group.mean())] for decade, group in warming if decade >= 2000],
)

# Profiles: depth is a vertical axis, one longitude is out of order.
profiles = open_cube("atlantic_profiles.nc")
ask(
    "profile",
    "SELECT depth, avg(theta), avg(salinity) FROM '$SAMPLES/atlantic_profiles.nc' GROUP BY depth ORDER BY depth",
    [
        [depth, mean(profiles.theta[level]), mean(profiles.salinity[level])]
        for level, depth in enumerate(profiles.depth.values)
    ],
)
ask(
    "longitudes out of order",
    "SELECT count(*) FROM '$SAMPLES/atlantic_profiles.nc' WHERE lon > 340",
    [[int((profiles.lon > 340).sum()) * profiles.lat.size * profiles.depth.size]],
)

# A series without space.
soi = open_cube("SOI_Darwin.nc")
ask(
    "series without space",
    "SELECT count(*), count(\"SOI_Darwin\"), min(\"SOI_Darwin\"), min(time), max(time) FROM '$SAMPLES/SOI_Darwin.nc'",
    [[soi.time.size, int(soi.SOI_Darwin.count()), soi.SOI_Darwin.values[np.isfinite(soi.SOI_Darwin)].min(), soi.time.values[0], soi.time.values[-1]]],
)

# An ocean on a curvilinear grid: latitude is a variable of the two axes of the grid.
ocean = open_cube("NEMO/nemo_1m_20150101-20150201_grid-T.nc")
north = ocean.tos.where(ocean.nav_lat > 60)
ask(
    "auxiliary latitude",
    "SELECT count(*), count(tos), avg(tos) FROM '$SAMPLES/NEMO/nemo_1m_20150101-20150201_grid-T.nc' WHERE nav_lat > 60",
    [[int((ocean.nav_lat > 60).sum()), int(north.count()), mean(north)]],
)

(Path(sys.argv[1]) / "questions.json").write_text(json.dumps({"questions": questions}))
