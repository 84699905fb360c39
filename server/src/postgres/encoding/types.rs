//! Which type of PostgreSQL a column has.

use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow_pg::datatypes::field_into_pg_type;
use pgwire::api::Type;
use pgwire::messages::data::{FieldDescription, RowDescription};
use std::sync::Arc;

use crate::postgres::messages::Formats;

/// The type that a column is sent as; what PostgreSQL has no type for is text, nested values are JSON.
pub(in crate::postgres) fn type_of(field: &Field) -> Type {
    let of_values = |data_type: &DataType| {
        type_of(&Field::new("", data_type.clone(), true).with_metadata(field.metadata().clone()))
    };
    match field.data_type() {
        DataType::Null => Type::TEXT,
        DataType::Dictionary(_, values) => of_values(values),
        DataType::RunEndEncoded(_, values) => of_values(values.data_type()),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Type::NUMERIC,
        DataType::List(items)
        | DataType::LargeList(items)
        | DataType::FixedSizeList(items, _)
        | DataType::ListView(items)
        | DataType::LargeListView(items) => array_of(&type_of(items)).unwrap_or(Type::JSON),
        DataType::Struct(_) | DataType::Map(..) => Type::JSON,
        DataType::Union(..) => Type::TEXT,
        _ => field_into_pg_type(&Arc::new(field.clone())).unwrap_or(Type::TEXT),
    }
}

/// The type of arrays of a type.
pub(in crate::postgres) fn array_of(item: &Type) -> Option<Type> {
    Some(match *item {
        Type::BOOL => Type::BOOL_ARRAY,
        Type::INT2 => Type::INT2_ARRAY,
        Type::INT4 => Type::INT4_ARRAY,
        Type::INT8 => Type::INT8_ARRAY,
        Type::FLOAT4 => Type::FLOAT4_ARRAY,
        Type::FLOAT8 => Type::FLOAT8_ARRAY,
        Type::NUMERIC => Type::NUMERIC_ARRAY,
        Type::TEXT => Type::TEXT_ARRAY,
        Type::BYTEA => Type::BYTEA_ARRAY,
        Type::DATE => Type::DATE_ARRAY,
        Type::TIME => Type::TIME_ARRAY,
        Type::TIMESTAMP => Type::TIMESTAMP_ARRAY,
        Type::TIMESTAMPTZ => Type::TIMESTAMPTZ_ARRAY,
        Type::INTERVAL => Type::INTERVAL_ARRAY,
        Type::OID => Type::OID_ARRAY,
        _ => return None,
    })
}

/// Bytes of a value, −1 where they vary.
fn size_of(data_type: &Type) -> i16 {
    match *data_type {
        Type::BOOL | Type::CHAR => 1,
        Type::INT2 => 2,
        Type::INT4 | Type::FLOAT4 | Type::DATE | Type::OID => 4,
        Type::INT8 | Type::FLOAT8 | Type::TIME | Type::TIMESTAMP | Type::TIMESTAMPTZ => 8,
        Type::INTERVAL => 16,
        _ => -1,
    }
}

/// The columns of a result as clients are told of them.
pub(in crate::postgres) fn description(schema: &Schema, formats: &Formats) -> RowDescription {
    let describe = |(index, field): (usize, &FieldRef)| {
        let data_type = type_of(field);
        FieldDescription::new(
            field.name().replace('\0', "�"),
            0,
            0,
            data_type.oid(),
            size_of(&data_type),
            -1,
            i16::from(formats.is_binary(index)),
        )
    };
    RowDescription::new(schema.fields().iter().enumerate().map(describe).collect())
}
