"""Sets of references over NetCDF-4 files, made by kerchunk, and what xarray reads from those files.

    python kerchunk_sets.py FOLDER

| set | what is in it |
|---|---|
| day0 … day2.kerchunk.json | one file each, as kerchunk finds its chunks: version 1 |
| days.refs.json | the three along time, by MultiZarrToZarr |
| days-v0.kerchunk | the same of version 0, metadata as objects, not as texts |
| days-templates.kerchunk.json | the same with templates in the URLs |
| days-inline.kerchunk.json | small chunks stand in the set, in base64 |
| days.json.gz | the same as days.refs.json, packed, under a name that says nothing |
| days.parq | the same in files of Parquet, five references each |
| rules.kerchunk.json | chunks of a plain file that are told by rules |
| v3.kerchunk.json | an array of Zarr 3 |
| groups.kerchunk.json | groups within groups |
| grib.kerchunk.json | messages of GRIB, each a chunk that kerchunk's codec reads with ecCodes |
| faults/… | sets that are broken, one each |

`expected.json` has, for each set, the columns of a query and its rows, in the order of the dimensions.
"""

import base64
import gzip
import json
import pathlib
import sys

import eccodes
import netCDF4
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xarray
from fsspec.implementations.reference import LazyReferenceMapper
from kerchunk.codecs import GRIBCodec
from kerchunk.combine import MultiZarrToZarr
from kerchunk.hdf import SingleHdf5ToZarr

folder = pathlib.Path(sys.argv[1])
faults = folder / "faults"
faults.mkdir()
random = np.random.default_rng(7)
expected = []


def write(path, references):
    path.write_text(json.dumps(references))


def relative(references):
    """The same references with paths that start at the set."""
    prefix = f"{folder}/"
    moved = {}
    for key, value in references["refs"].items():
        if isinstance(value, list):
            value = [value[0].removeprefix("file://").removeprefix(prefix), *value[1:]]
        moved[key] = value
    return {**references, "refs": moved}


def columns_and_rows(dataset, names):
    """The cells of variables in the order of the dimensions, missing ones as None."""
    table = dataset[names].to_dataframe(dim_order=list(dataset[names[0]].dims)).reset_index()
    table["time"] = (table["time"] - np.datetime64("2020-01-01")) / np.timedelta64(1, "D")
    rows = [[None if value != value else float(value) for value in row] for row in table[names].to_numpy(dtype=float)]
    return {"variables": names, "rows": rows}


def expect(name, dataset, names, table=""):
    expected.append({"set": name, "table": table, **columns_and_rows(dataset, names)})


# Three days, two steps each. A chunk of ice was never written.
days = []
for day in range(3):
    path = folder / f"day{day}.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, length in [("time", 2), ("lat", 6), ("lon", 8)]:
            file.createDimension(name, length)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.standard_name = "days since 2020-01-01", "time"
        time[:] = [2 * day, 2 * day + 1]
        lat = file.createVariable("lat", "f4", ("lat",))
        lat.units = "degrees_north"
        lat[:] = np.arange(6) * 2.5
        lon = file.createVariable("lon", ">f8", ("lon",), endian="big")
        lon.units = "degrees_east"
        lon[:] = np.arange(8) * 1.25
        dims = ("time", "lat", "lon")
        sst = file.createVariable("sst", "i2", dims, zlib=True, shuffle=True, chunksizes=(1, 3, 4), fill_value=-999)
        sst.scale_factor, sst.add_offset, sst.units = 0.01, 273.15, "K"
        sst[:] = np.ma.masked_less(random.integers(-50, 400, (2, 6, 8)), -30) * 0.01 + 273.15
        ice = file.createVariable("ice", "f4", dims, zlib=True, chunksizes=(1, 3, 8), fill_value=np.nan)
        ice[0] = random.random((6, 8))
        ice[1, :3] = random.random((3, 8))
        depth = file.createVariable("depth", ">i4", dims, chunksizes=(2, 6, 8), endian="big")
        depth[:] = random.integers(-(2**30), 2**30, (2, 6, 8))
        wave = file.createVariable("wave", "f8", dims, contiguous=True)
        wave[:] = random.random((2, 6, 8))
        file.title = "three days"
    days.append(path)

names = ["sst", "ice", "depth", "wave"]
singles = []
for day, path in enumerate(days):
    references = SingleHdf5ToZarr(str(path), inline_threshold=0).translate()
    singles.append(references)
    write(folder / f"day{day}.kerchunk.json", relative(references))
    expect(f"day{day}.kerchunk.json", xarray.open_dataset(path), names)

