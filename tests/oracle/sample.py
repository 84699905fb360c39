"""Values of cubes at points and along lines, by xarray, NumPy and PROJ's geodesics (pyproj).

Writes cubes, tables of points with what is expected at each, and `cases.json`: per case a statement that gives the number
of rows, how many values are missing on one side alone, and by how much values differ at most.
"""

import json
import os
import sys

import numpy as np
import pandas as pd
import pyproj
import xarray as xr

folder = sys.argv[1]
random = np.random.default_rng(20201201)
geod = pyproj.Geod(ellps="WGS84")
cases = []


def path(name):
    return os.path.join(folder, name)


def named(name):
    """The same in a statement: the folder is renamed when it is complete."""
    return f"{{folder}}/{name}"


def write_cube(name, axes, variables, **chunks):
    attributes = {
        "lat": {"units": "degrees_north", "standard_name": "latitude"},
        "lon": {"units": "degrees_east", "standard_name": "longitude"},
        "x": {"units": "m", "standard_name": "projection_x_coordinate"},
        "y": {"units": "m", "standard_name": "projection_y_coordinate"},
        "depth": {"units": "m", "positive": "down", "standard_name": "depth"},
    }
    coordinates = {axis: (axis, values, attributes.get(axis, {})) for axis, values in axes.items()}
    data = xr.Dataset(variables, coordinates)
    for variable, cut in chunks.items():
        data[variable].encoding["chunks"] = cut
    data.to_zarr(path(f"{name}.zarr"), zarr_format=2)
    return data


def expect(name, relation, rows, pairs, tolerance):
    """`relation` has `rows` rows; of each pair of columns both are missing or nearly equal."""
    missing = " + ".join(f"count(*) FILTER (WHERE ({a} IS NULL) <> ({b} IS NULL))" for a, b in pairs)
    off = ", ".join(f"coalesce(max(abs({a} - {b})), 0)" for a, b in pairs)
    sql = f"SELECT count(*), {missing}, greatest({off}), count({pairs[0][0]}) FROM {relation}"
    cases.append({"name": name, "sql": sql, "rows": rows, "tolerance": tolerance})


def points_on(axes, count, outside=0.0):
    """Random points on axes, some of them outside."""
    table = {}
    for axis, values in axes.items():
        numbers = values.astype("i8") if values.dtype.kind == "M" else values
        low, high = numbers.min(), numbers.max()
        width = high - low
        drawn = random.uniform(low - outside * width, high + outside * width, count)
        table[axis] = drawn.astype("i8").astype(values.dtype) if values.dtype.kind == "M" else drawn
    return pd.DataFrame(table)


def is_inside(points, values):
    """Within half a step of the outermost centres."""
    order = np.sort(values)
    first, last = (order[1] - order[0]) / 2, (order[-1] - order[-2]) / 2
    return (points >= order[0] - first) & (points <= order[-1] + last)


def at(array, points, names):
    """The nearest cells; numbers of 32 bits are written with all their digits."""
    nearest = array.sel({n: xr.DataArray(points[n].values, dims="point") for n in names}, method="nearest")
    return nearest.astype("f8") if nearest.dtype == "f4" else nearest


def save(name, table):
    table.to_csv(path(f"{name}.csv"), index=False)


# Nearest cells of space and time, some missing; latitudes descend, the globe closes.
globe_axes = {
    "time": np.datetime64("2020-01-01", "us") + np.arange(24) * np.timedelta64(12, "h"),
    "lat": np.linspace(88.75, -88.75, 72),
    "lon": -178.75 + 2.5 * np.arange(144),
}
shape = tuple(len(values) for values in globe_axes.values())
values = random.normal(10, 3, shape).astype("f4")
values[random.random(shape) < 0.1] = np.nan
counts = random.integers(0, 1000, shape[1:]).astype("i2")
globe = write_cube(
    "globe",
    globe_axes,
    {
        "v": (("time", "lat", "lon"), values),
        "mask": (("lat", "lon"), counts, {"flag_values": np.arange(3, dtype="i2"), "flag_meanings": "a b c"}),
    },
    v=(5, 20, 30),
    mask=(72, 144),
)
points = points_on(globe_axes, 5000, outside=0.05)
points["lat"] = points["lat"].clip(-90, 90)
inside = is_inside(points["time"].values, globe_axes["time"])
turned = points.assign(lon=(points["lon"] + 180) % 360 - 180)
# The first and the last column touch: xarray knows no circle.
turned.loc[turned["lon"] < -178.75 - 1.25, "lon"] += 360
points["e_v"] = np.where(inside, at(globe.v, turned, ["time", "lat", "lon"]).values, np.nan)
points["e_mask"] = np.where(inside, at(globe.mask, turned, ["lat", "lon"]).values, np.nan)
points["lon"] += random.choice([-360, 0, 360], len(points))
save("globe_points", points)
expect(
    "nearest on the globe",
    f"sample('{named('globe.zarr')}', '{named('globe_points.csv')}')",
    len(points),
    [("v", "e_v"), ("mask", "e_mask")],
    0,
)
# How far the nearest cell is, in space and in time.
cell_lat = at(globe.lat, turned, ["lat"]).values
cell_lon = at(globe.lon, turned, ["lon"]).values
cell_time = at(globe.time, turned, ["time"]).values
_, _, distance = geod.inv(points["lon"].values, points["lat"].values, cell_lon, cell_lat)
points["e_distance"] = np.where(inside, distance, np.nan)
points["e_cell_lat"] = np.where(inside, cell_lat, np.nan)
save("globe_distances", points)
expect(
    "distances",
    f"sample('{named('globe.zarr')}', '{named('globe_distances.csv')}', with_cell => true)",
    len(points),
    [("distance", "e_distance"), ("cell_lat", "e_cell_lat")],
    1e-4,
)
limited = points.copy()
hours = np.abs(points["time"].values - cell_time) / np.timedelta64(1, "h")
limited.loc[(distance > 90e3) | (hours > 4), "e_v"] = np.nan
save("globe_limited", limited)
expect(
    "limits of distance and time",
    f"sample('{named('globe.zarr')}', '{named('globe_limited.csv')}', max_distance => 90000, max_time => INTERVAL '4 hours')",
    len(points),
    [("v", "e_v")],
    0,
)


