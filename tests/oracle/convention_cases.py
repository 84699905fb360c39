"""The torture list of the CF conventions as data: what is stored, and where we differ from xarray.

A case is written in every format it names, opened with the same options by xarray and by us.
`differs` replaces xarray's values for a variable and says why; `hidden` are variables that are no
columns here; `types` and `metadata` are promises about columns; `tables` are the columns of every
table, axes before the bar; `renames` are dimensions that have another name here.
"""

from dataclasses import dataclass, field

import numpy as np

from raw_cubes import Stored

ALL = "zarr2 zarr3 nc3 nc4"
HDF = "zarr2 zarr3 nc4"
ZARR = "zarr2 zarr3"
NAN = float("nan")


@dataclass
class Case:
    variables: dict
    formats: str = ALL
    options: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    differs: dict = field(default_factory=dict)
    hidden: tuple = ()
    types: dict = field(default_factory=dict)
    metadata: dict = field(default_factory=dict)
    tables: dict = field(default_factory=dict)
    orders: dict = field(default_factory=dict)
    renames: dict = field(default_factory=dict)
    crs: str = None


def on_x(values, dtype, chunks=None, fill=None, absent=(), /, **attributes):
    """A variable along x."""
    values = np.array(values, dtype)
    return Stored(("x",), values, attributes, chunks, fill, absent)


def grid(shape, dims, dtype="f4", **attributes):
    """A variable with distinct values."""
    values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    return Stored(tuple(dims.split()), values, attributes)


def scalar(value, dtype="f8", **attributes):
    return Stored((), np.array(value, dtype), attributes)


def axis(name, values, dtype="f8", **attributes):
    return {name: Stored((name,), np.array(values, dtype), attributes)}


def times(values, units, calendar=None, dtype="f8", **attributes):
    """A time coordinate with a variable on it."""
    if calendar:
        attributes["calendar"] = calendar
    time = axis("time", values, dtype, units=units, **attributes)
    return Case({**time, "v": grid((len(values),), "time")})


VALID = "xarray leaves valid_min, valid_max and valid_range to the reader"
EXACT = "integers stay integers, xarray rounds them to doubles"
ROUNDED = "a missing value has the precision of its array, or it would never occur"
EMPTY = "an empty text is a text, also where it is the fill value"
NO_DATE = "xarray turns missing dates of this calendar into the reference date"
UNDEFINED = "Zarr 2 calls cells undefined whose fill value is null; zarr-python makes them 0"
PACKED = "floats are valid_range in units of the unpacked data, says the NetCDF User Guide"

LAT = axis("lat", [50.5, 49.5, 48.5], standard_name="latitude", units="degrees_north")
LON = axis("lon", [0.0, 1.0, 2.0, 3.0], units="degrees_east")
TIME = axis("time", [0, 1], "i4", units="days since 2000-01-01")

