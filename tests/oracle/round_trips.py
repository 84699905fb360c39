"""Compares a cube that was written from real data with what xarray reads from the sources: every cell, every
attribute. Arguments: name of the case, the cube, the folder of the samples, the folder of the large data."""

import pathlib
import sys
import warnings

import numpy as np
import xarray as xr

warnings.simplefilter("ignore")
case, cube = sys.argv[1], sys.argv[2]
samples, data = pathlib.Path(sys.argv[3]), pathlib.Path(sys.argv[4])
times = xr.coders.CFDatetimeCoder(use_cftime=True)

# Attributes that say how numbers are stored, and references to arrays, which are compared as what they mean.
OF_STORAGE = {"_FillValue", "missing_value", "scale_factor", "add_offset", "valid_min", "valid_max"}
REFERENCES = {"grid_mapping", "coordinates", "bounds", "cell_measures", "calendar"}
# What CF and ACDD ask for, and the source did not say.
ADDED = {"standard_name", "long_name", "axis", "units", "positive"}


def same(one, other):
    one, other = np.asarray(one), np.asarray(other)
    return one.dtype.kind == other.dtype.kind and one.shape == other.shape and bool(np.all(one == other))


def check_attributes(name, source, written, complaints):
    is_time = "since" in str(source.get("units", ""))
    left_out = OF_STORAGE | REFERENCES | ({"units"} if is_time else set())
    for key, value in source.items():
        if key in left_out:
            continue
        if key not in written:
            complaints.append(f"{name} has lost its attribute {key} = {value!r}")
        elif not same(value, written[key]):
            complaints.append(f"{name}: {key} = {value!r} has become {written[key]!r}")
    new = set(written) - set(source) - OF_STORAGE - REFERENCES - ADDED
    complaints.extend(f"{name} has a new attribute {key} = {written[key]!r}" for key in sorted(new))


def check(expected, raw_source, written, raw_written, complaints):
    """`expected` and `written` are decoded, the raw ones are not."""
    all_bounds = {variable.attrs.get("bounds") for variable in raw_source.variables.values()}
    for name, values in expected.variables.items():
        if name not in written.variables:
            complaints.append(f"{name} is missing")
            continue
        found = written[name]
        wanted = expected[name].broadcast_like(found).transpose(*found.dims)
        if found.shape != wanted.shape:
            complaints.append(f"{name}: {found.sizes} instead of {wanted.sizes}")
            continue
        one, other = found.values, wanted.values
        if one.dtype.kind == "f" or other.dtype.kind == "f":
            differs = ~((one == other) | (np.isnan(one.astype("f8")) & np.isnan(other.astype("f8"))))
        else:
            differs = one != other
        if differs.any():
            at = tuple(int(i[0]) for i in np.nonzero(differs))
            complaints.append(f"{name}: {differs.sum()} cells differ, the first at {at}: {one[at]} instead of {other[at]}")
        # Bounds take theirs from what they bound (CF 1.11, 7.1).
        if name not in all_bounds:
            check_attributes(name, raw_source[name].attrs, raw_written[name].attrs, complaints)
        bounds = raw_source[name].attrs.get("bounds")
        if name in expected.dims and bounds in expected.variables:
            of_written = raw_written[name].attrs.get("bounds")
            if of_written is None:
                complaints.append(f"{name} has lost its bounds")
            elif not np.array_equal(written[of_written].values, expected[bounds].values):
                complaints.append(f"the bounds of {name} differ")
        for reference in str(raw_source[name].attrs.get("coordinates", "")).split():
            if reference in written.variables and reference not in written.dims and reference not in written[name].coords:
                complaints.append(f"{reference} is no coordinate of {name} any more")


def opened(path, **options):
    return xr.open_dataset(path, decode_timedelta=False, decode_times=times, **options)


complaints = []
written = xr.open_zarr(cube, decode_times=times, decode_timedelta=False)
raw_written = xr.open_zarr(cube, decode_cf=False)

# A selection of a cube keeps what it says of itself, but for what was true of the whole.
OF_THE_WHOLE = {"Conventions", "coordinates", "history", "id", "uuid", "netcdf_version_id", "cdm_data_type", "metadata_link"}
OF_THE_WHOLE_TOO = ("date_", "start_", "stop_", "time_coverage_", "geospatial_", "western", "eastern", "southern", "northern")


