"""Compares repositories that Graticule wrote with what it was told to write, cell by cell.

    python icechunk_written.py FOLDER

FOLDER/manifest.json lists the arrays: cube, version (a branch or a tag), name, shape, dimensions, chunks,
Arrow type, and the values: texts, or the name of a file of raw little-endian values. icechunk opens the
repository, zarr-python reads the arrays, xarray the attributes.
"""

import json
import os
import sys
import warnings
from pathlib import Path

import icechunk
import numpy as np
import xarray
import zarr

from written_values import is_same, values_of

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
manifest = json.loads((folder / "manifest.json").read_text())
wrong = []


def store_of(cube, version):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder / cube)))
    if version in repository.list_tags():
        return repository.readonly_session(tag=version).store
    return repository.readonly_session(branch=version).store


versions = sorted({(entry["cube"], entry["version"]) for entry in manifest})
for cube, version in versions:
    entries = [e for e in manifest if (e["cube"], e["version"]) == (cube, version)]
    store = store_of(cube, version)
    group = zarr.open_group(store, mode="r")
    attributes = {"title": "random", "numbers": [1, 2.5], "nested": {"a": None}}
    if dict(group.attrs) != attributes:
        wrong.append(f"{cube}: attributes are {dict(group.attrs)}")
    if sorted(group.array_keys()) != sorted(entry["array"] for entry in entries):
        wrong.append(f"{cube}: arrays are {sorted(group.array_keys())}")
    raw = xarray.open_dataset(store, engine="zarr", consolidated=False, decode_cf=False)
    for entry in entries:
        name, expected, array = entry["array"], values_of(folder, entry), group[entry["array"]]

        def complain(what):
            wrong.append(f"{cube} {version} {name}: {what}")

        if not is_same(array[...], expected):
            complain(f"{array[...]!r} is not {expected!r}")
        if list(array.chunks) != entry["chunks"]:
            complain(f"chunks {array.chunks}")
        if entry["shards"] != (None if array.shards is None else list(array.shards)):
            complain(f"shards {array.shards}")
        if list(raw[name].dims) != entry["dimensions"]:
            complain(f"dimensions {raw[name].dims}")
        if raw[name].attrs.get("long_name") != entry["long_name"]:
            complain(f"attributes {raw[name].attrs}")

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{len(manifest)} arrays are the same", flush=True)
# The library's threads may crash while the interpreter shuts down.
os._exit(0)
