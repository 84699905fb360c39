//! The types of SQL, as GetXdbcTypeInfo tells them.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::Result;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType};

/// The columns of the answer.
///
/// # Errors
/// None that are known.
pub(super) fn columns() -> Result<SchemaRef> {
    Ok(all()?.schema())
}

/// The answer: the types of the kind that is asked for, or all of them.
///
/// # Errors
/// None that are known.
pub(super) fn rows(command: CommandGetXdbcTypeInfo) -> Result<RecordBatch> {
    command.into_builder(&all()?).build()
}

/// Name, kind, bits or characters at most, and whether literals are quoted.
const TYPES: [(&str, XdbcDataType, Option<i32>, bool); 12] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), false),
    ("TINYINT", XdbcDataType::XdbcTinyint, Some(8), false),
    ("SMALLINT", XdbcDataType::XdbcSmallint, Some(16), false),
    ("INT", XdbcDataType::XdbcInteger, Some(32), false),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(64), false),
    ("REAL", XdbcDataType::XdbcReal, Some(32), false),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(64), false),
    ("DECIMAL", XdbcDataType::XdbcDecimal, Some(76), false),
    ("DATE", XdbcDataType::XdbcDate, Some(10), true),
    ("TIME", XdbcDataType::XdbcTime, Some(18), true),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(29), true),
    ("VARCHAR", XdbcDataType::XdbcVarchar, None, true),
];

fn all() -> Result<XdbcTypeInfoData> {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, is_quoted) in TYPES {
        let quote = is_quoted.then(|| "'".to_string());
        types.append(XdbcTypeInfo {
            type_name: name.to_string(),
            data_type: kind,
            column_size: size,
            literal_prefix: quote.clone(),
            literal_suffix: quote,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: kind == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            sql_data_type: kind,
            num_prec_radix: (!is_quoted).then_some(2),
            ..XdbcTypeInfo::default()
        });
    }
    types.build()
}
