"""What the judges of written cubes share: the values that a cube was told to hold, and when found ones are the same."""

import numpy as np


def values_of(folder, entry):
    """The values of an entry of the manifest: texts, or the name of a file of raw little-endian values."""
    if isinstance(entry["values"], list):
        return np.array(entry["values"], dtype=object).reshape(entry["shape"])
    dtype = {"Boolean": "bool"}.get(entry["type"], entry["type"].lower())
    return np.fromfile(folder / entry["values"], dtype=dtype).reshape(entry["shape"])


def is_same(found, expected):
    """Bit for bit, except that "not a number" is one value."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return False
    if expected.dtype == object:
        return [str(text) for text in found.ravel()] == list(expected.ravel())
    if found.dtype != expected.dtype:
        return False
    if expected.dtype.kind == "f":
        nan = np.isnan(expected)
        found, expected = found[~nan & ~np.isnan(found)], expected[~nan]
    return found.tobytes() == expected.tobytes()
