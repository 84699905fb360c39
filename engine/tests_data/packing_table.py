"""Writes packing_table.csv: numbers as xarray packs them.

Run it with the test environment's Python to make the table again:
    python packing_table.py > packing_table.csv
"""

import numpy as np
import xarray as xr
from xarray.conventions import encode_cf_variable

DTYPES = ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"]
SCALINGS = [(None, None), (0.01, None), (0.1, 5.0), (None, -100.0), (-0.25, 7.5), (3.0, 0.0)]
STORED = [-128, -127, -2, -1, 0, 1, 2, 3, 99, 126, 127, 200, 254]


def values(scale, offset):
    """Values on stored numbers, between them, and right in the middle of two."""
    stored = np.array([s + f for s in STORED for f in (-0.5, -0.25, 0.0, 0.25, 0.5)])
    return stored * (scale or 1.0) + (offset or 0.0)


def main():
    print("dtype,scale_factor,add_offset,value,stored")
    for dtype in DTYPES:
        limits = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
        for scale, offset in SCALINGS:
            encoding = {"dtype": dtype}
            if scale is not None:
                encoding["scale_factor"] = scale
            if offset is not None:
                encoding["add_offset"] = offset
            data = values(scale, offset)
            packed = (data - (offset or 0.0)) / (scale or 1.0)
            if limits is not None:
                fits = (np.around(packed) >= limits.min) & (np.around(packed) <= limits.max)
                data = data[fits]
            variable = xr.Variable(("x",), data, encoding=encoding)
            stored = encode_cf_variable(variable).values
            assert stored.dtype == dtype, (stored.dtype, dtype)
            for value, number in zip(data, stored):
                blank = ["" if n is None else repr(n) for n in (scale, offset)]
                print(f"{dtype},{blank[0]},{blank[1]},{float(value)!r},{number.item()!r}")


main()
