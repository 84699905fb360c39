//! A function of geodatafusion behind a fence.
//!
//! geodatafusion 0.6 panics on some input, for example on a NULL geometry; behind the fence that is
//! an error. And it relates a constant first geometry to a column the wrong way round, so that
//! `ST_Contains(constant, column)` answers `ST_Contains(column, constant)`. So a constant first
//! geometry goes to the converse relation, with the column first:
//!
//! ```text
//!  ST_Contains(constant, column)  →  ST_Within(column, constant)
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, exec_err};
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

/// A function of geometries; a relation knows its converse.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct GeometryFunction {
    pub(super) function: Arc<ScalarUDF>,
    pub(super) converse: Option<Arc<ScalarUDF>>,
}

impl GeometryFunction {
    /// What `compute` returns, or an error where it panics.
    fn fenced<T>(&self, compute: impl FnOnce() -> Result<T>) -> Result<T> {
        // Nothing that a panic could leave half-written outlives the call.
        catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|_| {
            exec_err!(
                "{} cannot take these arguments; check them for NULL and for empty or invalid geometries",
                self.name()
            )
        })
    }

    fn relate(&self, converse: &ScalarUDF, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_null = |value: &ColumnarValue| matches!(value, ColumnarValue::Scalar(geometry) if geometry.is_null());
        if args.args.iter().any(is_null) {
            return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None)));
        }
        match args.args.as_slice() {
            [ColumnarValue::Scalar(_), ColumnarValue::Array(_)] => {
                args.args.swap(0, 1);
                args.arg_fields.swap(0, 1);
                converse.invoke_with_args(args)
            }
            _ => self.function.invoke_with_args(args),
        }
    }
}

impl ScalarUDFImpl for GeometryFunction {
    fn name(&self) -> &str {
        self.function.name()
    }

    fn aliases(&self) -> &[String] {
        self.function.aliases()
    }

    fn signature(&self) -> &Signature {
        self.function.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.fenced(|| self.function.return_type(arg_types))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.fenced(|| self.function.return_field_from_args(args))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.fenced(|| match &self.converse {
            Some(converse) => self.relate(converse, args),
            None => self.function.invoke_with_args(args),
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.function.documentation()
    }
}
