//! One stored value: its type, its width and its byte order, and how bytes become Arrow values.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, FixedSizeBinaryArray, PrimitiveArray, StringArray,
};
use arrow::buffer::Buffer;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use graticule_engine::error::{CubeError, CubeResult};
use hdf5_reader::{ByteOrder, Datatype, StringPadding, StringSize, VarLenKind};
use netcdf_reader::NcType;
use serde_json::Value;

use super::attributes;

/// The stored form of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) data_type: DataType,
    /// Bytes of a stored value. Text of variable length has references of this width.
    pub(super) width: usize,
    byte_order: ByteOrder,
    /// Text of variable length lies apart from the array.
    pub(super) is_reference: bool,
    /// Text of fixed length is filled up with blanks rather than NULs, as Fortran does.
    blank_padded: bool,
}

impl Element {
    fn new(data_type: DataType, width: usize, byte_order: ByteOrder) -> Self {
        Self {
            data_type,
            width,
            byte_order,
            is_reference: false,
            blank_padded: false,
        }
    }

    /// The element of a NetCDF-3 variable: always big-endian.
    pub(super) fn of_classic(stored: &NcType) -> Option<Self> {
        let data_type = match stored {
            NcType::Byte => DataType::Int8,
            NcType::Char => DataType::FixedSizeBinary(1),
            NcType::Short => DataType::Int16,
            NcType::Int => DataType::Int32,
            NcType::Float => DataType::Float32,
            NcType::Double => DataType::Float64,
            NcType::UByte => DataType::UInt8,
            NcType::UShort => DataType::UInt16,
            NcType::UInt => DataType::UInt32,
            NcType::Int64 => DataType::Int64,
            NcType::UInt64 => DataType::UInt64,
            _ => return None,
        };
        let width = stored.size().ok()?;
        Some(Self::new(data_type, width, ByteOrder::BigEndian))
    }

    /// The element of an HDF5 dataset, `None` for types that have no column type: compound,
    /// opaque, references, arrays and variable-length sequences. `reference_width` is the width
    /// of a reference to variable-length text in this file.
    pub(super) fn of_hdf5(stored: &Datatype, reference_width: usize) -> Option<Self> {
        match stored {
            Datatype::FixedPoint {
                size,
                signed,
                byte_order,
            } => {
                let data_type = match (size, signed) {
                    (1, true) => DataType::Int8,
                    (2, true) => DataType::Int16,
                    (4, true) => DataType::Int32,
                    (8, true) => DataType::Int64,
                    (1, false) => DataType::UInt8,
                    (2, false) => DataType::UInt16,
                    (4, false) => DataType::UInt32,
                    (8, false) => DataType::UInt64,
                    _ => return None,
                };
                Some(Self::new(data_type, usize::from(*size), *byte_order))
            }
            Datatype::FloatingPoint { size, byte_order } => {
                let data_type = match size {
                    4 => DataType::Float32,
                    8 => DataType::Float64,
                    _ => return None,
                };
                Some(Self::new(data_type, usize::from(*size), *byte_order))
            }
            // How h5py and h5netcdf store Booleans.
            Datatype::Enum { base, members }
                if matches!(**base, Datatype::FixedPoint { size: 1, .. })
                    && members.len() == 2
                    && members.iter().all(|member| {
                        (member.name == "FALSE" && member.value == [0])
                            || (member.name == "TRUE" && member.value == [1])
                    }) =>
            {
                Some(Self::new(DataType::Boolean, 1, ByteOrder::LittleEndian))
            }
            Datatype::Enum { base, .. } => Self::of_hdf5(base, reference_width),
            Datatype::String {
                size: StringSize::Fixed(1),
                ..
            } => Some(Self::new(
                DataType::FixedSizeBinary(1),
                1,
                ByteOrder::LittleEndian,
            )),
            Datatype::String {
                size: StringSize::Fixed(width),
                padding,
                ..
            } => Some(Self {
                blank_padded: *padding == StringPadding::SpacePad,
                ..Self::new(DataType::Utf8, *width as usize, ByteOrder::LittleEndian)
            }),
            Datatype::String {
                size: StringSize::Variable,
                ..
            } => Some(Self::reference(reference_width)),
            Datatype::VarLen {
                base,
                kind: VarLenKind::String,
                ..
            } if base.is_vlen_string_base() => Some(Self::reference(reference_width)),
            _ => None,
        }
    }

    fn reference(width: usize) -> Self {
        Self {
            is_reference: true,
            ..Self::new(DataType::Utf8, width, ByteOrder::LittleEndian)
        }
    }

