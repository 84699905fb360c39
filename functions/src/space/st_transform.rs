//! `ST_Transform(geometry [, from], to)`: geometries in another coordinate reference system.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::types::{logical_binary, logical_string};
use datafusion::common::{DataFusionError, Result, internal_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    Coercion, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, TypeSignatureClass, Volatility,
};
use datafusion::scalar::ScalarValue;
use geoarrow_array::GeoArrowArray;
use geoarrow_array::builder::WkbBuilder;
use geoarrow_schema::{Crs, Metadata, WkbType};

use super::projection::Transformation;
use super::zones::{crs_of, geometries};

const NAME: &str = "st_transform";

/// `ST_Transform(geometry [, from], to)`.
pub fn st_transform() -> ScalarUDF {
    let binary = Coercion::new_exact(TypeSignatureClass::Native(logical_binary()));
    let text = Coercion::new_exact(TypeSignatureClass::Native(logical_string()));
    let shown = TypeSignature::Coercible(vec![binary, text]);
    StTransform {
        // The first variant shows in SHOW FUNCTIONS, the others take any encoding of geometries.
        signature: Signature::one_of(
            vec![shown, TypeSignature::Any(2), TypeSignature::Any(3)],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "The geometry in another coordinate reference system. x comes first: longitudes before latitudes, in degrees. Vertices are transformed, and edges stay straight lines between them: give long edges vertices in between. A geometry that is joined with the cells of a cube by ST_Contains and its like need not be transformed: that is done where both say in which system they are.",
        "ST_Transform(geometry [, from], to)",
    )
    .with_argument("geometry", "Geometry. Columns of files know their system.")
    .with_argument("from", "System of the geometry, where it does not know it itself.")
    .with_argument(
        "to",
        "System that is wanted: a code such as 'EPSG:3035', a PROJ string, or WKT.",
    )
    .with_sql_example(
        r#"```sql
> SELECT ST_AsText(st_transform(ST_GeomFromText('POINT(0 0)'), 'EPSG:4326', 'EPSG:3857')) AS place;
+------------+
| place      |
+------------+
| POINT(0 0) |
+------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct StTransform {
    signature: Signature,
}

/// The system that a geometry is in, and the one that is wanted. `None` where an argument is not known yet.
fn systems(
    geometry: &Field,
    arguments: &[Option<&ScalarValue>],
) -> Result<Option<(String, String)>> {
    let mut texts = Vec::new();
    for argument in arguments.iter().skip(1) {
        match argument {
            Some(argument) => match argument.try_as_str() {
                Some(Some(text)) => texts.push(text.to_string()),
                _ => {
                    return plan_err!(
                        "{NAME} takes the name of a coordinate reference system, not {argument}"
                    );
                }
            },
            None => return Ok(None),
        }
    }
    match (texts.as_slice(), crs_of(geometry)) {
        ([from, to], _) => Ok(Some((from.clone(), to.clone()))),
        ([to], Some(from)) => Ok(Some((from, to.clone()))),
        _ => plan_err!(
            "{} does not say in which coordinate reference system it is; name it: ST_Transform({}, 'EPSG:4326', 'EPSG:3035')",
            geometry.name(),
            geometry.name()
        ),
    }
}

fn type_in(system: &str) -> WkbType {
    let is_code = system
        .split_once(':')
        .is_some_and(|(_, code)| code.chars().all(|c| c.is_ascii_digit()));
    let crs = match is_code {
        true => Crs::from_authority_code(system.to_string()),
        false => Crs::from_unknown_crs_type(system.to_string()),
    };
    WkbType::new(Arc::new(Metadata::new(crs, None)))
}

fn refused(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

impl ScalarUDFImpl for StTransform {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [geometry, ..] = args.arg_fields else {
            return internal_err!("{NAME} takes a geometry");
        };
        // SHOW FUNCTIONS asks for the type without arguments.
        if args.scalar_arguments.iter().all(Option::is_none) {
            return Ok(Arc::new(Field::new(NAME, DataType::Binary, true)));
        }
        let Some((from, to)) = systems(geometry, args.scalar_arguments)? else {
            return plan_err!("the systems that {NAME} takes are constants");
        };
        Transformation::between(&from, &to).map_err(refused)?;
        let field = Field::new(NAME, DataType::Binary, true);
        Ok(Arc::new(field.with_extension_type(type_in(&to))))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([geometry, ..], [field, ..]) = (args.args.as_slice(), args.arg_fields.as_slice())
        else {
            return internal_err!("{NAME} takes a geometry");
        };
        let arguments: Vec<Option<&ScalarValue>> = args
            .args
            .iter()
            .map(|value| match value {
                ColumnarValue::Scalar(scalar) => Some(scalar),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let Some((from, to)) = systems(field, &arguments)? else {
            return plan_err!("the systems that {NAME} takes are constants");
        };
        let transformation = Transformation::between(&from, &to).map_err(refused)?;
        let is_one = matches!(geometry, ColumnarValue::Scalar(_));
        let column = geometry.to_array(if is_one { 1 } else { args.number_rows })?;
        let places = geometries(column.as_ref(), field).map_err(refused)?;
        let moved = places
            .iter()
            .map(|place| place.as_ref().map(|place| transformation.apply(place)));
        let places = moved.map(Option::transpose).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(refused)?;
        let built = WkbBuilder::<i32>::from_nullable_geometries(&places, type_in(&to));
        let built = built.map_err(refused)?.finish().into_array_ref();
        match is_one {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &built, 0,
            )?)),
            false => Ok(ColumnarValue::Array(built)),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
