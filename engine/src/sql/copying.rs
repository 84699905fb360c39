//! `COPY … TO` a file of places and zones: [`GeometryCopy`].
//!
//! ```text
//!  COPY (SELECT ST_Point(lon, lat) AS geometry, chl …) TO 'x.geoparquet'
//!   ─▶ COPY (SELECT ST_AsBinary(geometry), chl …) STORED AS PARQUET, options: what the column is
//! ```
//! The file is DataFusion's; what the format adds is in [`TableFormat::written`]. Of geometries that are made of
//! the horizontal axes of a cube the coordinate reference system is that of the cube.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::common::Result;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::execution::SessionState;
use datafusion::logical_expr::dml::CopyTo;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::parser::{CopyToStatement, Statement as SqlStatement};
use serde_json::{Value, json};

use super::extents::{box_of, extents};
use crate::catalog::opener::Opener;
use crate::cube::AxisRole;
use crate::cube::crs::{Crs, Ellipsoid};
use crate::error::CubeError;
use crate::source::{Extent, TableFormat, WrittenTable};
use crate::write::derivation::{Derivation, Derivations};
use crate::write::dims::is_horizontal;

/// The metadata of a column of geometries, see <https://geoarrow.org/extension-types>.
const EXTENSION: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Geometries as well-known binary.
const BINARY: &str = "geoarrow.wkb";

/// A statement that writes a format of tables with geometries.
#[derive(Debug)]
pub(super) struct GeometryCopy(Arc<dyn TableFormat>);

impl GeometryCopy {
    /// The format that the statement writes, if it is one of these; the statement then writes DataFusion's in its
    /// place.
    ///
    /// # Errors
    /// A format that is read alone.
    pub(super) fn take(statement: &mut SqlStatement, opener: &Opener) -> Result<Option<Self>> {
        let Some(copy) = copy_of(statement) else {
            return Ok(None);
        };
        let format = match &copy.stored_as {
            Some(name) => opener.table_format_named(name),
            None => opener.table_format_of_url(&copy.target),
        };
        let Some(format) = format else {
            return Ok(None);
        };
        let Some(written_as) = format.written_as() else {
            let cause = format!("{} is read and not written", format.name());
            return Err(CubeError::unsupported(&copy.target, cause)
                .remedy("write TO 'name.geoparquet', or STORED AS GEOPARQUET")
                .into());
        };
        copy.stored_as = Some(written_as.to_string());
        Ok(Some(Self(format)))
    }

    /// The plan of the statement, with geometries as the format has them.
    ///
    /// # Errors
    /// What the format refuses.
    pub(super) async fn apply(
        &self,
        plan: LogicalPlan,
        state: &SessionState,
    ) -> Result<LogicalPlan> {
        let around = match &plan {
            LogicalPlan::Copy(copy) => {
                let written = self.format_of(copy, &BTreeMap::new())?;
                extents(&copy.input, &written.geometries, state).await?
            }
            // Nothing is written: it need not be known.
            _ => BTreeMap::new(),
        };
        let written = plan.transform_down(|plan| match plan {
            LogicalPlan::Copy(copy) => self.written(copy, &around, state).map(Transformed::yes),
            _ => Ok(Transformed::no(plan)),
        })?;
        Ok(written.data)
    }

    fn format_of(&self, copy: &CopyTo, extents: &BTreeMap<String, Extent>) -> Result<WrittenTable> {
        let written = self.0.written(&described(&copy.input), extents);
        Ok(written.map_err(|error| error.within(&copy.output_url))?)
    }

    fn written(
        &self,
        copy: CopyTo,
        extents: &BTreeMap<String, Extent>,
        state: &SessionState,
    ) -> Result<LogicalPlan> {
        let schema = described(&copy.input);
        let written = self.format_of(&copy, extents)?;
        let as_binary = state.scalar_functions().get("st_asbinary").ok_or_else(|| {
            CubeError::unsupported(
                "",
                "there is no function ST_AsBinary, which writes geometries",
            )
        })?;
        let columns = (0..schema.fields().len()).map(|column| {
            let (qualifier, field) = copy.input.schema().qualified_field(column);
            let expression = Expr::from((qualifier, field));
            match written.geometries.contains(field.name()) {
                true => {
                    let mut metadata = schema.field(column).metadata().clone();
                    metadata.insert(EXTENSION.to_string(), BINARY.to_string());
                    let binary = as_binary.call(vec![expression]);
                    binary.alias_with_metadata(field.name(), Some(FieldMetadata::from(metadata)))
                }
                false => expression,
            }
        });
        let mut columns: Vec<Expr> = columns.collect();
        for (name, geometry) in &written.boxes {
            let column = copy.input.schema().index_of_column_by_name(None, geometry);
            if let Some(column) = column {
                let geometry = Expr::from(copy.input.schema().qualified_field(column));
                columns.push(box_of(&geometry, state)?.alias(name));
            }
        }
        let input = LogicalPlanBuilder::from(copy.input.as_ref().clone())
            .project(columns)?
            .build()?;
        let mut options = copy.options;
        options.extend(written.options);
        Ok(LogicalPlan::Copy(CopyTo::new(
            Arc::new(input),
            copy.output_url,
            copy.partition_by,
            copy.file_type,
            options,
        )))
    }
}

