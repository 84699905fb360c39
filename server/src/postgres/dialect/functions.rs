//! Functions that clients of PostgreSQL call: about the server, the session, and what is in the catalogue.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, StringArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog as stock;
use datafusion_pg_catalog::pg_catalog::PgCatalogStaticTables;
use datafusion_pg_catalog::pg_catalog::context::{PgCatalogContextProvider, Role};

use pgwire::api::Type;

use super::DATABASE;
use super::backends::Stop;
use super::sizes::PrettySize;
use crate::postgres::cancel::Cancellations;
use crate::postgres::settings::{Settings, VERSION};

/// The highest number of a type that PostgreSQL brings along.
const LAST_TYPE: u32 = 6157;

/// What a session can be asked about itself.
#[derive(Debug, Clone)]
pub(in crate::postgres) struct About {
    pub(in crate::postgres) user: String,
    pub(in crate::postgres) number: i32,
    /// Is the user several people, who know nothing of each other?
    pub(in crate::postgres) is_several: bool,
    pub(in crate::postgres) connections: Arc<Cancellations>,
}

#[async_trait]
impl PgCatalogContextProvider for About {
    async fn roles(&self) -> Vec<String> {
        vec![self.user.clone()]
    }

    async fn role(&self, name: &str) -> Option<Role> {
        (name == self.user).then(|| Role {
            name: self.user.clone(),
            is_superuser: false,
            can_login: true,
            can_create_db: false,
            can_create_role: false,
            can_create_user: false,
            can_replication: false,
            grants: vec![],
            inherited_roles: vec![],
        })
    }
}

/// Functions about definitions that tables here do not have.
const UNKNOWN: [&str; 13] = [
    "obj_description",
    "col_description",
    "shobj_description",
    "pg_get_viewdef",
    "pg_get_indexdef",
    "pg_get_ruledef",
    "pg_get_triggerdef",
    "pg_get_functiondef",
    "pg_get_function_result",
    "pg_get_function_arguments",
    "pg_get_serial_sequence",
    "pg_advisory_lock",
    "pg_advisory_unlock_all",
];

/// Questions that have one answer for everything.
const YES: [&str; 7] = [
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_opclass_is_visible",
    "pg_collation_is_visible",
    "pg_type_is_visible",
    "has_function_privilege",
    "has_column_privilege",
];

/// Sizes of what is in stores, whose bytes nobody counts for this: 0, as that of a view.
const SIZES: [&str; 4] = [
    "pg_table_size",
    "pg_indexes_size",
    "pg_database_size",
    "pg_tablespace_size",
];

/// Registers all of them.
pub(super) fn register(
    context: &SessionContext,
    tables: &PgCatalogStaticTables,
    settings: &Settings,
    about: &About,
) {
    for function in [
        stock::create_current_database_udf(DATABASE),
        stock::create_current_schemas_udf(),
        stock::has_privilege_udf::create_has_privilege_udf("has_table_privilege"),
        stock::has_privilege_udf::create_has_privilege_udf("has_schema_privilege"),
        stock::has_privilege_udf::create_has_privilege_udf("has_database_privilege"),
        stock::has_privilege_udf::create_has_privilege_udf("has_any_column_privilege"),
        stock::create_pg_table_is_visible(),
        stock::format_type::create_format_type_udf(),
        stock::pg_get_expr_udf::create_pg_get_expr_udf(),
        stock::create_pg_get_partkeydef_udf(),
        stock::create_pg_relation_is_publishable_udf(),
        stock::create_pg_get_statisticsobjdef_columns_udf(),
        stock::create_pg_encoding_to_char_udf(),
        stock::create_pg_relation_size_udf(),
        stock::create_pg_total_relation_size_udf(),
        stock::create_pg_stat_get_numscans(),
        stock::create_pg_get_constraintdef(),
        stock::create_pg_get_partition_ancestors_udf(),
        stock::quote_ident_udf::create_quote_ident_udf(),
        stock::quote_ident_udf::create_parse_ident_udf(),
        stock::array_bounds_udf::create_array_upper_udf(),
        stock::array_bounds_udf::create_array_lower_udf(),
    ] {
        context.register_udf(function);
    }
    context.register_udtf("pg_get_keywords", Arc::clone(&tables.pg_get_keywords) as _);
    let version = format!(
        "PostgreSQL {VERSION} (Graticule {})",
        env!("CARGO_PKG_VERSION")
    );
    let mut answers = vec![
        ("version", ScalarValue::from(version)),
        ("session_user", ScalarValue::from(about.user.as_str())),
        ("current_user", ScalarValue::from(about.user.as_str())),
        ("user", ScalarValue::from(about.user.as_str())),
        ("pg_get_userbyid", ScalarValue::from(about.user.as_str())),
        ("pg_backend_pid", ScalarValue::from(about.number)),
        ("pg_client_encoding", ScalarValue::from("UTF8")),
        // The number of UTF8.
        ("pg_char_to_encoding", ScalarValue::from(6_i32)),
        ("pg_tablespace_location", ScalarValue::from("")),
        ("pg_is_in_recovery", ScalarValue::from(false)),
        ("pg_relation_is_updatable", ScalarValue::from(0_i32)),
        ("txid_current", ScalarValue::from(1_i64)),
        ("pg_my_temp_schema", ScalarValue::from(0_i32)),
        ("pg_is_other_temp_schema", ScalarValue::from(false)),
        (
            "pg_export_snapshot",
            ScalarValue::from("00000000-00000000-1"),
        ),
    ];
    answers.extend(UNKNOWN.map(|name| (name, ScalarValue::Utf8(None))));
    answers.extend(YES.map(|name| (name, ScalarValue::from(true))));
    answers.extend(SIZES.map(|name| (name, ScalarValue::from(0_i64))));
    for (name, answer) in answers {
        context.register_udf(ScalarUDF::new_from_impl(Answer::new(name, answer)));
    }
    for is_end in [false, true] {
        context.register_udf(ScalarUDF::new_from_impl(Stop::new(about, is_end)));
    }
    for is_change in [false, true] {
        context.register_udf(ScalarUDF::new_from_impl(Setting::new(settings, is_change)));
    }
    context.register_udf(ScalarUDF::new_from_impl(CurrentSchema::default()));
    context.register_udf(ScalarUDF::new_from_impl(TypeNumber::default()));
    context.register_udf(ScalarUDF::new_from_impl(PrettySize::default()));
}

