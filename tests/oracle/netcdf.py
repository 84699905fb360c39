"""What the netCDF C library reads, for the reader of NetCDF to be compared with cell by cell.

Writes into the folder given as the argument:
- generated/*.nc: a file per format, layout, filter and feature;
- unpacked/*: members of the archives among the fixtures;
- expected.json: for every file its groups, variables, dimensions, types, attributes;
- cubes.json: several files as one cube along time;
- raw/N.bin: the values of one variable, not masked, not scaled, little-endian, in C order.
"""

import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import xarray

out = Path(sys.argv[1])
data = os.environ.get("GRATICULE_TEST_DATA")
samples = Path(os.environ["GRATICULE_SAMPLES"])
generated = out / "generated"
for folder in (generated, out / "unpacked", out / "raw"):
    folder.mkdir()
random = np.random.default_rng(7)

# ---------------------------------------------------------------------------------------------
# Files we generate

CLASSIC = ["i1", "i2", "i4", "f4", "f8"]
WIDE = ["u1", "u2", "u4", "i8", "u8"]


def values(dtype, shape):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        found = random.normal(280, 30, shape).astype(dtype)
        if found.size:
            found.flat[0] = np.nan
        return found
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def formats():
    for name in ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF4", "NETCDF4_CLASSIC"]:
        types = CLASSIC + (WIDE if name in ("NETCDF3_64BIT_DATA", "NETCDF4") else [])
        with netCDF4.Dataset(generated / f"{name.lower()}.nc", "w", format=name) as nc:
            nc.title = "every type in every shape"
            nc.createDimension("time", None)
            nc.createDimension("y", 5)
            nc.createDimension("x", 7)
            nc.createDimension("length", 6)
            for t in types:
                nc.createVariable(f"scalar_{t}", t, ())[...] = values(t, ())
                nc.createVariable(f"fixed_{t}", t, ("y", "x"))[:] = values(t, (5, 7))
                nc.createVariable(f"record_{t}", t, ("time", "x"))[:] = values(t, (3, 7))
                nc.createVariable(f"cube_{t}", t, ("time", "y", "x"))[:] = values(t, (3, 5, 7))
            names = nc.createVariable("names", "S1", ("y", "length"))
            names[:] = netCDF4.stringtochar(np.array(["one", "two", "three", "", "sixsix"], "S6"))
            letter = nc.createVariable("letter", "S1", ("x",))
            letter[:] = np.array(list("abcdefg"), "S1")
            partly = nc.createVariable("partly", "i4", ("time", "x"))
            partly[1, 2:4] = [5, 6]
            filled = nc.createVariable("filled", "f4", ("y", "x"), fill_value=-999.0)
            filled[2, :] = 1.5
            v = nc.createVariable("packed", "i2", ("y",), fill_value=-1)
            v.scale_factor = np.float64(0.01)
            v.valid_range = np.array([-100, 100], "i2")
            v.flag_meanings = "a b c"
            v.numbers = np.array([1.5, np.nan, np.inf], "f8")
            v.single = np.float32(0.25)
            v.empty = ""
            v.set_auto_maskandscale(False)
            v[:] = values("i2", 5)