fn copy_of(statement: &mut SqlStatement) -> Option<&mut CopyToStatement> {
    match statement {
        SqlStatement::CopyTo(copy) => Some(copy),
        SqlStatement::Explain(explain) => copy_of(&mut explain.statement),
        _ => None,
    }
}

/// The columns of a query; of geometries without a coordinate reference system that of the cube whose axes they
/// are made of.
fn described(query: &LogicalPlan) -> Schema {
    let derivations = Derivations::of(query);
    let fields = query.schema().fields().iter().enumerate();
    let fields = fields.map(|(column, field)| {
        let derivation = derivations.columns.get(column);
        let crs = derivation.and_then(|derivation| crs_of(derivation, &derivations));
        with_crs(field.as_ref().clone(), crs.as_ref())
    });
    Schema::new(fields.collect::<Vec<Field>>())
}

/// The system of what is computed from both horizontal axes of a cube, and nothing else.
fn crs_of(derivation: &Derivation, derivations: &Derivations) -> Option<Crs> {
    let (cube, _) = derivation.axes.first()?;
    let of_cube = derivations.cubes.get(*cube)?;
    let roles = derivation.axes.iter().map(|(found, axis)| {
        let axis = of_cube.axes.get(*axis).filter(|_| found == cube)?;
        is_horizontal(axis.role).then_some(axis.role)
    });
    let roles: Vec<AxisRole> = roles.collect::<Option<_>>()?;
    let crs = of_cube.crs.as_ref()?.of_roles(roles.iter().copied());
    (roles.len() == 2 && !derivation.reads_values).then_some(crs)
}

fn with_crs(field: Field, crs: Option<&Crs>) -> Field {
    let mut metadata = field.metadata().clone();
    let stated = metadata.get(EXTENSION_METADATA);
    let stated = stated.and_then(|text| serde_json::from_str(text).ok());
    let mut stated: Value = stated.unwrap_or_else(|| json!({}));
    let has_crs = stated.get("crs").is_some_and(|crs| !crs.is_null());
    if let (Some(crs), true, false) = (crs, metadata.contains_key(EXTENSION), has_crs) {
        stated["crs"] = definition(crs);
        metadata.insert(EXTENSION_METADATA.to_string(), stated.to_string());
    }
    field.with_metadata(metadata)
}

/// The system as GeoArrow has it: PROJJSON where it is known, else what there is.
fn definition(crs: &Crs) -> Value {
    match (&crs.definition, crs.ellipsoid()) {
        (Some(definition), _) => {
            let object = serde_json::from_str(definition).ok();
            object
                .filter(Value::is_object)
                .unwrap_or_else(|| json!(definition))
        }
        (None, Some(Ellipsoid::WGS84)) => json!("OGC:CRS84"),
        (None, Some(ellipsoid)) => projjson(&crs.name, ellipsoid),
        (None, None) => json!(crs.name),
    }
}

/// Longitudes and latitudes on an ellipsoid, see <https://proj.org/en/stable/specifications/projjson.html>.
fn projjson(name: &str, ellipsoid: Ellipsoid) -> Value {
    let Ellipsoid {
        semi_major,
        semi_minor,
    } = ellipsoid;
    let axis = |name: &str, abbreviation: &str, direction: &str| json!({"name": name, "abbreviation": abbreviation, "direction": direction, "unit": "degree"});
    json!({
        "$schema": "https://proj.org/schemas/v0.7/projjson.schema.json",
        "type": "GeographicCRS",
        "name": name,
        "datum": {
            "type": "GeodeticReferenceFrame",
            "name": "unknown",
            "ellipsoid": match semi_major == semi_minor {
                true => json!({"name": "unknown", "radius": semi_major}),
                false => json!({"name": "unknown", "semi_major_axis": semi_major, "semi_minor_axis": semi_minor}),
            },
        },
        "coordinate_system": {
            "subtype": "ellipsoidal",
            "axis": [axis("Longitude", "lon", "east"), axis("Latitude", "lat", "north")],
        },
    })
}
