"""What ecCodes reads, for the reader of GRIB to be compared with point by point.

Writes into the folder given as the argument:
- generated/*.grib: files written by ecCodes, with a packing, scanning mode, grid or arrangement of messages each;
- expected.json: for every file its fields: name, kind of level, level, member, times, units, and files of the places and
  values of its points;
- raw/N.bin: latitudes, longitudes and values of all points of a field as doubles, little-endian; missing values are NaN.
"""

import calendar
import itertools
import json
import os
import sys
from pathlib import Path

import eccodes as ec
import numpy as np
import rasterio

out = Path(sys.argv[1])
data = os.environ.get("GRATICULE_TEST_DATA")
generated = out / "generated"
for folder in (generated, out / "raw"):
    folder.mkdir()
random = np.random.default_rng(5)
expected = {}


def smooth(count, width):
    """Values that packings of differences have something to do with."""
    at = np.arange(count)
    return 280 + 15 * np.sin(at / 37) + 5 * np.cos((at % width) / 5) + random.normal(0, 0.3, count)


def message(edition, keys, values=None, missing=False):
    """A message with `keys`, set one after the other; the values are made to fit the grid."""
    handle = ec.codes_grib_new_from_samples(f"GRIB{edition}")
    keys = dict(keys)
    packing = keys.pop("packingType", None)
    late = {key: keys.pop(key) for key in ("bitsPerValue", "precision", "orderOfSpatialDifferencing") if key in keys}
    for key, value in keys.items():
        if isinstance(value, list):
            ec.codes_set_array(handle, key, value)
        else:
            ec.codes_set(handle, key, value)
    count = keys["Ni"] * keys["Nj"] if values is None else len(values)
    values = smooth(count, 31) if values is None else values.copy()
    if missing:
        ec.codes_set(handle, "missingValue", 9999.0)
        ec.codes_set(handle, "bitmapPresent", 1)
        values[random.random(count) < 0.2] = 9999.0
        values[:3] = 9999.0
    ec.codes_set(handle, "bitsPerValue", late.pop("bitsPerValue", 16))
    ec.codes_set_values(handle, values)
    if packing:
        ec.codes_set(handle, "packingType", packing)
        if late:
            for key, value in late.items():
                ec.codes_set(handle, key, value)
            ec.codes_set_values(handle, values)
    found = ec.codes_get(handle, "packingType")
    assert packing is None or found == packing, f"{packing} became {found}"
    return handle


def save(name, handles, between=b""):
    with open(generated / f"{name}.grib", "wb") as file:
        for handle in handles:
            file.write(between + ec.codes_get_message(handle))
            ec.codes_release(handle)
        file.write(between)


def grid(columns=31, rows=17, **keys):
    """A grid of latitudes and longitudes."""
    return {
        "Ni": columns,
        "Nj": rows,
        "latitudeOfFirstGridPointInDegrees": 60.0,
        "longitudeOfFirstGridPointInDegrees": 5.0,
        "latitudeOfLastGridPointInDegrees": 60.0 - 0.5 * (rows - 1),
        "longitudeOfLastGridPointInDegrees": 5.0 + 0.75 * (columns - 1),
        "iDirectionIncrementInDegrees": 0.75,
        "jDirectionIncrementInDegrees": 0.5,
        **keys,
    }


# ---------------------------------------------------------------------------------------------
# Packings

