//! Keys: no table has any, but clients that browse want to see the columns that would name them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

/// The columns of GetPrimaryKeys.
pub(super) fn primary() -> SchemaRef {
    schema(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        number("key_sequence", DataType::Int32),
        text("key_name", true),
    ])
}

/// The columns of GetExportedKeys, GetImportedKeys and GetCrossReference.
pub(super) fn foreign() -> SchemaRef {
    schema(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        number("key_sequence", DataType::Int32),
        text("fk_key_name", true),
        text("pk_key_name", true),
        number("update_rule", DataType::UInt8),
        number("delete_rule", DataType::UInt8),
    ])
}

fn text(name: &str, nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, nullable)
}

fn number(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}
