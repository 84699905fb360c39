"""Which cells of a grid a polygon contains, and how much of each it covers: by shapely and by GDAL's rasterizer."""

import json
import pathlib
import sys

import numpy as np
import rasterio.features
import rasterio.transform
import shapely

RANDOM = np.random.default_rng(20261124)


def star(x, y, radius, whole):
    """A ring around (x, y) that does not cross itself; `whole`: its vertices are whole numbers."""
    angles = np.sort(RANDOM.uniform(0, 2 * np.pi, RANDOM.integers(4, 16)))
    lengths = RANDOM.uniform(0.3, 1, angles.size) * radius
    ring = np.column_stack([x + lengths * np.cos(angles), y + lengths * np.sin(angles)])
    return np.round(ring) if whole else ring


def zone(whole):
    """A polygon with a hole, or several polygons; `None` where rounding made it invalid."""
    outer = shapely.Polygon(star(10, 10, 10, whole))
    hole = shapely.Polygon(star(10, 10, 3, whole))
    other = shapely.Polygon(star(22, 8, 6, whole))
    if not (outer.is_valid and hole.is_valid and other.is_valid) or outer.area == 0:
        return None
    made = outer.difference(hole).union(other) if RANDOM.random() < 0.6 else outer
    # A union computes new vertices, which are not on whole numbers.
    corners = shapely.get_coordinates(made)
    return made if not whole or np.array_equal(corners, np.round(corners)) else None


def zones(count, whole):
    while count:
        if (made := zone(whole)) is not None and made.geom_type in ("Polygon", "MultiPolygon"):
            count -= 1
            yield made


def axis(cells):
    """Centres of cells with gaps, rising or falling."""
    places = np.sort(RANDOM.choice(np.arange(-1, 30), cells, replace=False)).astype(float)
    return places[::-1] if RANDOM.random() < 0.5 else places


def runs(mask):
    found = []
    for row, inside in enumerate(mask):
        steps = np.diff(np.concatenate([[0], inside.astype(int), [0]]))
        starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        found += [[row, int(start), int(end)] for start, end in zip(starts, ends)]
    return found


def on_centres():
    """Vertices and edges that pass through centres: what rules about edges are for."""
    for made in zones(150, whole=True):
        x, y = axis(RANDOM.integers(2, 28)), axis(RANDOM.integers(2, 28))
        columns, rows = np.meshgrid(x, y)
        yield {
            "zone": made.wkt,
            "x": x.tolist(),
            "y": y.tolist(),
            "exclude": runs(shapely.contains_xy(made, columns, rows)),
            "include": runs(shapely.intersects_xy(made, columns, rows)),
            # A centre that lies a trifle further right, and still less higher up, lies on no edge.
            "half_open": runs(shapely.contains_xy(made, columns + 1e-3, rows + 1e-7)),
        }


def between_centres():
    """GDAL's rasterizer, where no centre lies on an edge: there its rule is another one."""
    for made in zones(60, whole=False):
        x, y = np.arange(0.25, 30, 0.5), np.arange(24.75, -5, -0.5)
        transform = rasterio.transform.from_origin(0, 25, 0.5, 0.5)
        mask = rasterio.features.rasterize([made], (y.size, x.size), transform=transform)
        yield {"zone": made.wkt, "x": x.tolist(), "y": y.tolist(), "half_open": runs(mask == 1)}


def to_sphere(points):
    """Equal areas of the sphere are equal areas here."""
    return np.column_stack([points[:, 0], np.degrees(np.sin(np.radians(points[:, 1])))])


def fractions():
    for made in zones(30, whole=False):
        x, y = np.sort(RANDOM.uniform(-5, 30, 12)), np.sort(RANDOM.uniform(-5, 30, 9))[::-1]
        boxes = np.array(
            [[shapely.box(*sorted(x[i : i + 2])[:1], *sorted(y[j : j + 2])[:1], max(x[i : i + 2]), max(y[j : j + 2]))
              for i in range(x.size - 1)] for j in range(y.size - 1)]
        )
        common = shapely.intersection(made, boxes)
        fine = shapely.segmentize([common, boxes], 0.01)
        common_on_sphere, boxes_on_sphere = shapely.transform(fine, to_sphere)
        yield {
            "zone": made.wkt,
            "x": x.tolist(),
            "y": y.tolist(),
            "plane": (shapely.area(common) / shapely.area(boxes)).tolist(),
            "sphere": (shapely.area(common_on_sphere) / shapely.area(boxes_on_sphere)).tolist(),
        }


folder = pathlib.Path(sys.argv[1])
cases = {"on_centres": on_centres(), "between_centres": between_centres(), "fractions": fractions()}
(folder / "zones.json").write_text(json.dumps({name: list(made) for name, made in cases.items()}))
