"""Compares cubes that `graticule generate` made of the OLCI cube with what xarray makes of it.

    python generated.py SOURCE        in the folder with part.zarr, coarse.zarr, both.zarr and monthly.zarr
"""

import sys

import numpy as np
import xarray

source = xarray.open_zarr(sys.argv[1], decode_times=True)
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
coarse = xarray.open_zarr("coarse.zarr")
means = box["conc_chl"].coarsen(lat=4, lon=4).mean()
agree(coarse["coarse_chl"], means, 1e-6)
np.testing.assert_allclose(coarse["lat"], means["lat"], atol=1e-9)
np.testing.assert_allclose(coarse["lon"], means["lon"], atol=1e-9)

# Beside each other on the grid of the first: where only one has a time, the other is missing.
both = xarray.open_zarr("both.zarr")
assert (both["time"].values == source["time"].values).all()
agree(both["quality_flags"], part["quality_flags"].reindex(time=source["time"]))
assert both["coarse_chl"].shape == (5, 400, 400)
finer = coarse["coarse_chl"].interp(lat=both["lat"], lon=both["lon"])
inner = {"lat": slice(51.9, 51.1), "lon": slice(1.1, 1.9)}
found, expected = both["coarse_chl"].sel(inner).values, finer.sel(inner).values
is_known = ~np.isnan(expected)
assert is_known.sum() > 1000
np.testing.assert_allclose(found[is_known], expected[is_known], rtol=1e-4)

monthly = xarray.open_zarr("monthly.zarr")
assert list(monthly["time"].values) == [np.datetime64("2017-01-01T00:00:00", "ns")], monthly["time"]
agree(monthly["conc_tsm"], box["conc_tsm"].resample(time="MS").mean(), 1e-12)
agree(monthly["quality_flags"], box["quality_flags"].resample(time="MS").first())