PACKINGS = {
    1: {
        "simple": {"packingType": "grid_simple"},
        "simple_1": {"packingType": "grid_simple", "bitsPerValue": 1},
        "simple_11": {"packingType": "grid_simple", "bitsPerValue": 11},
        "simple_24": {"packingType": "grid_simple", "bitsPerValue": 24},
        "second_order": {"packingType": "grid_second_order"},
        "second_order_no_spd": {"packingType": "grid_second_order_no_SPD"},
        "second_order_spd1": {"packingType": "grid_second_order_SPD1"},
        "second_order_spd2": {"packingType": "grid_second_order_SPD2"},
        "second_order_spd3": {"packingType": "grid_second_order_SPD3"},
        "second_order_rows": {"packingType": "grid_second_order_row_by_row"},
    },
    2: {
        "simple": {"packingType": "grid_simple"},
        "simple_7": {"packingType": "grid_simple", "bitsPerValue": 7},
        "simple_30": {"packingType": "grid_simple", "bitsPerValue": 30},
        "complex": {"packingType": "grid_complex"},
        "differences_1": {"packingType": "grid_complex_spatial_differencing", "orderOfSpatialDifferencing": 1},
        "differences_2": {"packingType": "grid_complex_spatial_differencing", "orderOfSpatialDifferencing": 2},
        "ieee_32": {"packingType": "grid_ieee", "precision": 1},
        "ieee_64": {"packingType": "grid_ieee", "precision": 2},
        "logarithms": {"packingType": "grid_simple_log_preprocessing"},
        "jpeg": {"packingType": "grid_jpeg"},
        "jpeg_8": {"packingType": "grid_jpeg", "bitsPerValue": 8},
        "png": {"packingType": "grid_png"},
        "png_8": {"packingType": "grid_png", "bitsPerValue": 8},
        "png_24": {"packingType": "grid_png", "bitsPerValue": 24},
        "ccsds": {"packingType": "grid_ccsds"},
        "ccsds_8": {"packingType": "grid_ccsds", "bitsPerValue": 8},
        "ccsds_11": {"packingType": "grid_ccsds", "bitsPerValue": 11},
        "ccsds_24": {"packingType": "grid_ccsds", "bitsPerValue": 24},
    },
}
unwritten = []
for edition, packings in PACKINGS.items():
    for (name, keys), kind in itertools.product(packings.items(), ["all", "missing", "constant", "large"]):
        size = (241, 121) if kind == "large" else (31, 17)
        values = smooth(size[0] * size[1], size[0]) if kind != "constant" else np.full(31 * 17, 273.15)
        try:
            handle = message(edition, grid(*size) | keys, values, missing=kind == "missing")
        except (ec.CodesInternalError, AssertionError) as error:
            unwritten.append(f"{edition} {name} {kind}: {error}")
            continue
        save(f"packing_{edition}_{name}_{kind}", [handle])

# ---------------------------------------------------------------------------------------------
# Scanning modes

for edition in (1, 2):
    for west, north, columns, alternating in itertools.product((0, 1), repeat=4):
        keys = grid(7, 5, iScansNegatively=west, jScansPositively=north, jPointsAreConsecutive=columns)
        if edition == 1 and alternating:
            continue
        if edition == 2:
            keys["alternativeRowScanning"] = alternating
        if west:
            keys["longitudeOfFirstGridPointInDegrees"], keys["longitudeOfLastGridPointInDegrees"] = 9.5, 5.0
        if north:
            keys["latitudeOfFirstGridPointInDegrees"], keys["latitudeOfLastGridPointInDegrees"] = 58.0, 60.0
        name = f"scanning_{edition}_{west}{north}{columns}{alternating}"
        save(name, [message(edition, keys, smooth(35, 7), missing=True)])

# ---------------------------------------------------------------------------------------------
# Grids

for edition in (1, 2):
    ends = {
        "greenwich": (350.0, 12.5),
        "dateline": (170.0, 192.5),
        "dateline_negative": (170.0, -167.5),
        "negative": (-20.0, 2.5),
        "around": (0.0, 348.0),
    }
    for name, (first, last) in ends.items():
        step = 12.0 if name == "around" else 0.75
        columns = 30 if name == "around" else 31
        keys = grid(columns, longitudeOfFirstGridPointInDegrees=first, iDirectionIncrementInDegrees=step)
        keys["longitudeOfLastGridPointInDegrees"] = last
        save(f"grid_{edition}_{name}", [message(edition, keys)])
    thirds = grid(10, 4, latitudeOfFirstGridPointInDegrees=1.0, latitudeOfLastGridPointInDegrees=0.0)
    thirds |= {"longitudeOfFirstGridPointInDegrees": 0.0, "longitudeOfLastGridPointInDegrees": 3.0}
    step = 0.333 if edition == 1 else 0.333333
    thirds |= {"iDirectionIncrementInDegrees": step, "jDirectionIncrementInDegrees": step}
    save(f"grid_{edition}_thirds", [message(edition, thirds)])