whole = xarray.open_mfdataset(days, combine="nested", concat_dim="time", data_vars="all").load()
combined = MultiZarrToZarr(singles, concat_dims=["time"], identical_dims=["lat", "lon"]).translate()
combined = relative(combined)
write(folder / "days.refs.json", combined)
(folder / "days.json.gz").write_bytes(gzip.compress(json.dumps(combined).encode()))

as_objects = {
    key: json.loads(value) if key.rsplit("/", 1)[-1].startswith(".z") else value for key, value in combined["refs"].items()
}
# As Python writes it, with NaN as a bare word.
write(folder / "days-v0.kerchunk", as_objects)

templated = {}
for key, value in combined["refs"].items():
    if isinstance(value, list):
        number = value[0].removeprefix("day").removesuffix(".nc")
        url = "{{first}}" if number == "0" else f"{{{{ file(day={number}) }}}}"
        value = [url, *value[1:]]
    templated[key] = value
templates = {"first": "{{stem}}0.nc", "stem": "./day", "file": "{{stem}}{{day}}.nc"}
# The templates come last: they are needed before they are known.
write(folder / "days-templates.kerchunk.json", {"version": 1, "refs": templated, "templates": templates})

inline = {}
for key, value in combined["refs"].items():
    if isinstance(value, list) and value[2] < 120:
        with open(folder / value[0], "rb") as file:
            file.seek(value[1])
            value = "base64:" + base64.b64encode(file.read(value[2])).decode()
    inline[key] = value
assert sum(isinstance(value, list) for value in inline.values()) not in (0, len(inline))
write(folder / "days-inline.kerchunk.json", {"version": 1, "refs": inline})

parquet = LazyReferenceMapper.create(str(folder / "days.parq"), record_size=5, engine="pyarrow")
for key in sorted(combined["refs"]):
    parquet[key] = combined["refs"][key]
parquet.flush()
for name in [
    "days.refs.json",
    "days-v0.kerchunk",
    "days-templates.kerchunk.json",
    "days-inline.kerchunk.json",
    "days.json.gz",
    "days.parq",
]:
    expect(name, whole, names)

# A plain file, cut by rules: chunks of 1 × 3 × 4 cells one after the other, a number apart.
cells = random.random((4, 6, 8)).astype("<f4")
pieces = []
for time, lat, lon in np.ndindex(4, 2, 2):
    pieces.append(cells[time, 3 * lat : 3 * lat + 3, 4 * lon : 4 * lon + 4].tobytes() + b"....")
for half in range(2):
    (folder / f"plain{half}.bin").write_bytes(b"head" + b"".join(pieces[8 * half : 8 * half + 8]))


def array(values, dims, chunks=None, **attributes):
    values = np.asarray(values)
    metadata = {
        "zarr_format": 2,
        "shape": values.shape,
        "chunks": chunks or values.shape,
        "dtype": values.dtype.str,
        "compressor": None,
        "filters": None,
        "fill_value": None,
        "order": "C",
    }
    return json.dumps(metadata), json.dumps({"_ARRAY_DIMENSIONS": dims, **attributes})


def bytes_of(values):
    return "base64:" + base64.b64encode(np.asarray(values).tobytes()).decode()


coordinates = {
    "time": (np.arange(4.0), {"units": "days since 2020-01-01"}),
    "lat": (np.arange(6) * 2.5, {"units": "degrees_north"}),
    "lon": (np.arange(8) * 1.25, {"units": "degrees_east"}),
}
rules = {".zgroup": '{"zarr_format": 2}'}
for name, (values, attributes) in coordinates.items():
    rules[f"{name}/.zarray"], rules[f"{name}/.zattrs"] = array(values, [name], **attributes)
    rules[f"{name}/0"] = bytes_of(values)
rules["v/.zarray"], rules["v/.zattrs"] = array(cells, ["time", "lat", "lon"], (1, 3, 4))
rule = {
    "key": "v/{{2 * half + step}}.{{lat}}.{{lon}}",
    "url": "{{name(number=half)}}",
    "offset": "{{4 + ((step * 2 + lat) * 2 + lon) * 52}}",
    "length": "48",
    "dimensions": {"half": [0, 1], "step": {"stop": 2}, "lat": {"start": 0, "stop": 2}, "lon": {"start": 1, "stop": -1, "step": -1}},
}
by_rules = {"version": 1, "templates": {"name": "plain{{number}}.bin"}, "gen": [rule], "refs": rules}
write(folder / "rules.kerchunk.json", by_rules)
plain = xarray.Dataset(
    {"v": (("time", "lat", "lon"), cells)},
    {name: (name, values, attributes) for name, (values, attributes) in coordinates.items()},
)
expect("rules.kerchunk.json", xarray.decode_cf(plain), ["v"])