    /// The values in `bytes`, which are a whole number of elements.
    ///
    /// # Errors
    /// Text that is not UTF-8, or an element whose values do not stand in the bytes themselves.
    pub(super) fn decode(&self, bytes: &[u8], place: &str) -> CubeResult<ArrayRef> {
        /// Numbers of one type from their bytes, in either byte order.
        macro_rules! numbers {
            ($arrow:ty, $native:ty) => {{
                let (stored, _) = bytes.as_chunks::<{ size_of::<$native>() }>();
                let values: Vec<$native> = match self.byte_order {
                    ByteOrder::LittleEndian => stored
                        .iter()
                        .map(|b| <$native>::from_le_bytes(*b))
                        .collect(),
                    ByteOrder::BigEndian => stored
                        .iter()
                        .map(|b| <$native>::from_be_bytes(*b))
                        .collect(),
                };
                Ok(Arc::new(PrimitiveArray::<$arrow>::new(values.into(), None)))
            }};
        }
        match &self.data_type {
            DataType::Int8 => numbers!(Int8Type, i8),
            DataType::Int16 => numbers!(Int16Type, i16),
            DataType::Int32 => numbers!(Int32Type, i32),
            DataType::Int64 => numbers!(Int64Type, i64),
            DataType::UInt8 => numbers!(UInt8Type, u8),
            DataType::UInt16 => numbers!(UInt16Type, u16),
            DataType::UInt32 => numbers!(UInt32Type, u32),
            DataType::UInt64 => numbers!(UInt64Type, u64),
            DataType::Float32 => numbers!(Float32Type, f32),
            DataType::Float64 => numbers!(Float64Type, f64),
            DataType::Boolean => Ok(Arc::new(
                bytes
                    .iter()
                    .map(|b| Some(*b != 0))
                    .collect::<BooleanArray>(),
            )),
            DataType::FixedSizeBinary(1) => {
                FixedSizeBinaryArray::try_new(1, Buffer::from(bytes), None)
                    .map(|array| Arc::new(array) as ArrayRef)
                    .map_err(|error| CubeError::corrupt(place, error))
            }
            DataType::Utf8 if !self.is_reference => bytes
                .chunks(self.width.max(1))
                .map(|stored| self.text(stored, place).map(Some))
                .collect::<CubeResult<StringArray>>()
                .map(|array| Arc::new(array) as ArrayRef),
            other => Err(CubeError::unsupported(
                place,
                format!("values of type {other} cannot be read here"),
            )),
        }
    }

    /// One stored value as JSON; `Null` when there is none.
    pub(super) fn json(&self, bytes: &[u8], place: &str) -> Value {
        if self.is_reference {
            return Value::from("");
        }
        if bytes.len() != self.width {
            return Value::Null;
        }
        self.decode(bytes, place)
            .map_or(Value::Null, |array| first_as_json(&array))
    }

    /// Text of fixed length, without the padding at its end.
    fn text<'a>(&self, stored: &'a [u8], place: &str) -> CubeResult<&'a str> {
        let end = stored.iter().position(|b| *b == 0).unwrap_or(stored.len());
        let text = std::str::from_utf8(stored.get(..end).unwrap_or_default()).map_err(|_| {
            CubeError::corrupt(place, "text is not UTF-8")
                .remedy("rewrite the variable's text as UTF-8")
        })?;
        Ok(if self.blank_padded {
            text.trim_end_matches(' ')
        } else {
            text
        })
    }
}

fn first_as_json(array: &ArrayRef) -> Value {
    /// The first number of one type.
    macro_rules! first {
        ($arrow:ty) => {
            array
                .as_primitive::<$arrow>()
                .values()
                .first()
                .map_or(Value::Null, |v| Value::from(*v))
        };
    }
    match array.data_type() {
        DataType::Int8 => first!(Int8Type),
        DataType::Int16 => first!(Int16Type),
        DataType::Int32 => first!(Int32Type),
        DataType::Int64 => first!(Int64Type),
        DataType::UInt8 => first!(UInt8Type),
        DataType::UInt16 => first!(UInt16Type),
        DataType::UInt32 => first!(UInt32Type),
        DataType::UInt64 => first!(UInt64Type),
        DataType::Float32 => array
            .as_primitive::<Float32Type>()
            .values()
            .first()
            .map_or(Value::Null, |v| attributes::float(f64::from(*v))),
        DataType::Float64 => array
            .as_primitive::<Float64Type>()
            .values()
            .first()
            .map_or(Value::Null, |v| attributes::float(*v)),
        DataType::Boolean if !array.is_empty() => Value::from(array.as_boolean().value(0)),
        DataType::Utf8 if !array.is_empty() => Value::from(array.as_string::<i32>().value(0)),
        DataType::FixedSizeBinary(_) if !array.is_empty() => {
            let character = array.as_fixed_size_binary().value(0);
            Value::from(String::from_utf8_lossy(character).trim_end_matches('\0'))
        }
        _ => Value::Null,
    }
}

/// What the netCDF library writes into cells that were never written, where no `_FillValue` says
/// otherwise (`NC_FILL_*` in netcdf.h).
pub(super) fn default_fill(data_type: &DataType) -> Value {
    match data_type {
        DataType::Int8 => Value::from(-127),
        DataType::Int16 => Value::from(-32767),
        DataType::Int32 => Value::from(-2_147_483_647),
        DataType::Int64 => Value::from(-9_223_372_036_854_775_806_i64),
        DataType::UInt8 => Value::from(u8::MAX),
        DataType::UInt16 => Value::from(u16::MAX),
        DataType::UInt32 => Value::from(u32::MAX),
        DataType::UInt64 => Value::from(u64::MAX - 1),
        DataType::Float32 | DataType::Float64 => Value::from(9.969_209_968_386_869e36),
        _ => Value::from(""),
    }
}