def check_group(sources, written, complaints):
    for key, value in sources[0].items():
        is_shared = all(same(value, other.get(key, "")) for other in sources[1:])
        if is_shared and key not in OF_THE_WHOLE and not key.startswith(OF_THE_WHOLE_TOO):
            if not same(value, written.get(key, "")):
                complaints.append(f"the cube: {key} = {value!r} has become {written.get(key)!r}")


if case == "ostia":
    files = sorted((data / "ostia").glob("*.nc"))
    days = [xr.open_dataset(file, decode_cf=False) for file in files]
    raw = xr.concat([days[0], days[1], days[1], days[2]], dim="time", combine_attrs="override", data_vars="minimal")
    moments = np.array(["2017-06-05T12", "2017-06-06T00", "2017-06-06T12", "2017-06-07T12"], "M8[ns]")
    if not np.array_equal(written.indexes["time"].to_datetimeindex(time_unit="ns").values, moments):
        complaints.append(f"time: {written.time.values}")
    said = {"summary": "Four moments", "DOI": "10.1/2"}
    check_group([{k: v for k, v in day.attrs.items() if k not in said} for day in days], raw_written.attrs, complaints)
    for key, value in said.items():
        if raw_written.attrs.get(key) != value or not raw_written.attrs["history"].splitlines()[0].count("ALTER TABLE"):
            complaints.append(f"the cube: {key} = {raw_written.attrs.get(key)!r} after ALTER TABLE")
    if raw_written.sst_anomaly.attrs.pop("references", None) != "none":
        complaints.append("sst_anomaly: references are not those of ALTER TABLE")
    for name in ("analysed_sst", "sst_anomaly"):
        packed, source = raw_written[name], raw[name]
        fill = packed.attrs["_FillValue"]
        missing = source.values == source.attrs["_FillValue"]
        if not np.array_equal(packed.values == fill, missing):
            complaints.append(f"{name}: other cells are missing")
        if not np.array_equal(packed.values[~missing], source.values[~missing]):
            complaints.append(f"{name}: the packed numbers differ")
        check_attributes(name, source.attrs, packed.attrs, complaints)
    for name in ("lat", "lon"):
        if not np.array_equal(written[name].values, raw[name].values):
            complaints.append(f"{name} differs")
        check_attributes(name, raw[name].attrs, raw_written[name].attrs, complaints)
elif case in ("olci", "olci_part"):
    source = data / "olci-sns" / ("cube-1-250-250.zarr" if case == "olci" else "cube-5-100-200.zarr")
    expected = xr.open_zarr(source, decode_times=times, decode_timedelta=False)
    raw = xr.open_zarr(source, decode_cf=False)
    if case == "olci_part":
        names = ["conc_chl", "quality_flags", "lat_bnds", "lon_bnds", "time_bnds"]
        part = {"lat": expected.lat > 51, "lon": (expected.lon >= 2) & (expected.lon <= 3)}
        part = {name: np.flatnonzero(mask.values) for name, mask in part.items()}
        expected, raw = expected[names].isel(part), raw[names].isel(part)
    check(expected, raw, written, raw_written, complaints)
elif case == "a1b":
    path = samples / "A1B_north_america.nc"
    expected = opened(path).drop_vars("latitude_longitude")
    check(expected, xr.open_dataset(path, decode_cf=False), written, raw_written, complaints)
elif case == "nemo":
    files = sorted((samples / "NEMO").glob("nemo_1m_*_grid-T.nc"))
    months = [opened(file) for file in files]
    expected = xr.concat(months, dim="time_counter", data_vars="minimal", coords="minimal", combine_attrs="override", compat="override")
    expected["time_centered"] = ("time_counter", np.concatenate([month.time_centered.values for month in months]))
    expected["tos"] = xr.concat([month.tos for month in months], dim="time_counter", coords="minimal", compat="override").variable
    expected = expected.swap_dims(time_counter="time_centered")[["tos", "nav_lat", "nav_lon", "time_centered"]].reset_coords(drop=False)
    expected = expected[["tos", "nav_lat", "nav_lon"]].assign_coords(time_centered=expected.time_centered)
    check(expected, xr.open_dataset(files[0], decode_cf=False), written, raw_written, complaints)

print("\n".join(complaints) or "the same")
sys.exit(bool(complaints))