# Zarr 3: whole files, and ranges.
v3 = {"zarr.json": {"zarr_format": 3, "node_type": "group"}}
for name, (values, attributes) in [*coordinates.items(), ("v", (cells, {}))]:
    chunks = [1, 3, 4] if name == "v" else values.shape
    v3[f"{name}/zarr.json"] = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": values.shape,
        "data_type": values.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": chunks}},
        "chunk_key_encoding": {"name": "default"},
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "fill_value": 0,
        "dimension_names": ["time", "lat", "lon"] if name == "v" else [name],
        "attributes": attributes,
    }
    if name != "v":
        (folder / f"{name}.bin").write_bytes(values.tobytes())
        v3[f"{name}/c/0"] = [f"{name}.bin"]
for number, (time, lat, lon) in enumerate(np.ndindex(4, 2, 2)):
    v3[f"v/c/{time}/{lat}/{lon}"] = [f"plain{number // 8}.bin", 4 + number % 8 * 52, 48]
write(folder / "v3.kerchunk.json", {"version": 1, "refs": v3})
expect("v3.kerchunk.json", xarray.decode_cf(plain), ["v"])

# Groups.
with netCDF4.Dataset(folder / "groups.nc", "w") as file:
    inner = file.createGroup("a/b")
    for group, length in [(file, 3), (inner, 5)]:
        group.createDimension("time", length)
        time = group.createVariable("time", "f8", ("time",))
        time.units = "days since 2020-01-01"
        time[:] = np.arange(length)
        value = group.createVariable("v", "f4", ("time",), zlib=True)
        value[:] = random.random(length)
write(folder / "groups.kerchunk.json", relative(SingleHdf5ToZarr(str(folder / "groups.nc")).translate()))
expect("groups.kerchunk.json", xarray.open_dataset(folder / "groups.nc"), ["v"])
expect("groups.kerchunk.json", xarray.open_dataset(folder / "groups.nc", group="a/b"), ["v"], "a/b")

# Messages of GRIB: both editions, values that are missing, values that stand column by column, coordinates of points.
messages = bytearray()
grib = {".zgroup": '{"zarr_format": 2}'}
for name, (values, attributes) in coordinates.items():
    grib[f"{name}/.zarray"], grib[f"{name}/.zattrs"] = array(values, [name], **attributes)
    grib[f"{name}/0"] = bytes_of(values)
decoded = {}


