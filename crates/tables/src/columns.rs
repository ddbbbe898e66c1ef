//! The columns of a record, read off its serde implementation: no second list to keep.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    SeqAccess, VariantAccess, Visitor, value::StrDeserializer,
};

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name in the store.
    pub name: &'static str,
    /// Its type.
    pub column_type: ColumnType,
}

/// The types that columns have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// A string, or an enum by the names of its variants.
    Text,
    /// 32 bits, signed.
    Int,
    /// 64 bits, signed.
    BigInt,
    /// True or false.
    Boolean,
    /// [`hubbub_events::Timestamp`].
    Timestamp,
    /// A list of strings that is written and read whole.
    TextList,
}

/// The name of the type in CQL.
impl fmt::Display for ColumnType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Boolean => "boolean",
            Self::Timestamp => "timestamp",
            Self::TextList => "frozen<list<text>>",
        })
    }
}

/// The columns of a record, in the order of its fields; none for `()`.
///
/// # Errors
/// Where a field has a type that is no column's: a mistake in a declaration.
pub fn columns<R: DeserializeOwned>() -> Result<Vec<Column>, Unsupported> {
    let mut columns = Vec::new();
    R::deserialize(RecordTracer(&mut columns))?;
    Ok(columns)
}

/// A type that no column has.
#[derive(Debug, thiserror::Error)]
#[error("no column can hold this: {0}")]
pub struct Unsupported(String);

impl Unsupported {
    /// A key of a table whose columns are not named one by one.
    pub(crate) fn key(table: &str, names: &[&str], columns: usize) -> Self {
        Self(format!("a key of {table} has {columns} columns and the names {names:?}"))
    }
}

impl serde::de::Error for Unsupported {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Deserializes a record out of nothing, noting what it asks for.
struct RecordTracer<'a>(&'a mut Vec<Column>);

impl<'de> Deserializer<'de> for RecordTracer<'_> {
    type Error = Unsupported;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unsupported> {
        visitor.visit_seq(Fields { fields: fields.iter(), columns: self.0 })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unsupported> {
        Err(Unsupported::custom("a record is a struct with named fields, or ()"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'a> {
    fields: std::slice::Iter<'static, &'static str>,
    columns: &'a mut Vec<Column>,
}

impl<'de> SeqAccess<'de> for Fields<'_> {
    type Error = Unsupported;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unsupported> {
        let Some(name) = self.fields.next() else {
            return Ok(None);
        };
        let mut column_type = None;
        let value = seed.deserialize(FieldTracer(&mut column_type))?;
        let column_type = column_type.ok_or_else(|| Unsupported::custom(name))?;
        self.columns.push(Column { name, column_type });
        Ok(Some(value))
    }
}

struct FieldTracer<'a>(&'a mut Option<ColumnType>);

impl<'de> Deserializer<'de> for FieldTracer<'_> {
    type Error = Unsupported;

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::Boolean);
        visitor.visit_bool(false)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::Int);
        visitor.visit_i32(0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::BigInt);
        visitor.visit_i64(0)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::Text);
        visitor.visit_str("")
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unsupported> {
        let value = visitor.visit_newtype_struct(FieldTracer(self.0))?;
        if name == "Timestamp" {
            *self.0 = Some(ColumnType::Timestamp);
        }
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::TextList);
        visitor.visit_seq(NoElements)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unsupported> {
        *self.0 = Some(ColumnType::Text);
        let first = variants.first().ok_or_else(|| Unsupported::custom(name))?;
        visitor.visit_enum(UnitVariant(first))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Unsupported> {
        Err(Unsupported::custom(
            "a column is a bool, i32, i64, String, Timestamp, Vec<String> or plain enum",
        ))
    }

    serde::forward_to_deserialize_any! {
        i8 i16 u8 u16 u32 u64 f32 f64 char str bytes byte_buf option unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct NoElements;

impl<'de> SeqAccess<'de> for NoElements {
    type Error = Unsupported;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        _: S,
    ) -> Result<Option<S::Value>, Unsupported> {
        Ok(None)
    }
}

struct UnitVariant(&'static str);

impl<'de> EnumAccess<'de> for UnitVariant {
    type Error = Unsupported;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, Self), Unsupported> {
        let name: StrDeserializer<'_, Unsupported> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant {
    type Error = Unsupported;

    fn unit_variant(self) -> Result<(), Unsupported> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Unsupported> {
        Err(Unsupported::custom("an enum with values"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Unsupported> {
        Err(Unsupported::custom("an enum with values"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Unsupported> {
        Err(Unsupported::custom("an enum with values"))
    }
}

#[cfg(test)]
mod tests {
    use hubbub_events::Timestamp;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::Life;

    #[derive(Debug, Serialize, Deserialize)]
    struct Sample {
        life: Life,
        name: String,
        small: i32,
        large: i64,
        at: Timestamp,
        yes: bool,
        tags: Vec<String>,
    }

    #[test]
    fn a_records_fields_are_its_columns() {
        let found: Vec<_> = columns::<Sample>()
            .unwrap()
            .iter()
            .map(|column| format!("{} {}", column.name, column.column_type))
            .collect();
        assert_eq!(
            found,
            [
                "life text",
                "name text",
                "small int",
                "large bigint",
                "at timestamp",
                "yes boolean",
                "tags frozen<list<text>>"
            ]
        );
        assert_eq!(columns::<()>().unwrap(), []);
    }

    #[test]
    fn what_no_column_holds_is_refused() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Nullable {
            maybe: Option<i64>,
        }
        assert!(columns::<Nullable>().is_err());
        assert!(columns::<i64>().is_err());
    }
}
