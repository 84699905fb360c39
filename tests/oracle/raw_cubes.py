"""Writes cubes exactly as told: stored numbers and attributes, nothing encoded, in four formats."""

import base64
import struct
import warnings
from dataclasses import dataclass, field

import netCDF4
import numpy as np
import zarr

FORMATS = {"zarr2": ".zarr", "zarr3": ".zarr", "nc3": ".nc", "nc4": ".nc"}


@dataclass
class Stored:
    """An array as it is stored. `fill` is Zarr's fill value; chunks in `absent` are not written."""

    dims: tuple
    values: np.ndarray
    attributes: dict = field(default_factory=dict)
    chunks: tuple = None
    fill: object = None
    absent: tuple = ()


def write(path, kind, variables, attributes):
    writer = write_zarr if kind.startswith("zarr") else write_netcdf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer(path, kind, variables, attributes)


def write_netcdf(path, kind, variables, attributes):
    model = {"nc3": "NETCDF3_CLASSIC", "nc4": "NETCDF4"}[kind]
    with netCDF4.Dataset(path, "w", format=model) as nc:
        nc.set_auto_maskandscale(False)
        nc.setncatts(attributes)
        for stored in variables.values():
            for name, length in zip(stored.dims, stored.values.shape):
                if name not in nc.dimensions:
                    nc.createDimension(name, length)
        for name, stored in variables.items():
            values = stored.values
            dtype = str if values.dtype.kind in "OU" else values.dtype
            attrs = dict(stored.attributes)
            variable = nc.createVariable(
                name, dtype, stored.dims, chunksizes=stored.chunks if kind == "nc4" else None,
                fill_value=attrs.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.set_auto_chartostring(False)
            variable.setncatts(attrs)
            variable[...] = values.astype(object) if dtype is str else values


def write_zarr(path, kind, variables, attributes):
    version = int(kind[-1])
    root = zarr.open_group(path, mode="w", zarr_format=version, attributes=attributes)
    for name, stored in variables.items():
        values = stored.values
        dtype = values.dtype
        attrs = {key: plain(value) for key, value in stored.attributes.items()}
        options = {}
        fill = stored.fill
        if version == 2:
            attrs["_ARRAY_DIMENSIONS"] = list(stored.dims)
            fill = attrs.pop("_FillValue", fill)
        else:
            options["dimension_names"] = stored.dims
            if "_FillValue" in attrs and dtype.kind == "f":
                packed = struct.pack("<d", float(attrs["_FillValue"]))
                attrs["_FillValue"] = base64.standard_b64encode(packed).decode()
            if fill is None:
                fill = np.zeros((), dtype)[()] if dtype.kind not in "OU" else ""
        array = root.create_array(
            name, shape=values.shape, dtype=str if dtype.kind == "O" else dtype, fill_value=fill,
            chunks=stored.chunks or tuple(max(1, n) for n in values.shape), attributes=attrs,
            config={"write_empty_chunks": True}, **options)
        if not values.shape:
            array[...] = values
            continue
        for index in np.ndindex(*(-(-n // c) for n, c in zip(values.shape, array.chunks))):
            if index not in stored.absent:
                region = tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, array.chunks))
                array[region] = values[region]
    zarr.consolidate_metadata(path, zarr_format=version)


def plain(value):
    """An attribute as Zarr's JSON has it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
