"""Two small cubes of cells that zarr-python cannot write: cells that may be missing (Zarr v3, the codec
`zarrs.optional`, as its documentation says), and lists of numbers (Zarr v2, the filter `vlen-array`)."""

import json
import sys
from pathlib import Path

import numcodecs
import numpy as np
import zarr
import zarr_chunks

output = Path(sys.argv[1])
little = {"name": "bytes", "configuration": {"endian": "little"}}
N = np.ma.masked


def maybe(codec):
    masked = {"mask_codecs": [{"name": "packbits"}], "data_codecs": [codec]}
    return [{"name": "zarrs.optional", "configuration": masked}]


def masked(rows, dtype):
    cells = np.ma.masked_all((len(rows), len(rows[0])), dtype)
    for place in np.ndindex(cells.shape):
        if rows[place[0]][place[1]] is not N:
            cells[place] = rows[place[0]][place[1]]
    return cells


def optional():
    """Chunks of 2 x 2 cells. One of `packed` is not stored, and so is one of `filled`, whose fill value is 40."""
    folder = output / "optional.zarr"
    root = zarr.create_group(folder, zarr_format=3)
    for name, values in (("y", np.array([10.0, 20.0, 30.0])), ("x", np.array([1, 2, 3, 4], "i2"))):
        root.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=[name])[...] = values
    cube = zarr_chunks.Chunks(folder, root)
    packed = masked([[1, N, 3, N], [-999, 6, N, N], [9, N, 11, 12]], "i2")
    arrays = {
        "packed": (packed, little, None, {"scale_factor": 0.5, "add_offset": 100.0, "_FillValue": -999}, (0, 1)),
        "filled": (masked([[1, N, 40, 40], [N, 6, 40, 40], [40, N, 3, 4]], "i4"), little, [40], {}, (0, 1)),
        "single": (masked([[0.5, N, np.nan, 2], [N] * 4, [-0.0, 1, N, np.inf]], "f4"), little, ["NaN"], {}, None),
        "day": (masked([[0, 1, N, 3], [4, N, 6, 7], [8, 9, 10, N]], "i4"), little, None, {"units": "days since 2001-01-01"}, None),
        "truth": (masked([[True, N, False, N], [True] * 4, [N] * 4], "?"), little, None, {}, None),
        "name": (masked([["a", N, "", "Öl"], [N, "b", N, "c"], ["d", "e", "f", N]], object), "vlen-utf8", None, {}, None),
    }
    for name, (cells, codec, fill, attributes, absent) in arrays.items():
        def change(metadata, fill=fill, attributes=attributes):
            inner = {"name": metadata["data_type"], "configuration": {}}
            return {
                "data_type": {"name": "zarrs.optional", "configuration": inner}, "fill_value": fill,
                "attributes": attributes, "dimension_names": ["y", "x"],
            }

        if name == "packed":
            cells[:2, 2:] = N
        cube.write(
            name, cells, (2, 2), maybe(codec), zarr_chunks.optional, dtype=str if name == "name" else None,
            change=change, absent=[absent],
        )
    zarr.consolidate_metadata(folder, zarr_format=3)
    cube.finish()


def lists():
    """Chunks of 2 cells. The last one is not stored."""
    folder = output / "lists.zarr"
    root = zarr.create_group(folder, zarr_format=2)
    for name, values in (("x", np.arange(6, dtype="i4")), ("v", np.array([5, 4, 3, 2, 1, 0], "f4"))):
        root.create_array(
            name, shape=values.shape, chunks=(2,), dtype=values.dtype, fill_value=None, attributes={"_ARRAY_DIMENSIONS": ["x"]}
        )[...] = values
    filter = numcodecs.VLenArray("<i4")
    (folder / "l").mkdir()
    metadata = {
        "chunks": [2], "compressor": None, "dtype": "|O", "fill_value": 0, "filters": [filter.get_config()],
        "order": "C", "shape": [6], "zarr_format": 2,
    }
    (folder / "l" / ".zarray").write_text(json.dumps(metadata))
    (folder / "l" / ".zattrs").write_text(json.dumps({"_ARRAY_DIMENSIONS": ["x"], "long_name": "levels"}))
    for chunk, pair in enumerate([([1, 2, 3], []), ([4], [5, -6])]):
        cells = np.empty(2, object)
        cells[:] = [np.array(cell, "<i4") for cell in pair]
        (folder / "l" / str(chunk)).write_bytes(bytes(filter.encode(cells)))


optional()
lists()
