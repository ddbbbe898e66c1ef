//! Records as the cells of a statement: one for each field, in order.
//!
//! Bytes are written as the declared types ask for; that the tables have these types is
//! checked when the store is opened.

use std::fmt;

use hubbub_tables::Record;
use scylla::serialize::writers::{CellOverflowError, RowWriter};
use serde::{
    Serialize,
    ser::{self, Impossible, SerializeSeq, SerializeStruct, Serializer},
};

/// Writes a record's columns.
pub(super) fn write_record(
    record: &impl Record,
    writer: &mut RowWriter<'_>,
) -> Result<(), EncodeError> {
    record.serialize(Cells(writer))
}

/// Writes one cell that is a list. Its elements look as cells of a row do, each behind
/// its length; their number stands in front.
pub(super) fn write_list(
    writer: &mut RowWriter<'_>,
    count: i32,
    elements: &[u8],
) -> Result<(), CellOverflowError> {
    let mut cell = writer.make_cell_writer().into_value_builder();
    cell.append_bytes(&count.to_be_bytes());
    cell.append_bytes(elements);
    cell.finish().map(|_| ())
}

/// A value that no column holds: the declaration of its table is wrong.
#[derive(Debug, thiserror::Error)]
#[error("a record cannot be written: {0}")]
pub(super) struct EncodeError(String);

impl ser::Error for EncodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes each scalar as a cell, a struct as its fields, a sequence as a list.
struct Cells<'w, 'b>(&'w mut RowWriter<'b>);

impl Cells<'_, '_> {
    fn cell(self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.make_cell_writer().set_value(bytes).map(|_| ()).map_err(ser::Error::custom)
    }
}

fn refused<A>(what: &str) -> Result<A, EncodeError> {
    Err(EncodeError(format!("no column is declared for a value of type {what}")))
}

impl<'w, 'b> Serializer for Cells<'w, 'b> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Elements<'w, 'b>;
    type SerializeTuple = Impossible<(), EncodeError>;
    type SerializeTupleStruct = Impossible<(), EncodeError>;
    type SerializeTupleVariant = Impossible<(), EncodeError>;
    type SerializeMap = Impossible<(), EncodeError>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), EncodeError>;

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.cell(&[u8::from(value)])
    }

    fn serialize_i32(self, value: i32) -> Result<(), EncodeError> {
        self.cell(&value.to_be_bytes())
    }

    fn serialize_i64(self, value: i64) -> Result<(), EncodeError> {
        self.cell(&value.to_be_bytes())
    }

    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        self.cell(value.as_bytes())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.cell(variant.as_bytes())
    }

    fn serialize_newtype_struct<V: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &V,
    ) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, EncodeError> {
        Ok(Elements { list: self.0, bytes: Vec::new(), count: 0 })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, EncodeError> {
        Ok(self)
    }

    /// The record without columns.
    fn serialize_unit(self) -> Result<(), EncodeError> {
        Ok(())
    }

    fn serialize_i8(self, _: i8) -> Result<(), EncodeError> {
        refused("i8")
    }

    fn serialize_i16(self, _: i16) -> Result<(), EncodeError> {
        refused("i16")
    }

    fn serialize_u8(self, _: u8) -> Result<(), EncodeError> {
        refused("u8")
    }

    fn serialize_u16(self, _: u16) -> Result<(), EncodeError> {
        refused("u16")
    }

    fn serialize_u32(self, _: u32) -> Result<(), EncodeError> {
        refused("u32")
    }

    fn serialize_u64(self, _: u64) -> Result<(), EncodeError> {
        refused("u64")
    }

    fn serialize_f32(self, _: f32) -> Result<(), EncodeError> {
        refused("f32")
    }

    fn serialize_f64(self, _: f64) -> Result<(), EncodeError> {
        refused("f64")
    }

    fn serialize_char(self, _: char) -> Result<(), EncodeError> {
        refused("char")
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), EncodeError> {
        refused("bytes")
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        refused("Option")
    }

    fn serialize_some<V: Serialize + ?Sized>(self, _: &V) -> Result<(), EncodeError> {
        refused("Option")
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), EncodeError> {
        refused(name)
    }

    fn serialize_newtype_variant<V: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: &V,
    ) -> Result<(), EncodeError> {
        refused(name)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, EncodeError> {
        refused("tuple")
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleStruct, EncodeError> {
        refused(name)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, EncodeError> {
        refused(name)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, EncodeError> {
        refused("map")
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, EncodeError> {
        refused(name)
    }
}

impl SerializeStruct for Cells<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_field<V: Serialize + ?Sized>(
        &mut self,
        _: &'static str,
        value: &V,
    ) -> Result<(), EncodeError> {
        value.serialize(Cells(self.0))
    }

    fn end(self) -> Result<(), EncodeError> {
        Ok(())
    }
}

/// The elements of a list that is not yet whole.
struct Elements<'w, 'b> {
    list: &'w mut RowWriter<'b>,
    bytes: Vec<u8>,
    count: i32,
}

impl SerializeSeq for Elements<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), EncodeError> {
        self.count += 1;
        value.serialize(Cells(&mut RowWriter::new(&mut self.bytes)))
    }

    fn end(self) -> Result<(), EncodeError> {
        write_list(self.list, self.count, &self.bytes).map_err(ser::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use hubbub_events::Timestamp;
    use hubbub_tables::{Life, posts::PostVersion};
    use serde::Deserialize;

    use super::*;

    fn cells(record: &impl Record) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        write_record(record, &mut RowWriter::new(&mut bytes)).map_err(|error| error.to_string())?;
        Ok(bytes)
    }

    #[test]
    fn each_field_is_a_cell() {
        let record = PostVersion {
            content: "hi".to_owned(),
            hashtags: vec!["a".to_owned(), String::new()],
            at: Timestamp(258),
        };
        let expected: &[&[u8]] = &[
            &[0, 0, 0, 2, b'h', b'i'],
            &[0, 0, 0, 13, 0, 0, 0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 0],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2],
        ];
        assert_eq!(cells(&record).unwrap(), expected.concat());
        assert!(cells(&()).unwrap().is_empty());
    }

    #[test]
    fn what_no_column_holds_is_refused() {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct Nullable {
            life: Life,
            maybe: Option<i64>,
        }
        let error = cells(&Nullable { life: Life::Live, maybe: Some(1) }).unwrap_err();
        assert!(error.contains("Option"), "{error}");
    }
}
