//! What breaks a contract, by kind: whoever reads or writes by the old one would misread or lose something.

use std::slice;

use crate::contract::{Contract, Member};

/// A break with a released contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Break {
    /// The package has another name, and so has every message.
    Package { was: String, now: String },
    /// A message or enum is gone, or has another name.
    TypeRemoved { name: String },
    /// A field or value is gone, and so is its name.
    Removed { of: String, name: String },
    /// It has another number.
    Renumbered { of: String, name: String, was: i32, now: i32 },
    /// It has another name under the same number.
    Renamed { of: String, was: String, now: String },
    /// It has another type, or is repeated, optional or of a oneof where it was not.
    Retyped { of: String, name: String, was: String, now: String },
    /// Its number is that of something else now.
    Reused { of: String, number: i32, was: String, now: String },
}

/// Everything in which a contract breaks with a released one.
pub fn broken(released: &Contract, now: &Contract) -> Vec<Break> {
    let mut broken = Vec::new();
    if released.package != now.package {
        broken.push(Break::Package { was: released.package.clone(), now: now.package.clone() });
    }
    for (name, was) in &released.types {
        let Some(now) = now.types.get(name) else {
            broken.push(Break::TypeRemoved { name: name.clone() });
            continue;
        };
        for (number, member) in was {
            let by_name = now.iter().find(|(_, now)| now.name == member.name);
            let moved = by_name.map(|(number, _)| *number).filter(|now| now != number);
            broken.extend(breaks(name, *number, member, now.get(number), moved));
        }
    }
    broken
}

fn breaks(
    of: &str,
    number: i32,
    was: &Member,
    now: Option<&Member>,
    moved: Option<i32>,
) -> Vec<Break> {
    let (of, name) = (of.to_owned(), was.name.clone());
    let mut broken = Vec::new();
    if let Some(now) = moved {
        broken.push(Break::Renumbered { of: of.clone(), name: name.clone(), was: number, now });
    }
    let Some(now) = now else {
        if moved.is_none() {
            broken.push(Break::Removed { of, name });
        }
        return broken;
    };
    let is_itself = now.name == was.name;
    let is_alike = now.kind == was.kind;
    broken.extend(match (is_itself, is_alike) {
        (true, true) => None,
        (true, false) => {
            Some(Break::Retyped { of, name, was: was.kind.clone(), now: now.kind.clone() })
        }
        (false, true) if moved.is_none() => {
            Some(Break::Renamed { of, was: name, now: now.name.clone() })
        }
        (false, _) => Some(Break::Reused { of, number, was: name, now: now.name.clone() }),
    });
    broken
}

/// A contract, and what is said of its change.
fn changed(from: &str, to: &str) -> Vec<Break> {
    const RELEASED: &str = r#"
        syntax = "proto3";
        package a.v1;
        message Event {
          string id = 1;
          uint32 size = 2;
          optional string user = 3;
          repeated string tags = 4;
          oneof body { Kept kept = 5; Other other = 6; }
        }
        message Kept { string name = 1; }
        message Other { string name = 1; }
        enum Kind { NONE = 0; SOME = 1; }
    "#;
    let now = RELEASED.replacen(from, to, 1);
    assert_ne!(RELEASED, now, "{from} is not in it");
    broken(&Contract::of(RELEASED), &Contract::of(&now))
}

fn event() -> String {
    "Event".to_owned()
}

#[test]
fn what_is_only_added_breaks_nothing() {
    for (from, to) in [
        ("uint32 size = 2;", "uint32 size = 2; string note = 9;"),
        ("Other other = 6;", "Other other = 6; Kept again = 7;"),
        ("SOME = 1;", "SOME = 1; MANY = 2;"),
        ("message Kept", "message New { string a = 1; } message Kept"),
    ] {
        assert_eq!(changed(from, to), [], "{to}");
    }
}

#[test]
fn a_changed_package_is_caught() {
    let broken = changed("package a.v1;", "package a.v2;");
    let package = Break::Package { was: "a.v1".to_owned(), now: "a.v2".to_owned() };
    assert_eq!(broken[0], package, "{broken:?}");
}

#[test]
fn a_removed_message_and_a_removed_field_are_caught() {
    let broken = changed("enum Kind { NONE = 0; SOME = 1; }", "");
    assert_eq!(broken, [Break::TypeRemoved { name: "Kind".to_owned() }]);
    let removed = Break::Removed { of: event(), name: "size".to_owned() };
    assert_eq!(changed("uint32 size = 2;", ""), slice::from_ref(&removed));
    // That the number is not used again mends nothing for those who write the field.
    assert_eq!(changed("uint32 size = 2;", "reserved 2; reserved \"size\";"), [removed]);
    let value = Break::Removed { of: "Kind".to_owned(), name: "SOME".to_owned() };
    assert_eq!(changed("SOME = 1;", ""), [value]);
}

#[test]
fn a_renumbered_field_is_caught() {
    let (of, name) = (event(), "size".to_owned());
    let renumbered = Break::Renumbered { of, name, was: 2, now: 9 };
    assert_eq!(changed("uint32 size = 2;", "uint32 size = 9;"), [renumbered]);
}

#[test]
fn a_renamed_field_is_caught() {
    let (of, was, now) = (event(), "size".to_owned(), "length".to_owned());
    let renamed = Break::Renamed { of, was, now };
    assert_eq!(changed("uint32 size = 2;", "uint32 length = 2;"), [renamed]);
}

#[test]
fn a_changed_type_is_caught() {
    let retyped = |name: &str, was: &str, now: &str| {
        let [name, was, now] = [name, was, now].map(str::to_owned);
        [Break::Retyped { of: event(), name, was, now }]
    };
    for (from, to, broken) in [
        ("uint32 size", "uint64 size", retyped("size", "uint32", "uint64")),
        ("string id", "bytes id", retyped("id", "string", "bytes")),
        ("uint32 size", "repeated uint32 size", retyped("size", "uint32", "repeated uint32")),
        ("optional string user", "string user", retyped("user", "optional string", "string")),
        ("repeated string tags", "string tags", retyped("tags", "repeated string", "string")),
        ("Kept kept", "Other kept", retyped("kept", "of body .a.v1.Kept", "of body .a.v1.Other")),
        ("oneof body { Kept kept = 5;", "Kept kept = 5; oneof body {", {
            retyped("kept", "of body .a.v1.Kept", ".a.v1.Kept")
        }),
    ] {
        assert_eq!(changed(from, to), broken, "{to}");
    }
}

#[test]
fn a_reused_number_is_caught() {
    let (of, was, now) = (event(), "size".to_owned(), "note".to_owned());
    let reused = Break::Reused { of: of.clone(), number: 2, was, now };
    assert_eq!(changed("uint32 size = 2;", "bytes note = 2;"), slice::from_ref(&reused));
    let moved = Break::Renumbered { of, name: "size".to_owned(), was: 2, now: 9 };
    let broken = changed("uint32 size = 2;", "uint32 size = 9; uint32 note = 2;");
    assert_eq!(broken, [moved, reused]);
}
