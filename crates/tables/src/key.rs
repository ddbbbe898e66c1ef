//! Keys: tuples of a few columns, in parts that any store can bind and order.

use std::{borrow::Cow, fmt::Debug, hash::Hash};

use hubbub_events::Timestamp;

use crate::ColumnType;

/// One column of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part<'a> {
    /// `text`, ordered by its bytes.
    Text(Cow<'a, str>),
    /// `int`.
    Int(i32),
    /// `bigint`.
    BigInt(i64),
    /// `timestamp`.
    Timestamp(Timestamp),
}

/// A type that a column of a key can have.
pub trait KeyColumn: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static {
    /// The column's type.
    const TYPE: ColumnType;
    /// As a part.
    fn part(&self) -> Part<'_>;
    /// From a part of the same type.
    fn from_part(part: Part<'_>) -> Option<Self>;
}

impl KeyColumn for String {
    const TYPE: ColumnType = ColumnType::Text;
    fn part(&self) -> Part<'_> {
        Part::Text(Cow::Borrowed(self))
    }
    fn from_part(part: Part<'_>) -> Option<Self> {
        match part {
            Part::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }
}

impl KeyColumn for i32 {
    const TYPE: ColumnType = ColumnType::Int;
    fn part(&self) -> Part<'_> {
        Part::Int(*self)
    }
    fn from_part(part: Part<'_>) -> Option<Self> {
        match part {
            Part::Int(number) => Some(number),
            _ => None,
        }
    }
}

impl KeyColumn for i64 {
    const TYPE: ColumnType = ColumnType::BigInt;
    fn part(&self) -> Part<'_> {
        Part::BigInt(*self)
    }
    fn from_part(part: Part<'_>) -> Option<Self> {
        match part {
            Part::BigInt(number) => Some(number),
            _ => None,
        }
    }
}

impl KeyColumn for Timestamp {
    const TYPE: ColumnType = ColumnType::Timestamp;
    fn part(&self) -> Part<'_> {
        Part::Timestamp(*self)
    }
    fn from_part(part: Part<'_>) -> Option<Self> {
        match part {
            Part::Timestamp(time) => Some(time),
            _ => None,
        }
    }
}

/// A partition or clustering key: a tuple of none to four columns.
pub trait Key: Clone + Eq + Ord + Hash + Debug + Send + Sync + 'static {
    /// The types of its columns, in order.
    const TYPES: &'static [ColumnType];
    /// Its columns, in order.
    fn parts(&self) -> Vec<Part<'_>>;
    /// From columns of these types, in order.
    fn from_parts(parts: Vec<Part<'_>>) -> Option<Self>;
}

impl Key for () {
    const TYPES: &'static [ColumnType] = &[];
    fn parts(&self) -> Vec<Part<'_>> {
        Vec::new()
    }
    fn from_parts(parts: Vec<Part<'_>>) -> Option<Self> {
        parts.is_empty().then_some(())
    }
}

macro_rules! key_of {
    ($($column:ident $name:ident),+) => {
        impl<$($column: KeyColumn),+> Key for ($($column,)+) {
            const TYPES: &'static [ColumnType] = &[$($column::TYPE),+];
            fn parts(&self) -> Vec<Part<'_>> {
                let ($($name,)+) = self;
                vec![$($name.part()),+]
            }
            fn from_parts(parts: Vec<Part<'_>>) -> Option<Self> {
                let mut parts = parts.into_iter();
                let key = ($($column::from_part(parts.next()?)?,)+);
                parts.next().is_none().then_some(key)
            }
        }
    };
}

key_of!(A a);
key_of!(A a, B b);
key_of!(A a, B b, C c);
key_of!(A a, B b, C c, D d);
