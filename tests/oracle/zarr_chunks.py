"""Chunks of codecs that zarr-python cannot write, put into a cube that it has written.

`Chunks` replaces the chunks of an array, and its codecs in the metadata, once these are consolidated.
The functions encode one chunk: with NumPy, by the words of the specification, or with zfpy.
"""

import itertools
import json
import zlib

import numcodecs
import numpy as np
import zfpy


class Chunks:
    """Arrays of the Zarr v3 cube in `folder` whose chunks and codecs are still to be replaced."""

    def __init__(self, folder, root):
        self.folder, self.root, self.changes = folder, root, {}

    def write(self, name, values, chunks, codecs, encode, dtype=None, change=lambda metadata: {}, absent=()):
        """Chunks that reach beyond the array are filled up with zeros, or empty texts, or cells that are
        missing. `change` gives what else to replace in the metadata; chunks in `absent` are not written."""
        array = self.root.create_array(
            name, shape=values.shape, chunks=chunks, dtype=dtype or values.dtype, compressors=None,
            dimension_names=[f"axis_{axis}" for axis in range(values.ndim)],
        )
        for index in itertools.product(*[range(-(-size // chunk)) for size, chunk in zip(values.shape, chunks)]):
            part = values[tuple(slice(at * size, (at + 1) * size) for at, size in zip(index, chunks))]
            if index in absent:
                continue
            if isinstance(values, np.ma.MaskedArray):
                whole = np.ma.masked_all(chunks, values.dtype)
            else:
                whole = np.full(chunks, "" if values.dtype == object else 0, values.dtype)
            whole[tuple(slice(size) for size in part.shape)] = part
            path = self.folder / name / "c" / "/".join(map(str, index))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(whole))
        written = json.loads((self.folder / name / "zarr.json").read_text())
        self.changes[array.path] = {"codecs": codecs} | change(written)

    def finish(self):
        """Names the codecs and types in the metadata, which zarr-python does not read from now on."""
        path = self.folder / "zarr.json"
        group = json.loads(path.read_text())
        for name, changes in self.changes.items():
            group["consolidated_metadata"]["metadata"][name] |= changes
            own = self.folder / name / "zarr.json"
            own.write_text(json.dumps(json.loads(own.read_text()) | changes))
        path.write_text(json.dumps(group))


def bits_of(values, first_bit, last_bit):
    """One row of bits per cell, the lowest first."""
    if values.dtype == bool:
        return values.reshape(-1, 1).astype("u1")
    cells = np.ascontiguousarray(values).reshape(-1, 1).view("u1")
    return np.unpackbits(cells, axis=1, bitorder="little")[:, first_bit : last_bit + 1]


def packed(values, first_bit, last_bit, padding):
    """A chunk of the codec `packbits` of Zarr v3."""
    bits = bits_of(values, first_bit, last_bit)
    unused = bytes([-bits.size % 8])
    start, end = unused * (padding == "first_byte"), unused * (padding == "last_byte")
    return start + np.packbits(bits, bitorder="little").tobytes() + end


def unpacked(values, first_bit, last_bit):
    """What is left of `values` after packing: lower bits are lost, higher ones repeat the sign."""
    if values.dtype == bool:
        return values
    bits = np.zeros((values.size, values.dtype.itemsize * 8), "u1")
    bits[:, first_bit : last_bit + 1] = bits_of(values, first_bit, last_bit)
    if values.dtype.kind == "i":
        bits[:, last_bit + 1 :] = bits[:, last_bit : last_bit + 1]
    return np.packbits(bits, axis=1, bitorder="little").view(values.dtype).reshape(values.shape)


def promoted(values):
    """The numbers of 32 or 64 bits that ZFP packs, as its utility functions make them."""
    bits = values.dtype.itemsize * 8
    if values.dtype.kind == "f" or values.dtype.kind == "i" and bits >= 32:
        return values
    if bits >= 32:
        return np.minimum(values, np.iinfo(f"i{bits // 8}").max).astype(f"i{bits // 8}")
    wide = values.astype("i4") - (1 << (bits - 1) if values.dtype.kind == "u" else 0)
    return wide << (31 - bits)


def demoted(numbers, dtype):
    """The way back from `promoted`."""
    bits = dtype.itemsize * 8
    if dtype.kind == "f" or dtype.kind == "i" and bits >= 32:
        return numbers
    if bits >= 32:
        return np.maximum(numbers, 0).astype(dtype)
    wide = (numbers >> (31 - bits)) + (1 << (bits - 1) if dtype.kind == "u" else 0)
    return np.clip(wide, np.iinfo(dtype).min, np.iinfo(dtype).max).astype(dtype)


def zfp(values, header=False, **mode):
    """A chunk of the codec `zfp`, or with a header of `zfpy`."""
    return zfpy.compress_numpy(np.ascontiguousarray(promoted(values)), write_header=header, **mode)


def after_zfp(values, chunks, **mode):
    """What is left of `values`, chunk by chunk."""
    left = np.empty_like(values)
    for index in itertools.product(*[range(0, size, chunk) for size, chunk in zip(values.shape, chunks)]):
        place = tuple(slice(at, at + size) for at, size in zip(index, chunks))
        whole = np.zeros(chunks, values.dtype)
        inside = tuple(slice(size) for size in values[place].shape)
        whole[inside] = values[place]
        left[place] = demoted(zfpy.decompress_numpy(zfp(whole, header=True, **mode)), values.dtype)[inside]
    return left


def texts_apart(texts, index_type, location):
    """A chunk of the codec `zarrs.vlen`: where texts begin and end, and all texts in one."""
    encoded = [text.encode() for text in texts.ravel()]
    ends = np.cumsum([0, *map(len, encoded)]).astype(index_type).tobytes()
    length, data = len(ends).to_bytes(8, "little"), zlib_of(b"".join(encoded)) if any(encoded) else b""
    return length + ends + data if location == "start" else data + ends + length


def zlib_of(data):
    return zlib.compress(data, 1)


def interleaved(texts):
    """A chunk of the codecs `vlen-utf8` and `zarrs.vlen_v2`."""
    return numcodecs.VLenUTF8().encode(texts)


def optional(cells, compress=bytes):
    """A chunk of the codec `zarrs.optional`: which cells have a value, and these values."""
    values = cells.compressed()
    mask = packed(~np.ma.getmaskarray(cells), 0, 0, "none")
    data = b"" if not values.size else interleaved(values) if values.dtype == object else values.tobytes()
    data = compress(data) if data else data
    return len(mask).to_bytes(8, "little") + len(data).to_bytes(8, "little") + mask + data


def shard(cells, inner, encode):
    """A chunk of the codec `sharding_indexed`, whose index stands at the end, without a checksum."""
    places, body = [], b""
    for index in itertools.product(*[range(0, size, step) for size, step in zip(cells.shape, inner)]):
        chunk = encode(cells[tuple(slice(at, at + step) for at, step in zip(index, inner))])
        places += [len(body), len(chunk)]
        body += chunk
    return body + np.array(places, "<u8").tobytes()


def write_optional(write, values_of, generator):
    """Cells that may be missing, also whole chunks of them, with either kind of fill value."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    gzip = {"name": "gzip", "configuration": {"level": 1}}
    maybe = lambda *data: {
        "name": "zarrs.optional", "configuration": {"mask_codecs": [{"name": "packbits"}], "data_codecs": list(data)},
    }

    def typed(metadata, fill):
        inner = metadata["data_type"]
        inner = {"name": inner, "configuration": {}} if isinstance(inner, str) else inner
        return {"data_type": {"name": "zarrs.optional", "configuration": inner}, "fill_value": fill}

    def some(dtype, shape):
        cells = np.ma.array(values_of(dtype, shape), mask=generator.integers(0, 3, shape) == 0)
        cells[:2, :4] = np.ma.masked
        return cells

    dtypes = {
        "int16": [-7], "uint64": [2**64 - 1], "float16": ["0x3c00"], "float32": ["NaN"], "float64": [0.1], "bool": [True],
        "<M8[h]": [3], "<U7": ["zz"], "O": ["zz"],
    }
    fills = {"float16": np.float16(1), "float32": np.nan, "<M8[h]": np.datetime64(3, "h")}
    for dtype, fill in dtypes.items():
        last = "vlen-utf8" if dtype == "O" else little
        for value in (None, fill):
            cells = some(dtype, (5, 6))
            cells[2:4, 4:] = np.ma.masked if value is None else fills.get(dtype, value[0])
            write(
                "optional", cells, (2, 4), [maybe(last)], optional, dtype=str if dtype == "O" else None,
                change=lambda metadata: typed(metadata, value), absent=[(1, 1)],
            )
    cells = some("int32", (7, 8))
    fill = lambda metadata: typed(metadata, None)
    compressed = [maybe(little, gzip), {"name": "numcodecs.zlib", "configuration": {"level": 1}}]
    write(
        "optional", cells, (3, 4), compressed,
        lambda chunk: zlib_of(optional(chunk, numcodecs.GZip(1).encode)), change=fill,
    )
    sharded = {"chunk_shape": [2, 4], "codecs": [maybe(little)], "index_codecs": [little], "index_location": "end"}
    write(
        "optional", cells, (4, 8), [{"name": "sharding_indexed", "configuration": sharded}],
        lambda chunk: shard(chunk, (2, 4), optional), change=fill,
    )


def write_lists(folder, generator, expect):
    """Lists of numbers in the Zarr v2 cube in `folder`, whose metadata are consolidated: zarr-python 3 writes no
    arrays of this filter. The metadata are those that zarr-python 2 writes."""
    consolidated = json.loads((folder / ".zmetadata").read_text())
    cases = itertools.product(("<i4", ">i2", "<f8", "|u1"), ("C", "F"), (None, numcodecs.Zlib(1)))
    for number, (dtype, order, compressor) in enumerate(cases):
        name, filter = f"codec_lists_{number}", numcodecs.VLenArray(dtype)
        lists = np.empty((5, 6), object)
        for cell in np.ndindex(lists.shape):
            lists[cell] = generator.integers(0, 100, generator.integers(0, 5)).astype(dtype)
        lists[2:4, 4:] = None
        metadata = {
            "chunks": [2, 4], "compressor": compressor and compressor.get_config(), "dtype": "|O", "fill_value": 0,
            "filters": [filter.get_config()], "order": order, "shape": [5, 6], "zarr_format": 2,
        }
        attributes = {"_ARRAY_DIMENSIONS": ["axis_0", "axis_1"]}
        (folder / name).mkdir()
        for file, content in ((".zarray", metadata), (".zattrs", attributes)):
            (folder / name / file).write_text(json.dumps(content))
            consolidated["metadata"][f"{name}/{file}"] = content
        for row, column in itertools.product(range(3), range(2)):
            if (row, column) == (1, 1):
                continue
            part = lists[2 * row :, 4 * column :][:2, :4]
            whole = np.full((2, 4), None)
            whole[: part.shape[0], : part.shape[1]] = part
            chunk = filter.encode(np.asarray(whole, order=order))
            chunk = compressor.encode(chunk) if compressor else chunk
            (folder / name / f"{row}.{column}").write_bytes(bytes(chunk))
        expect(name, lists, dtype)
    (folder / ".zmetadata").write_text(json.dumps(consolidated))


def write_chunks(cube, values_of, generator, expect):
    """All arrays of these codecs. Names begin with `codec`, so that the tests with faults find them."""
    number = itertools.count()

    def write(kind, values, chunks, codecs, encode, left=None, **options):
        name = f"codec_{kind}_{next(number)}"
        cube.write(name, values, chunks, codecs, encode, **options)
        expect(name, values if left is None else left)

    little = {"name": "bytes", "configuration": {"endian": "little"}}
    ranges = {
        "bool": [(0, 0)], "int8": [(0, 7), (2, 5)], "uint8": [(0, 4)], "int16": [(0, 9), (3, 13), (15, 15)],
        "uint16": [(0, 11), (4, 15)], "int32": [(0, 19), (5, 28)], "uint32": [(1, 30)],
        "int64": [(0, 35), (7, 63)], "uint64": [(0, 62)], "float32": [(0, 31), (12, 31)], "float64": [(29, 63)],
    }
    for dtype, padding in itertools.product(ranges, ("none", "first_byte", "last_byte")):
        for first, last in ranges[dtype]:
            values = values_of(dtype, (7, 11))
            settings = {"padding_encoding": padding, "first_bit": first, "last_bit": last}
            if padding == "none":
                settings = {key: value for key, value in settings.items() if value != padding}
            write(
                "packbits", values, (3, 5), [{"name": "packbits", "configuration": settings}],
                lambda chunk: packed(chunk, first, last, padding), unpacked(values, first, last),
            )
    values = values_of("bool", (7, 11))
    packed_booleans = {"name": "numcodecs.packbits", "configuration": {}}
    write("packbits", values, (3, 5), [packed_booleans, little], lambda chunk: numcodecs.PackBits().encode(chunk).tobytes())
    compressed = [{"name": "packbits"}, {"name": "gzip", "configuration": {"level": 1}}, {"name": "crc32c"}]
    write(
        "packbits", values, (3, 5), compressed,
        lambda chunk: numcodecs.CRC32C(location="end").encode(numcodecs.GZip(1).encode(packed(chunk, 0, 0, "none"))).tobytes(),
    )

    shapes = [((29,), (13,)), ((7, 11), (3, 8)), ((5, 6, 9), (5, 4, 6)), ((3, 4, 5, 6), (2, 4, 5, 5)), ((), ())]
    modes = [
        ({"mode": "reversible"}, {}),
        ({"mode": "fixed_rate", "rate": 10.5}, {"rate": 10.5}),
        ({"mode": "fixed_precision", "precision": 17}, {"precision": 17}),
        ({"mode": "expert", "minbits": 1, "maxbits": 16658, "maxprec": 17, "minexp": -1074}, {"precision": 17}),
        ({"mode": "fixed_accuracy", "tolerance": 0.05}, {"tolerance": 0.05}),
    ]
    dtypes = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
    for dtype, (shape, chunks), (configuration, mode) in itertools.product(dtypes, shapes, modes):
        is_lossy = configuration["mode"] != "reversible"
        is_float = dtype.startswith("float")
        if "tolerance" in mode and not is_float or not is_float and len(shape) % 2 == 0:
            continue
        values = values_of(dtype, shape)
        if is_float and is_lossy:
            values = np.cumsum(generator.normal(size=values.size)).reshape(shape).astype(dtype)
        # A chunk without dimensions is one of a single cell.
        encode = lambda chunk: zfp(chunk.reshape(chunk.shape or (1,)), **mode)
        left = after_zfp(values.reshape(shape or (1,)), chunks or (1,), **mode).reshape(shape)
        write("zfp", values, chunks, [{"name": "zfp", "configuration": configuration}], encode, left)
    values = values_of("float64", (7, 11))
    for name, header in (("zfp", False), ("numcodecs.zfpy", True)):
        configuration = {"mode": "reversible"} if name == "zfp" else {"mode": 5, "rate": -1, "precision": -1}
        chain = [{"name": "transpose", "configuration": {"order": [1, 0]}}, {"name": name, "configuration": configuration}]
        chain.append({"name": "numcodecs.zlib", "configuration": {"level": 1}})
        write("zfp", values, (3, 8), chain, lambda chunk: zlib_of(zfp(chunk.T, header=header)))

    order = {"name": "transpose", "configuration": {"order": [1, 0]}}
    values = values_of("int16", (6, 8))
    shapes = {"shape": [2, [1]]}, {"shape": [-1, 4]}, {"shape": [[0], 4]}
    for configuration, shape in zip(shapes, ((2, 4), (2, 4), (2, 4))):
        reshape = {"name": "reshape", "configuration": configuration}
        write("reshape", values, (2, 4), [reshape, order, little], lambda chunk: chunk.reshape(shape).T.tobytes())
    reshape = {"name": "reshape", "configuration": {"shape": [6, -1]}}
    write("reshape", values, (3, 8), [reshape, order, little], lambda chunk: chunk.reshape(6, 4).T.tobytes())
    squeeze = {"name": "zarrs.squeeze"}
    values = values_of("float32", (2, 4, 2, 6))
    write("squeeze", values, (1, 2, 1, 3), [squeeze, order, little], lambda chunk: chunk.reshape(2, 3).T.tobytes())
    write("bitround", values_of("float32", (6,)), (4,), [{"name": "bitround", "configuration": {"keepbits": 10}}, little], bytes)

    texts = values_of("O", (5, 6))
    write("vlen", texts, (2, 4), [{"name": "zarrs.vlen_v2"}], interleaved, dtype=str)
    for index_type, location in itertools.product(("uint32", "uint64"), ("start", "end")):
        configuration = {
            "data_codecs": ["bytes", {"name": "numcodecs.zlib", "configuration": {"level": 1}}],
            "index_codecs": [little], "index_data_type": index_type, "index_location": location,
        }
        write(
            "vlen", texts, (2, 4), [{"name": "zarrs.vlen", "configuration": configuration}],
            lambda chunk: texts_apart(chunk, index_type, location), dtype=str,
        )
    write_optional(write, values_of, generator)
