//! Grids of latitudes and longitudes, as they are, Gaussian, rotated or reduced: [`Corners`].

use std::sync::Arc;

use graticule_engine::error::{CubeError, CubeResult};
use graticule_engine::source::Attributes;
use serde_json::Value;

use super::earth::Earth;
use super::{Axis, Coordinates, Grid, Latitudes, Places, Scanning, runs_west};
use crate::formats::grib::damaged;

/// What sections say of a grid of latitudes and longitudes, in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Corners {
    pub(super) columns: u64,
    pub(super) rows: u64,
    /// Latitude and longitude of the first point and of the last.
    pub(super) first: [f64; 2],
    pub(super) last: [f64; 2],
    /// From column to column, where the section says so.
    pub(super) step: Option<f64>,
    /// What numbers are counted in: the step is rounded to it.
    pub(super) unit: f64,
    /// Code table 3.4.
    pub(super) flags: u8,
}

/// The pole about which a grid is rotated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pole {
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    pub(super) angle: f64,
}

impl Corners {
    pub(super) fn regular(&self, kind: &'static str) -> CubeResult<Grid> {
        let rows = even(self.first[0], self.last[0], self.rows);
        self.grid(kind, rows)
    }

    /// `half` are the rows between a pole and the equator.
    pub(super) fn gaussian(&self, half: u64, latitudes: &mut Latitudes) -> CubeResult<Grid> {
        let rows = latitudes.rows(half, self.first[0], self.last[0], self.rows)?;
        self.grid("regular_gg", Coordinates::List(Arc::new(rows)))
    }

    pub(super) fn rotated(&self, pole: Pole, earth: Earth) -> CubeResult<Grid> {
        let mut grid = self.regular("rotated_ll")?;
        if let Places::Rectangle {
            rows,
            columns,
            mapping,
        } = &mut grid.places
        {
            (rows.name, columns.name) = ("y", "x");
            (rows.standard_name, columns.standard_name) = ("grid_latitude", "grid_longitude");
            (rows.units, columns.units) = ("degrees", "degrees");
            *mapping = Some(Box::new(pole.mapping(earth)));
        }
        Ok(grid)
    }

    /// Rows of `lengths` points, each once around the Earth; `half` as above, or `None` for rows that are as far apart.
    ///
    /// # Errors
    /// It does not cover the Earth.
    pub(super) fn reduced(
        &self,
        half: Option<u64>,
        lengths: Vec<u32>,
        latitudes: &mut Latitudes,
    ) -> CubeResult<Grid> {
        let is_gaussian = half.is_some();
        // The last longitude is that of the longest row.
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let step = 360.0 / f64::from(longest);
        let is_around = (self.last[1].rem_euclid(360.0) - (360.0 - step)).abs() < step;
        let covers = match half {
            Some(half) => is_around && self.rows == 2 * half,
            None => is_around,
        };
        if !covers || self.first[1] != 0.0 || lengths.len() as u64 != self.rows {
            let cause = "its reduced grid does not cover the Earth";
            return Err(CubeError::unsupported("", cause)
                .remedy("make it regular first, for example with `cdo setgridtype,regular`"));
        }
        let rows = match half {
            Some(half) => latitudes.rows(half, self.first[0], self.last[0], self.rows)?,
            None => even(self.first[0], self.last[0], self.rows).values(0..self.rows),
        };
        let lengths = Arc::new(lengths);
        let points = lengths.iter().map(|length| u64::from(*length)).sum();
        let axes = vec![
            Axis::latitude(Coordinates::OfRows {
                rows: Arc::new(rows),
                lengths: Arc::clone(&lengths),
            }),
            Axis::longitude(Coordinates::Around { lengths }),
        ];
        let kind = if is_gaussian {
            "reduced_gg"
        } else {
            "reduced_ll"
        };
        Grid {
            kind,
            places: Places::Points { axes },
            scanning: Scanning::default(),
            points,
        }
        .checked()
    }

    fn grid(&self, kind: &'static str, rows: Coordinates) -> CubeResult<Grid> {
        let points = self.rows.checked_mul(self.columns);
        Grid {
            kind,
            places: Places::Rectangle {
                rows: Axis::latitude(rows),
                columns: Axis::longitude(self.longitudes()),
                mapping: None,
            },
            scanning: Scanning::of(self.flags)?,
            points: points.ok_or_else(|| damaged("its grid has no end"))?,
        }
        .checked()
    }