# Between centres: NumPy, corner by corner; longitudes from 0, uneven depths that the points do not name.
east_axes = {
    "time": np.datetime64("2021-06-01", "us") + np.arange(10) * np.timedelta64(1, "D"),
    "depth": np.array([0.0, 5, 10, 20, 50]),
    "lat": np.concatenate([np.arange(-60, 0, 3.0), np.arange(0, 61, 2.0)]),
    "lon": 1.5 + 3.0 * np.arange(120),
}
shape = tuple(len(values) for values in east_axes.values())
values = random.normal(0, 1, shape)
values[random.random(shape) < 0.02] = np.nan
single = random.normal(0, 1, shape[2:]).astype("f4")
east = write_cube(
    "east",
    east_axes,
    {"v": (("time", "depth", "lat", "lon"), values), "relief": (("lat", "lon"), single)},
    v=(3, 2, 20, 40),
    relief=(51, 50),
)


def corners(axis, points, period=None):
    """Both neighbours along an axis and the share of the second; NaN outside."""
    numbers = axis.astype("f8")
    points = points.astype("f8")
    if period:
        points = numbers[0] + (points - numbers[0]) % period
        numbers = np.append(numbers, numbers[0] + period)
    low = np.clip(np.searchsorted(numbers, points, side="right") - 1, 0, len(numbers) - 2)
    share = (points - numbers[low]) / (numbers[low + 1] - numbers[low])
    share[(share < 0) | (share > 1)] = np.nan
    return low, (low + 1) % len(axis), share


def between(array, sides):
    """The share-weighted sum over all corners, NaN where one with a share is missing."""
    total = 0.0
    for corner in range(1 << len(sides)):
        share, index = 1.0, []
        for bit, (low, high, weight) in enumerate(sides):
            above = corner >> bit & 1
            index.append(high if above else low)
            share = share * (weight if above else 1 - weight)
        total = total + np.where(share == 0, 0.0, share * array[tuple(index)])
    return total


points = points_on({"time": east_axes["time"], "lat": east_axes["lat"], "lon": east_axes["lon"]}, 2000, outside=0.04)
# Some of them lie on centres.
points.loc[:200, "time"] = east_axes["time"][random.integers(0, 10, 201)]
points.loc[:200, "lat"] = east_axes["lat"][random.integers(0, 51, 201)]
sides = {
    "time": corners(east_axes["time"], points["time"].values.astype("M8[us]").astype("i8")),
    "lat": corners(east_axes["lat"], points["lat"].values),
    "lon": corners(east_axes["lon"], points["lon"].values, 360),
}
for depth in range(5):
    points[f"e_{depth}"] = between(values[:, depth], list(sides.values()))
is_somewhere = sum(weight for _, _, weight in sides.values()) * 0
points["e_relief"] = between(single, [sides["lat"], sides["lon"]]) + is_somewhere
save("east_points", points)
choose = "CASE depth " + " ".join(f"WHEN {depth} THEN e_{at}" for at, depth in enumerate([0, 5, 10, 20, 50])) + " END"
linear = f"sample('{named('east.zarr')}', '{named('east_points.csv')}', method => 'linear')"
expect("linear", linear, 5 * len(points), [("v", choose)], 1e-12)
expect("linear in 32 bits", f"(SELECT * FROM {linear} WHERE depth = 5)", len(points), [("relief", "e_relief")], 1e-6)