def message(sample, values, **keys):
    handle = eccodes.codes_grib_new_from_samples(sample)
    grid = {"Ni": 8, "Nj": 6, "jScansPositively": 1}
    grid |= {"latitudeOfFirstGridPointInDegrees": 0.0, "latitudeOfLastGridPointInDegrees": 12.5}
    grid |= {"longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 8.75}
    grid |= {"iDirectionIncrementInDegrees": 1.25, "jDirectionIncrementInDegrees": 2.5}
    for key, value in {**grid, **keys}.items():
        eccodes.codes_set(handle, key, value)
    if np.isnan(values).any():
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", 9999.0)
    eccodes.codes_set_values(handle, np.nan_to_num(values, nan=9999.0).ravel())
    written = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return written


for name, sample, keys in [
    ("t", "regular_ll_sfc_grib2", {"packingType": "grid_simple"}),
    ("u", "regular_ll_sfc_grib1", {}),
    ("w", "regular_ll_sfc_grib2", {"packingType": "grid_ccsds"}),
    ("c", "regular_ll_sfc_grib2", {"jPointsAreConsecutive": 1}),
]:
    dtype = "<f8" if name == "t" else "<f4"
    codec = GRIBCodec(name, dtype)
    cells_of_name = []
    grib[f"{name}/.zarray"], grib[f"{name}/.zattrs"] = array(np.zeros((4, 6, 8), dtype), ["time", "lat", "lon"], (1, 6, 8))
    grib[f"{name}/.zarray"] = json.dumps({**json.loads(grib[f"{name}/.zarray"]), "filters": [codec.get_config()]})
    for step in range(4):
        values = random.normal(280, 10, (6, 8))
        if name in "tu":
            values[random.random((6, 8)) < 0.2] = np.nan
        written = message(sample, values, **keys)
        grib[f"{name}/{step}.0.0"] = ["messages.grib", len(messages), len(written)]
        messages += written
        cells_of_name.append(codec.decode(written).reshape(6, 8))
    decoded[name] = (("time", "lat", "lon"), np.stack(cells_of_name))
for name, which in [("north", "latitude"), ("east", "longitude")]:
    codec = GRIBCodec(which, "<f8")
    grib[f"{name}/.zarray"], grib[f"{name}/.zattrs"] = array(np.zeros((6, 8)), ["lat", "lon"])
    grib[f"{name}/.zarray"] = json.dumps({**json.loads(grib[f"{name}/.zarray"]), "filters": [codec.get_config()]})
    grib[f"{name}/0.0"] = grib["t/0.0.0"]
    offset, size = grib["t/0.0.0"][1:]
    places = codec.decode(bytes(messages[offset : offset + size])).reshape(6, 8)
    decoded[name] = (("time", "lat", "lon"), np.broadcast_to(places, (4, 6, 8)))
(folder / "messages.grib").write_bytes(bytes(messages))
write(folder / "grib.kerchunk.json", {"version": 1, "refs": grib})
dataset = xarray.Dataset(decoded, {name: (name, values, attributes) for name, (values, attributes) in coordinates.items()})
expect("grib.kerchunk.json", xarray.decode_cf(dataset), list(decoded))

# Sets that are broken. The cube is there; the chunks of v are not.
base = {key: value for key, value in rules.items() if not key.startswith("v/")}
base["v/.zarray"], base["v/.zattrs"] = array(np.zeros(4), ["time"])


def fault(name, **changes):
    write(faults / f"{name}.kerchunk.json", {"version": 1, "refs": base, **changes})


def chunk(name, *reference):
    fault(name, refs={**base, "v/0": list(reference)})


(folder / "faults" / "short.bin").write_bytes(bytes(40))
chunk("missing-file", "nosuch.bin", 0, 32)
chunk("beyond-end", "short.bin", 16, 32)
chunk("far-beyond-end", "short.bin", 10**15, 32)
chunk("huge", "short.bin", 0, 2**62)
chunk("too-few", "short.bin", 0, 16)
chunk("no-range", "short.bin", 2**64 - 1, 2)
chunk("ftp", "ftp://host/a.nc", 0, 32)
chunk("outside", "../" * 40 + "a.nc", 0, 32)
chunk("unknown-template", "{{u}}/a.nc", 0, 32)
fault("circle", refs={**base, "v/0": ["{{a}}", 0, 32]}, templates={"a": "{{b}}", "b": "{{a}}"})
fault("jinja", refs={**base, "v/0": ["{{u|upper}}", 0, 32]}, templates={"u": "a"})
fault("version", version=7)
fault("many", gen=[{**rule, "dimensions": {"half": {"stop": 10**9}, "step": {"stop": 10**9}}}])
fault("no-length", gen=[{key: value for key, value in rule.items() if key != "length"}])
fault("number", refs={**base, "v/0": 5})
fault("base64", refs={**base, "v/0": "base64:#"})
fault("nothing", refs={})
metadata = json.loads(base["v/.zarray"])
grib = json.dumps({**metadata, "filters": [{"id": "grib", "dtype": "float64", "var": "v"}]})
fault("grib", refs={**base, "v/.zarray": grib, "v/0": ["short.bin", 0, 32]})
(faults / "cut-off.kerchunk.json").write_text(json.dumps(base)[:-200])
(faults / "text.kerchunk.json").write_text("not JSON")
write(faults / "list.kerchunk.json", [base])
(faults / "empty.parq").mkdir()
(faults / "zarr.parq").mkdir()
write(faults / "zarr.parq" / ".zmetadata", {"zarr_consolidated_format": 1, "metadata": {}})
(faults / "broken.parq" / "v").mkdir(parents=True)
parts = {"metadata": {key: json.loads(value) for key, value in base.items() if "/.z" in key or key[0] == "."}, "record_size": 10}
write(faults / "broken.parq" / ".zmetadata", parts)
(faults / "broken.parq" / "v" / "refs.0.parq").write_bytes(b"PAR1 this is none PAR1")
for name in coordinates:
    (faults / "broken.parq" / name).mkdir()
    row = {"path": [None], "offset": [0], "size": [0], "raw": [coordinates[name][0].tobytes()]}
    types = [("path", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("raw", pa.binary())]
    pq.write_table(pa.table(row, pa.schema(types)), faults / "broken.parq" / name / "refs.0.parq")

(folder / "expected.json").write_text(json.dumps(expected))
