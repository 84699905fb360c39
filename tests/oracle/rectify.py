"""What cubes with coordinates along two axes are on regular grids: by brute force in NumPy, and for analytic fields.

Writes cubes to be put on grids, for each case what is expected there, and `cases.json` that lists the cases.
Brute force looks for each point's nearest centre among all, and by Newton's method for the quadrilateral around it
that holds it; nothing of it is shared with what is tested.
"""

import json
import os
import sys

import numpy as np
import shapely
import xarray as xr
from rasterio.warp import transform

folder = sys.argv[1]
cases = []


def field(lon, lat):
    """Smooth on the globe: no seam, no pole."""
    lon, lat = np.radians(lon), np.radians(lat)
    x, y, z = np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
    return 10 + 3 * x - 2 * y + 4 * z + np.sin(3 * x) * np.cos(2 * y) + 2 * x * y * z


def moved(source, target, x, y):
    """Places of one system in another, by PROJ; those without a place are no numbers."""
    found = np.full((2, *np.shape(x)), np.nan)
    known = np.isfinite(x + y)
    if source == "ESRI:54009":
        # Beyond the ellipse there is nothing.
        known &= np.hypot(x / 18_040_000, y / 9_020_000) < 1
    found[:, known] = transform(source, target, x[known], y[known])
    return found[0], found[1]


def place(name):
    return os.path.join(folder, f"{name}.zarr")


