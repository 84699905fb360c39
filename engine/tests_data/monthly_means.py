"""Checks that xarray understands monthly_means.json, the metadata of a cube that the engine writes.

Run it with the test environment's Python after that file has changed:
    python monthly_means.py
"""

import json
import pathlib

import numpy as np
import xarray as xr


def variable(array, sizes):
    """An array as a format would hand it to xarray."""
    attributes = dict(array["attributes"])
    if array["dtype"].startswith("float") and "_FillValue" in attributes:
        attributes["_FillValue"] = float(attributes["_FillValue"])
    elif "_FillValue" in attributes:
        attributes["_FillValue"] = np.dtype(array["dtype"]).type(attributes["_FillValue"])
    stored = [int(n) if "int" in array["dtype"] else float(n) for n in array["stored"]]
    shape = [sizes[name] for name in array["dimensions"]]
    return xr.Variable(array["dimensions"], np.array(stored, array["dtype"]).reshape(shape), attributes)


def main():
    cube = json.loads((pathlib.Path(__file__).parent / "monthly_means.json").read_text())
    sizes = {"time": 2, "lat": 2, "lon": 1, "bnds": 2}
    stored = {array["name"]: variable(array, sizes) for array in cube["arrays"]}
    data = xr.decode_cf(xr.Dataset(stored, attrs=cube["attributes"]), decode_coords="all")

    months = np.array(["1970-01-01", "1970-02-01", "1970-03-01"], "datetime64[ns]")
    np.testing.assert_array_equal(data.time, months[:2])
    np.testing.assert_array_equal(data.time_bnds, np.stack([months[:2], months[1:]], axis=1))
    assert {"time_bnds", "crs"} <= set(data.coords), data.coords
    np.testing.assert_allclose(data.sst_mean.values.ravel(), [280.0, np.nan, 290.13, 273.15], atol=5.1e-3)
    np.testing.assert_array_equal(data.sst_deviation.values.ravel(), [0.5, np.nan, 1.5, 0.0])
    np.testing.assert_array_equal(data.cells.values.ravel(), [31, 0, 28, 27])
    np.testing.assert_array_equal(data.worst.values.ravel(), [0, np.nan, 2, 1])
    assert data.is_warm.dtype == bool
    np.testing.assert_array_equal(data.is_warm.values.ravel(), [True, False, True, False])
    warmest = ["1970-01-02", "NaT", "1970-02-10T00:00:00.000001", "1970-01-01"]
    np.testing.assert_array_equal(data.warmest.values.ravel(), np.array(warmest, "datetime64[ns]"))
    print(data)


main()