def sample(name, **keys):
    handle = ec.codes_grib_new_from_samples(name)
    for key, value in keys.items():
        ec.codes_set(handle, key, value)
    ec.codes_set_values(handle, smooth(ec.codes_get(handle, "numberOfDataPoints"), 31))
    return handle


for edition in (1, 2):
    save(f"grid_{edition}_regular_gg", [sample(f"regular_gg_pl_grib{edition}")])
    save(f"grid_{edition}_reduced_gg", [sample(f"reduced_gg_pl_32_grib{edition}")])
    save(f"grid_{edition}_rotated_ll", [sample(f"rotated_ll_pl_grib{edition}")])
    # In edition 1 ecCodes and GDAL put a grid around the south pole to different places; GDAL to those of edition 2.
    for name, south in (("north", 0), ("south", 1))[:edition]:
        keys = {"gridType": "polar_stereographic", "Nx": 23, "Ny": 19, "orientationOfTheGridInDegrees": 249.0}
        keys |= {"DxInMetres": 60000, "DyInMetres": 50000, "jScansPositively": 1, "projectionCentreFlag": 128 * south}
        keys |= {"latitudeOfFirstGridPointInDegrees": 45.0 - 90 * south, "longitudeOfFirstGridPointInDegrees": 230.0}
        if edition == 2:
            keys["LaDInDegrees"] = -60.0 if south else 60.0
        save(f"grid_{edition}_polar_{name}", [message(edition, keys, smooth(23 * 19, 23))])
    keys = {"gridType": "lambert", "Nx": 23, "Ny": 19, "LoVInDegrees": 262.5, "Latin1InDegrees": 33.0}
    keys |= {"Latin2InDegrees": 45.0, "DxInMetres": 60000, "DyInMetres": 50000, "jScansPositively": 1}
    keys |= {"latitudeOfFirstGridPointInDegrees": 21.138, "longitudeOfFirstGridPointInDegrees": 237.25}
    if edition == 2:
        keys |= {"LaDInDegrees": 39.0, "shapeOfTheEarth": 6}
    save(f"grid_{edition}_lambert", [message(edition, keys, smooth(23 * 19, 23))])
    keys = {"gridType": "mercator", "Ni": 23, "Nj": 19, "LaDInDegrees": 20.0, "jScansPositively": 1}
    keys |= {"latitudeOfFirstGridPointInDegrees": 10.0, "longitudeOfFirstGridPointInDegrees": 30.0}
    keys |= {"DiInMetres": 60000, "DjInMetres": 50000}
    # Where the last point is follows from the others; ecCodes compares.
    scale = 6367470.0 * np.cos(np.radians(20.0))
    north = np.arcsinh(np.tan(np.radians(10.0))) + 18 * 50000 / scale
    keys["latitudeOfLastGridPointInDegrees"] = float(np.degrees(np.arctan(np.sinh(north))))
    keys["longitudeOfLastGridPointInDegrees"] = 30.0 + float(np.degrees(22 * 60000 / scale))
    if edition == 2:
        keys["shapeOfTheEarth"] = 0
    save(f"grid_{edition}_mercator", [message(edition, keys, smooth(23 * 19, 23))])
keys = {"gridType": "lambert_azimuthal_equal_area", "Nx": 23, "Ny": 19, "shapeOfTheEarth": 4}
keys |= {"standardParallelInDegrees": 52.0, "centralLongitudeInDegrees": 10.0, "jScansPositively": 0}
keys |= {"latitudeOfFirstGridPointInDegrees": 60.0, "longitudeOfFirstGridPointInDegrees": 0.0}
keys |= {"xDirectionGridLengthInMetres": 60000.0, "yDirectionGridLengthInMetres": 50000.0}
save("grid_2_equal_area", [message(2, keys, smooth(23 * 19, 23))])

# ---------------------------------------------------------------------------------------------
# Messages together

T, U, T2M, U10, TP, SP = 130, 131, 167, 165, 228, 134
small = grid(5, 4)


