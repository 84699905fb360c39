"""What a reader finds in a cube, in words that are the same for all of them. Arguments: `xarray`, `zarr2` or `xcube`,
and the cube. xarray is that of the tests, zarr2 is xarray over zarr-python 2, xcube its own data store."""

import hashlib
import json
import pathlib
import sys

import numpy as np
import xarray as xr

reader, cube = sys.argv[1], pathlib.Path(sys.argv[2])


def datasets():
    """The levels of a cube, from the finest to the coarsest."""
    if reader == "xcube":
        from xcube.core.store import new_data_store

        opened = new_data_store("file", root=str(cube.parent)).open_data(cube.name)
        if isinstance(opened, xr.Dataset):
            return [opened]
        return [opened.get_dataset(level) for level in range(opened.num_levels)]
    if reader == "zarr2":
        import zarr

        assert zarr.__version__.startswith("2."), zarr.__version__
    if cube.suffix == ".levels":
        levels = sorted(cube.glob("*.zarr"), key=lambda level: int(level.stem))
        return [xr.open_zarr(level) for level in levels]
    # Versions differ in what they make of lengths of time.
    return [xr.open_zarr(cube, decode_timedelta=False)]


def numbers(variable):
    """The values as one kind of number that does not depend on how a version of xarray holds times."""
    values = variable.values
    if values.dtype.kind == "M":
        return values.astype("M8[us]").astype("i8")
    if values.dtype.kind == "O":
        return np.array([str(value) for value in values.ravel()])
    if values.dtype.kind in "fiub":
        # A missing value is one, however its bits are; integers that can be missing are floats to some.
        return np.where(np.isnan(values), np.float64("nan"), values.astype("f8"))
    return values


def plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def in_words(attributes):
    return json.dumps({name: plain(value) for name, value in attributes.items()}, sort_keys=True)


for level, dataset in enumerate(datasets()):
    print("level", level, in_words(dataset.attrs))
    for name in sorted(dataset.variables):
        variable = dataset.variables[name]
        values = numbers(variable)
        digest = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()[:16]
        missing = int(np.isnan(values).sum()) if values.dtype.kind == "f" else 0
        coordinate = name in dataset.coords
        print(name, variable.dims, variable.shape, "coordinate" if coordinate else "variable", missing, digest)
        print("   ", in_words(variable.attrs))
