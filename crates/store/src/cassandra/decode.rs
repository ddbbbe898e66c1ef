//! Rows of an answer as keys and records: the columns in the order of the statement's
//! text, first the position.

use std::fmt;

use hubbub_events::{Stamp, Timestamp};
use hubbub_tables::{ColumnType, Key, Part, Record, Stored};
use scylla::deserialize::row::ColumnIterator;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, SeqAccess, Visitor,
    value::StrDeserializer,
};

use super::error::mistake;
use crate::Error;

/// The key and record of a row; `None` where there is no record: its position is null.
/// So are all columns of rows in the one row of a partition that is a head alone, and
/// all static columns where there is no head.
pub(super) fn stored<K: Key, R: Record>(
    mut columns: ColumnIterator<'_, '_>,
) -> Result<Option<(K, Stored<R>)>, Error> {
    let position = next(&mut columns).and_then(|cell| cell.bytes.map(|_| cell.i64()).transpose());
    let Some(position) = position.map_err(mistake)? else {
        return Ok(None);
    };
    let key = key::<K>(&mut columns).map_err(mistake)?;
    let record = R::deserialize(Columns(&mut columns)).map_err(mistake)?;
    Ok(Some((key, Stored { stamp: Stamp(position), record })))
}

/// The key that is all of a row.
pub(super) fn key_alone<K: Key>(mut columns: ColumnIterator<'_, '_>) -> Result<K, Error> {
    key(&mut columns).map_err(mistake)
}

fn key<K: Key>(columns: &mut ColumnIterator<'_, '_>) -> Result<K, DecodeError> {
    let parts = K::TYPES.iter().map(|column_type| {
        let cell = next(columns)?;
        Ok(match column_type {
            ColumnType::Int => Part::Int(cell.i32()?),
            ColumnType::BigInt => Part::BigInt(cell.i64()?),
            ColumnType::Timestamp => Part::Timestamp(Timestamp(cell.i64()?)),
            _ => Part::Text(cell.str()?.into()),
        })
    });
    let parts = parts.collect::<Result<Vec<_>, DecodeError>>()?;
    K::from_parts(parts).ok_or_else(|| DecodeError("a key has columns of other types".to_owned()))
}

fn next<'f, 'm>(columns: &mut ColumnIterator<'f, 'm>) -> Result<Cell<'f, 'm>, DecodeError> {
    let column = columns.next().ok_or_else(|| DecodeError("a column is missing".to_owned()))?;
    let column = column.map_err(de::Error::custom)?;
    Ok(Cell { name: column.spec.name(), bytes: column.slice.map(|slice| slice.as_slice()) })
}

/// An answer that is not as its statement asks for.
#[derive(Debug, thiserror::Error)]
#[error("an answer cannot be read: {0}")]
struct DecodeError(String);

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// One column of a row; null where it has no bytes.
struct Cell<'f, 'm> {
    name: &'m str,
    bytes: Option<&'f [u8]>,
}

/// Null is read as what stands for absent: a column that was added later is null in
/// rows that were written before.
impl<'f> Cell<'f, '_> {
    fn fixed<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        match self.bytes {
            None => Ok([0; N]),
            Some(bytes) => bytes
                .try_into()
                .map_err(|_| self.wrong(&format!("{} bytes, where {N} are expected", bytes.len()))),
        }
    }

    fn i32(&self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    fn i64(&self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    fn str(&self) -> Result<&'f str, DecodeError> {
        let text = std::str::from_utf8(self.bytes.unwrap_or_default());
        text.map_err(|_| self.wrong("no UTF-8"))
    }

    fn wrong(&self, what: &str) -> DecodeError {
        DecodeError(format!("column {} holds {what}", self.name))
    }
}

/// Deserializes a record from the columns that are left.
struct Columns<'c, 'f, 'm>(&'c mut ColumnIterator<'f, 'm>);

impl<'de> Deserializer<'de> for Columns<'_, '_, '_> {
    type Error = DecodeError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_seq(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom("a record is a struct with named fields, or ()"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Columns<'_, '_, '_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.0.columns_remaining() == 0 {
            return Ok(None);
        }
        seed.deserialize(next(self.0)?).map(Some)
    }
}

impl<'de> Deserializer<'de> for Cell<'_, '_> {
    type Error = DecodeError;

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let [byte] = self.fixed()?;
        visitor.visit_bool(byte != 0)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i32(self.i32()?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i64(self.i64()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_str(self.str()?)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let rest = match self.bytes {
            None => &[],
            // The elements' number is told by their end as well.
            Some(bytes) => bytes.get(4..).ok_or_else(|| self.wrong("half a list"))?,
        };
        visitor.visit_seq(Elements { list: self.name, rest })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let variant: StrDeserializer<'_, DecodeError> = self.str()?.into_deserializer();
        visitor.visit_enum(variant).map_err(|DecodeError(error)| self.wrong(&error))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
        Err(self.wrong("a type that no column has"))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 f32 f64 char str bytes byte_buf option unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// The elements of a list that are not yet read, each behind its length.
struct Elements<'f, 'm> {
    list: &'m str,
    rest: &'f [u8],
}

impl<'de> SeqAccess<'de> for Elements<'_, '_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let split = self.rest.split_first_chunk().and_then(|(length, rest)| {
            let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
            rest.split_at_checked(length)
        });
        let Some((element, rest)) = split else {
            return Err(DecodeError(format!("column {} holds half a list", self.list)));
        };
        self.rest = rest;
        seed.deserialize(Cell { name: self.list, bytes: Some(element) }).map(Some)
    }
}