def of(edition, param, **keys):
    start = {"paramId": param, "dataDate": 20240229, "dataTime": 600}
    # The parameter decides the template in edition 2; the grid comes first.
    return message(edition, small | start | keys, smooth(20, 5))


def levels(edition, **keys):
    for param, level in itertools.product((T, U), (1000, 500, 250)):
        yield of(edition, param, typeOfLevel="isobaricInhPa", level=level, **keys)


for edition in (1, 2):
    handles = [h for step in (0, 6, 12) for h in levels(edition, step=step)]
    handles += [of(edition, T2M, step=step) for step in (0, 6, 12)]
    handles += [of(edition, U10, step=step) for step in (6, 12)]
    save(f"together_{edition}_steps", handles, between=b"\0between\0" if edition == 1 else b"")
    handles = [of(edition, T2M, dataDate=20240228 + day, step=step) for day in (0, 1) for step in (0, 24, 48)]
    save(f"together_{edition}_overlapping", handles)
    handles = [of(edition, T2M, dataDate=20240201 + day, dataTime=hour * 100) for day in range(3) for hour in (0, 12)]
    save(f"together_{edition}_analyses", handles)
    handles = [of(edition, T, typeOfLevel="isobaricInhPa", level=850), of(edition, T, typeOfLevel="hybrid", level=9)]
    handles += [of(edition, SP)]
    save(f"together_{edition}_kinds", handles)
    other = grid(6, 3)
    handles = [of(edition, T2M), message(edition, other | {"paramId": T2M}, smooth(18, 6))]
    save(f"together_{edition}_grids", handles)
    handles = []
    for member, step in itertools.product((0, 1, 5), (0, 6)):
        keys = {"step": step}
        if edition == 1:
            keys |= {"setLocalDefinition": 1, "localDefinitionNumber": 1, "numberOfForecastsInEnsemble": 6}
            keys |= {"perturbationNumber": member}
        else:
            keys |= {"productDefinitionTemplateNumber": 1, "number": member, "numberOfForecastsInEnsemble": 6}
        handles += [of(edition, T2M, **keys)]
    save(f"together_{edition}_members", handles)
    handles = []
    for start, end in ((0, 6), (6, 12)):
        keys = {"stepType": "accum", "stepRange": f"{start}-{end}"}
        if edition == 1:
            handles += [of(edition, TP, **keys)]
        else:
            keys = {"productDefinitionTemplateNumber": 8, "typeOfStatisticalProcessing": 1, "stepRange": f"{start}-{end}"}
            handles += [of(edition, T2M, step=end)]
            keys |= {"discipline": 0, "parameterCategory": 1, "parameterNumber": 8, "typeOfFirstFixedSurface": 1}
            base = {"dataDate": 20240229, "dataTime": 600}
            handles += [message(edition, small | base | keys, smooth(20, 5))]
    save(f"together_{edition}_accumulations", handles)
soil = {"typeOfFirstFixedSurface": 106, "typeOfSecondFixedSurface": 106, "scaleFactorOfFirstFixedSurface": 2}
soil |= {"scaleFactorOfSecondFixedSurface": 2, "discipline": 2, "parameterCategory": 0, "parameterNumber": 9}
handles = [
    message(2, small | soil | {"scaledValueOfFirstFixedSurface": a, "scaledValueOfSecondFixedSurface": b}, smooth(20, 5))
    for a, b in ((0, 10), (10, 40), (40, 100))
]
save("together_2_layers", handles)
handles = [message(2, small | {"indicatorOfUnitOfTimeRange": 0, "forecastTime": 15 * n}, smooth(20, 5)) for n in (1, 2, 3)]
save("together_2_minutes", handles)

# Several fields in one message, the second with the bitmap of the first.
first = message(2, small | {"paramId": T2M}, smooth(20, 5), missing=True)
second = ec.codes_clone(first)
ec.codes_set(second, "paramId", U10)
multi = ec.codes_grib_multi_new()
ec.codes_grib_multi_append(first, 0, multi)
ec.codes_grib_multi_append(second, 4, multi)
with open(generated / "together_2_one_message.grib", "wb") as file:
    ec.codes_grib_multi_write(multi, file)

# ---------------------------------------------------------------------------------------------
# What ecCodes reads of all of them


