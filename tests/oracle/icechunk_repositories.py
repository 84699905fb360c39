"""Writes repositories with icechunk, zarr-python and xarray.

    python icechunk_repositories.py FOLDER

| repository | what is in it |
|---|---|
| history.icechunk | four commits, a branch, a tag: the value of a cell tells which commit wrote it |
| groups.icechunk | arrays of several types, groups, shards, inline chunks, stale consolidated metadata |
| empty.icechunk | nothing was ever committed |
| virtual.icechunk | a chunk that is a part of a file outside |
"""

import asyncio
import json
import os
import sys
import warnings
from pathlib import Path

import icechunk
import numpy as np
import xarray
import zarr
from zarr.core.buffer import default_buffer_prototype

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])


def repository(name, **options):
    storage = icechunk.local_filesystem_storage(str(folder / name))
    return icechunk.Repository.create(storage, **options)


def cube(times, commit):
    """Cells of `commit` × 1000 + time × 100 + lat × 10 + lon."""
    times = np.asarray(times)
    time, lat, lon = np.meshgrid(times, np.arange(3), np.arange(4), indexing="ij")
    values = (commit * 1000 + time * 100 + lat * 10 + lon).astype("float32")
    values[:, 2, 3] = np.nan
    sst = xarray.DataArray(
        values,
        dims=("time", "lat", "lon"),
        attrs={"units": "degC", "long_name": f"temperature of commit {commit}"},
    )
    return xarray.Dataset(
        {"sst": sst},
        coords={
            "time": ("time", times, {"units": "days since 2020-01-01", "axis": "T"}),
            "lat": ("lat", np.arange(3.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(4.0), {"units": "degrees_east"}),
        },
        attrs={"title": f"commit {commit}"},
    )


def commit(repository, branch, message, change):
    session = repository.writable_session(branch)
    change(session)
    return session.commit(message, metadata={"by": "oracle"})


def write(dataset, session, **options):
    dataset.to_zarr(session.store, consolidated=False, **options)


chunks = {"sst": {"chunks": (1, 2, 4)}}
history = repository("history.icechunk")
first = commit(history, "main", "first", lambda s: write(cube([0, 1], 1), s, encoding=chunks))
history.create_tag("v1", snapshot_id=first)
history.create_branch("dev", snapshot_id=first)
commit(history, "main", "two more days", lambda s: write(cube([2, 3], 2), s, append_dim="time"))


def overwrite(session):
    sst = zarr.open_group(session.store, mode="a")["sst"]
    sst[0, 0, 0] = 3000


commit(history, "main", "one cell", overwrite)
commit(history, "dev", "all anew", lambda s: write(cube([0, 1, 2], 4), s, mode="w", encoding=chunks))


def groups(session):
    root = zarr.create_group(session.store, attributes={"title": "groups"})
    x = root.create_array("x", shape=(3,), dtype="int32", dimension_names=("x",))
    x[:] = [10, 20, 30]
    text = root.create_array("text", shape=(3,), dtype="str", dimension_names=("x",))
    text[:] = np.array(["a", "äö", ""], dtype="object")
    crs = root.create_array("crs", shape=(), dtype="int32", dimension_names=())
    crs[...] = 7
    inner = root.create_group("inner", attributes={"title": "inner"})
    y = inner.create_array("y", shape=(300,), dtype="int16", dimension_names=("y",))
    y[:] = np.arange(300)
    sharded = inner.create_array(
        "sharded",
        shape=(300,),
        chunks=(50,),
        shards=(150,),
        dtype="float64",
        dimension_names=("y",),
    )
    sharded[:] = np.arange(300) / 2


def add_array(session):
    root = zarr.open_group(session.store, mode="a")
    late = root.create_array("late", shape=(3,), dtype="int8", dimension_names=("x",))
    late[:] = [1, 2, 3]


several = repository("groups.icechunk")


async def consolidate(store):
    """Puts the metadata of one array into those of the root, as writers do that do not know Icechunk."""
    prototype = default_buffer_prototype()

    async def document(key):
        return json.loads((await store.get(key, prototype)).to_bytes())

    root = await document("zarr.json")
    root["consolidated_metadata"] = {
        "kind": "inline",
        "must_understand": False,
        "metadata": {"x": await document("x/zarr.json")},
    }
    await store.set("zarr.json", prototype.buffer.from_bytes(json.dumps(root).encode()))


def consolidated(session):
    groups(session)
    asyncio.run(consolidate(session.store))


commit(several, "main", "groups", consolidated)
commit(several, "main", "late", add_array)

repository("empty.icechunk")

# A folder that stays where it is: this one is moved when all is done.
samples = Path(os.environ["GRATICULE_SAMPLES"])
outside = samples / "A1B_north_america.nc"
url = f"file://{samples}/"
config = icechunk.RepositoryConfig.default()
config.set_virtual_chunk_container(
    icechunk.VirtualChunkContainer(url, icechunk.local_filesystem_store(str(samples)))
)
virtual = repository(
    "virtual.icechunk",
    config=config,
    authorize_virtual_chunk_access={url: None},
)


def refer(session):
    root = zarr.create_group(session.store)
    root.create_array("v", shape=(4,), chunks=(4,), dtype="int32", compressors=None, dimension_names=("x",))
    session.store.set_virtual_ref("v/c/0", f"file://{outside}", offset=0, length=16)


commit(virtual, "main", "virtual", refer)
read = zarr.open_array(virtual.readonly_session("main").store, path="v", mode="r")[:]
assert read.tobytes() == outside.read_bytes()[:16], read
