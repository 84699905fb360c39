//! Other connections of this door: `pg_stat_activity` lists those of the same user, `pg_cancel_backend` and
//! `pg_terminate_backend` stop what they run. What a statement is, `cube.queries` says.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, RecordBatch, StringArray, new_null_array,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int32Type, TimeUnit};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::{About, DATABASE};

/// The name of the table.
pub(super) const ACTIVITY: &str = "pg_stat_activity";

/// The connections of the user who asks. What is not known of them is NULL, as that of others is in PostgreSQL.
pub(super) fn activity(about: &About) -> Result<RecordBatch> {
    let mut numbers = about.connections.of_user(&about.user);
    numbers.retain(|number| about.may_stop(*number));
    let count = numbers.len();
    let text = |text: &str| Arc::new(StringArray::from(vec![text; count])) as ArrayRef;
    let unknown = |kind: DataType| new_null_array(&kind, count);
    let time = || unknown(DataType::Timestamp(TimeUnit::Microsecond, None));
    let columns = [
        ("datid", unknown(DataType::Int32)),
        ("datname", text(DATABASE)),
        ("pid", Arc::new(Int32Array::from(numbers)) as ArrayRef),
        ("leader_pid", unknown(DataType::Int32)),
        ("usesysid", unknown(DataType::Int32)),
        ("usename", text(&about.user)),
        ("application_name", unknown(DataType::Utf8)),
        ("client_addr", unknown(DataType::Utf8)),
        ("client_hostname", unknown(DataType::Utf8)),
        ("client_port", unknown(DataType::Int32)),
        ("backend_start", time()),
        ("xact_start", time()),
        ("query_start", time()),
        ("state_change", time()),
        ("wait_event_type", unknown(DataType::Utf8)),
        ("wait_event", unknown(DataType::Utf8)),
        ("state", unknown(DataType::Utf8)),
        ("backend_xid", unknown(DataType::Utf8)),
        ("backend_xmin", unknown(DataType::Utf8)),
        ("query_id", unknown(DataType::Int64)),
        ("query", unknown(DataType::Utf8)),
        ("backend_type", text("client backend")),
    ];
    let columns = columns.map(|(name, values)| (name, values, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

impl About {
    /// May the user know of this connection, if it is one of the same name?
    fn may_stop(&self, number: i32) -> bool {
        !self.is_several || number == self.number
    }
}

/// `pg_cancel_backend(number)` and `pg_terminate_backend(number)`: was there such a connection of the same user?
#[derive(Debug)]
pub(super) struct Stop {
    about: About,
    is_end: bool,
    signature: Signature,
}

impl Stop {
    pub(super) fn new(about: &About, is_end: bool) -> Self {
        let kinds = [1, 2].map(|count| Signature::any(count, Volatility::Volatile).type_signature);
        Self {
            about: about.clone(),
            is_end,
            signature: Signature::one_of(kinds.to_vec(), Volatility::Volatile),
        }
    }
}

impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        self.is_end == other.is_end
    }
}

impl Eq for Stop {}

impl Hash for Stop {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.is_end.hash(state);
    }
}

impl ScalarUDFImpl for Stop {
    fn name(&self) -> &str {
        match self.is_end {
            true => "pg_terminate_backend",
            false => "pg_cancel_backend",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let numbers = args.args[0].to_array(args.number_rows)?;
        let numbers = cast(&numbers, &DataType::Int32)?;
        let numbers = numbers.as_primitive::<Int32Type>();
        let about = &self.about;
        let stop = |number| {
            about.may_stop(number) && about.connections.stop(number, &about.user, self.is_end)
        };
        let stopped: BooleanArray = numbers.iter().map(|number| number.map(stop)).collect();
        Ok(ColumnarValue::Array(Arc::new(stopped) as Arc<dyn Array>))
    }
}
