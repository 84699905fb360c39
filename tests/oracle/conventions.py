"""What xarray reads from cubes that torture readers of the CF conventions, and from real files.

Writes into the folder given as the argument one cube per case of `convention_cases.py` and format,
and expected.json: for every cube its variables with dimensions and values.

Times are microseconds: timestamps for the calendars of the real world and for noleap (same fields),
a count from 1970-01-01 in the calendar for the others.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import cftime
import numpy as np
import xarray as xr

from convention_cases import CASES
from raw_cubes import FORMATS, write

MICROS_PER_DAY = 86_400_000_000
EPOCH_JULIAN_DAY = 2_440_588
REAL_WORLD = {"standard", "gregorian", "proleptic_gregorian", "julian"}


def micros_of_date(date):
    """The microseconds of a cftime date as a column has them."""
    if date is None:
        return None
    if date.calendar in REAL_WORLD:
        of_day = ((date.hour * 60 + date.minute) * 60 + date.second) * 1_000_000 + date.microsecond
        return (date.toordinal() - EPOCH_JULIAN_DAY) * MICROS_PER_DAY + of_day
    if date.calendar in ("noleap", "365_day"):
        return int(np.datetime64(date.isoformat(), "us").astype("i8"))
    return int(cftime.date2num(date, "microseconds since 1970-01-01", date.calendar))


def plain(value):
    """A cell as JSON: null for a missing value."""
    if isinstance(value, cftime.datetime):
        return micros_of_date(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, bool, np.bool_)):
        return bool(value) if isinstance(value, np.bool_) else str(value)
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(value.astype("datetime64[us]").astype("i8"))
    if value is None or value != value:
        return None
    if isinstance(value, (int, np.integer)):
        return int(value)
    value = float(value)
    return str(value) if np.isinf(value) else value


def flat(values):
    return [plain(value) for value in values.reshape(-1)]


def open_with_xarray(path, options=None):
    arguments = {}
    for name, value in (options or {}).items():
        if name == "drop_variables":
            arguments[name] = value.split(",")
        elif name != "longitudes":
            arguments[name] = value == "true"
    if arguments.get("decode_cf", True) and arguments.get("decode_times", True):
        arguments["decode_times"] = xr.coders.CFDatetimeCoder(time_unit="us")
    arguments["decode_timedelta"] = False
    engine = "zarr" if path.suffix == ".zarr" else "netcdf4"
    return xr.open_dataset(path, engine=engine, **arguments)


def expect_case(path, case):
    with open_with_xarray(path, case.options) as dataset:
        variables = {}
        for name, variable in dataset.variables.items():
            if name in case.hidden:
                continue
            if name in case.differs:
                values, _reason = case.differs[name]
                values = [plain(value) for value in values]
            else:
                values = flat(variable.values)
            dims = [case.renames.get(dim, dim) for dim in variable.dims]
            variables[name] = {"dims": dims, "values": values}
    return {
        "path": path.name,
        "options": case.options,
        "variables": variables,
        "hidden": list(case.hidden),
        "types": case.types,
        "metadata": case.metadata,
        "orders": case.orders,
        "tables": {suffix: [part.split() for part in columns.split("|")]
                   for suffix, columns in case.tables.items()},
        "crs": case.crs,
    }


def sums(values):
    """Of the finite cells."""
    if values.dtype.kind == "M":
        values = np.where(np.isnat(values), np.nan, values.astype("datetime64[us]").astype("i8"))
    finite = values[np.isfinite(values)].astype("f8")
    if not finite.size:
        return {"count": 0}
    return {"count": finite.size, "sum": finite.sum(), "min": finite.min(), "max": finite.max()}


def expect_file(path, small=5000):
    """A real file: all values of what is small, sums of what is large."""
    with open_with_xarray(path) as dataset:
        mappings = {v.attrs.get("grid_mapping", v.encoding.get("grid_mapping"))
                    for v in dataset.variables.values()}
        bounds = {v.attrs.get("bounds", v.encoding.get("bounds"))
                  for v in dataset.variables.values()}
        variables = {}
        for variable_name, variable in dataset.variables.items():
            if variable_name in mappings | bounds or variable.attrs.get("cf_role") == "mesh_topology":
                continue
            is_axis = variable.dims == (variable_name,)
            if variable.dtype.kind in "OSU" or variable.size < small or is_axis:
                expected = {"values": flat(variable.values)}
            else:
                expected = {"sums": sums(variable.values)}
            variables[variable_name] = {"dims": list(variable.dims), **expected}
    return {"path": str(path), "variables": variables}


def main(out):
    warnings.simplefilter("ignore")
    expected = {"cases": {}, "files": {}}
    for name, case in CASES.items():
        for kind in case.formats.split():
            path = out / f"{name}-{kind}{FORMATS[kind]}"
            try:
                write(path, kind, case.variables, case.attributes)
                expected["cases"].setdefault(name, []).append(expect_case(path, case))
            except Exception as error:
                raise RuntimeError(f"case {name} as {kind}") from error
    samples = Path(os.environ["GRATICULE_SAMPLES"])
    for path in sorted(samples.rglob("*.nc")):
        expected["files"][f"samples/{path.name}"] = expect_file(path)
    data = os.environ.get("GRATICULE_TEST_DATA")
    patterns = ["olci-sns/*.zarr", "ostia/*.nc", "olci-swath/*.nc", "store-fixtures/smos/*.nc",
                "store-fixtures/cds/*/*.nc", "store-fixtures/kerchunk/hdf5/air.nc"]
    for pattern in patterns if data else ():
        for path in sorted(Path(data).glob(pattern)):
            name = f"data/{path.relative_to(data)}"
            expected["files"][name] = expect_file(path)
    (out / "expected.json").write_text(json.dumps(expected, allow_nan=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
