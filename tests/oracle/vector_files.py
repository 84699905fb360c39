"""The same places in four formats, written by GDAL and pyarrow, and what GDAL reads from the files."""

import json
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely

folder = pathlib.Path(sys.argv[1])

SHAPES = {
    "areas": [
        "POLYGON ((0 0, 0 9, 9 9, 9 0, 0 0), (1 1, 3 1, 3 3, 1 3, 1 1))",
        "MULTIPOLYGON (((20 0, 20 5, 25 5, 25 0, 20 0)), ((30 0, 30 5, 35 5, 35 0, 30 0), (31 1, 32 1, 32 2, 31 2, 31 1)))",
        None,
        "POLYGON ((170 -20, 170 -10, 190 -10, 190 -20, 170 -20))",
    ],
    "ways": ["LINESTRING (0 0, 1 1, 2 0)", "MULTILINESTRING ((0 0, 1 1), (5 5, 6 6, 7 5))", None, "LINESTRING (3 3, 4 4)"],
    "stations": ["POINT (1.5 2.5)", "POINT (-3 4)", None, "POINT (10 20)"],
    "heights": ["POINT Z (1.5 2.5 100)", "POINT Z (-3 4 0)", None, "POINT Z (10 20 -5)"],
}
GEOMETRY_TYPES = {"areas": "MultiPolygon", "ways": "MultiLineString", "stations": "Point", "heights": "Point Z"}
FIELDS = {
    "name": np.array(["Ærø", "b", "c", None], dtype=object),
    "count": np.array([1, -2, 2_000_000_000, 4], dtype=np.int64),
    "share": np.array([0.5, 1.25, np.nan, -1e-3]),
    "day": np.array(["2020-02-29", "1969-12-31", "2026-11-24", "2000-01-01"], dtype="datetime64[D]"),
    "flag": np.array([True, False, True, True]),
}
DRIVERS = {"GeoJSON": "geojson", "FlatGeobuf": "fgb", "ESRI Shapefile": "shp"}


def text(value):
    """A value as SQL casts it to text."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, np.datetime64):
        unit = "D" if np.datetime_data(value.dtype)[0] == "D" else "s"
        return None if np.isnat(value) else str(value.astype(f"datetime64[{unit}]"))
    return str(value)


def expected(path):
    """Names of columns, and rows of texts with the geometry as WKB in hexadecimal digits at the end."""
    about, _, geometries, fields = pyogrio.raw.read(path)
    columns = [[text(value) for value in field] for field in fields]
    # GDAL marks a height in another bit than ISO does.
    shapes = shapely.to_wkb(shapely.from_wkb(geometries), flavor="iso")
    columns.append([None if shape is None else shape.hex() for shape in shapes])
    names = [*about["fields"].tolist(), "geometry"]
    return {"file": path.name, "columns": names, "rows": [list(row) for row in zip(*columns)]}


def plural(shape, kind):
    """The shape as the only part of a plural one, where the file's type asks for that."""
    if shape is None or "Multi" not in kind or shape.geom_type == kind:
        return shape
    return shapely.from_wkt(f"{kind.upper()} ({shape.wkt[shape.wkt.index('('):]})")


def with_gdal(name, driver, crs, keep=slice(None), **options):
    path = folder / f"{name}.{DRIVERS[driver]}"
    shapes = shapely.from_wkt(SHAPES[name.split("-")[0]])
    kind = GEOMETRY_TYPES[name.split("-")[0]]
    if driver == "FlatGeobuf":
        shapes = [plural(shape, kind) for shape in shapes]
    elif driver == "ESRI Shapefile":
        kind = kind.replace("Multi", "")
    else:
        kind = "Unknown"
    # Shapefiles have no Boolean in GDAL.
    fields = {key: values for key, values in FIELDS.items() if driver != "ESRI Shapefile" or key != "flag"}
    pyogrio.raw.write(
        path,
        geometry=shapely.to_wkb(shapes, include_srid=False, flavor="iso")[keep],
        field_data=[values[keep] for values in fields.values()],
        fields=list(fields),
        geometry_type=kind,
        driver=driver,
        crs=crs,
        layer_options=options,
    )
    return expected(path)


def as_geoparquet(name, columns):
    shapes = shapely.from_wkt(SHAPES[name])
    names = list(FIELDS)
    arrays = [pa.array(values, from_pandas=True) for values in FIELDS.values()]
    about = {
        "version": "1.1.0",
        "primary_column": "shape",
        "columns": {"shape": {"encoding": "WKB", "geometry_types": [], **columns}},
    }
    geometries = [None if shape is None else shapely.to_wkb(shape, flavor="iso") for shape in shapes]
    table = pa.table([*arrays, pa.array(geometries, pa.binary())], [*names, "shape"])
    path = folder / f"{name}.geoparquet"
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(about)}), path)
    rows = [[text(value) for value in values] for values in FIELDS.values()]
    rows.append([None if shape is None else shape.hex() for shape in geometries])
    return {"file": path.name, "columns": [*names, "shape"], "rows": [list(row) for row in zip(*rows)]}


made = []
for name in SHAPES:
    made.append(with_gdal(name, "GeoJSON", "OGC:CRS84"))
    made.append(with_gdal(name, "FlatGeobuf", "EPSG:4326", SPATIAL_INDEX="NO"))
    made.append(with_gdal(name, "ESRI Shapefile", "EPSG:32632"))
    made.append(as_geoparquet(name, {}))
made.append(with_gdal("areas-latin", "ESRI Shapefile", None, ENCODING="ISO-8859-1"))
made.append(with_gdal("areas-indexed", "FlatGeobuf", None, keep=[0, 1, 3]))
made.append(with_gdal("areas-one", "FlatGeobuf", None, keep=[1]))
made.append(with_gdal("stations-many", "FlatGeobuf", None, keep=[0, 1, 3] * 100))
(folder / "expected.json").write_text(json.dumps(made))