    /// Longitudes that rise, or fall, over the meridian at which numbers begin again.
    fn longitudes(&self) -> Coordinates {
        let ([_, first], [_, last]) = (self.first, self.last);
        let is_west = runs_west(self.flags);
        let (first, last) = match is_west {
            false if last < first && first >= 180.0 => (first - 360.0, last),
            false if last < first => (first, last + 360.0),
            true if last > first && last >= 180.0 => (first, last - 360.0),
            true if last > first => (first + 360.0, last),
            _ => (first, last),
        };
        let even = even(first, last, self.columns);
        let (Coordinates::Steps { step: found, .. }, Some(step)) = (&even, self.step) else {
            return even;
        };
        // Some files give a last point that is not on the grid. What rounding explains is no sign of that: steps are
        // rounded more than points. A little more than half a unit, because degrees are not exact in binary.
        let step = if is_west { -step } else { step };
        let difference = (found - step).abs();
        let is_rounded = difference <= 0.505 * self.unit;
        match is_rounded || difference * (self.columns as f64) < step.abs() {
            true => even,
            false => Coordinates::Steps {
                first,
                step,
                count: self.columns,
            },
        }
    }
}

/// `count` coordinates from `first` to `last`: files round the steps more than these.
fn even(first: f64, last: f64, count: u64) -> Coordinates {
    Coordinates::Steps {
        first,
        step: match count {
            0 | 1 => 0.0,
            count => (last - first) / (count - 1) as f64,
        },
        count,
    }
}

impl Pole {
    /// CF 1.12, appendix F, names the north pole; GRIB the south pole.
    fn mapping(&self, earth: Earth) -> Attributes {
        let mut attributes = Attributes::new();
        let mut set = |name: &str, value: Value| {
            attributes.insert(name.to_string(), value);
        };
        set(
            "grid_mapping_name",
            Value::from("rotated_latitude_longitude"),
        );
        set("grid_north_pole_latitude", Value::from(-self.latitude));
        let north = (self.longitude + 360.0) % 360.0 - 180.0;
        set("grid_north_pole_longitude", Value::from(north));
        set("north_pole_grid_longitude", Value::from(self.angle));
        let (latitude, longitude) = (-self.latitude, self.longitude);
        let system = format!(
            "+proj=ob_tran +o_proj=longlat +o_lat_p={latitude} +o_lon_p={} +lon_0={longitude} {} +no_defs +type=crs",
            self.angle,
            earth.proj()
        );
        set("spatial_ref", Value::from(system));
        earth.describe(&mut attributes);
        attributes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longitudes_over_the_seam() {
        let cases: [([f64; 2], u8, u64, [f64; 2]); 6] = [
            ([350.0, 10.0], 0x00, 5, [-10.0, 5.0]),
            ([170.0, -170.0], 0x00, 5, [170.0, 5.0]),
            ([0.0, 359.5], 0x00, 720, [0.0, 0.5]),
            ([10.0, 350.0], 0x80, 5, [10.0, -5.0]),
            ([-10.0, 2.0], 0x00, 49, [-10.0, 0.25]),
            // The last point is the first one again.
            ([0.0, 0.0], 0x00, 4, [0.0, 90.0]),
        ];
        for ([first, last], flags, columns, [start, step]) in cases {
            let corners = Corners {
                columns,
                rows: 1,
                first: [0.0, first],
                last: [0.0, last],
                step: Some(step.abs()),
                unit: 1e-3,
                flags,
            };
            let expected = Coordinates::Steps {
                first: start,
                step,
                count: columns,
            };
            assert_eq!(corners.longitudes(), expected, "{first} to {last}");
        }
    }

    #[test]
    fn rounded_steps() {
        // Columns, last longitude, step, unit, and the last longitude that is meant.
        let cases = [
            // N320 and N640.
            (1280, 359.719, 0.281, 1e-3, 359.719),
            (2560, 359.859, 0.141, 1e-3, 359.859),
            (2560, 359.859_375, 0.140_625, 1e-6, 359.859_375),
            // Last points that are not on the grid.
            (1280, 360.0, 0.281_25, 1e-6, 359.718_75),
            (360, 0.0, 1.0, 1e-3, 359.0),
        ];
        for (columns, last, step, unit, expected) in cases {
            let corners = Corners {
                columns,
                rows: 1,
                first: [0.0, 0.0],
                last: [0.0, last],
                step: Some(step),
                unit,
                flags: 0,
            };
            let found = corners.longitudes().values(columns - 1..columns);
            let distance = (found[0] - expected).abs();
            assert!(distance < 1e-9, "{columns} columns: {found:?}");
        }
    }

    #[test]
    fn reduced_grids_cover_the_earth() {
        // The longest row has a point every 45 degrees.
        let cases = [
            (315.0, true),
            (-45.0, true),
            (310.0, true),
            (180.0, false),
            (90.0, false),
            (0.0, false),
        ];
        for (last, covers) in cases {
            let corners = Corners {
                columns: 0,
                rows: 4,
                first: [59.0, 0.0],
                last: [-59.0, last],
                step: None,
                unit: 1e-3,
                flags: 0,
            };
            for half in [None, Some(2)] {
                let grid = corners.reduced(half, vec![4, 8, 8, 4], &mut Latitudes::default());
                assert_eq!(grid.is_ok(), covers, "{last} {half:?}");
            }
        }
    }
}
