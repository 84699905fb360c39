"""The same places in five formats, written by GDAL and pyarrow, and what GDAL reads from the files.

GeoPackages that GDAL does not write are made by the standard, with sqlite3.
"""

import json
import pathlib
import sqlite3
import struct
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
DRIVERS = {"GeoJSON": "geojson", "FlatGeobuf": "fgb", "ESRI Shapefile": "shp", "GPKG": "gpkg"}


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
    names = [*about["fields"].tolist(), "geom" if path.suffix == ".gpkg" else "geometry"]
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
    made.append(with_gdal(name, "GPKG", "EPSG:3035"))
made.append(with_gdal("areas-latin", "ESRI Shapefile", None, ENCODING="ISO-8859-1"))
made.append(with_gdal("areas-indexed", "FlatGeobuf", None, keep=[0, 1, 3]))
made.append(with_gdal("areas-one", "FlatGeobuf", None, keep=[1]))
made.append(with_gdal("stations-many", "FlatGeobuf", None, keep=[0, 1, 3] * 100))


CONTENTS = "gpkg_contents (table_name, data_type, identifier, srs_id)"


def geopackage(name, layers, tables=()):
    """A file with layers: name, declared columns, rows with WKT at the end, number of their system."""
    path = folder / f"{name}.gpkg"
    with sqlite3.connect(path) as database:
        database.executescript("""
            PRAGMA application_id = 0x47504B47;
            PRAGMA user_version = 10400;
            CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT, srs_id INTEGER PRIMARY KEY, organization TEXT,
                organization_coordsys_id INTEGER, definition TEXT, description TEXT);
            CREATE TABLE gpkg_contents (table_name TEXT PRIMARY KEY, data_type TEXT, identifier TEXT, description TEXT,
                last_change DATETIME, min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER);
            CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, geometry_type_name TEXT,
                srs_id INTEGER, z TINYINT, m TINYINT);
            INSERT INTO gpkg_spatial_ref_sys VALUES ('x', 4326, 'EPSG', 4326, 'GEOGCS["x"]', NULL),
                ('y', 7, 'NONE', 7, 'LOCAL_CS["y"]', NULL), ('z', 0, 'NONE', 0, 'undefined', NULL);
        """)
        for layer, declared, rows, system in layers:
            kind = "attributes" if system is None else "features"
            database.execute(f"INSERT INTO {CONTENTS} VALUES (?, ?, ?, ?)", [layer, kind, layer, system])
            if system is not None:
                database.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'GEOMETRY', ?, 0, 0)", [layer, system])
                declared = f"{declared}, geom GEOMETRY"
            database.execute(f'CREATE TABLE "{layer}" ({declared})')
            for row in rows:
                if system is not None and isinstance(row[-1], str):
                    box = struct.pack("<4d", 0, 0, 0, 0) if len(row[-1]) % 2 else b""
                    head = b"GP" + bytes([0, 0b11 if box else 1]) + struct.pack("<i", system) + box
                    row = [*row[:-1], head + shapely.to_wkb(shapely.from_wkt(row[-1]), flavor="iso")]
                database.execute(f'INSERT INTO "{layer}" VALUES ({", ".join("?" * len(row))})', row)
        for statement in tables:
            database.execute(statement)
    database.close()


KINDS = '''fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "a ""name""" TEXT(20), flag BOOLEAN, tiny TINYINT,
    middle MEDIUMINT, number INT, single FLOAT, double DOUBLE, real REAL, day DATE, moment DATETIME, bytes BLOB(9),
    other VARCHAR(5), odd'''
ROWS = [
    [1, "Ærø", 1, -128, 8388607, 2**53 + 1, 0.5, 1e300, 2, "2020-02-29", "2020-02-29T12:30:00.250Z", b"\x00\xff", "x", 1, "POINT (1 2)"],
    [2, *[None] * 14],
    [5, "", 0, 127, -1, -(2**63), -0.0, -1.5, 0, "1969-12-31", "1969-12-31T23:59:59Z", b"", "", "t", "LINESTRING (0 0, 1 1)"],
]
with_table = [("kinds", KINDS, ROWS, 4326), ("notes", "id INTEGER PRIMARY KEY, note TEXT", [[1, "a"], [2, "b"]], None)]
geopackage("kinds", with_table)
geopackage(
    "layers",
    [
        ("roads", "fid INTEGER PRIMARY KEY, name TEXT", [[1, "r", "LINESTRING (0 0, 1 1)"]], 7),
        ("towns", "fid INTEGER PRIMARY KEY, name TEXT", [[1, "t", "POINT (3 4)"], [2, "u", "POINT (5 6)"]], -1),
    ],
)
one = "fid INTEGER PRIMARY KEY, number INTEGER"
geopackage("fault-type", [("a", one, [[1, "many", "POINT (1 2)"]], 4326)])
geopackage("fault-blob", [("a", one, [[1, 1, b"GP\x00\x01"]], 4326)])
geopackage("fault-none", [])
endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS fid, i AS geom FROM n"
geopackage(
    "fault-view",
    [],
    [
        f"CREATE VIEW v AS {endless}",
        f"INSERT INTO {CONTENTS} VALUES ('v', 'features', 'v', 4326)",
        "INSERT INTO gpkg_geometry_columns VALUES ('v', 'geom', 'POINT', 4326, 0, 0)",
    ],
)
(folder / "fault-text.gpkg").write_text("not a database")
(folder / "expected.json").write_text(json.dumps(made))
