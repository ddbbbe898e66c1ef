//! Bytes that are no event, read as far as they go: for whoever has to repair them.

use std::{collections::HashMap, sync::LazyLock};

use prost::{
    Message,
    encoding::{WireType, decode_key, decode_varint},
};
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::Timestamp;

/// The contract as compiled, so that names are never out of step with it.
const CONTRACT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contract.bin"));
const EVENT: &str = ".hubbub.v1.Event";
const TIMESTAMP: &str = ".google.protobuf.Timestamp";

/// Garbage may look like a field a byte.
const MOST_FIELDS: usize = 200;
/// Deeper than the contract goes.
const MOST_LEVELS: usize = 8;
/// Of what is no text, in bytes.
const MOST_HEX: usize = 64;

/// What a record's value says, field by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// In the order of the bytes.
    pub fields: Vec<Field>,
    /// What is wrong first, with its byte; `None` where the bytes are whole. They may break the contract all the same.
    pub broken: Option<String>,
}

/// One value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As the contract has it: `post_created.content`; a number where it has none.
    pub name: String,
    /// As text; what is no text in hexadecimal.
    pub value: String,
}

impl Reading {
    /// Reads a record's value.
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let mut reading = Self::default();
        reading.message(EVENT, value, 0, "", 0);
        reading
    }

    fn message(&mut self, of: &str, bytes: &[u8], base: usize, prefix: &str, level: usize) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = base + bytes.len() - rest.len();
            if self.fields.len() >= MOST_FIELDS {
                return self.broke(at, &format!("more than {MOST_FIELDS} fields"));
            }
            let (number, wire) = match decode_key(&mut rest) {
                Ok(key) => key,
                Err(error) => return self.broke(at, &error.to_string()),
            };
            let known = CONTRACT_FIELDS.get(of).and_then(|fields| fields.get(&number));
            let name = known.map_or_else(|| number.to_string(), |known| known.name.clone());
            let name = format!("{prefix}{name}");
            let fixed = match wire {
                WireType::Varint => match decode_varint(&mut rest) {
                    Ok(number) => {
                        self.scalar(at, known, &name, number);
                        continue;
                    }
                    Err(error) => return self.broke(at, &format!("{name}: {error}")),
                },
                WireType::LengthDelimited => match decode_varint(&mut rest) {
                    Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
                    Err(error) => return self.broke(at, &format!("{name}: {error}")),
                },
                WireType::ThirtyTwoBit => 4,
                WireType::SixtyFourBit => 8,
                WireType::StartGroup | WireType::EndGroup => {
                    return self.broke(at, &format!("{name} is a group, which no field is"));
                }
            };
            let found = fixed.min(rest.len());
            let (value, behind) = rest.split_at(found);
            let inner = base + bytes.len() - rest.len();
            rest = behind;
            if found < fixed {
                self.broke(at, &format!("{name} should have {fixed} bytes, and {found} are left"));
            }
            let is_delimited = wire == WireType::LengthDelimited;
            match known.filter(|_| is_delimited).map(|known| (known.of, &*known.message)) {
                Some((Type::String, _)) => self.text(at, name, value),
                Some((Type::Message, TIMESTAMP)) => self.time(at, name, value),
                Some((Type::Message, message)) if level < MOST_LEVELS => {
                    if value.is_empty() {
                        self.push(name, String::new());
                    } else {
                        self.message(message, value, inner, &format!("{name}."), level + 1);
                    }
                }
                _ => self.unknown(at, known, name, value),
            }
        }
    }

    fn scalar(&mut self, at: usize, known: Option<&Known>, name: &str, number: u64) {
        let is_number = known.is_none_or(|known| matches!(known.of, Type::Uint32 | Type::Int64));
        if !is_number {
            self.broke(at, &format!("{name} is a number here"));
        }
        let is_signed = known.is_some_and(|known| known.of == Type::Int64);
        let value = if is_signed { number.cast_signed().to_string() } else { number.to_string() };
        self.push(name.to_owned(), value);
    }

    fn text(&mut self, at: usize, name: String, value: &[u8]) {
        if std::str::from_utf8(value).is_err() {
            self.broke(at, &format!("{name} is not UTF-8"));
        }
        self.push(name, String::from_utf8_lossy(value).into_owned());
    }

    fn time(&mut self, at: usize, name: String, value: &[u8]) {
        let time = prost_types::Timestamp::decode(value).ok();
        match time.as_ref().and_then(Timestamp::from_proto) {
            Some(time) => self.push(name, time.to_string()),
            None => {
                self.broke(at, &format!("{name} is no time from 1970 to 9999"));
                self.push(name, hex(value));
            }
        }
    }

    fn unknown(&mut self, at: usize, known: Option<&Known>, name: String, value: &[u8]) {
        if known.is_some() {
            self.broke(at, &format!("{name} has another type here"));
        }
        self.push(name, hex(value));
    }

    fn push(&mut self, name: String, value: String) {
        self.fields.push(Field { name, value });
    }

    fn broke(&mut self, at: usize, why: &str) {
        self.broken.get_or_insert_with(|| format!("byte {at}: {why}"));
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MOST_HEX)];
    let text: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    match bytes.len() - shown.len() {
        0 => format!("0x{text}"),
        more => format!("0x{text} and {more} bytes more"),
    }
}

/// A field of the contract.
struct Known {
    name: String,
    of: Type,
    message: String,
}

type Fields = HashMap<u32, Known>;

/// The fields of each message, by its full name.
static CONTRACT_FIELDS: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let files = FileDescriptorSet::decode(CONTRACT).unwrap_or_default().file;
    let messages = files.iter().flat_map(|file| {
        let package = file.package();
        file.message_type
            .iter()
            .map(move |message| (format!(".{package}.{}", message.name()), fields(message)))
    });
    messages.collect()
});

fn fields(message: &DescriptorProto) -> Fields {
    let known = message.field.iter().map(|field| {
        let known = Known {
            name: field.name().to_owned(),
            of: field.r#type(),
            message: field.type_name().to_owned(),
        };
        (field.number().unsigned_abs(), known)
    });
    known.collect()
}