def get(handle, key, default=None):
    try:
        return ec.codes_get(handle, key)
    except ec.CodesInternalError:
        return default


def seconds(date, time):
    """Seconds since 1970 of a date as 20240229 and a time as 1230."""
    parts = (date // 10000, date // 100 % 100, date % 100, time // 100, time % 100, 0)
    return calendar.timegm(parts)


def alternating(path, handle):
    """Points of rows that run to and fro: ecCodes does not turn them around, GDAL does, but takes the first one for the
    western one."""
    with rasterio.Env(GRIB_NORMALIZE_UNITS="NO"), rasterio.open(path) as file:
        values, place = file.read(1), file.transform
    rows, columns = np.mgrid[0 : values.shape[0], 0 : values.shape[1]] + 0.5
    ends = [ec.codes_get(handle, f"longitudeOf{end}GridPointInDegrees") for end in ("First", "Last")]
    latitudes, longitudes = place.f + place.e * rows, min(ends) + place.a * (columns - 0.5)
    return np.column_stack([latitudes.ravel(), longitudes.ravel(), values.ravel()])


def layer(handle):
    """The first surface of a layer; ecCodes' level is a whole number."""
    scale = get(handle, "scaleFactorOfFirstFixedSurface")
    is_layer = get(handle, "typeOfLevel").endswith("Layer")
    if ec.codes_get(handle, "edition") == 1 or not is_layer or scale is None:
        return get(handle, "level")
    return get(handle, "scaledValueOfFirstFixedSurface") / 10**scale


def describe(path, handle):
    keys = ("latitudes", "longitudes", "values")
    if ec.codes_get(handle, "numberOfDataPoints") > 100000:
        points = np.column_stack([ec.codes_get_array(handle, key) for key in keys])
    else:
        # These are points one by one, in whichever order values are stored.
        points = np.array([(p["lat"], p["lon"], p["value"]) for p in ec.codes_grib_get_data(handle)])
    if get(handle, "alternativeRowScanning"):
        points = alternating(path, handle)
    if ec.codes_get(handle, "bitmapPresent") or get(handle, "numberOfMissing", 0):
        points[points[:, 2] == ec.codes_get(handle, "missingValue"), 2] = np.nan
    name = f"raw/{len(list((out / 'raw').iterdir()))}.bin"
    points.T.astype("<f8").tofile(out / name)
    short = get(handle, "cfVarName", "unknown")
    short = get(handle, "shortName") if short == "unknown" else short
    return {
        "name": short,
        "units": get(handle, "units"),
        "kind": get(handle, "typeOfLevel"),
        "level": layer(handle),
        "number": get(handle, "number"),
        "reference": seconds(get(handle, "dataDate"), get(handle, "dataTime")),
        "valid": seconds(get(handle, "validityDate"), get(handle, "validityTime")),
        "grid": get(handle, "gridType"),
        "packing": get(handle, "packingType"),
        "raw": name,
        "points": len(points),
    }


ec.codes_grib_multi_support_on()
paths = {path.stem: path for path in sorted(generated.iterdir())}
if data:
    for path in sorted(Path(data, "store-fixtures/kerchunk/grib").iterdir()):
        paths[f"real_{path.stem}"] = path
    paths["real_era5"] = Path(data, "grib/era5-2mt-2019-03-uk.grib")
for name, path in paths.items():
    fields = []
    with open(path, "rb") as file:
        while (handle := ec.codes_grib_new_from_file(file)) is not None:
            try:
                # Two days of hours are enough of a month.
                if len(fields) < 48 and get(handle, "shortName") != "unknown":
                    fields.append(describe(path, handle))
            except ec.CodesInternalError as error:
                print(f"{name}: {error}", file=sys.stderr)
            ec.codes_release(handle)
    # The folder is moved when it is complete.
    place = path.relative_to(out) if path.is_relative_to(out) else path
    expected[name] = {"path": str(place), "fields": fields}

(out / "expected.json").write_text(json.dumps(expected))
# What ecCodes reads but does not write, for people.
(out / "unwritten.txt").write_text("\n".join(unwritten) + "\n")
