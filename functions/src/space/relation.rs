//! Relations between geometries, right also where the first of them is a constant.
//!
//! geodatafusion 0.6 relates a constant first geometry to a column the wrong way round, so that
//! `ST_Contains(constant, column)` answers `ST_Contains(column, constant)`, and panics where the
//! constant is NULL. So a constant first geometry goes to the converse relation, the column first:
//!
//! ```text
//!  ST_Contains(constant, column)  →  ST_Within(column, constant)
//! ```

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};
use datafusion::scalar::ScalarValue;

/// Each relation with its converse: `a CONTAINS b` is `b WITHIN a`.
pub(super) const CONVERSES: [(&str, &str); 10] = [
    ("st_contains", "st_within"),
    ("st_coveredby", "st_covers"),
    ("st_covers", "st_coveredby"),
    ("st_crosses", "st_crosses"),
    ("st_disjoint", "st_disjoint"),
    ("st_equals", "st_equals"),
    ("st_intersects", "st_intersects"),
    ("st_overlaps", "st_overlaps"),
    ("st_touches", "st_touches"),
    ("st_within", "st_contains"),
];

/// A relation of two geometries, by way of its converse where the first is a constant.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Relation {
    pub(super) relation: Arc<ScalarUDF>,
    pub(super) converse: Arc<ScalarUDF>,
}

impl ScalarUDFImpl for Relation {
    fn name(&self) -> &str {
        self.relation.name()
    }

    fn aliases(&self) -> &[String] {
        self.relation.aliases()
    }

    fn signature(&self) -> &Signature {
        self.relation.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.relation.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.relation.return_field_from_args(args)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [first, second] = args.args.as_slice() else {
            return internal_err!("{} takes two geometries", self.name());
        };
        let is_null = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(scalar) if scalar.is_null());
        if is_null(first) || is_null(second) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        }
        match (first, second) {
            (ColumnarValue::Scalar(_), ColumnarValue::Array(_)) => {
                args.args.swap(0, 1);
                args.arg_fields.swap(0, 1);
                self.converse.invoke_with_args(args)
            }
            _ => self.relation.invoke_with_args(args),
        }
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.relation.documentation()
    }
}
