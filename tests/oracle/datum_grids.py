"""Grids of datum shifts, and what PROJ makes of them: a file of NTv2 over a part of Germany, and those that the program carries.

    python datum_grids.py FOLDER

expected.json has places and where pyproj finds them with grids/shifts.gsb, and under "carried" with the files in
functions/datum_grids, and how many metres away it finds them without.
"""

import json
import struct
import sys
from pathlib import Path

import pyproj

folder = Path(sys.argv[1])
WEST, EAST, SOUTH, NORTH, STEP = 5, 12, 47, 55, 0.5


def text(name, value):
    return name.ljust(8).encode() + value.ljust(8).encode()


def whole(name, value):
    return name.ljust(8).encode() + struct.pack("<ii", value, 0)


def number(name, value):
    return name.ljust(8).encode() + struct.pack("<d", value)


seconds = 3600
columns, rows = round((EAST - WEST) / STEP) + 1, round((NORTH - SOUTH) / STEP) + 1
parts = [whole("NUM_OREC", 11), whole("NUM_SREC", 11), whole("NUM_FILE", 1), text("GS_TYPE", "SECONDS")]
parts += [text("VERSION", "1"), text("SYSTEM_F", "OLD"), text("SYSTEM_T", "NEW")]
parts += [number("MAJOR_F", 6377397.155), number("MINOR_F", 6356078.963), number("MAJOR_T", 6378137.0), number("MINOR_T", 6356752.314)]
parts += [text("SUB_NAME", "PART"), text("PARENT", "NONE"), text("CREATED", "20200101"), text("UPDATED", "20200101")]
# Longitudes count to the west.
parts += [number("S_LAT", SOUTH * seconds), number("N_LAT", NORTH * seconds)]
parts += [number("E_LONG", -EAST * seconds), number("W_LONG", -WEST * seconds)]
parts += [number("LAT_INC", STEP * seconds), number("LONG_INC", STEP * seconds), whole("GS_COUNT", columns * rows)]
for row in range(rows):
    for column in range(columns):
        parts.append(struct.pack("<ffff", -4 - 0.1 * row, 3 + 0.05 * column + 0.01 * row, 0, 0))
parts.append(text("END", ""))
(folder / "grids").mkdir()
(folder / "grids" / "shifts.gsb").write_bytes(b"".join(parts))

system = "+proj=longlat +ellps=bessel +nadgrids=shifts.gsb +type=crs"
pyproj.datadir.append_data_dir(str(folder / "grids"))
moved = pyproj.Transformer.from_crs(system, "EPSG:4326", always_xy=True)
places = [(8.1, 51.2), (5.01, 47.02), (11.9, 54.9), (9.25, 48.0)]
cases = [{"from": place, "to": moved.transform(*place)} for place in places]
assert all(abs(case["from"][1] - case["to"][1]) > 1e-4 for case in cases)

carried = []
systems = [
    ("EPSG:31467", "EPSG:25832", [(3500000, 5600000), (3395000, 5930000), (3560000, 5290000)]),
    ("EPSG:27572", "EPSG:2154", [(600000, 2200000), (150000, 2400000), (970000, 1850000)]),
    ("EPSG:27200", "EPSG:2193", [(2660000, 5990000), (2480000, 5740000)]),
]
without = {}
for source, target, places in systems:
    moved = pyproj.Transformer.from_crs(source, target, always_xy=True)
    without[source] = [moved.transform(*place) for place in places]
pyproj.datadir.append_data_dir(str(Path(__file__).parents[2] / "functions" / "datum_grids"))
for source, target, places in systems:
    moved = pyproj.Transformer.from_crs(source, target, always_xy=True)
    for place, before in zip(places, without[source]):
        to = moved.transform(*place)
        off = ((to[0] - before[0]) ** 2 + (to[1] - before[1]) ** 2) ** 0.5
        assert 0.05 < off < 30, (source, place, off)
        carried.append({"from": place, "to": to, "source": source, "target": target})
expected = {"system": system, "cases": cases, "carried": carried}
(folder / "expected.json").write_text(json.dumps(expected))
