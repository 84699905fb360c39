"""Compares cubes that `graticule generate` made of the OLCI cube with what xarray makes of it.

    python generated.py SOURCE        in the folder with part.zarr, coarse.zarr, both.zarr and monthly.zarr
"""

import sys

import numpy as np
import xarray

source = xarray.open_zarr(sys.argv[1], decode_times=True)
# Graticule keeps microseconds; days as floats say no more.
coarse = xarray.open_zarr("coarse.zarr")
assert (abs(coarse["time"].values - source["time"].values) <= np.timedelta64(1, "us")).all()
source = source.assign_coords(time=coarse["time"].values)
box = source.sel(lat=slice(52, 51), lon=slice(1, 2))


def agree(found, expected, tolerance=0.0):
    assert found.dims == expected.dims, (found.dims, expected.dims)
    assert found.shape == expected.shape, (found.shape, expected.shape)
    np.testing.assert_array_equal(np.isnan(found.values), np.isnan(expected.values))
    np.testing.assert_allclose(found.values, expected.values, rtol=tolerance, atol=0)


part = xarray.open_zarr("part.zarr")
days = box.sel(time=slice("2017-01-20", "2017-01-28"))
for name in ["conc_chl", "quality_flags"]:
    agree(part[name], days[name])
for axis in ["time", "lat", "lon"]:
    assert (part[axis].values == days[axis].values).all(), axis
assert part["conc_chl"].encoding["chunks"] == (3, 100, 200), part["conc_chl"].encoding
assert part.attrs["title"] == "Dover" and part.attrs["version"] == "1.0", part.attrs
assert part["conc_chl"].attrs["comment"] == "a part"
assert part["conc_chl"].attrs["units"] == source["conc_chl"].attrs["units"]

# Sixteen cells of a quarter of the size lie below each.
means = box["conc_chl"].coarsen(lat=4, lon=4).mean()
agree(coarse["coarse_chl"], means, 1e-6)
np.testing.assert_allclose(coarse["lat"], means["lat"], atol=1e-9)
np.testing.assert_allclose(coarse["lon"], means["lon"], atol=1e-9)

# Beside each other on the grid of the first: where only one has a time, the other is missing.
both = xarray.open_zarr("both.zarr").sel(lat=part["lat"])
assert (both["time"].values == source["time"].values).all()
agree(both["quality_flags"], part["quality_flags"].reindex(time=source["time"]))
assert both["coarse_chl"].shape == (5, 400, 400)
rows = np.interp(-both["lat"], -coarse["lat"], np.arange(coarse["lat"].size))
columns = np.interp(both["lon"], coarse["lon"], np.arange(coarse["lon"].size))
inner = np.s_[:, 40:-40, 40:-40]
found, values = both["coarse_chl"].values, coarse["coarse_chl"].values
row, column = [np.minimum(np.floor(places).astype(int), 98) for places in (rows, columns)]
down, right = (rows - row)[:, None], (columns - column)[None, :]
expected = (
    values[:, row][:, :, column] * (1 - down) * (1 - right)
    + values[:, row + 1][:, :, column] * down * (1 - right)
    + values[:, row][:, :, column + 1] * (1 - down) * right
    + values[:, row + 1][:, :, column + 1] * down * right
)
is_known = ~np.isnan(expected[inner])
assert is_known.sum() > 1000
np.testing.assert_allclose(found[inner][is_known], expected[inner][is_known], rtol=1e-4)

monthly = xarray.open_zarr("monthly.zarr")
assert list(monthly["time"].values) == [np.datetime64("2017-01-01T00:00:00", "ns")], monthly["time"]
agree(monthly["conc_tsm"], box["conc_tsm"].resample(time="MS").mean(), 1e-12)
agree(monthly["quality_flags"], box["quality_flags"].resample(time="MS").first())
