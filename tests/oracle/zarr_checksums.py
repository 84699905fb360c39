"""Writes a checksum of every array of the large real cubes, read with zarr-python as stored.

    python zarr_checksums.py FOLDER

FOLDER/checksums.json: per cube (path below GRATICULE_TEST_DATA) and array the shape and the sum of
(position + 1) × bits over all cells, modulo 2^64; the bits are those of the stored number.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import zarr

data = Path(os.environ["GRATICULE_TEST_DATA"])
cubes = ["olci-sns/cube-1-250-250.zarr", "olci-sns/cube-5-100-200.zarr"]
cubes += [f"olci-sns/cube-1-250-250.levels/{level}.zarr" for level in range(3)]


def checksum(values):
    bits = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}").ravel().astype("u8")
    return int(np.sum(bits * np.arange(1, bits.size + 1, dtype="u8"), dtype="u8"))


checksums = {}
for cube in cubes:
    group = zarr.open_group(data / cube, mode="r")
    checksums[cube] = {
        name: {"shape": list(array.shape), "checksum": checksum(array[...])} for name, array in group.arrays()
    }
(Path(sys.argv[1]) / "checksums.json").write_text(json.dumps(checksums))