# A multilinear field is itself between its corners.
plane_axes = {"lat": np.arange(50, 60.1, 0.5), "lon": np.arange(-10, 10.1, 1.0)}
lat, lon = np.meshgrid(*plane_axes.values(), indexing="ij")
write_cube("plane", plane_axes, {"v": (("lat", "lon"), 3 + 2 * lat - lon + 0.25 * lat * lon)}, v=(7, 4))
points = points_on(plane_axes, 1000)
points["e_v"] = 3 + 2 * points["lat"] - points["lon"] + 0.25 * points["lat"] * points["lon"]
save("plane_points", points)
expect(
    "linear in a linear field",
    f"sample('{named('plane.zarr')}', '{named('plane_points.csv')}', method => 'linear')",
    len(points),
    [("v", "e_v")],
    1e-9,
)

# A projected grid at longitudes and latitudes.
laea_axes = {"y": np.arange(3_400_000, 3_000_000, -2000.0) - 1000, "x": np.arange(4_000_000, 4_500_000, 2000.0) + 1000}
shape = tuple(len(values) for values in laea_axes.values())
values = random.normal(0, 1, shape)
crs = ((), 0, {"crs_wkt": pyproj.CRS("EPSG:3035").to_wkt(), "grid_mapping_name": "lambert_azimuthal_equal_area"})
laea = write_cube(
    "laea",
    laea_axes,
    {"v": (("y", "x"), values, {"grid_mapping": "crs"}), "crs": crs},
    v=(64, 64),
)
to_laea = pyproj.Transformer.from_crs("OGC:CRS84", "EPSG:3035", always_xy=True)
points = pd.DataFrame({"lon": random.uniform(6, 13, 2000), "lat": random.uniform(50, 54, 2000)})
x, y = to_laea.transform(points["lon"].values, points["lat"].values)
placed = pd.DataFrame({"x": x, "y": y})
inside = is_inside(x, laea_axes["x"]) & is_inside(y, laea_axes["y"])
points["e_v"] = np.where(inside, at(laea.v, placed, ["y", "x"]).values, np.nan)
cell_x, cell_y = at(laea.x, placed, ["x"]).values, at(laea.y, placed, ["y"]).values
points["e_distance"] = np.where(inside, np.hypot(x - cell_x, y - cell_y), np.nan)
save("laea_points", points)
expect(
    "longitudes and latitudes on a projected grid",
    f"sample('{named('laea.zarr')}', '{named('laea_points.csv')}', with_cell => true)",
    len(points),
    [("v", "e_v"), ("distance", "e_distance")],
    1e-3,
)
expect(
    "geometries on a projected grid",
    f"sample('{named('laea.zarr')}', (SELECT e_v, ST_Transform(ST_Point(lon, lat), 'EPSG:4326', 'EPSG:32632') AS place FROM '{named('laea_points.csv')}'))",
    len(points),
    [("v", "e_v")],
    0,
)


def along(vertices, step):
    """Points on geodesics from place to place."""
    legs = [geod.inv(*one, *other) for one, other in zip(vertices, vertices[1:])]
    length, places, distance = sum(leg[2] for leg in legs), [], 0.0
    while distance <= length:
        rest, leg = distance, 0
        while leg + 1 < len(legs) and rest > legs[leg][2]:
            rest -= legs[leg][2]
            leg += 1
        lon, lat, _ = geod.fwd(*vertices[leg], legs[leg][0], rest)
        places.append((distance, lon, lat))
        distance = len(places) * step
    return pd.DataFrame(places, columns=["e_distance", "e_lon", "e_lat"])


# Sections: over the dateline, and with a corner; points where PROJ says, values where xarray finds them.
for name, vertices, step in [("dateline", [(170.3, -20.2), (-165.1, 12.7)], 25_000), ("corner", [(3.1, 40.3), (20.2, 55.8), (33.3, 41.9)], 7_500)]:
    section = along(vertices, step)
    wrapped = pd.DataFrame({"lat": section["e_lat"], "lon": section["e_lon"]})
    wrapped.loc[wrapped["lon"] < -178.75 - 1.25, "lon"] += 360
    section["e_v"] = at(globe.v.isel(time=3), wrapped, ["lat", "lon"]).values
    section["n"] = np.arange(len(section))
    save(f"section_{name}", section)
    wkt = "LINESTRING(" + ", ".join(f"{lon} {lat}" for lon, lat in vertices) + ")"
    rows = (
        f"(SELECT *, row_number() OVER (ORDER BY distance) - 1 AS n FROM transect('{named('globe.zarr')}', '{wkt}', step => {step}) "
        f"WHERE time = '2020-01-02T12:00:00') s JOIN '{named(f'section_{name}.csv')}' e USING (n)"
    )
    pairs = [("distance", "e_distance"), ("lat", "e_lat"), ("lon", "e_lon")]
    expect(f"section {name}", rows, len(section), pairs, 1e-8)
    expect(f"values of section {name}", rows, len(section), [("v", "e_v")], 0)

with open(path("cases.json"), "w") as file:
    json.dump({"cases": cases}, file)
