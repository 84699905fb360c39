"""A grid of datum shifts, and what PROJ makes of it: a file of NTv2 over a part of Germany.

    python datum_grids.py FOLDER

expected.json has places and where pyproj finds them with grids/shifts.gsb.
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
(folder / "expected.json").write_text(json.dumps({"system": system, "cases": cases}))
