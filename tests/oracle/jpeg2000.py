"""Images of JPEG 2000 that GDAL writes with OpenJPEG, and the same cells as GeoTIFF.

    python jpeg2000.py FOLDER

| file | what is in it |
|---|---|
| byte, short, signed | one band of unsigned and signed numbers, tiles of 64 × 64 |
| colours | three bands, mixed as colours are |
| whole | one tile |
| degrees | longitudes and latitudes |
| plain | nowhere on the Earth |
| cut.jp2, foreign.jp2 | damaged, and of another format |
"""

import sys
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine

folder = Path(sys.argv[1])
random = np.random.default_rng(3)
UTM = {"crs": "EPSG:32632", "transform": Affine(10, 0, 500_000, 0, -10, 5_900_000)}
DEGREES = {"crs": "EPSG:4326", "transform": Affine(0.01, 0, 7.5, 0, -0.01, 54.25)}
TILES = {"tiled": True, "blockxsize": 64, "blockysize": 64}
LOSSLESS = {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"}


def write(name, values, place, **options):
    count, height, width = values.shape
    profile = {"count": count, "height": height, "width": width, "dtype": values.dtype, **place}
    with rasterio.open(folder / f"{name}.jp2", "w", **LOSSLESS, **profile, **options) as file:
        file.write(values)
    with rasterio.open(folder / f"{name}.jp2") as file:
        assert (file.read() == values).all(), name
    with rasterio.open(folder / f"{name}.tif", "w", driver="GTiff", **profile) as file:
        file.write(values)


def smooth(count, low, high, dtype):
    """Cells that have something in common with their neighbours, and some noise."""
    rows, columns = np.arange(130)[:, None], np.arange(150)
    waves = [np.sin(rows / (9 + band)) * np.cos(columns / (7 + band)) for band in range(count)]
    noise = random.normal(0, 0.05, (count, 130, 150))
    share = np.clip((np.stack(waves) + noise + 1.2) / 2.4, 0, 1)
    return (low + share * (high - low)).round().astype(dtype)


write("byte", smooth(1, 0, 255, "u1"), UTM, **TILES)
write("short", smooth(1, 0, 65535, "u2"), UTM, **TILES)
write("signed", smooth(1, -30_000, 30_000, "i2"), UTM, **TILES)
write("colours", smooth(3, 0, 255, "u1"), UTM, YCC="YES", **TILES)
write("bands", smooth(4, 0, 10_000, "u2"), UTM, **TILES)
write("whole", smooth(1, 0, 4095, "u2"), UTM)
write("degrees", smooth(1, 0, 255, "u1"), DEGREES, **TILES)
write("plain", smooth(1, 0, 255, "u1"), {}, **TILES)
whole = (folder / "short.jp2").read_bytes()
(folder / "cut.jp2").write_bytes(whole[: len(whole) // 2])
(folder / "foreign.jp2").write_bytes(b"no image of any kind")
