"""Writes Zarr cubes of every kind with zarr-python and numcodecs, and the values they hold.

    python zarr_matrix.py FOLDER

FOLDER/expected has one raw little-endian file per array, and FOLDER/manifest.json lists the
arrays: store, group, name, Arrow type, shape, and the file of values, or the values themselves
where they are texts.
"""

import itertools
import json
import shutil
import struct
import sys
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import pyarrow
import zarr
import zarr_chunks
import zarr_gdeflate
from numcodecs.zfpy import ZFPY
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    ShardingCodec,
    TransposeCodec,
    ZstdCodec,
)
from zarr.codecs import numcodecs as v3_numcodecs
from zarr.dtype import VariableLengthBytes

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
(folder / "expected").mkdir(parents=True, exist_ok=True)
generator = np.random.default_rng(20261123)
manifest = []

ARROW = {
    "int8": "Int8", "int16": "Int16", "int32": "Int32", "int64": "Int64",
    "uint8": "UInt8", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    "float16": "Float32", "float32": "Float32", "float64": "Float64", "bool": "Boolean",
}
SECONDS = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60}
UNITS = {"ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}
NOT_A_TIME = np.iinfo("i8").min


def values_of(dtype, shape):
    """Random values that use the whole width of the type, with the awkward ones among them."""
    dtype = np.dtype(dtype)
    native = dtype.newbyteorder("=")
    count = int(np.prod(shape, dtype=int))
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        values = generator.integers(info.min, info.max, count, dtype=native, endpoint=True)
    elif dtype.kind == "f":
        values = generator.normal(scale=100, size=count)
        values[::5] = np.nan
        values[1::7] = np.inf
        values[2::11] = -0.0
    elif dtype.kind == "b":
        values = generator.integers(0, 2, count).astype(bool)
    elif dtype.kind in "Mm":
        values = generator.integers(-5_000, 50_000, count).astype("i8")
        values[::6] = NOT_A_TIME
        values = values.view(native)
    else:
        words = ["", "a", "Öl", "日本", "x" * 7, " b", "NaN", "\U0001f30d"]
        words = [word for word in words if dtype.kind != "S" or word.isascii()]
        values = np.array([words[i] for i in generator.integers(0, len(words), count)], dtype=object)
        values = values if dtype.kind == "O" else values.astype(dtype)
    return values.astype(dtype).reshape(shape)


def expect(store, path, values):
    """Notes what a reader must find in the array at `path`."""
    group, _, name = path.rpartition("/")
    entry = {"store": store, "group": group, "name": name, "shape": list(np.shape(values))}
    if isinstance(values, np.ma.MaskedArray):
        entry["valid"] = (~np.ma.getmaskarray(values)).ravel().tolist()
    values = np.asarray(values)
    kind, native = values.dtype.kind, values.dtype.newbyteorder("=")
    if kind in "OUST":
        texts = [text.decode() if isinstance(text, bytes) else str(text) for text in values.ravel()]
        is_character = kind == "S" and values.dtype.itemsize == 1
        entry |= {"type": "FixedSizeBinary(1)" if is_character else "Utf8", "texts": texts}
    else:
        if kind == "M":
            unit, count = np.datetime_data(native)
            counts = values.astype(native).view("i8")
            raw = np.where(counts == NOT_A_TIME, NOT_A_TIME, counts * count * SECONDS.get(unit, 1))
            entry["type"] = f"Timestamp({UNITS.get(unit, 'Second')}, None)"
        elif kind == "m":
            raw, entry["type"] = values.astype(native).view("i8"), "Int64"
        else:
            raw = values.astype("f4") if native.name == "float16" else values
            entry["type"] = ARROW[native.name]
        entry["file"] = f"expected/{len(manifest)}.raw"
        np.ascontiguousarray(raw, dtype=raw.dtype.newbyteorder("<")).tofile(folder / entry["file"])
    manifest.append(entry)


def expect_lists(store, name, lists, dtype):
    """Notes the lists, None for one that is missing, that a reader must find in the array called `name`."""
    kind = ARROW[np.dtype(dtype).newbyteorder("=").name]
    lists = [None if cell is None else cell.tolist() for cell in lists.ravel()]
    manifest.append({"store": store, "group": "", "name": name, "shape": [5, 6], "type": kind, "lists": lists})


def remove_chunk(store, path, key):
    (folder / store / path / key).unlink()


def write(store, group, path, values, **options):
    """Writes `values` as the array `path` of `group` and expects to read them."""
    names = options.pop("names", [f"axis_{axis}" for axis in range(values.ndim)])
    if group.metadata.zarr_format == 3:
        options["dimension_names"] = names
    else:
        options["attributes"] = {"_ARRAY_DIMENSIONS": names}
    dtype = options.pop("dtype", values.dtype)
    # Cells of chunks that do not exist are undefined in Zarr v2 where there is no fill value.
    options.setdefault("config", {"write_empty_chunks": True})
    array = group.create_array(path, shape=values.shape, dtype=dtype, **options)
    array[...] = values
    expect(store, f"{group.path}/{path}".strip("/"), values)


def write_groups(store, root):
    """A group, a group in it, and arrays that no reader has a type for."""
    for path in ("inner", "inner/deep"):
        group = root.create_group(path, attributes={"title": path})
        write(store, group, "a", values_of("float32", (3, 4)), chunks=(2, 2), fill_value=0)
        write(store, group, "b", values_of("int64", (3,)), chunks=(2,), fill_value=0)
    root.create_array("complex", shape=(2,), chunks=(2,), dtype="complex128")[...] = 1j


def blosc_with_snappy(raw, typesize, shuffle, block_size):
    """A chunk in blosc, compressed with Snappy, which numcodecs lacks: put together as c-blosc's description of
    the format says, around what pyarrow compresses."""
    blocks = [raw[start : start + block_size] for start in range(0, len(raw), block_size)]
    if shuffle:
        blocks = [np.frombuffer(block, "u1").reshape(-1, typesize).T.tobytes() for block in blocks]
    starts, body = [], b""
    for block in blocks:
        stream = pyarrow.compress(block, codec="snappy", asbytes=True)
        starts.append(16 + 4 * len(blocks) + len(body))
        body += struct.pack("<i", len(stream)) + stream
    body = struct.pack(f"<{len(starts)}i", *starts) + body
    not_split, snappy = 1 << 4, 2 << 5
    return struct.pack("<4B3I", 2, 1, shuffle | not_split | snappy, typesize, len(raw), block_size, 16 + len(body)) + body


def version_2(store):
    root = zarr.create_group(folder / store, zarr_format=2, attributes={"title": "v2"})
    compressors = [
        None,
        *[
            numcodecs.Blosc(cname=name, clevel=level, shuffle=shuffle)
            for name in ("lz4", "lz4hc", "blosclz", "zlib", "zstd")
            for level, shuffle in ((1, 0), (5, 1), (9, 2))
        ],
        numcodecs.Zlib(3), numcodecs.GZip(3), numcodecs.BZ2(3), numcodecs.LZ4(),
        numcodecs.Zstd(3), numcodecs.Zstd(3, checksum=True),
    ]
    write_packed_numbers(store, root)
    for number, compressor in enumerate(compressors):
        options = {"chunks": (3, 4), "compressors": compressor}
        write(store, root, f"codec_{number}", values_of("<f4", (7, 11)), fill_value=None, **options)
        write(store, root, f"codec_big_{number}", values_of(">i2", (7, 11)), fill_value=0, **options)
    kinds = ("i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", "U7")
    units = ("ns", "us", "ms", "s", "m", "h", "D", "W", "25s")
    dtypes = ["|b1", "|i1", "|u1", "|S1", "|S7", "<m8[ns]", ">m8[s]"]
    dtypes += [order + kind for order in "<>" for kind in kinds]
    dtypes += [f"{order}M8[{unit}]" for order in "<>" for unit in units]
    for number, dtype in enumerate(dtypes):
        for order, compressor in (("C", numcodecs.Blosc()), ("F", numcodecs.Zlib(1))):
            write(
                store, root, f"dtype_{order}_{number}", values_of(dtype, (5, 6)), chunks=(2, 4), order=order,
                fill_value=None, compressors=compressor,
            )
    write(store, root, "texts", values_of("O", (5, 6)), dtype=str, chunks=(2, 4), fill_value="")
    some_bytes = np.array([text.encode() for text in values_of("O", (30,))], object).reshape(5, 6)
    write(store, root, "some_bytes", some_bytes, dtype=VariableLengthBytes(), chunks=(2, 4), fill_value=b"")
    for number, (order, separator) in enumerate(itertools.product("CF", "./")):
        write(
            store, root, f"layout_{number}", values_of("<i4", (4, 5, 6)), chunks=(2, 3, 4), order=order,
            chunk_key_encoding={"name": "v2", "separator": separator}, fill_value=-7,
        )
    checksums = [numcodecs.Fletcher32(), numcodecs.CRC32C(), numcodecs.Adler32()]
    checksums += [codec(location) for codec in (numcodecs.CRC32C, numcodecs.Adler32) for location in ("start", "end")]
    filters = [
        ([numcodecs.Shuffle(4)], "<f4"),
        ([numcodecs.Shuffle(2), numcodecs.Zlib(1)], ">i2"),
        *[([checksum], "<i4") for checksum in checksums],
    ]
    numbers = [
        ([numcodecs.Delta("<i4", "<i2")], "<i4"),
        ([numcodecs.Delta(">u2")], ">u2"),
        ([numcodecs.Delta("<f4")], "<f4"),
        ([numcodecs.FixedScaleOffset(offset=1000.5, scale=7, dtype="<f8", astype="<i4")], "<f8"),
        ([numcodecs.FixedScaleOffset(offset=-3, scale=0.1, dtype="<f4", astype="|u1")], "<f4"),
        ([numcodecs.FixedScaleOffset(offset=0.5, scale=100.0, dtype=">f4", astype="<i2")], ">f4"),
        ([numcodecs.FixedScaleOffset(offset=10, scale=3, dtype="<f8", astype="<f4")], "<f8"),
        ([numcodecs.FixedScaleOffset(offset=5, scale=2, dtype="<i4", astype="<i4")], "<i4"),
        ([numcodecs.Quantize(digits=2, dtype="<f8", astype="<f4")], "<f8"),
        ([numcodecs.BitRound(keepbits=8)], "<f4"),
        ([numcodecs.AsType(encode_dtype="<i2", decode_dtype="<i8")], "<i8"),
        ([numcodecs.FixedScaleOffset(0, 10, "<f8", "<i4"), numcodecs.Delta("<i4")], "<f8"),
    ]
    for number, (chain, dtype) in enumerate(numbers):
        for order in "CF":
            name = f"number_{order}_{number}"
            values = generator.integers(0, 200, (7, 11)).astype(dtype)
            root.create_array(
                name, shape=(7, 11), chunks=(3, 4), dtype=dtype, filters=chain, order=order, fill_value=None
            )[...] = values
            expect(store, name, root[name][...])
    for number, (chain, dtype) in enumerate(filters):
        write(
            store, root, f"filter_{number}", values_of(dtype, (7, 11)), chunks=(3, 4), filters=chain,
            compressors=numcodecs.Zlib(1), fill_value=None,
        )
    for order in "CF":
        write(
            store, root, f"filter_packbits_{order}", values_of("|b1", (7, 11)), chunks=(3, 5), order=order,
            filters=[numcodecs.PackBits()], compressors=numcodecs.Zlib(1), fill_value=False,
        )
    values = values_of("<f8", (7, 11))
    values[:3, :4] = values[6:, 8:] = -9999.0
    write(store, root, "missing_chunks", values, chunks=(3, 4), fill_value=-9999.0, config={})
    for name, dtype, fill in (
        ("nan", "<f4", np.nan), ("days", "<M8[D]", np.datetime64(3, "D")), ("bytes", "|S2", b"zz"),
        ("texts", "<U2", "zz"), ("not_a_time", "<M8[ns]", np.datetime64("NaT", "ns")),
    ):
        values = values_of(dtype, (6,))
        values[2:4] = fill
        write(store, root, f"missing_{name}", values, chunks=(2,), fill_value=fill)
        remove_chunk(store, f"missing_{name}", "1")
    write(store, root, "scalar", np.array(4.25), fill_value=None)
    write(store, root, "empty", np.zeros((0, 3), "<f4"), chunks=(1, 3), fill_value=None)
    write(store, root, "one_chunk", values_of("<u2", (3, 4, 5, 2)), chunks=(3, 4, 5, 2), fill_value=None)
    for shuffle in (0, 1):
        name, compressor = f"snappy_{shuffle}", numcodecs.Blosc(cname="snappy", shuffle=shuffle)
        values = np.arange(6000, dtype="<f4").reshape(60, 100) // 7
        root.create_array(
            name, shape=(60, 100), chunks=(30, 100), dtype="<f4", compressors=compressor, fill_value=None,
            attributes={"_ARRAY_DIMENSIONS": ["axis_0", "axis_1"]},
        )
        for chunk in (0, 1):
            raw = values[30 * chunk :][:30].tobytes()
            (folder / store / name / f"{chunk}.0").write_bytes(blosc_with_snappy(raw, 4, shuffle, 5000))
        expect(store, name, values)
    array = root.create_array("lzma", shape=(4,), chunks=(2,), dtype="<i2", compressors=numcodecs.LZMA())
    array[...] = 5
    write_groups(store, root)
    zarr.consolidate_metadata(folder / store, zarr_format=2)
    zarr_chunks.write_lists(folder / store, generator, lambda *found: expect_lists(store, *found))


def write_packed_numbers(store, root):
    """Numbers packed by Pcodec and ZFP, and packed booleans, in either version of Zarr."""
    is_v3 = root.metadata.zarr_format == 3
    pcodec = v3_numcodecs.PCodec if is_v3 else numcodecs.PCodec
    zfpy = v3_numcodecs.ZFPY if is_v3 else ZFPY
    packed = (lambda codec: {"serializer": codec, "compressors": None}) if is_v3 else (lambda codec: {"compressors": codec})
    settings = [{}, {"level": 3, "mode_spec": "classic"}, {"delta_spec": "try_consecutive", "delta_encoding_order": 2}]
    settings += [{"delta_spec": "try_lookback"}, {"equal_pages_up_to": 5}]
    kinds = ("i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8")
    for number, (kind, (setting, options)) in enumerate(itertools.product(kinds, enumerate(settings))):
        order = {} if is_v3 else {"order": "CF"[number % 2], "fill_value": 0}
        values = values_of("<" + kind, (7, 11))
        if setting > 1:
            values = np.arange(77).astype("<" + kind).reshape(7, 11) * 3
        write(store, root, f"codec_pcodec_{number}", values, chunks=(3, 4), **packed(pcodec(**options)), **order)
    modes = [{"mode": 2, "rate": 9.25}, {"mode": 3, "precision": 15}, {"mode": 4, "tolerance": 0.01}]
    shapes = [((29,), (13,)), ((7, 11), (3, 8)), ((5, 6, 9), (5, 4, 6)), ((3, 4, 5, 6), (2, 4, 5, 5))]
    cases = itertools.product(("<f4", "<f8", "<i4", "<i8"), shapes, modes)
    for number, (dtype, (shape, chunks), mode) in enumerate(cases):
        if mode["mode"] == 4 and "i" in dtype:
            continue
        name = f"codec_zfpy_{number}"
        values = (np.cumsum(generator.normal(size=int(np.prod(shape)))) * 100).reshape(shape).astype(dtype)
        array = root.create_array(name, shape=shape, chunks=chunks, dtype=dtype, fill_value=0, **packed(zfpy(**mode)))
        array[...] = values
        expect(store, name, array[...])


def version_3(store):
    root = zarr.create_group(folder / store, zarr_format=3, attributes={"title": "v3"})
    write_packed_numbers(store, root)
    codecs = [
        [],
        *[
            [BloscCodec(cname=name, clevel=5, shuffle=shuffle, typesize=4)]
            for name in ("lz4", "lz4hc", "blosclz", "zlib", "zstd")
            for shuffle in ("noshuffle", "shuffle", "bitshuffle")
        ],
        [GzipCodec(level=3)], [ZstdCodec(level=3)], [ZstdCodec(level=3, checksum=True)], [Crc32cCodec()],
        [ZstdCodec(level=1), Crc32cCodec()], [v3_numcodecs.Zlib(level=3)], [v3_numcodecs.BZ2(level=3)],
        [v3_numcodecs.Shuffle(elementsize=4), GzipCodec(level=1)], [v3_numcodecs.Fletcher32()],
        [v3_numcodecs.Adler32()], [v3_numcodecs.CRC32C(location="end")], [v3_numcodecs.LZ4()],
        [v3_numcodecs.CRC32C(location="start")], [v3_numcodecs.Adler32(location="end")],
        [v3_numcodecs.Zstd(level=1)], [v3_numcodecs.GZip(level=1)], [v3_numcodecs.Blosc(cname="zstd", shuffle=2)],
    ]
    for number, chain in enumerate(codecs):
        options = {"compressors": chain or None}
        write(store, root, f"codec_{number}", values_of("float32", (7, 11)), chunks=(3, 4), **options)
        write(
            store, root, f"codec_big_{number}", values_of("int32", (7, 11)), chunks=(3, 4),
            serializer=BytesCodec(endian="big"), **options,
        )
        write(store, root, f"codec_shard_{number}", values_of("float32", (7, 11)), chunks=(2, 3), shards=(4, 6), **options)
    dtypes = [
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
        "float64", "|S1", "|S7", "<U7", "<M8[ns]", "<M8[s]", "<M8[h]", "<M8[25s]", "<m8[ns]",
    ]
    for number, dtype in enumerate(dtypes):
        write(store, root, f"dtype_{number}", values_of(dtype, (5, 6)), chunks=(2, 4))
        write(store, root, f"dtype_shard_{number}", values_of(dtype, (5, 6)), chunks=(1, 2), shards=(2, 4))
    filters = [
        (v3_numcodecs.Delta(dtype="<i4", astype="<i2"), "int32"), (v3_numcodecs.BitRound(keepbits=8), "float32"),
        (v3_numcodecs.FixedScaleOffset(offset=1000.5, scale=7, dtype="<f8", astype="<i4"), "float64"),
        (v3_numcodecs.Quantize(digits=2, dtype="<f8"), "float64"),
        (v3_numcodecs.AsType(encode_dtype="<i2", decode_dtype="<i8"), "int64"),
    ]
    for number, (filter, dtype) in enumerate(filters):
        values = generator.integers(0, 200, (7, 11)).astype(dtype)
        root.create_array(f"number_{number}", shape=(7, 11), chunks=(3, 4), dtype=dtype, filters=[filter])[...] = values
        expect(store, f"number_{number}", root[f"number_{number}"][...])
    some_bytes = np.array([text.encode() for text in values_of("O", (30,))], object).reshape(5, 6)
    write(store, root, "some_bytes", some_bytes, dtype=VariableLengthBytes(), chunks=(2, 4))
    write(store, root, "texts", values_of("O", (5, 6)), dtype=str, chunks=(2, 4))
    write(store, root, "texts_shard", values_of("O", (5, 6)), dtype=str, chunks=(1, 2), shards=(2, 4))
    for number, (name, separator) in enumerate(itertools.product(("default", "v2"), "./")):
        write(
            store, root, f"layout_{number}", values_of("int32", (4, 5, 6)), chunks=(2, 3, 4),
            chunk_key_encoding={"name": name, "separator": separator},
        )
    values = values_of("float64", (4, 5, 6))
    write(store, root, "transposed", values, chunks=(2, 3, 4), filters=[TransposeCodec(order=(2, 0, 1))])
    inner = ShardingCodec(chunk_shape=(2, 2))
    nested = ShardingCodec(
        chunk_shape=(4, 4), codecs=[ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), ZstdCodec()])]
    )
    packed = ShardingCodec(chunk_shape=(2, 2), codecs=[v3_numcodecs.PCodec()])
    packed_nested = ShardingCodec(chunk_shape=(4, 4), codecs=[packed])
    for name, options in {
        "transposed": {"filters": [TransposeCodec(order=(1, 0))], "serializer": inner, "compressors": None},
        "compressed": {"serializer": inner, "compressors": [GzipCodec(level=1)]},
        "nested": {"serializer": nested, "compressors": None},
        "packed": {"serializer": packed, "compressors": None},
        "packed_nested": {"serializer": packed_nested, "compressors": None},
    }.items():
        write(store, root, f"shards_{name}", values_of("float64", (8, 12)), chunks=(8, 4), **options)
    for location in ("start", "end"):
        values = values_of("int16", (9, 8))
        values[:2, :2] = values[4:, 4:] = -1
        write(
            store, root, f"shard_index_{location}", values, chunks=(4, 4), compressors=None, fill_value=-1, config={},
            serializer=ShardingCodec(chunk_shape=(2, 2), codecs=[BytesCodec(), ZstdCodec()], index_location=location),
        )
    values = values_of("float64", (7, 11))
    values[:3, :4] = 8.5
    write(store, root, "missing_chunks", values, chunks=(3, 4), fill_value=8.5, config={})
    for name, dtype, fill in (
        ("nan", "float32", np.nan), ("half", "float16", np.inf), ("hours", "<M8[h]", np.datetime64(3, "h")),
        ("bytes", "|S2", b"zz"), ("texts", "<U2", "zz"), ("truth", "bool", True),
    ):
        values = values_of(dtype, (6,))
        values[2:4] = fill
        write(store, root, f"missing_{name}", values, chunks=(2,), fill_value=fill)
        remove_chunk(store, f"missing_{name}", "c/1")
    write(store, root, "scalar", np.array(4.25))
    write(store, root, "unnamed", values_of("int8", (3, 2)), chunks=(2, 2), names=None)
    write_groups(store, root)
    cube = zarr_chunks.Chunks(folder / store, root)
    zarr_chunks.write_chunks(cube, values_of, generator, lambda name, values: expect(store, name, values))
    for name, values in zarr_gdeflate.VALUES.items():
        name, chunk = f"codec_gdeflate_{name}", zarr_gdeflate.chunk(name)
        cube.write(name, values, values.shape, zarr_gdeflate.CODECS, lambda _: chunk)
        expect(store, name, values)
    zarr.consolidate_metadata(folder / store, zarr_format=3)
    cube.finish()


def without_consolidated_metadata(store, copy):
    shutil.copytree(folder / store, folder / copy)
    (folder / copy / ".zmetadata").unlink(missing_ok=True)
    document = folder / copy / "zarr.json"
    if document.exists():
        content = json.loads(document.read_text()) | {"consolidated_metadata": None}
        document.write_text(json.dumps(content))
    manifest.extend([entry | {"store": copy} for entry in manifest if entry["store"] == store])


def single_array(store, zarr_format):
    values = values_of("float32", (3, 4))
    array = zarr.create_array(
        folder / store, shape=values.shape, chunks=(2, 3), dtype=values.dtype, zarr_format=zarr_format
    )
    array[...] = values
    expect(store, store.removesuffix(".zarr"), values)


version_2("v2.zarr")
version_3("v3.zarr")
without_consolidated_metadata("v2.zarr", "v2-separate.zarr")
without_consolidated_metadata("v3.zarr", "v3-separate.zarr")
single_array("v2-single.zarr", 2)
single_array("v3-single.zarr", 3)
(folder / "manifest.json").write_text(json.dumps(manifest))