def write(name, lon, lat, values, chunks=(37, 41)):
    """A cube of rows j and columns i, whose coordinates are found by `coordinates` and `standard_name`."""
    dims = ("time", "j", "i") if values.ndim == 3 else ("j", "i")
    coordinates = {
        "nav_lon": (("j", "i"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
        "nav_lat": (("j", "i"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
    }
    data = xr.Dataset({"v": (dims, values)}, coordinates)
    for variable in ["v", "nav_lon", "nav_lat"]:
        data[variable].encoding["chunks"] = (1,) * (data[variable].ndim - 2) + chunks
    data.to_zarr(place(name), zarr_format=2)


def centres(bbox, step):
    west, south, east, north = bbox
    x = west + step * (np.arange(round((east - west) / step)) + 0.5)
    y = south + step * (np.arange(round((north - south) / step)) + 0.5)
    return x, y[::-1]


def expect(name, source, arguments, x, y, values, crs, tolerance, **limits):
    names = ("lat", "lon") if crs == "EPSG:4326" else ("y", "x")
    roles = {"lat": "latitude", "lon": "longitude"}
    axes = {
        key: (key, axis, {"standard_name": roles.get(key, f"projection_{key}_coordinate")})
        for key, axis in zip(names, (y, x))
    }
    xr.Dataset({"v": (names, values)}, axes).to_zarr(place(name), zarr_format=2)
    cases.append(
        {
            "name": name,
            "call": f"rectify('{source}', {arguments})",
            "expected": f"'{place(name)}'",
            "axes": ", ".join(names),
            "own": "v",
            "variable": "v",
            "tolerance": tolerance,
            "off": 0,
            **limits,
        }
    )


def alike(name, call, other, axes, tolerance, **limits):
    """Two calls that should give the same."""
    case = {"name": name, "call": call, "expected": other, "axes": axes, "own": "v", "variable": "v", "tolerance": tolerance, "off": 0}
    cases.append({**case, **limits})


def known_places(crs, x, y):
    places = np.meshgrid(x, y)
    if crs == "EPSG:4326":
        return places
    lon, lat = moved(crs, "EPSG:4326", *places)
    # Points that are no place on the Earth come back as others.
    again = moved("EPSG:4326", crs, lon, lat)
    size = abs(x[1] - x[0])
    away = np.hypot(again[0] - places[0], again[1] - places[1])
    return np.where(away < size, lon, np.nan), np.where(away < size, lat, np.nan)


def analytic(name, source, crs, bbox, step, tolerance, inside=lambda lon, lat: np.isfinite(lon), method="bilinear", **limits):
    x, y = centres(bbox, step)
    lon, lat = known_places(crs, x, y)
    values = np.where(inside(lon, lat), field(lon, lat), np.nan)
    arguments = f"crs => '{crs}', resolution => {step}, bbox => {list(bbox)}, method => '{method}'"
    expect(name, place(source), arguments, x, y, values, crs, tolerance, **limits)


# Brute force.


def with_edges(values, turns=False):
    """Half a cell more on all sides."""

    def one(values):
        def step(a, b):
            away = a - b
            return a + (away - (360 * np.round(away / 360) if turns else 0)) / 2

        return np.concatenate([step(values[:1], values[1:2]), values, step(values[-1:], values[-2:-1])])

    return one(one(values).T).T


def lines(count):
    return np.concatenate([[-0.5], np.arange(count), [count - 0.5]])


def positions(x, y, px, py):
    """Where points of a plane lie among centres: columns and rows."""
    rows, columns = lines(x.shape[0]), lines(x.shape[1])
    x, y = with_edges(x), with_edges(y)
    found = np.full((2, px.size), np.nan)
    ok = np.isfinite(x + y)
    flat = np.flatnonzero(ok)
    for start in range(0, px.size, 256):
        part = slice(start, min(start + 256, px.size))
        away = (px[part, None] - x.ravel()[flat]) ** 2 + (py[part, None] - y.ravel()[flat]) ** 2
        row, column = np.unravel_index(flat[np.argmin(away, axis=1)], x.shape)
        done = np.zeros(row.size, bool)
        # Those between centres before those at the edges.
        for inner in (True, False):
            for down in (-1, 0, -2, 1):
                for right in (-1, 0, -2, 1):
                    r, c = row + down, column + right
                    valid = (r >= 0) & (c >= 0) & (r < x.shape[0] - 1) & (c < x.shape[1] - 1) & ~done
                    valid &= inner == ((r > 0) & (c > 0) & (r < x.shape[0] - 2) & (c < x.shape[1] - 2))
                    r, c = np.where(valid, r, 0), np.where(valid, c, 0)
                    u, v = newton(x, y, r, c, px[part], py[part])
                    hit = valid & (np.abs(u - 0.5) <= 0.5 + 1e-9) & (np.abs(v - 0.5) <= 0.5 + 1e-9)
                    at = np.flatnonzero(hit) + start
                    r, c, u, v = r[hit], c[hit], u[hit], v[hit]
                    found[0, at] = columns[c] + u * (columns[c + 1] - columns[c])
                    found[1, at] = rows[r] + v * (rows[r + 1] - rows[r])
                    done |= hit
    return found


def newton(x, y, r, c, px, py):
    def parts(values):
        a, b, d, e = values[r, c], values[r, c + 1], values[r + 1, c], values[r + 1, c + 1]
        return a, b - a, d - a, e - b - d + a

    u, v = np.full(px.shape, 0.5), np.full(px.shape, 0.5)
    with np.errstate(all="ignore"):
        for _ in range(9):
            (ax, bx, cx, dx), (ay, by, cy, dy) = parts(x), parts(y)
            fx, fy = ax + bx * u + cx * v + dx * u * v - px, ay + by * u + cy * v + dy * u * v - py
            xu, xv, yu, yv = bx + dx * v, cx + dx * u, by + dy * v, cy + dy * u
            size = xu * yv - xv * yu
            u, v = u - (fx * yv - fy * xv) / size, v - (fy * xu - fx * yu) / size
    return u, v


def taken(values, column, row, method):
    out = np.full(column.shape, np.nan)
    ok = np.isfinite(column + row)
    column, row = column[ok], row[ok]
    height, width = values.shape
    if method == "nearest":
        out[ok] = values[np.floor(row + 0.5).astype(int).clip(0, height - 1), np.floor(column + 0.5).astype(int).clip(0, width - 1)]
        return out
    column, row = column.clip(0, width - 1), row.clip(0, height - 1)
    c, r = np.minimum(column.astype(int), width - 2), np.minimum(row.astype(int), height - 2)
    u, v = column - c, row - r
    upper = values[r, c] * (1 - u) + values[r, c + 1] * u
    lower = values[r + 1, c] * (1 - u) + values[r + 1, c + 1] * u
    out[ok] = upper * (1 - v) + lower * v
    return out


def brute(name, source, variable, lon, lat, values, crs, bbox, step, tolerance, **limits):
    """Nearest, bilinear and means, in the plane of the grid."""
    x, y = centres(bbox, step)
    if crs != "EPSG:4326":
        lon, lat = moved("EPSG:4326", crs, lon, lat)
    px, py = (axis.ravel() for axis in np.meshgrid(x, y))
    column, row = positions(lon, lat, px, py)
    coarse = 4 * step
    coarse_x, coarse_y = centres(bbox, coarse)
    for method in ("nearest", "bilinear", "average"):
        size, axes = (step, (x, y)) if method != "average" else (coarse, (coarse_x, coarse_y))
        if method == "average":
            across, up = (np.floor((a.ravel() - low) / coarse) for a, low in ((lon, bbox[0]), (lat, bbox[1])))
            ok = (across >= 0) & (up >= 0) & (across < coarse_x.size) & (up < coarse_y.size) & np.isfinite(values.ravel())
            cell = ((coarse_y.size - 1 - up[ok]) * coarse_x.size + across[ok]).astype(int)
            count = np.bincount(cell, minlength=coarse_x.size * coarse_y.size)
            sums = np.bincount(cell, values.ravel()[ok], minlength=count.size)
            with np.errstate(all="ignore"):
                made = (sums / count).reshape(coarse_y.size, coarse_x.size)
        else:
            made = taken(values, column, row, method).reshape(y.size, x.size)
        arguments = f"crs => '{crs}', resolution => {size}, bbox => {list(bbox)}, method => '{method}'"
        # A mean of the cells in it, where there are none the nearest: only those with cells are compared.
        extra = {"where": "WHERE e.v IS NOT NULL"} if method == "average" else {}
        expect(f"{name}_{method}", source, arguments, *axes, made, crs, tolerance, own=variable, **limits, **extra)


def crossings(values):
    """Where cells meet: in the middle of four centres, at the edges on the lines half a cell beyond."""

    def met(values):
        return np.concatenate([values[:1], (values[1:-2] + values[2:-1]) / 2, values[-1:]])

    return met(met(with_edges(values)).T).T


def conservative(name, source, lon, lat, values, crs, bbox, step, tolerance):
    """Means weighed with the areas of the parts of cells in each new one, which shapely cuts out."""

    def by_area(y):
        return np.degrees(np.sin(np.radians(y))) if crs == "EPSG:4326" else y

    if crs != "EPSG:4326":
        lon, lat = moved("EPSG:4326", crs, lon, lat)
    x, y = centres(bbox, step)
    across, down = crossings(lon), by_area(crossings(lat))
    corners = [np.stack([across[part], down[part]], -1) for part in (np.s_[:-1, :-1], np.s_[:-1, 1:], np.s_[1:, 1:], np.s_[1:, :-1])]
    cells = shapely.polygons(np.stack(corners, 2).reshape(-1, 4, 2))
    # Those that a projection tears apart lie elsewhere.
    west, _, east, _ = shapely.bounds(cells).T
    cells = cells[east - west < 20 * step]
    values = values.ravel()[east - west < 20 * step]
    left, low = (a.ravel() for a in np.meshgrid(x - step / 2, y - step / 2))
    boxes = shapely.box(left, by_area(low), left + step, by_area(low + step))
    box, cell = shapely.STRtree(cells).query(boxes)
    kept = np.isfinite(values[cell])
    box, cell = box[kept], cell[kept]
    areas = shapely.area(shapely.intersection(boxes[box], cells[cell]))
    weights = np.bincount(box, areas, minlength=boxes.size)
    sums = np.bincount(box, areas * values[cell], minlength=boxes.size)
    with np.errstate(all="ignore"):
        made = np.where(weights > 1e-9 * shapely.area(boxes), sums / weights, np.nan).reshape(y.size, x.size)
    arguments = f"crs => '{crs}', resolution => {step}, bbox => {list(bbox)}, method => 'conservative'"
    expect(name, source, arguments, x, y, made, crs, tolerance, missing=10)


# An ocean model's grid: geographic in the south, two poles on land in the north, between which the last rows are
# folded; the first and the last two columns are the same, and so are the rows on both sides of the fold.


def tripolar(columns=180, start=73.0, join=64.0):
    step = 360 / columns
    theta = np.radians(step * (np.arange(-1, columns + 1) + 0.5))
    south = np.arange(-78.0, join, 1.6)
    sigma = np.arange(0, 16) / 14 * np.pi / 2
    half = np.tan(np.radians((90 - join) / 2))
    tau = np.arctanh(np.cos(theta))
    angle = np.where(np.sin(theta) >= 0, np.pi / 2 + sigma[:, None], 3 * np.pi / 2 - sigma[:, None])
    size = half / (np.cosh(tau) - np.cos(angle))
    x, y = size * np.sinh(tau), size * np.sin(angle)
    lat = np.concatenate([np.repeat(south[:, None], theta.size, 1), 90 - 2 * np.degrees(np.arctan(np.hypot(x, y)))])
    lon = np.concatenate([np.repeat(np.degrees(theta)[None], south.size, 0), np.degrees(np.arctan2(y, x))]) + start
    return (lon + 180) % 360 - 180, lat


lon, lat = tripolar()
write("ocean", lon, lat, np.stack([field(lon, lat), field(lon, lat) + 1]).astype("f4")[:1])
# Bilinear on cells of two degrees, values of 32 bits; where columns run into a pole on land, cells are long.
globe = (-180, -77, 180, 90)
analytic("ocean_4326", "ocean", "EPSG:4326", globe, 1.0, 0.01, missing=0)
analytic("ocean_pacific", "ocean", "EPSG:4326", (150, -40, 220, 80), 0.7, 0.01, missing=0)
analytic("ocean_3413", "ocean", "EPSG:3413", (-3e6, -3e6, 3e6, 3e6), 40_000, 0.01, missing=0)
analytic("ocean_3832", "ocean", "EPSG:3832", (-3e6, -3e6, 9e6, 9e6), 100_000, 0.01, missing=0)
analytic("ocean_6933", "ocean", "EPSG:6933", (-17_300_000, -7_000_000, 17_300_000, 7_300_000), 100_000, 0.01, missing=0)
# At its pole the projection bends sides most: a point may lie a tenth of a cell beside the one that it is taken for.
analytic("ocean_moll", "ocean", "ESRI:54009", (-18_000_000, -8_300_000, 18_000_000, 9_000_000), 100_000, 0.01, missing=0, off=1)
analytic("ocean_average", "ocean", "EPSG:4326", globe, 4.0, 0.3, method="average", missing=0)

# A chunk in the south cannot be read: who asks for the north does not notice.
write("damaged", lon, lat, field(lon, lat))
with open(os.path.join(place("damaged"), "v", "0.0"), "wb") as file:
    file.write(b"no chunk")

# Dimensions in another order; coordinates with nothing but names; several; some that change with time.
arrays = {"v": (("i", "j"), field(lon, lat).T), "nav_lon": (("i", "j"), lon.T), "nav_lat": (("j", "i"), lat)}
xr.Dataset(arrays).to_zarr(place("turned"), zarr_format=2)
alike(
    "turned",
    f"rectify('{place('turned')}', resolution => 3)",
    f"rectify('{place('ocean')}', resolution => 3)",
    "lat, lon",
    1e-5,
    missing=0,
)
part = np.s_[40:60, 50:80]
east, north, own = lon[part], lat[part], field(lon, lat)[part]
units = {"units": "degrees_east"}, {"units": "degrees_north"}
both = {"a_lon": (("j", "i"), east, units[0]), "a_lat": (("j", "i"), north, units[1])}
other = {"b_lon": (("j", "i"), east + 1, units[0]), "b_lat": (("j", "i"), north, units[1])}
values = {"v": (("j", "i"), own)}
xr.Dataset({**values, **both, **other}).to_zarr(place("several"), zarr_format=2)
xr.Dataset({**values, "gx": (("j", "i"), east), "gy": (("j", "i"), north)}).to_zarr(place("nameless"), zarr_format=2)
drift = {"lon": (("time", "j", "i"), np.stack([east, east + 1]), units[0]), "lat": (("time", "j", "i"), np.stack([north, north]), units[1])}
xr.Dataset({"v": (("time", "j", "i"), np.stack([own, own])), **drift}, {"time": ("time", [0, 1])}).to_zarr(place("drifting"), zarr_format=2)

# The same without the columns that occur twice: its columns close a circle.
write("closed", lon[:, 1:-1], lat[:, 1:-1], field(lon, lat)[:, 1:-1])
analytic("closed_4326", "closed", "EPSG:4326", globe, 1.0, 0.01, missing=0)
analytic("closed_3413", "closed", "EPSG:3413", (-3e6, -3e6, 3e6, 3e6), 40_000, 0.01, missing=0)

# Land of which nobody knows where it is.
hidden_lon, hidden_lat = lon.copy(), lat.copy()
hidden_lon[30:50, 60:80] = hidden_lat[30:50, 60:80] = 0
hidden_lon[60:70, 100:120] = hidden_lat[60:70, 100:120] = np.nan
write("hidden", hidden_lon, hidden_lat, field(lon, lat))
# A quarter of a degree and more within the holes' edges nothing is made, outside of them everything.
corners = [(lon[30:50, 60:80], lat[30:50, 60:80]), (lon[60:70, 100:120], lat[60:70, 100:120])]


def is_seen(own_lon, own_lat):
    seen = np.ones(own_lon.shape, bool)
    for hole_lon, hole_lat in corners:
        west, east, south, north = hole_lon.min() - 2, hole_lon.max() + 2, hole_lat.min() - 1.6, hole_lat.max() + 1.6
        seen &= ~((own_lon > west) & (own_lon < east) & (own_lat > south) & (own_lat < north))
    return seen


analytic("hidden_4326", "hidden", "EPSG:4326", (-180, -77, 180, 60), 1.0, 0.01, is_seen, missing=0)


# Swaths: lines across a track.


def swath(lon0, lat0, heading, lines_along=220, pixels=90, step=0.12):
    """Rows of pixels at right angles to a great circle through a place."""

    def vector(lon, lat):
        lon, lat = np.radians(lon), np.radians(lat)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)

    at = vector(lon0, lat0)
    east = vector(lon0 + 90, 0.0)
    north = np.cross(at, east)
    along = np.cos(np.radians(heading)) * north + np.sin(np.radians(heading)) * east
    across = np.cross(along, at)
    t = np.radians(step * (np.arange(lines_along) - lines_along / 2))[:, None, None]
    s = np.radians(1.3 * step * (np.arange(pixels) - pixels / 2) * (1 + 0.004 * np.abs(np.arange(pixels) - pixels / 2)))[:, None]
    track = np.cos(t) * at + np.sin(t) * along
    places = np.cos(s) * track + np.sin(s) * across
    return np.degrees(np.arctan2(places[..., 1], places[..., 0])), np.degrees(np.arcsin(places[..., 2]))


lon, lat = swath(30, 88, 15)
write("pole", lon, lat, field(lon, lat))
analytic("pole_4326", "pole", "EPSG:4326", (-180, 86, 180, 90), 0.1, 2e-5, missing=0)
analytic("pole_3413", "pole", "EPSG:3413", (-100_000, -100_000, 100_000, 100_000), 5000, 2e-5, missing=0)
# Points lie farther apart than centres: values are means over more of them.
analytic("pole_4087", "pole", "EPSG:4087", (-20_000_000, 9_660_000, 20_000_000, 10_018_000), 20_000, 2e-3, missing=0)
lon, lat = swath(179.5, -15, 10)
write("dateline", lon, lat, field(lon, lat))
analytic("dateline_west", "dateline", "EPSG:4326", (-180, -20, -176, -10), 0.05, 2e-5, missing=0)
analytic("dateline_both", "dateline", "EPSG:4326", (176, -20, 184, -10), 0.05, 2e-5, missing=0)
analytic("dateline_6933", "dateline", "EPSG:6933", (-17_360_000, -2_000_000, -17_000_000, -1_000_000), 5000, 2e-5, missing=0)
unrolled = np.where(lon < 0, lon + 360, lon)
brute("dateline", place("dateline"), "v", unrolled, lat, field(lon, lat), "EPSG:4326", (176, -20, 184, -10), 0.1, 1e-6, missing=3, off=3)

gaps = field(lon, lat)
gaps[np.indices(gaps.shape).sum(axis=0) % 7 == 0] = np.nan
write("dateline_gaps", lon, lat, gaps)
conservative("dateline_conservative", place("dateline_gaps"), unrolled, lat, gaps, "EPSG:4326", (172, -28, 186, -3.5), 0.35, 1e-6)
conservative("dateline_conservative_fine", place("dateline"), unrolled, lat, field(lon, lat), "EPSG:4326", (176, -20, 180, -16), 0.05, 1e-6)
conservative("dateline_conservative_6933", place("dateline"), lon, lat, field(lon, lat), "EPSG:6933", (-17_300_000, -2_000_000, -17_000_000, -1_000_000), 20_000, 1e-6)
pole_lon, pole_lat = swath(30, 88, 15)
conservative("pole_conservative", place("pole"), pole_lon, pole_lat, field(pole_lon, pole_lat), "EPSG:3413", (-100_000, -100_000, 100_000, 100_000), 20_000, 1e-6)

# A rotated grid, with coordinates of its cells in one file, and the grid mapping in the other.
rotated_lon, rotated_lat = -8 + 0.2 * np.arange(90), -6 + 0.2 * np.arange(70)
system = "+proj=ob_tran +o_proj=longlat +o_lat_p=39.25 +o_lon_p=0 +lon_0=18 +datum=WGS84 +type=crs"
lon, lat = moved(system, "EPSG:4326", *np.meshgrid(rotated_lon, rotated_lat))
write("rotated_cells", lon, lat, field(lon, lat))
mapping = {
    "grid_mapping_name": "rotated_latitude_longitude",
    "grid_north_pole_latitude": 39.25,
    "grid_north_pole_longitude": -162.0,
    "north_pole_grid_longitude": 0.0,
}
axes = {
    "rlat": ("rlat", rotated_lat, {"standard_name": "grid_latitude", "units": "degrees"}),
    "rlon": ("rlon", rotated_lon, {"standard_name": "grid_longitude", "units": "degrees"}),
}
data = xr.Dataset({"v": (("rlat", "rlon"), field(lon, lat), {"grid_mapping": "rotated"}), "rotated": ((), 0, mapping)}, axes)
data.to_zarr(place("rotated_axes"), zarr_format=2)
for crs, axes, box, step in [
    ("EPSG:4326", "lat, lon", [8, 46, 26, 58], 0.1),
    ("EPSG:3035", "y, x", [4_000_000, 2_600_000, 5_200_000, 3_800_000], 10_000),
]:
    for method, tolerance in [("bilinear", 2e-4), ("cubic", 2e-4), ("nearest", 1e-6)]:
        arguments = f"crs => '{crs}', resolution => {step}, bbox => {box}, method => '{method}'"
        alike(
            f"rotated {crs} {method}",
            f"rectify('{place('rotated_cells')}', {arguments})",
            f"reproject('{place('rotated_axes')}', {arguments})",
            axes,
            tolerance,
            # Positions are right to a hundredth of a cell: that many centres lie on the other side of an edge.
            off=200 if method == "nearest" else 0,
            missing=20,
        )

# A grid of latitudes and longitudes along two axes is the same as along one each.
for name, own_lon, own_lat in [
    ("globe", -180 + 2 * (np.arange(180) + 0.5), 90 - 2 * (np.arange(90) + 0.5)),
    ("region", 5 + 0.5 * np.arange(60), 40 + 0.5 * np.arange(50)),
]:
    lon, lat = np.meshgrid(own_lon, own_lat)
    values = field(lon, lat)
    values[np.indices(values.shape).sum(axis=0) % 31 == 0] = np.nan
    write(f"{name}_cells", lon, lat, values)
    axes = {
        "lat": ("lat", own_lat, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", own_lon, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    xr.Dataset({"v": (("lat", "lon"), values)}, axes).to_zarr(place(f"{name}_axes"), zarr_format=2)
    for method in ["nearest", "bilinear", "cubic", "cubic_spline", "lanczos"]:
        step = 0.7 if name == "globe" else 0.3
        box = [-180, -90, 180, 90] if name == "globe" else [0, 35, 40, 70]
        arguments = f"crs => 'EPSG:4326', resolution => {step}, bbox => {box}, method => '{method}'"
        alike(
            f"{name} {method}",
            f"rectify('{place(f'{name}_cells')}', {arguments})",
            f"reproject('{place(f'{name}_axes')}', {arguments})",
            "lat, lon",
            # Near the poles sides are straight in a polar plane, there they are parallels.
            1e-9 if name == "region" else 1e-3,
            missing=0,
        )

# Real data: a swath of Sentinel-3's OLCI.
data = os.environ.get("GRATICULE_TEST_DATA")
if data:
    path = os.path.join(data, "olci-swath", "O_L2_0001_SNS_2017104102450_v1.0.nc")
    with xr.open_dataset(path) as cube:
        lon, lat, values = cube.lon.values, cube.lat.values, cube.rtoa_8.values.astype("f8")
    brute("olci", path, "rtoa_8", lon, lat, values, "EPSG:4326", (1.1, 52.45, 1.5, 52.65), 0.002, 1e-7, missing=3, off=3)
    brute("olci_3035", path, "rtoa_8", lon, lat, values, "EPSG:3035", (3_718_000, 3_278_000, 3_758_000, 3_320_000), 250, 1e-7, missing=3, off=3)

with open(os.path.join(folder, "cases.json"), "w") as file:
    # The folder is moved when all of it is there.
    file.write(json.dumps({"cases": cases}, indent=1).replace(folder, "$FOLDER"))
