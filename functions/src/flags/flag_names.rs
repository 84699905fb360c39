//! `flag_names(column)`: the names of the flags that are set.

use std::sync::{Arc, LazyLock};

use arrow::array::builder::{ListBuilder, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::types::logical_int64;
use datafusion::common::{Result, internal_err};
use datafusion::logical_expr::scalar_doc_sections::DOC_SECTION_OTHER;
use datafusion::logical_expr::{
    Coercion, ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TypeSignature, TypeSignatureClass, Volatility,
};

use super::definition::FlagDefinition;

/// `flag_names(column)`.
pub fn flag_names() -> ScalarUDF {
    FlagNames {
        // The first variant shows in SHOW FUNCTIONS, the second takes columns of any type.
        signature: Signature::one_of(
            vec![
                TypeSignature::Coercible(vec![Coercion::new_exact(TypeSignatureClass::Native(
                    logical_int64(),
                ))]),
                TypeSignature::VariadicAny,
            ],
            Volatility::Immutable,
        ),
    }
    .into()
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        DOC_SECTION_OTHER,
        "The names of the flags that are set in a column of flags, as the column's attributes flag_meanings, flag_masks and flag_values define them.",
        "flag_names(column)",
    )
    .with_argument("column", "Column of flags.")
    .with_related_udf("has_flag")
    .with_sql_example(
        r#"```sql
> SELECT quality, flag_names(quality) AS flags FROM scene;
+---------+-------------------+
| quality | flags             |
+---------+-------------------+
| 0       | []                |
| 1       | [LAND]            |
| 6       | [CLOUD, SUNGLINT] |
|         |                   |
+---------+-------------------+
```"#,
    )
    .build()
});

#[derive(Debug, PartialEq, Eq, Hash)]
struct FlagNames {
    signature: Signature,
}

impl ScalarUDFImpl for FlagNames {
    fn name(&self) -> &str {
        "flag_names"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        internal_err!("flag_names derives its type from fields")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let column = &args.arg_fields[0];
        // SHOW FUNCTIONS asks for the type without a column; what is wrong then shows on the first row.
        if !column.metadata().is_empty() {
            FlagDefinition::of(column)?;
        }
        let names = Field::new_list_field(DataType::Utf8, true);
        let names = DataType::List(Arc::new(names));
        Ok(Arc::new(Field::new(
            self.name(),
            names,
            column.is_nullable(),
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let flags = FlagDefinition::of(&args.arg_fields[0])?;
        let values = args.args[0].to_array(args.number_rows)?;
        let mut lists = ListBuilder::new(StringBuilder::new());
        for bits in &flags.bits(&values)? {
            match bits {
                Some(bits) => lists.append_value(flags.names(bits).map(Some)),
                None => lists.append_null(),
            }
        }
        Ok(ColumnarValue::Array(Arc::new(lists.finish())))
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&DOCUMENTATION)
    }
}
