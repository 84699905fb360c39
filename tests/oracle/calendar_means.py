"""Means per month in every calendar, by xarray: tests/src/conventions_in_sql.rs asks for them in SQL.

Writes into the folder given as the argument a daily cube per calendar, and questions.json: for every
cube (a path; samples start with $SAMPLES) its questions.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr

from raw_cubes import Stored, write

warnings.simplefilter("ignore")
output = Path(sys.argv[1])
samples = Path(os.environ["GRATICULE_SAMPLES"])
DAYS = 1100


def per_month(variable):
    """Rows of year, month, count, mean."""
    time = variable.time.dt
    key = (time.year * 100 + time.month).rename("key")
    groups = variable.astype("f8").groupby(key)
    counts, means = groups.count(...), groups.mean(...)
    return [[int(k) // 100, int(k) % 100, int(n), float(m)]
            for k, n, m in zip(means.key, counts, means)]


def questions(variable, name):
    months = per_month(variable)
    by_month = variable.astype("f8").groupby("time.month")
    first = int(variable.time.dt.month[0])
    year = "date_part('year', time)"
    month = "date_part('month', time)"
    return {"questions": [
        {"name": "mean per month of every year",
         "sql": f"SELECT {year}, {month}, count({name}), avg({name}) FROM {{cube}} GROUP BY 1, 2 ORDER BY 1, 2",
         "rows": months},
        {"name": "mean per truncated month",
         "sql": f"SELECT avg({name}) FROM {{cube}} GROUP BY date_trunc('month', time) ORDER BY date_trunc('month', time)",
         "rows": [[row[3]] for row in months]},
        {"name": "climatology",
         "sql": f"SELECT {month}, avg({name}) FROM {{cube}} GROUP BY 1 ORDER BY 1",
         "rows": [[int(m), float(v)] for m, v in zip(by_month.mean(...).month, by_month.mean(...))]},
        {"name": "one month",
         "sql": f"SELECT count({name}) FROM {{cube}} WHERE {month} = {first}",
         "rows": [[int(by_month.count(...).sel(month=first))]]},
    ]}


asked = {}
for calendar in ("standard", "noleap", "all_leap", "360_day"):
    path = output / f"{calendar}.zarr"
    write(path, "zarr3", {
        "time": Stored(("time",), np.arange(DAYS, dtype="i4"),
                       {"units": "days since 2003-12-15", "calendar": calendar}),
        "v": Stored(("time",), np.sqrt(np.arange(DAYS, dtype="f8")), {}, (100,)),
    }, {})
    with xr.open_dataset(path, engine="zarr") as dataset:
        asked[path.name] = questions(dataset.v, "v")
for file in ("A1B_north_america.nc", "E1_north_america.nc", "ostia_monthly.nc"):
    with xr.open_dataset(samples / file) as dataset:
        name = next(name for name, v in dataset.data_vars.items() if v.ndim == 3 and "bnds" not in v.dims)
        asked[f"$SAMPLES/{file}"] = questions(dataset[name], name)
(output / "questions.json").write_text(json.dumps(asked, allow_nan=False))