/// A function that says the same whatever it is asked.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Answer {
    name: &'static str,
    answer: ScalarValue,
    signature: Signature,
}

impl Answer {
    fn new(name: &'static str, answer: ScalarValue) -> Self {
        let any = [Signature::any(1, Volatility::Stable)];
        let kinds = any
            .into_iter()
            .chain((2..=4).map(|count| Signature::any(count, Volatility::Stable)));
        let mut kinds: Vec<_> = kinds.map(|signature| signature.type_signature).collect();
        kinds.push(datafusion::logical_expr::TypeSignature::Nullary);
        Self {
            name,
            answer,
            signature: Signature::one_of(kinds, Volatility::Stable),
        }
    }
}

impl ScalarUDFImpl for Answer {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.answer.data_type())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.answer.clone()))
    }
}

/// `current_setting(name)` and `set_config(name, value, is_local)`.
#[derive(Debug)]
struct Setting {
    settings: Settings,
    is_change: bool,
    signature: Signature,
}

impl Setting {
    fn new(settings: &Settings, is_change: bool) -> Self {
        let counts = if is_change { [3, 3] } else { [1, 2] };
        let kinds = counts.map(|count| Signature::any(count, Volatility::Volatile).type_signature);
        Self {
            settings: settings.clone(),
            is_change,
            signature: Signature::one_of(kinds.to_vec(), Volatility::Volatile),
        }
    }

    /// The value of a setting, after the change.
    fn of(&self, name: &str, value: Option<&str>) -> Result<String> {
        if self.is_change {
            let changed = self.settings.set(name, value);
            changed.map_err(|failure| DataFusionError::Execution(failure.message))?;
        }
        let unknown = || {
            let text = format!("there is no setting {name}; SHOW reads those of the engine");
            DataFusionError::Execution(text)
        };
        self.settings.get(name).ok_or_else(unknown)
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.is_change == other.is_change
    }
}

impl Eq for Setting {}

impl Hash for Setting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_change.hash(state);
    }
}

impl ScalarUDFImpl for Setting {
    fn name(&self) -> &str {
        match self.is_change {
            true => "set_config",
            false => "current_setting",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = |column: &ColumnarValue| -> Result<ArrayRef> {
            Ok(cast(&column.to_array(args.number_rows)?, &DataType::Utf8)?)
        };
        let columns = args.args.iter().map(texts).collect::<Result<Vec<_>>>()?;
        let value = |column: usize, row: usize| {
            let column = columns.get(column)?.as_string::<i32>();
            column.is_valid(row).then(|| column.value(row))
        };
        let values = (0..args.number_rows).map(|row| match value(0, row) {
            Some(name) => match self.of(name, value(1, row)) {
                // The second argument says that a setting may be absent.
                Err(_) if !self.is_change && value(1, row) == Some("true") => Ok(None),
                found => found.map(Some),
            },
            None => Ok(None),
        });
        let values: StringArray = values.collect::<Result<_>>()?;
        Ok(ColumnarValue::Array(Arc::new(values)))
    }
}

/// `current_schema()`: that of `USE`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentSchema {
    signature: Signature,
}

impl Default for CurrentSchema {
    fn default() -> Self {
        Self {
            signature: Signature::nullary(Volatility::Stable),
        }
    }
}

impl ScalarUDFImpl for CurrentSchema {
    fn name(&self) -> &str {
        "current_schema"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let schema = args.config_options.catalog.default_schema.as_str();
        Ok(ColumnarValue::Scalar(ScalarValue::from(schema)))
    }
}

/// `to_regtype(name)`: the number of a type.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeNumber {
    signature: Signature,
}

impl Default for TypeNumber {
    fn default() -> Self {
        Self {
            signature: Signature::string(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for TypeNumber {
    fn name(&self) -> &str {
        "to_regtype"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let names = args.args[0].to_array(args.number_rows)?;
        let names = cast(&names, &DataType::Utf8)?;
        let numbers = names.as_string::<i32>().iter().map(|name| {
            let name = name?.to_lowercase();
            let mut types = (16..=LAST_TYPE).filter_map(Type::from_oid);
            let found = types.find(|known| known.name() == name)?;
            Some(found.oid().cast_signed())
        });
        let numbers: Int32Array = numbers.collect();
        Ok(ColumnarValue::Array(Arc::new(numbers)))
    }
}
