//! `has_flag(column, 'NAME' [, 'NAME2' …])`: whether any of the named flags is set.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::DataType;
use arrow::datatypes::{Field, FieldRef};
use datafusion::common::types::{logical_int64, logical_string};
use datafusion::common::{Result, internal_err, plan_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    Coercion, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, TypeSignatureClass, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::definition::{FlagDefinition, FlagTest};

/// `has_flag(column, 'NAME' [, 'NAME2' …])`.
pub fn has_flag() -> ScalarUDF {
    let one_name = TypeSignature::Coercible(vec![
        Coercion::new_exact(TypeSignatureClass::Native(logical_int64())),
        Coercion::new_exact(TypeSignatureClass::Native(logical_string())),
    ]);
    HasFlag {
        // The first variant shows in SHOW FUNCTIONS, the second takes any column and number of names.
        signature: Signature::one_of(
            vec![one_name, TypeSignature::VariadicAny],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "Whether any of the named flags is set in a column of flags, as the column's attributes flag_meanings, flag_masks and flag_values define them.",
        "has_flag(column, 'NAME' [, 'NAME2' …])",
    )
    .with_argument("column", "Column of flags.")
    .with_argument("name", "Name of a flag; with several names one of them is enough.")
    .with_related_udf("flag_names")
    .with_sql_example(
        r#"```sql
> SELECT quality, has_flag(quality, 'LAND') AS land, has_flag(quality, 'LAND', 'CLOUD') AS either FROM scene;
+---------+-------+--------+
| quality | land  | either |
+---------+-------+--------+
| 0       | false | false  |
| 1       | true  | true   |
| 6       | false | true   |
|         |       |        |
+---------+-------+--------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct HasFlag {
    signature: Signature,
}

fn tests<'a>(
    column: &Field,
    names: impl Iterator<Item = Option<&'a ScalarValue>>,
) -> Result<(FlagDefinition, Vec<FlagTest>)> {
    let flags = FlagDefinition::of(column)?;
    let mut tests = Vec::new();
    for name in names {
        match name.and_then(|name| name.try_as_str().flatten()) {
            Some(name) => tests.extend(flags.tests(column.name(), name)?),
            None => {
                return plan_err!(
                    "has_flag needs constant names of flags, as in has_flag(quality, 'LAND')"
                );
            }
        }
    }
    if tests.is_empty() {
        return plan_err!(
            "has_flag needs a column and the name of a flag, as in has_flag(quality, 'LAND')"
        );
    }
    Ok((flags, tests))
}

impl ScalarUDFImpl for HasFlag {
    fn name(&self) -> &str {
        "has_flag"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("has_flag derives its type from fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let column = &args.arg_fields[0];
        // SHOW FUNCTIONS asks for the type without a column; what is wrong then shows on the first row.
        if !column.metadata().is_empty() {
            tests(column, args.scalar_arguments.iter().skip(1).copied())?;
        }
        Ok(Arc::new(Field::new(
            self.name(),
            DataType::Boolean,
            column.is_nullable(),
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let names = args.args.iter().skip(1).map(|name| match name {
            ColumnarValue::Scalar(name) => Some(name),
            ColumnarValue::Array(_) => None,
        });
        let (flags, tests) = tests(&args.arg_fields[0], names)?;
        let bits = flags.bits(&args.args[0].to_array(args.number_rows)?)?;
        let any =
            BooleanArray::from_unary(&bits, |bits| tests.iter().any(|test| test.is_set(bits)));
        Ok(ColumnarValue::Array(Arc::new(any) as ArrayRef))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
