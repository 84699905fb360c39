"""Compares GeoTIFF files that Graticule made of real cubes with these cubes, as xarray reads them.

    python geotiff_real.py FOLDER

FOLDER/manifest.json lists the files: name, the cube, and the columns that were selected.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import xarray

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
wrong = []
count = 0

for entry in json.loads((folder / "manifest.json").read_text()):
    engine = "zarr" if entry["source"].endswith(".zarr") else "netcdf4"
    source = xarray.open_dataset(entry["source"], engine=engine)
    source = source[[name.strip() for name in entry["columns"].split(",") if name.strip() not in source.dims]]
    y = next(name for name in source.dims if name.startswith("lat"))
    x = next(name for name in source.dims if name.startswith("lon"))
    source = source.sortby(y, ascending=False)
    with rasterio.open(folder / entry["file"]) as file:
        bands = [(name, time) for name in source.data_vars for time in range(source.sizes["time"])]
        if file.count != len(bands):
            wrong.append(f"{entry['file']}: {file.count} bands, not {len(bands)}")
        for band, (name, time) in enumerate(bands, 1):
            count += 1
            expected = source[name].isel(time=time).transpose(y, x).values.astype("float64")
            stored = file.read(band, masked=True)
            found = stored.astype("float64") * file.scales[band - 1] + file.offsets[band - 1]
            found = found.filled(np.nan)
            # Half of the step of packed values, by their rounding.
            tolerance = file.scales[band - 1] * 0.501 if stored.dtype.kind == "i" else 0
            if not np.array_equal(np.isnan(found), np.isnan(expected)):
                wrong.append(f"{entry['file']} band {band}: other cells are missing")
            elif not np.nanmax(np.abs(found - expected), initial=0) <= tolerance:
                wrong.append(f"{entry['file']} band {band}: differs by {np.nanmax(np.abs(found - expected))}")
            when = np.datetime64(file.tags(band)["time"].rstrip("Z"), "s")
            if when != source.time.values[time].astype("datetime64[s]"):
                wrong.append(f"{entry['file']} band {band}: is of {when}")
            if file.units[band - 1] != source[name].attrs["units"]:
                wrong.append(f"{entry['file']} band {band}: in {file.units[band - 1]}")
        mapping = xarray.open_dataset(entry["source"], engine=engine).get("latitude_longitude")
        if mapping is None:
            is_fine = file.crs.to_epsg() == 4326
        else:
            # A sphere.
            is_fine = file.crs.is_geographic and file.crs.to_dict()["R"] == mapping.attrs["earth_radius"]
        if not is_fine:
            wrong.append(f"{entry['file']}: system {file.crs.to_wkt()}")
        rows, columns = np.arange(file.height), np.arange(file.width)
        lons, _ = rasterio.transform.xy(file.transform, np.zeros_like(columns), columns)
        _, lats = rasterio.transform.xy(file.transform, rows, np.zeros_like(rows))
        for found, name in [(lats, y), (lons, x)]:
            off = np.max(np.abs(found - source[name].values.astype("float64")))
            if off > 2e-5:
                wrong.append(f"{entry['file']}: {name} is off by {off}")

if wrong:
    print("\n".join(wrong[:40]))
    sys.exit(f"{len(wrong)} differences")
print(f"{count} bands are the same")