def one_record_variable():
    """The only record variable of a NetCDF-3 file has no padding between records."""
    with netCDF4.Dataset(generated / "lone_record.nc", "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("time", None)
        nc.createDimension("x", 3)
        nc.createVariable("v", "i1", ("time", "x"))[:] = values("i1", (5, 3))
    with netCDF4.Dataset(generated / "padded_records.nc", "w", format="NETCDF3_CLASSIC") as nc:
        nc.createDimension("time", None)
        nc.createDimension("x", 3)
        nc.createVariable("v", "i1", ("time", "x"))[:] = values("i1", (5, 3))
        nc.createVariable("w", "i2", ("time", "x"))[:] = values("i2", (5, 3))
        nc.createVariable("s", "S1", ("time",))[:] = np.array(list("abcde"), "S1")


def large_rows():
    """More than 4 MiB: the reader has to cut them into chunks."""
    for name in ["NETCDF3_64BIT_OFFSET", "NETCDF4"]:
        with netCDF4.Dataset(generated / f"large_{name.lower()}.nc", "w", format=name) as nc:
            nc.createDimension("z", 2)
            nc.createDimension("y", 900)
            nc.createDimension("x", 1500)
            v = nc.createVariable("v", "f4", ("z", "y", "x"), contiguous=name == "NETCDF4")
            v[:] = np.arange(2 * 900 * 1500, dtype="f4").reshape(2, 900, 1500)
    with netCDF4.Dataset(generated / "large_records.nc", "w", format="NETCDF3_64BIT_OFFSET") as nc:
        nc.createDimension("time", None)
        nc.createDimension("y", 1100)
        nc.createDimension("x", 1000)
        v = nc.createVariable("v", "f4", ("time", "y", "x"))
        t = nc.createVariable("time", "f8", ("time",))
        for step in range(3):
            v[step] = np.arange(1100 * 1000, dtype="f4") + step
            t[step] = step * 0.5


def layouts():
    """Chunked and contiguous, every filter, chunks that do not divide the shape, all indexes."""
    filters = {
        "none": {},
        "zlib": {"compression": "zlib", "complevel": 4, "shuffle": False},
        "zlib_shuffle": {"compression": "zlib", "complevel": 6, "shuffle": True},
        "zlib_shuffle_fletcher": {"compression": "zlib", "shuffle": True, "fletcher32": True},
        "fletcher": {"fletcher32": True},
        "shuffle_only": {"shuffle": True},
        "szip_nn": {"compression": "szip", "szip_coding": "nn", "szip_pixels_per_block": 8},
        "szip_ec": {"compression": "szip", "szip_coding": "ec", "szip_pixels_per_block": 16},
        "zstd": {"compression": "zstd", "complevel": 4},
        "zstd_shuffle": {"compression": "zstd", "complevel": 4, "shuffle": True},
        "bzip2": {"compression": "bzip2", "complevel": 4},
        "blosc_lz4": {"compression": "blosc_lz4", "blosc_shuffle": 1},
        "blosc_zstd": {"compression": "blosc_zstd", "blosc_shuffle": 2},
        "blosc_zlib": {"compression": "blosc_zlib", "blosc_shuffle": 0},
        "quantised": {"compression": "zlib", "least_significant_digit": 1},
    }
    for name, options in filters.items():
        with netCDF4.Dataset(generated / f"filter_{name}.nc", "w") as nc:
            nc.createDimension("time", None)
            nc.createDimension("y", 30)
            nc.createDimension("x", 41)
            for t in ["i1", "i2", "i4", "f4", "f8"]:
                v = nc.createVariable(f"v_{t}", t, ("time", "y", "x"), chunksizes=(2, 10, 16), **options)
                # Smooth enough for Blosc, which refuses to write what it cannot shrink.
                steps = np.repeat(random.integers(-100, 100, (5, 30, 6)), 8, axis=2)
                v[:] = steps[:, :, :41].astype(t)
    with netCDF4.Dataset(generated / "contiguous.nc", "w") as nc:
        nc.createDimension("y", 30)
        nc.createDimension("x", 41)
        for t in CLASSIC + WIDE:
            for endian in ["little", "big"]:
                v = nc.createVariable(f"{t}_{endian}", t, ("y", "x"), contiguous=True, endian=endian)
                v[:] = values(t, (30, 41))
                v = nc.createVariable(f"{t}_{endian}_chunked", t, ("y", "x"), chunksizes=(7, 8), zlib=True, endian=endian)
                v[:] = values(t, (30, 41))
        nc.createVariable("unwritten_contiguous", "f4", ("y", "x"), contiguous=True)
        nc.createVariable("unwritten_chunked", "i2", ("y", "x"), chunksizes=(10, 10))
        nc.createVariable("unwritten_filled", "f8", ("y", "x"), chunksizes=(10, 10), fill_value=-1.5)
        sparse = nc.createVariable("sparse", "i4", ("y", "x"), chunksizes=(10, 10), zlib=True)
        sparse[15, 25] = 42
        compact = nc.createVariable("one_chunk", "i4", ("y", "x"), chunksizes=(30, 41), zlib=True)
        compact[:] = values("i4", (30, 41))
        tiny = nc.createVariable("tiny", "i4", ("y",), contiguous=True)
        tiny[:] = np.arange(30)
    with netCDF4.Dataset(generated / "many_chunks.nc", "w") as nc:
        nc.createDimension("time", None)
        nc.createDimension("level", None)
        nc.createDimension("x", 50)
        v = nc.createVariable("series", "f4", ("time", "x"), chunksizes=(1, 5), zlib=True)
        v[:] = values("f4", (300, 50))
        v = nc.createVariable("grown_twice", "i2", ("time", "level"), chunksizes=(16, 3))
        v[:] = values("i2", (300, 11))
        v = nc.createVariable("grid", "i4", ("x",), chunksizes=(1,), zlib=True)
        v[:] = np.arange(50) ** 2


def unequal_records():
    """Variables of different length along one unlimited dimension: the shorter are filled up."""
    with netCDF4.Dataset(generated / "unequal_records.nc", "w") as nc:
        nc.createDimension("time", None)
        nc.createDimension("x", 3)
        for name, length in [("long", 7), ("short", 2), ("none", 0)]:
            for suffix, fill in [("", None), ("_filled", -5)]:
                v = nc.createVariable(name + suffix, "i4", ("time", "x"), chunksizes=(4, 2), fill_value=fill)
                if length:
                    v[:length] = np.arange(length * 3).reshape(length, 3)


def empty_dimensions():
    for name in ["NETCDF3_CLASSIC", "NETCDF4"]:
        with netCDF4.Dataset(generated / f"empty_{name.lower()}.nc", "w", format=name) as nc:
            nc.createDimension("time", None)
            nc.createDimension("x", 3)
            nc.createVariable("time", "f8", ("time",))
            nc.createVariable("v", "f4", ("time", "x"))
            nc.createVariable("x", "i4", ("x",))[:] = [1, 2, 3]


def groups():
    with netCDF4.Dataset(generated / "groups.nc", "w") as nc:
        nc.level = "root"
        nc.createDimension("y", 3)
        nc.createDimension("x", 4)
        nc.createVariable("y", "f4", ("y",))[:] = [1, 2, 3]
        nc.createVariable("x", "f4", ("x",))[:] = [10, 20, 30, 40]
        nc.createVariable("crs", "i4", ())[...] = 1
        child = nc.createGroup("model")
        child.level = "child"
        child.createDimension("time", None)
        child.createVariable("time", "i4", ("time",))[:] = [0, 1]
        v = child.createVariable("v", "f4", ("time", "y", "x"))
        v.grid_mapping = "crs"
        v[:] = values("f4", (2, 3, 4))
        deep = child.createGroup("deep")
        deep.createDimension("x", 2)
        deep.createVariable("x", "i8", ("x",))[:] = [7, 8]
        deep.createVariable("w", "u1", ("time", "x"))[:] = values("u1", (2, 2))
        nc.createGroup("without_variables")


def types():
    with netCDF4.Dataset(generated / "types.nc", "w") as nc:
        nc.createDimension("x", 4)
        nc.createDimension("time", None)
        text = nc.createVariable("text", str, ("x",))
        text[:] = np.array(["", "plain", "grüße", "a longer text than the others"], object)
        text.many = ["one", "two"]
        chunked = nc.createVariable("text_chunked", str, ("time", "x"), chunksizes=(1, 3))
        for i in range(3):
            for j in range(4):
                chunked[i, j] = f"{i}-{j}"
        nc.createVariable("text_unwritten", str, ("x",))
        nc.createVariable("text_scalar", str, ())[...] = "alone"
        kind = nc.createEnumType(np.uint8, "cloud_t", {"clear": 0, "cloudy": 1, "no data": 255})
        v = nc.createVariable("cloud", kind, ("x",), fill_value=255)
        v[:] = [0, 1, 255, 1]
        pair = nc.createCompoundType(np.dtype([("u", "f4"), ("v", "f4")]), "pair_t")
        nc.createVariable("wind", pair, ("x",))
        ragged = nc.createVLType(np.int32, "ragged_t")
        nc.createVariable("ragged", ragged, ("x",))
        nc.createVariable("plain", "i4", ("x",))[:] = [1, 2, 3, 4]


def coordinates():
    """A variable named like a dimension without being its coordinate, and one of two dimensions."""
    with netCDF4.Dataset(generated / "coordinates.nc", "w") as nc:
        nc.createDimension("x", 4)
        nc.createDimension("y", 3)
        nc.createDimension("n", 5)
        nc.createVariable("y", "S1", ("y", "n"))[:] = netCDF4.stringtochar(np.array(["a", "bb", "ccccc"], "S5"))
        nc.createVariable("n", "f4", ("x",))[:] = [1, 2, 3, 4]
        nc.createVariable("v", "i4", ("y", "x"))[:] = np.arange(12).reshape(3, 4)


def days():
    """A file per day, counted from its own midnight; written so that names are not in order."""
    for folder, name in [("days3", "NETCDF3_CLASSIC"), ("days4", "NETCDF4")]:
        (generated / folder).mkdir()
        for day, hours in [(9, 3), (1, 2), (28, 1)]:
            with netCDF4.Dataset(generated / folder / f"{97 - day}.nc", "w", format=name) as nc:
                nc.createDimension("time", hours if day == 1 else None)
                nc.createDimension("nv", 2)
                nc.createDimension("lat", 3)
                time = nc.createVariable("time", "i4", ("time",))
                time.units = f"seconds since 2020-02-{day:02} 00:00:00"
                time.bounds = "time_bnds"
                time[:] = np.arange(hours) * 3600
                bounds = nc.createVariable("time_bnds", "f8", ("time", "nv"))
                bounds[:] = np.arange(hours)[:, None] * 3600 + [0, 3600]
                nc.createVariable("lat", "f4", ("lat",))[:] = [10, 0, -10]
                v = nc.createVariable("v", "i2", ("time", "lat"), fill_value=-1)
                v.scale_factor = 0.5
                v.set_auto_maskandscale(False)
                v[:] = values("i2", (hours, 3))


for make in [formats, days, one_record_variable, large_rows, layouts, unequal_records, empty_dimensions,
             groups, types, coordinates]:
    make()

# ---------------------------------------------------------------------------------------------
# What the C library reads

files = {}
number = 0


def attributes(owner):
    found = {}
    for name in owner.ncattrs():
        try:
            value = owner.getncattr(name)
        except Exception:  # of a type that Python cannot hold
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
            value = [number_(v) for v in value]
        elif isinstance(value, np.generic) and value.dtype.kind in "iuf":
            value = number_(value)
        elif not isinstance(value, (str, list)):
            continue
        found[name] = value
    return found


def number_(value):
    if np.issubdtype(type(value), np.floating):
        value = float(value)
        if np.isnan(value):
            return "NaN"
        if np.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return value
    return int(value)


def describe(group, path, found):
    global number
    variables = {}
    for name, variable in group.variables.items():
        variable.set_auto_maskandscale(False)
        variable.set_auto_chartostring(False)
        entry = {
            "dims": list(variable.dimensions),
            "shape": list(variable.shape),
            "attributes": attributes(variable),
        }
        if variable.dtype is str:
            raw = variable[...]
            raw = [raw] if isinstance(raw, str) else raw.ravel().tolist()
            entry |= {"dtype": "str", "strings": [str(text) for text in raw]}
        elif isinstance(variable.datatype, (netCDF4.CompoundType, netCDF4.VLType)):
            entry |= {"dtype": "other"}
        else:
            try:
                raw = np.asarray(variable[...])
            except RuntimeError as error:  # a filter this build of the library lacks
                entry |= {"dtype": "unreadable", "why": str(error)}
                variables[name] = entry
                continue
            dtype = raw.dtype.newbyteorder("<")
            (out / "raw" / f"{number}.bin").write_bytes(raw.astype(dtype).tobytes())
            entry |= {"dtype": dtype.str.lstrip("<|>"), "raw": f"raw/{number}.bin"}
            number += 1
        variables[name] = entry
    if variables:
        found[path] = {"attributes": attributes(group), "variables": variables}
    for name, child in group.groups.items():
        describe(child, f"{path}/{name}" if path else name, found)


def expect(name, path):
    with netCDF4.Dataset(path) as nc:
        found = {}
        describe(nc, "", found)
        files[name] = {"path": str(path.relative_to(out)) if path.is_relative_to(out) else str(path),
                       "model": nc.data_model, "groups": found}


for path in sorted(generated.glob("*.nc")):
    expect(f"generated/{path.name}", path)
for path in sorted(samples.rglob("*.nc")):
    expect(f"samples/{path.relative_to(samples)}", path)
if data:
    fixtures = Path(data) / "store-fixtures"
    golden = json.loads((fixtures / "golden_netcdf.json").read_text())
    members = {}
    for name in golden:
        archive, _, member = name.partition("!")
        path = fixtures / archive
        if member:
            unpacked = out / "unpacked" / member
            if archive.endswith(".zip"):
                unpacked.write_bytes(zipfile.ZipFile(path).read(member))
            else:
                with tarfile.open(path) as tar:
                    unpacked.write_bytes(tar.extractfile(member).read())
            path = unpacked
        expect(f"golden/{name}", path)
        files[f"golden/{name}"]["golden"] = golden[name]["vars"]
    for folder in ["ostia", "olci-swath"]:
        for path in sorted((Path(data) / folder).glob("*.nc")):
            expect(f"{folder}/{path.name}", path)
    for path in sorted((fixtures / "kerchunk/hdf5").glob("*.h5")):
        expect(f"kerchunk/{path.name}", path)


def cube(paths, names, time="time"):
    """The raw values of `names` in all files, by time, and the times in microseconds."""
    global number

    def times_in(path):
        with xarray.open_dataset(path) as dataset:
            found = dataset[time]
            if found.dtype.kind == "M":
                return found.values.astype("datetime64[us]").astype("i8").tolist()
            units = "microseconds since 1970-01-01"
            return [int(cftime.date2num(t, units, calendar=t.calendar)) for t in found.values]

    paths = sorted(paths, key=times_in)
    times = [moment for path in paths for moment in times_in(path)]
    variables = {}
    for name in names:
        parts = []
        for path in paths:
            with netCDF4.Dataset(path) as nc:
                nc.set_auto_maskandscale(False)
                parts.append(np.asarray(nc.variables[name][...]))
        raw = np.concatenate(parts)
        (out / "raw" / f"{number}.bin").write_bytes(raw.astype(raw.dtype.newbyteorder("<")).tobytes())
        variables[name] = {"shape": list(raw.shape), "raw": f"raw/{number}.bin"}
        number += 1
    shown = [str(path.relative_to(out)) if path.is_relative_to(out) else str(path) for path in paths]
    return {"paths": sorted(shown), "time": time, "times": times, "variables": variables}


cubes = {folder: cube(list((generated / folder).glob("*.nc")), ["v"]) for folder in ["days3", "days4"]}
cubes["nemo"] = cube(list((samples / "NEMO").glob("*.nc")), ["tos", "time_counter"], "time_centered")
if data:
    cubes["ostia"] = cube(list((Path(data) / "ostia").glob("*.nc")), ["sst_anomaly"])
(out / "cubes.json").write_text(json.dumps(cubes, indent=1))
(out / "expected.json").write_text(json.dumps(files, indent=1))
