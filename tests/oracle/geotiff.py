"""What GDAL reads, through rasterio, for the reader of GeoTIFF to be compared with cell by cell.

Writes into the folder given as the argument:
- generated/*.tif: a file per type, compression, predictor, layout and feature;
- expected.json: for every file its images by the paths of groups: names and coordinates of dimensions, and for every
  band its name, its type, and files of its values and of the cells that are there; for some files attributes, and
  points in their coordinate reference system with their longitudes and latitudes;
- raw/N.bin: values of one band, little-endian, in C order; a byte per cell that is 0 where it is missing.
"""

import itertools
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.warp import transform as transform_points
from rasterio.windows import Window

warnings.filterwarnings("ignore")
out = Path(sys.argv[1])
data = os.environ.get("GRATICULE_TEST_DATA")
generated = out / "generated"
for folder in (generated, out / "raw"):
    folder.mkdir()
random = np.random.default_rng(11)
expected = {}
HEIGHT, WIDTH = 53, 71
PLACE = dict(transform=from_origin(400000.0, 5300000.0, 10.0, 20.0), crs="EPSG:32633")
TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def values(dtype, count=2, height=HEIGHT, width=WIDTH):
    """Smooth values, so that predictors have something to do, with noise and extremes."""
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([50 + 40 * np.sin((rows + 3 * band) / 9) + columns / 4 for band in range(count)])
    found = (smooth + random.normal(0, 2, smooth.shape)).astype(dtype)
    limits = np.finfo(dtype) if np.dtype(dtype).kind == "f" else np.iinfo(dtype)
    found[:, 3, 4], found[:, 5, 6] = limits.min, limits.max
    return found


def write(name, stored, **profile):
    path = generated / f"{name}.tif"
    count, height, width = stored.shape
    profile = PLACE | dict(driver="GTiff", count=count, height=height, width=width, dtype=stored.dtype.name) | profile
    with rasterio.open(path, "w", **profile) as file:
        file.write(stored)
    return path


# ---------------------------------------------------------------------------------------------
# Layouts

