//! The protobuf contract of now, held against every one that was released.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use hubbub_events::envelope::SCHEMA;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    field_descriptor_proto::{Label, Type},
};
use protox::Compiler;

use crate::{breaking::broken, digest, released, root};

/// A package, and what its messages and enums have, by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub package: String,
    pub types: BTreeMap<String, BTreeMap<i32, Member>>,
}

/// A field of a message, or a value of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// How it lies on the wire and in generated code: `repeated string`, `optional int64`.
    pub kind: String,
}

impl Contract {
    /// The contract of this build.
    fn now() -> Self {
        Self::compile(&root().join("proto/hubbub/v1/event.proto"), &root().join("proto"))
    }

    /// The contract of a schema.
    pub fn released(schema: u32) -> Self {
        let folder = root().join("proto/released");
        Self::compile(&folder.join(format!("schema-{schema}.proto")), &folder)
    }

    /// A contract in words.
    pub fn of(text: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("contract.proto");
        fs::write(&file, text).unwrap();
        Self::compile(&file, folder.path())
    }

    fn compile(file: &Path, include: &Path) -> Self {
        let mut compiler = Compiler::new([include]).unwrap();
        compiler.include_imports(false).open_file(file).unwrap();
        let files = compiler.file_descriptor_set().file;
        assert_eq!(files.len(), 1, "one file is the contract");
        Self::described(&files[0])
    }

    fn described(file: &FileDescriptorProto) -> Self {
        let mut types = BTreeMap::new();
        file.message_type.iter().for_each(|message| describe(message, "", &mut types));
        for of in &file.enum_type {
            let values = of.value.iter().map(|value| {
                (value.number(), Member { name: value.name().to_owned(), kind: "value".to_owned() })
            });
            types.insert(of.name().to_owned(), values.collect());
        }
        Self { package: file.package().to_owned(), types }
    }

    /// The messages that an event's body can be.
    pub fn bodies(&self) -> BTreeSet<String> {
        let members = self.types["Event"].values();
        let bodies = members.filter_map(|member| member.kind.strip_prefix("of body "));
        bodies.map(|name| name.trim_start_matches('.').to_owned()).collect()
    }
}

/// Keeps the contract of now as that of a schema.
pub fn keep(schema: u32) {
    let kept = root().join(format!("proto/released/schema-{schema}.proto"));
    assert!(!kept.exists(), "{kept:?} is there: a released contract is never written again");
    fs::copy(root().join("proto/hubbub/v1/event.proto"), kept).unwrap();
}

fn describe(
    message: &DescriptorProto,
    within: &str,
    types: &mut BTreeMap<String, BTreeMap<i32, Member>>,
) {
    let name = format!("{within}{}", message.name());
    let nested = format!("{name}.");
    message.nested_type.iter().for_each(|inner| describe(inner, &nested, types));
    let members = message.field.iter().map(|field| {
        (field.number(), Member { name: field.name().to_owned(), kind: kind(field, message) })
    });
    types.insert(name, members.collect());
}

fn kind(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
    let oneof = oneof.map(|index| message.oneof_decl[index as usize].name());
    let how = match (oneof, field.label(), field.proto3_optional()) {
        (Some(oneof), ..) => format!("of {oneof} "),
        (None, Label::Repeated, _) => "repeated ".to_owned(),
        (None, _, true) => "optional ".to_owned(),
        (None, ..) => String::new(),
    };
    let what = match field.r#type() {
        Type::Message | Type::Enum => field.type_name().to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    how + &what
}

#[test]
fn the_contract_breaks_none_that_was_released() {
    for (schema, ..) in released() {
        let broken = broken(&Contract::released(*schema), &Contract::now());
        assert!(broken.is_empty(), "of schema {schema} the contract breaks {broken:#?}");
    }
}

/// A reader of the same schema would pass over what it does not know.
#[test]
fn an_addition_to_the_contract_is_a_new_schema() {
    released();
    assert_eq!(
        Contract::now(),
        Contract::released(SCHEMA),
        "the contract grew: count SCHEMA up, then `make release-schema`"
    );
}

#[test]
fn no_released_contract_was_changed() {
    for (schema, _, contract) in released() {
        let name = format!("schema-{schema}.proto");
        let bytes = fs::read(root().join("proto/released").join(&name)).unwrap();
        let now = digest([(name.as_str(), bytes.as_slice())]);
        assert_eq!(now, *contract, "proto/released/{name}: a released contract is never changed");
    }
}
