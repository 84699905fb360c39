"""Writes calendar_table.csv: what cftime makes of time values in every CF calendar.

Run as `python calendar_table.py > calendar_table.csv` with cftime >= 1.6.
Columns: calendar, units, type (int or float), offset, fields of the date in its own calendar,
microseconds as the column of a cube holds them, day of the year, days of the month. `error` instead
of a date: cftime refuses.
"""

import itertools
import warnings

import cftime

warnings.simplefilter("ignore")  # years before 1: CF has no say on them, we do

INSTANTS = ["standard", "proleptic_gregorian", "julian"]
CALENDARS = INSTANTS + ["noleap", "all_leap", "360_day"]

REFERENCES = [
    "1970-01-01",
    "1900-01-01 00:00:0.0",
    "0001-01-01 00:00:00",
    "1582-10-15",
    "1582-10-4 12:00",
    "2000-02-28T06:30:15.25Z",
    "2000-01-01 00:00:00 +05:30",
    "1-1-1",
    "1850-12-30 00:00:00 -0530",
]

OFFSETS = {
    "days": [0, 1, -1, 59, 60, 365, 366, 730119, 0.5, 0.1, 1 / 3, 59.999999, 719162.25, -141427.75, 1e-11],
    "d": [29, 1460],
    "hours": [0, 23, -25, 8784, 0.25, 1e6 + 1 / 7],
    "hr": [12.5],
    "minutes": [1440, -1, 0.1],
    "min": [525600],
    "seconds": [86400, -1, 1e9, 1.5, 0.0000004, 0.9999996, 1.0000006, 31535999.999999],
    "s": [951782400],
    "milliseconds": [1, -1, 86399999, 0.5, 0.0015],
    "msec": [86400001],
    "microseconds": [1, 999999, 62135596800000001, 2.5],
    "months": [1, 13, 0.5],
    "common_years": [1, 4, 0.25],
    "years": [1],
}


def microseconds(date, calendar):
    """The column's value: true instants, civil fields for noleap, counted in the calendar otherwise."""
    # Whole days are Julian day numbers, so instants of different calendars share an epoch.
    epoch = cftime.datetime(1970, 1, 1, calendar="standard" if calendar in INSTANTS else calendar)
    if calendar == "noleap":
        epoch = cftime.datetime(1970, 1, 1, calendar="proleptic_gregorian")
        date = cftime.datetime(*fields_of(date), calendar="proleptic_gregorian")
    seconds = (date.hour * 60 + date.minute) * 60 + date.second
    days = date.toordinal() - epoch.toordinal()
    return (days * 86400 + seconds) * 1_000_000 + date.microsecond


def fields_of(date):
    return date.year, date.month, date.day, date.hour, date.minute, date.second, date.microsecond


print("calendar,units,type,offset,date,microseconds,day_of_year,days_in_month")
for calendar, reference, (unit, offsets) in itertools.product(CALENDARS, REFERENCES, OFFSETS.items()):
    units = f"{unit} since {reference}"
    for offset in offsets:
        row = f"{calendar},{units},{type(offset).__name__},{offset!r}"
        try:
            date = cftime.num2date(offset, units, calendar, only_use_cftime_datetimes=True)
        except ValueError:
            print(f"{row},error,,,")
            continue
        if date.year < 1 and calendar in ("standard", "julian"):
            continue  # cftime has no year zero there; instants do not care
        facts = microseconds(date, calendar), date.dayofyr, date.daysinmonth
        print(",".join([row, " ".join(map(str, fields_of(date))), *map(str, facts)]))