CASES = {
    # -- masking ------------------------------------------------------------------------------
    "fill_float": Case({"v": on_x([1, -9999, NAN, np.inf], "f4", _FillValue=np.float32(-9999))},
                       types={"v": "Float32"}),
    "fill_nan": Case({"v": on_x([1, NAN, 3], "f4", _FillValue=np.float32(NAN))}),
    "fill_double": Case({"v": on_x([1, -1e300, 3], "f8", _FillValue=-1e300)}),
    "fill_huge": Case({"v": on_x([1, 9.969209968386869e36, 3], "f4",
                                 _FillValue=np.float32(9.969209968386869e36))}),
    "fill_infinite": Case({"v": on_x([1, np.inf, -np.inf], "f4", _FillValue=np.float32(np.inf))}),
    "fill_rounded": Case({"v": on_x([1, -9999.9, 3], "f4", missing_value=-9999.9)}, formats=ZARR,
                         differs={"v": ([1, None, 3], ROUNDED)}),
    "fill_decimal": Case({"v": on_x([1, -0.1, 3], "f4", _FillValue=np.float32(-0.1))}),
    "missing_value": Case({"v": on_x([1, -1, 3], "f4", missing_value=np.float32(-1))}),
    "missing_values": Case({"v": on_x([1, -1, -2, 4], "f4",
                                      missing_value=np.array([-1, -2], "f4"))}),
    "fill_and_missing": Case({"v": on_x([1, -1, -2, 4], "i2", _FillValue=np.int16(-1),
                                        missing_value=np.int16(-2))}, types={"v": "Int16"}),
    "missing_of_wrong_type": Case({"v": on_x([1, -9999, 3], "i2", missing_value=-9999.0)}),
    "missing_never_equal": Case({"v": on_x([1, -9999, 3], "i2", missing_value=-9999.5)}),
    "missing_out_of_range": Case({"v": on_x([1, -31073, 3], "i2", missing_value=-9999.0e3)}),
    "missing_nan_on_integers": Case({"v": on_x([1, 0, 3], "i2", missing_value=NAN)}),
    "missing_text": Case({"v": on_x([1, -9999, 3], "f4", missing_value="-9999")}),
    "valid_range": Case({"v": on_x([-1, 0, 5, 10, 11, NAN], "f4",
                                   valid_range=np.array([0, 10], "f4"))},
                        differs={"v": ([None, 0, 5, 10, None, None], VALID)}),
    "valid_min_max": Case({"v": on_x([-1, 0, 5, 10, 11], "i2", valid_min=np.int16(0),
                                     valid_max=np.int16(10))},
                          differs={"v": ([None, 0, 5, 10, None], VALID)}),
    "valid_min": Case({"v": on_x([-1, 0, NAN, np.inf], "f8", valid_min=0.0)},
                      differs={"v": ([None, 0, None, np.inf], VALID)}),
    "valid_range_packed": Case({"v": on_x([-1, 0, 100, 101, -99], "i2", scale_factor=0.1,
                                          valid_range=np.array([0, 100], "i2"),
                                          _FillValue=np.int16(-99))},
                               differs={"v": ([None, 0, 10, None, None], VALID)}),
    "valid_range_unpacked": Case({"v": on_x([-1, 0, 100, 101], "i2", scale_factor=0.1,
                                            valid_range=np.array([0.0, 10.0]))},
                                 formats="nc3 nc4", differs={"v": ([None, 0, 10, None], PACKED)}),
    "valid_max_negative_scale": Case({"v": on_x([-1, 0, 100, 101], "i2", scale_factor=-0.5,
                                                add_offset=1.0, valid_max=np.int16(100))},
                                     differs={"v": ([1.5, 1, -49, None], VALID)}),
    # -- scaling ------------------------------------------------------------------------------
    "scale": Case({"v": on_x([0, 1, -7], "i2", scale_factor=0.01)}, types={"v": "Float32"}),
    "scale_single": Case({"v": on_x([0, 1, -7], "i2", scale_factor=np.float32(0.01))}),
    "scale_and_offset": Case({"v": on_x([0, 1, -7, -32768], "i2", scale_factor=0.01,
                                        add_offset=273.15, _FillValue=np.int16(-32768))},
                             types={"v": "Float64"}),
    "offset": Case({"v": on_x([0, 1, 255], "u1", add_offset=1000.0)}, formats=HDF),
    "scale_bytes": Case({"v": on_x([0, 1, -128, 127], "i1", scale_factor=0.5)}),
    "scale_wide": Case({"v": on_x([0, 123456789, -1], "i4", scale_factor=1e-3)},
                       types={"v": "Float64"}),
    "scale_floats": Case({"v": on_x([0, 1.5, -1], "f4", scale_factor=np.float32(2),
                                    _FillValue=np.float32(-1))}, types={"v": "Float32"}),
    "scale_integer": Case({"v": on_x([0, 1, 2], "i2", scale_factor=np.int16(10))},
                          formats="nc3 nc4"),
    "mask_before_scaling": Case({"v": on_x([0, 10, 100], "i2", scale_factor=0.1,
                                           _FillValue=np.int16(10))}),
    # -- integers -----------------------------------------------------------------------------
    "unsigned": Case({"v": on_x([0, 127, -128, -1], "i1", _Unsigned="true")},
                     types={"v": "UInt8"}),
    "unsigned_fill": Case({"v": on_x([0, 127, -128, -1], "i1", _Unsigned="true",
                                     _FillValue=np.int8(-1))}),
    "unsigned_scaled": Case({"v": on_x([0, 1, -1, -2], "i2", _Unsigned="true", scale_factor=0.1,
                                       _FillValue=np.int16(-2))}),
    "unsigned_valid_range": Case({"v": on_x([0, 1, -1, -2], "i1", _Unsigned="true",
                                            valid_range=np.array([1, -2], "i1"))},
                                 differs={"v": ([None, 1, None, 254], VALID)}),
    "signed": Case({"v": on_x([0, 127, 128, 255], "u1", _Unsigned="false")}, formats=HDF,
                   types={"v": "Int8"}),
    "integers_with_fill": Case({"v": on_x([1, -1, 3], "i4", _FillValue=np.int32(-1))},
                               types={"v": "Int32"}),
    "long_integers": Case({"v": on_x([2**62 + 1, -1, 3], "i8")}, formats=HDF),
    "long_integers_with_fill": Case({"v": on_x([2**62 + 1, -1, 3], "i8", _FillValue=-1)},
                                    formats=HDF, differs={"v": ([2**62 + 1, None, 3], EXACT)}),
    "unsigned_long_fill": Case({"v": on_x([2**64 - 1, 2**63, 3], "u8",
                                          _FillValue=np.uint64(2**64 - 1))}, formats=HDF,
                               differs={"v": ([None, 2**63, 3], EXACT)}),
    "booleans": Case({"v": on_x([True, False, True], "?")}, formats="zarr3",
                     types={"v": "Boolean"}),
    "booleans_as_bytes": Case({"v": on_x([1, 0, 1], "i1", dtype="bool")}, types={"v": "Boolean"}),
    "half_precision": Case({"v": on_x([1.5, NAN, -2], "f2")}, formats=ZARR,
                           types={"v": "Float32"}),
    "flags": Case({"v": on_x([1, 2, 4, 0], "i1", flag_masks=np.array([1, 2, 4], "i1"),
                             flag_meanings="land cloud ice", _FillValue=np.int8(0),
                             flag_values=np.array([1, 2, 4], "i1"))},
                  metadata={"v": {"flag_masks": "[1,2,4]", "flag_values": "[1,2,4]",
                                  "flag_meanings": "land cloud ice"}}),
    "attributes": Case({"v": on_x([1], "f4", units="K", long_name="Température", level=3,
                                  cell_methods="time: mean", standard_name="air_temperature",
                                  comment="", valid_min=np.float32(0), coordinates="x")},
                       metadata={"v": {"units": "K", "long_name": "Température", "level": "3",
                                       "cell_methods": "time: mean", "comment": "",
                                       "standard_name": "air_temperature", "valid_min": None}}),
    # -- texts --------------------------------------------------------------------------------
    "characters": Case({"station": Stored(("x", "length"), np.array(
        [list("Oslo\0"), list("Paris"), list("\0\0\0\0\0")], "S1"), {}, (2, 3))},
        formats="nc3 nc4", types={"station": "Utf8"}, tables={"": "x | station"}),
    "characters_of_a_scalar": Case({"name": Stored(("length",), np.array(list("Oslo"), "S1")),
                                    "v": on_x([1, 2], "f4")}, formats="nc3 nc4",
                                   tables={"": "x | name v"}),
    "station_axis": Case({"station": Stored(("station", "length"), np.array(
        [list("Oslo\0"), list("Paris")], "S1")), "v": grid((2,), "station")},
        formats="nc3 nc4", tables={"": "station | v"}, orders={"station": "Ascending"}),
    "texts": Case({"v": on_x(["Oslo", "", "Zürich"], "O")}, formats="zarr3 nc4"),
    "texts_of_fixed_length": Case({"v": on_x(["Oslo", "", "Rome"], "<U4", None, "")},
                                  formats="zarr2", differs={"v": (["Oslo", "", "Rome"], EMPTY)}),
    # -- chunks that are not stored -------------------------------------------------------------
    "absent_chunk_missing": Case({"v": on_x([1, 2, 3, 4, 5], "f4", (2,), NAN, ((1,),),
                                            _FillValue=np.float32(NAN))}, formats=ZARR),
    "absent_chunk_of_zeros": Case({"v": on_x([1, 2, 3, 4, 5], "i2", (2,), 0, ((1,),))},
                                  formats="zarr3"),
    "absent_chunk_scaled": Case({"v": on_x([1, 2, 3, 4, 5], "i2", (2,), 7, ((2,),),
                                           scale_factor=0.5)}, formats="zarr3"),
    "absent_chunk_undefined": Case({"v": on_x([1, 2, 3, 4, 5], "i2", (2,), None, ((1,),))},
                                   formats="zarr2",
                                   differs={"v": ([1, 2, None, None, 5], UNDEFINED)}),
    "fill_zero_of_zarr_2": Case({"v": on_x([1, 0, 3, 4], "i2", (2,), 0, ((1,),))},
                                formats="zarr2"),
    "coordinate_with_fill_zero": Case(
        {**axis("time", [0, 1, 2], "i4", units="days since 2000-01-01", _FillValue=np.int32(0)),
         "v": grid((3,), "time")},
        differs={"time": ([946684800000000 + 86400000000 * n for n in range(3)],
                          "a coordinate in order without the mask has no missing values")}),
    # -- dimensions and tables ------------------------------------------------------------------
    "grid": Case({**TIME, **LAT, **LON, "v": grid((2, 3, 4), "time lat lon")},
                 tables={"": "time lat lon | v"}, crs="OGC:CRS84",
                 orders={"time": "Ascending", "lat": "Descending", "lon": "Ascending"}),
    "gaussian_grid": Case({**axis("lat", [87.16, 82.58, 77.76, 0.0, -87.16], units="degrees_north"),
                           "v": grid((5,), "lat")}, orders={"lat": "Descending"}),
    "no_coordinates": Case({"v": grid((2, 3), "y x")}, tables={"": "y x | v"},
                           types={"y": "Int64"}),
    "bounds": Case({**LAT, "lat_bnds": grid((3, 2), "lat nv"), "v": grid((3,), "lat"),
                    "lat": Stored(("lat",), np.array([3.0, 2, 1]), {"bounds": "lat_bnds"}),
                    "v_bounds": grid((3, 2), "lat nv")},
                   hidden=("lat_bnds", "v_bounds"), tables={"": "lat | v"}),
    "climatology": Case({"time": Stored(("time",), np.array([15.0, 45]), {
        "climatology": "climatology_bounds", "units": "days since 2000-01-01"}),
        "climatology_bounds": grid((2, 2), "time nv"), "v": grid((2,), "time")},
        hidden=("climatology_bounds",), tables={"": "time | v"}),
    "two_dimensional_coordinates": Case(
        {"nav_lat": grid((2, 3), "y x", units="degrees_north"),
         "nav_lon": grid((2, 3), "y x", units="degrees_east"), **axis("deptht", [0.5, 1.5]),
         **TIME, "sst": grid((2, 2, 3), "time y x", coordinates="nav_lat nav_lon"),
         "so": grid((2, 2, 2, 3), "time deptht y x", coordinates="nav_lat nav_lon")},
        tables={"": "time deptht y x | nav_lat nav_lon sst so",
                "_time_y_x": "time y x | nav_lat nav_lon sst"}),
    "scalar_coordinates": Case(
        {**LAT, "height": scalar(2, units="m"), "run": scalar(0, units="days since 2001-01-01"),
         "v": grid((3,), "lat", coordinates="height run")}, tables={"": "lat | height run v"}),
    "only_scalars": Case({"a": scalar(1.5), "b": scalar(2, "i4")}, tables={"": "| a b"}),
    "only_coordinates": Case({**LAT}, tables={"": "lat |"}),
    "dimension_sets": Case(
        {**TIME, **LAT, **LON, "a": grid((2, 3, 4), "time lat lon"),
         "b": grid((2, 3, 4), "time lat lon"), "mask": grid((3, 4), "lat lon", "i1"),
         **axis("z", [1.0, 2]), "depth": grid((2, 3, 4), "z lat lon"), "series": grid((2,), "time")},
        tables={"": "time lat lon | a b mask series", "_z_lat_lon": "z lat lon | depth",
                "_lat_lon": "lat lon | mask", "_time": "time | series"}),
    "transposed": Case({**LAT, **LON, "a": grid((3, 4), "lat lon"), "b": grid((4, 3), "lon lat")},
                       tables={"": "lat lon | a b"}),
    "names_by_case": Case({**axis("t", [1, 2]), **axis("T", [5, 6, 7]), "V": grid((2, 3), "t T"),
                           "v": grid((2, 3), "t T")}, formats="zarr2 zarr3 nc3 nc4",
                          tables={"": "t T | V v"}),
    "variable_named_like_a_dimension": Case({"x": grid((2, 3), "y x"), "v": grid((2, 3), "y x")},
                                            tables={"": "y x_index | x v"}, renames={"x": "x_index"}),
    "lone_coordinate": Case(
        {"lat": Stored(("y",), np.array([3.0, 2, 1]), {"units": "degrees_north"}),
         "lon": Stored(("x",), np.array([1.0, 2]), {"units": "degrees_east"}),
         "v": grid((3, 2), "y x", coordinates="lat lon")}, tables={"": "lat lon | v"}, renames={"y": "lat", "x": "lon"}),
    "stations": Case(
        {"lat": Stored(("station",), np.array([3.0, 9, 1]), {"units": "degrees_north"}),
         "lon": Stored(("station",), np.array([1.0, 2, 7]), {"units": "degrees_east"}),
         **TIME, "v": grid((3, 2), "station time", coordinates="lat lon")},
        tables={"": "station time | lat lon v"}),
    "coordinate_with_gap": Case({**axis("x", [1, NAN, 3]), "v": grid((3,), "x")},
                                orders={"x": "Unordered"}),
    "coordinate_with_duplicates": Case({**axis("x", [1, 1, 3]), "v": grid((3,), "x")},
                                       orders={"x": "Unordered"}),
    "packed_coordinate": Case({**axis("lat", [0, 1, 2], "i2", scale_factor=0.5, add_offset=10.0,
                                      units="degrees_north"), "v": grid((3,), "lat")}),
    "one_cell": Case({**axis("x", [7]), "v": grid((1,), "x")}, orders={"x": "Ascending"}),
    "no_cell": Case({**axis("x", []), "v": grid((0,), "x")}, formats=ZARR),
    # -- grid mappings ----------------------------------------------------------------------------
    "grid_mapping": Case({**LAT, **LON, "crs": scalar(0, "i4", grid_mapping_name="latitude_longitude",
                                                      semi_major_axis=6378137.0,
                                                      inverse_flattening=298.257223563),
                          "v": grid((3, 4), "lat lon", grid_mapping="crs")},
                         hidden=("crs",), crs="EPSG:4326", tables={"": "lat lon | v"},
                         metadata={"v": {"crs": "EPSG:4326"}}),
    "grid_mapping_extended": Case(
        {**axis("y", [2.0, 1.0]), **axis("x", [1.0, 2.0]),
         "utm": scalar(0, "i4", crs_wkt='PROJCRS["UTM 32N",ID["EPSG",32632]]'),
         "v": grid((2, 2), "y x", grid_mapping="utm: x y")}, hidden=("utm",), crs="EPSG:32632"),
    "spatial_ref": Case({**axis("y", [2.0, 1.0]), **axis("x", [1.0, 2.0]),
                         "spatial_ref": scalar(0, "i8", spatial_ref='PROJCS["Local grid"]'),
                         "v": grid((2, 2), "y x", coordinates="spatial_ref")},
                        formats=HDF, hidden=("spatial_ref",), crs="Local grid"),
    "geozarr": Case({**axis("y", [2.0, 1.0]), **axis("x", [1.0, 2.0]), "v": grid((2, 2), "y x")},
                    formats=ZARR, attributes={"proj:code": "EPSG:26711"}, crs="EPSG:26711"),
    # -- options ------------------------------------------------------------------------------------
    "option_decode_cf": Case({**TIME, "v": Stored(("time",), np.array([1, -1], "i2"), {
        "_FillValue": np.int16(-1), "scale_factor": 0.5})}, options={"decode_cf": "false"},
        types={"v": "Int16", "time": "Int32"}),
    "option_mask_and_scale": Case({**TIME, "v": Stored(("time",), np.array([1, -1], "i2"), {
        "_FillValue": np.int16(-1), "scale_factor": 0.5})}, options={"mask_and_scale": "false"}),
    "option_decode_times": Case({**TIME, "v": grid((2,), "time")},
                                options={"decode_times": "false"}),
    "option_drop_variables": Case({**TIME, "v": grid((2,), "time"), "w": grid((2,), "time")},
                                  options={"drop_variables": "w"}, tables={"": "time | v"}),
    "option_longitudes_signed": Case({**axis("lon", [0, 90, 180, 270], units="degrees_east"),
                                      "v": grid((4,), "lon")}, options={"longitudes": "-180..180"},
                                     differs={"lon": ([0, 90, 180, -90], "the option")},
                                     orders={"lon": "Unordered"}),
    "option_longitudes_positive": Case({**axis("lon", [-120, -60, 0, 60], "f4", units="degrees_east"),
                                        "v": grid((4,), "lon")}, options={"longitudes": "0..360"},
                                       differs={"lon": ([240, 300, 0, 60], "the option")},
                                       types={"lon": "Float32"}),
    # -- times --------------------------------------------------------------------------------------
    "time_none_stated": times([0, 0.5, 365], "days since 2000-02-28"),
    "time_standard": times([0, 1, 60], "hours since 1999-12-31 23:00:00", "standard", "i4"),
    "time_gregorian_seconds": times([0, 1, 86400], "seconds since 1970-01-01T00:00:00Z", "gregorian",
                                    "i4"),
    "time_proleptic": times([0, 1], "days since 0001-01-01", "proleptic_gregorian"),
    "time_reform": times([577735, 577736, 577737, 577738], "days since 0001-01-01", "standard"),
    "time_noleap": times([58, 59, 60, 365], "days since 2000-01-01", "noleap"),
    "time_365_day": times([0, 30, 364], "days since 2019-01-01", "365_day", "i4"),
    "time_all_leap": times([58, 59, 60, 366], "days since 2001-01-01", "all_leap"),
    "time_366_day": times([0, 59], "days since 2001-01-01", "366_day", "i4"),
    "time_360_day": times([0, 29.5, 58, 59, 359, 360], "days since 2000-01-01", "360_day"),
    "time_360_day_months": times([0, 1, 13], "months since 2000-01-01", "360_day", "i4"),
    "time_julian": times([0, 59, 60], "days since 1900-01-01", "julian"),
    "time_minutes": times([0, 90], "minutes since 2000-01-01 12:30", dtype="i2"),
    "time_milliseconds": times([0, 1, 1500], "milliseconds since 2000-01-01", dtype="i4"),
    "time_microseconds": times([0, 1, 1500], "microseconds since 2000-01-01", dtype="i4"),
    "time_zone": times([0, 1], "hours since 2000-01-01 00:00:00 +02:00"),
    "time_loose_text": times([67204, 67539], "days since 1800-1-1 00:00:0.0"),
    "time_before_reference": times([-1.25, 0], "days since 1970-01-01"),
    "time_of_thirds": times([1 / 3, 2 / 3, 1e5 / 3], "days since 1950-01-01"),
    "time_single_precision": times([0.25, 36524.5], "days since 1900-01-01", dtype="f4"),
    "time_unsigned": times([0, 200], "days since 2000-01-01", dtype="u1"),
    "time_of_days": Case({"v": on_x([1, 2], "i4", units="days")}, types={"v": "Int32"},
                         differs={"v": ([1, 2], "a duration is a number with units")}),
    "time_of_months": Case({"v": on_x([1, 2], "i4", units="months since 2000-01-01")},
                           options={"decode_times": "false"}),
    "time_data_with_fill": Case({"v": on_x([1, -1, 3], "i4", units="hours since 2000-01-01",
                                           _FillValue=np.int32(-1))}),
    "time_data_with_nan": Case({"v": on_x([1, NAN, 3], "f8", units="hours since 2000-01-01")}),
    "time_data_packed": Case({"v": on_x([1, -1, 3], "i2", units="hours since 2000-01-01",
                                        scale_factor=0.5, _FillValue=np.int16(-1))}),
    "time_data_two_dimensional": Case({"v": Stored(("y", "x"), np.array([[0, 1], [2, 3.5]]),
                                                   {"units": "hours since 2000-01-01"})}),
    "time_data_360_day_with_fill": Case({"v": on_x([1, -1, 3], "f8", calendar="360_day",
                                                   units="days since 2000-02-29",
                                                   _FillValue=-1.0)},
                                        differs={"v": ([938217600000000, None, 938390400000000], NO_DATE)},
                                        metadata={"v": {"calendar": "360_day", "units": None}},
                                        types={"v": "Int64"}),
    "datetime64": Case({"v": on_x(["2000-01-01", "NaT", "1969-12-31T23:59:59.5"],
                                  "datetime64[ns]", None, "NaT")}, formats="zarr2"),
}
CASES["time_unsigned"].formats = HDF