TILES = dict(tiled=True, blockxsize=32, blockysize=16)
for number, (dtype, compress, predictor, layout, interleave) in enumerate(
    itertools.product(
        TYPES, ["none", "lzw", "deflate", "zstd", "packbits"], [1, 2, 3], ["tiles", "strips"], ["pixel", "band"]
    )
):
    is_float = dtype.startswith("float")
    if predictor > 1 and (compress in ("none", "packbits") or (predictor == 3 and not is_float)):
        continue
    cut = TILES if layout == "tiles" else dict(tiled=False, blockysize=[1, 7, 64][number % 3])
    options = dict(ENDIANNESS=["LITTLE", "BIG"][number % 2], BIGTIFF=["NO", "YES"][number // 2 % 2])
    if compress != "none":
        options["compress"] = compress
    if predictor > 1:
        options["predictor"] = predictor
    write(
        f"layout_{dtype}_{compress}_{predictor}_{layout}_{interleave}",
        values(dtype),
        interleave=interleave,
        **cut,
        **options,
    )

# Large strips without compression, which are cut; small ones, which are put together.
write("strips_large", values("float32", 2, 1500, 900), blockysize=1500, interleave="band")
write("strips_large_together", values("uint16", 3, 1500, 900), blockysize=1500, ENDIANNESS="BIG")
write("strips_small", values("int16", 1, 1500, 900), blockysize=1, compress="lzw")
write("tiles_many", values("uint8", 1, 900, 1100), tiled=True, blockxsize=16, blockysize=16, compress="deflate")
for bits in (1, 2, 4):
    few = random.integers(0, 2**bits, (2, HEIGHT, WIDTH), dtype="uint8")
    for interleave in ("pixel", "band"):
        write(f"bits_{bits}_{interleave}", few, nbits=bits, interleave=interleave, compress="deflate")
half = values("float32").astype("float16").astype("float32")
half[:, 3, 4] = half[:, 5, 6] = 1.5
write("float16", half, nbits=16, compress="deflate", predictor=3, **TILES)
write("float16_big", half, nbits=16, ENDIANNESS="BIG")

# ---------------------------------------------------------------------------------------------
# Missing cells

for dtype, nodata in [("uint8", 7), ("int16", -32768), ("float32", -9999.0), ("float64", np.nan), ("uint64", 2**50)]:
    stored = values(dtype)
    stored[0, 10:20, 30:50] = nodata
    write(f"nodata_{dtype}", stored, nodata=nodata, compress="deflate", **TILES)
stored = values("float32")
stored[0, 10:20, 30:50] = np.nan
write("nodata_none_and_nan", stored, **TILES)
for layout, cut in [("tiles", TILES), ("strips", dict(tiled=False, blockysize=7))]:
    for nodata in (None, 9):
        path = generated / f"sparse_{layout}_{nodata}.tif"
        profile = PLACE | dict(count=2, height=HEIGHT, width=WIDTH, dtype="int16", nodata=nodata)
        with rasterio.open(path, "w", driver="GTiff", SPARSE_OK=True, **profile, **cut) as file:
            file.write(values("int16", 2, 16, 32), window=Window(32, 16, 32, 16))
    for dtype in ("uint8", "float32"):
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            path = write(f"mask_{layout}_{dtype}", values(dtype, 3), compress="deflate", **cut)
            mask = np.full((HEIGHT, WIDTH), 255, "uint8")
            mask[20:30, 5:40] = 0
            with rasterio.open(path, "r+") as file:
                file.write_mask(mask)

# ---------------------------------------------------------------------------------------------
# Overviews

path = write("overviews", values("uint16", 2, 300, 421), compress="lzw", predictor=2, nodata=0, **TILES)
with rasterio.open(path, "r+") as file:
    file.build_overviews([2, 4, 8], Resampling.average)
with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
    path = write("overviews_mask", values("uint8", 1, 300, 421), compress="deflate", **TILES)
    with rasterio.open(path, "r+") as file:
        mask = np.full((300, 421), 255, "uint8")
        mask[100:200, 50:300] = 0
        file.write_mask(mask)
        file.build_overviews([2, 4], Resampling.nearest)
for name, options in [
    ("deflate", dict(compress="deflate", predictor="yes")),
    ("zstd", dict(compress="zstd", bigtiff="yes")),
    ("lzw", dict(compress="lzw", interleave="band")),
]:
    write(f"cog_{name}", values("float32", 2, 700, 900), driver="COG", blocksize=128, nodata=-1, **options)

# ---------------------------------------------------------------------------------------------
# Places and systems

SYSTEMS = {
    "epsg_4326": "EPSG:4326",
    "epsg_4258": "EPSG:4258",
    "epsg_3035": "EPSG:3035",
    "epsg_3857": "EPSG:3857",
    "epsg_32733": "EPSG:32733",
    "epsg_3031": "EPSG:3031",
    "epsg_2263": "EPSG:2263",
    "utm": "+proj=utm +zone=13 +datum=WGS84 +units=m",
    "tmerc": "+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996 +x_0=400000 +y_0=-100000 +datum=WGS84 +units=m",
    "laea": "+proj=laea +lat_0=45 +lon_0=20 +x_0=100 +y_0=200 +datum=WGS84 +units=m",
    "aea": "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83 +units=m",
    "lcc_2": "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=40 +lon_0=-97 +x_0=5 +y_0=6 +datum=WGS84 +units=m",
    "lcc_1": "+proj=lcc +lat_1=25 +lat_0=25 +lon_0=-95 +k_0=0.999 +x_0=0 +y_0=0 +R=6371200 +units=m",
    "stere_north": "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=-45 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "stere_south": "+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=10 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "sterea": "+proj=sterea +lat_0=52 +lon_0=5 +k=0.9999 +x_0=155000 +y_0=463000 +datum=WGS84 +units=m",
    "merc": "+proj=merc +lon_0=10 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "merc_true_scale": "+proj=merc +lat_ts=20 +lon_0=10 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "sinu": "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m",
    "aeqd": "+proj=aeqd +lat_0=-20 +lon_0=30 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "eqc": "+proj=eqc +lat_ts=30 +lat_0=0 +lon_0=5 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "cea": "+proj=cea +lat_ts=30 +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "robin": "+proj=robin +lon_0=0 +x_0=0 +y_0=0 +datum=WGS84 +units=m",
    "ortho": "+proj=ortho +lat_0=40 +lon_0=10 +x_0=0 +y_0=0 +R=6371000 +units=m",
    "feet": "+proj=lcc +lat_1=41 +lat_2=40.7 +lat_0=40.2 +lon_0=-74 +x_0=300000 +y_0=0 +datum=NAD83 +units=us-ft",
}
for name, system in SYSTEMS.items():
    origin = (10.0, 60.0, 0.25, 0.5) if name in ("epsg_4326", "epsg_4258") else (1000.0, 60000.0, 25.0, 50.0)
    write(f"system_{name}", values("uint8", 1, 20, 30), crs=system, transform=from_origin(*origin))
write("system_sphere", values("uint8", 1), crs="+proj=longlat +R=6371229", transform=from_origin(-5, 8, 0.1, 0.1))
write("place_none", values("uint8", 1), crs=None, transform=None)
write("place_without_system", values("uint8", 1), crs=None)
south_up = rasterio.Affine(2.0, 0.0, 10.0, 0.0, 3.0, 20.0)
write("place_south_up", values("uint8", 1), transform=south_up)
path = write("place_point", values("uint8", 1))
with rasterio.open(path, "r+") as file:
    file.update_tags(AREA_OR_POINT="Point")

# ---------------------------------------------------------------------------------------------
# What is said of them

path = write("said", values("int16", 3), nodata=-1)
with rasterio.open(path, "r+") as file:
    file.descriptions = ("sst", "two words", "ice")
    file.scales, file.offsets = (0.5, 1.0, 1.0), (10.0, 0.0, 0.0)
    file.units = ("K", None, "1")
    file.update_tags(TIFFTAG_DATETIME="2020:01:02 03:04:05", title="<a> & \"b\"")
    file.update_tags(1, long_name="Temperatur der Meeresoberfläche")
expected["said"] = {
    "attributes": {"TIFFTAG_DATETIME": "2020:01:02 03:04:05", "title": "<a> & \"b\""},
    "variables": {
        "sst": {
            "scale_factor": 0.5,
            "add_offset": 10.0,
            "units": "K",
            "_FillValue": -1,
            "long_name": "Temperatur der Meeresoberfläche",
        },
        "band_2": {"long_name": "two words"},
        "ice": {"units": "1"},
    },
}

# ---------------------------------------------------------------------------------------------
# What GDAL reads


def raw(array):
    path = out / "raw" / f"{len(list((out / 'raw').iterdir()))}.bin"
    array = np.ascontiguousarray(array)
    array.astype(array.dtype.newbyteorder("<")).tofile(path)
    return f"raw/{path.name}"


def image(file):
    geographic = file.crs is not None and file.crs.is_geographic
    rows, columns = np.arange(file.height), np.arange(file.width)
    xs, _ = rasterio.transform.xy(file.transform, np.zeros_like(columns), columns)
    _, ys = rasterio.transform.xy(file.transform, rows, np.zeros_like(rows))
    named = file.descriptions
    bands = []
    for band in file.indexes:
        stored = file.read(band)
        valid = file.read_masks(band) != 0
        if stored.dtype.kind == "f":
            valid &= ~np.isnan(stored)
        name = named[band - 1]
        is_name = name is not None and name.isidentifier() and named.count(name) == 1
        bands.append(
            {
                "name": name if is_name else f"band_{band}",
                "dtype": stored.dtype.str.lstrip("<>|="),
                "raw": raw(stored),
                "valid": raw(valid.astype("uint8")),
            }
        )
    return {
        "dimensions": ["lat", "lon"] if geographic else ["y", "x"],
        "coordinates": [list(map(float, ys)), list(map(float, xs))],
        "bands": bands,
    }


def points(file):
    """Points of the image, and their longitudes and latitudes."""
    columns, rows = np.array([0, file.width / 3, file.width]), np.array([0, file.height / 2, file.height])
    xs, ys = file.transform * (columns, rows)
    lons, lats = transform_points(file.crs, "OGC:CRS84", xs, ys)
    return {"points": [list(map(float, xs)), list(map(float, ys))], "places": [list(lons), list(lats)]}


def describe(name, path):
    with rasterio.open(path) as file:
        levels = len(file.overviews(1))
        found = {"path": str(path), "groups": {"": image(file)}}
        if name.startswith("system_"):
            found["system"] = points(file)
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as file:
            found["groups"][str(level + 1)] = image(file)
    expected[name] = expected.get(name, {}) | found


for path in sorted(generated.iterdir()):
    if path.suffix == ".tif":
        describe(path.stem, path)
        expected[path.stem]["path"] = f"generated/{path.name}"
if data:
    for path in sorted(Path(data, "geotiff").glob("*.tif")):
        describe(f"real_{path.stem}", path)

(out / "expected.json").write_text(json.dumps(expected))
