//! Settings as they are written in a file.

use bytesize::ByteSize;
use hubbub_store::{EmbeddedSettings, MemoryCacheSettings, StoreSettings};
use serde_json::{from_value, json};

#[test]
fn the_kind_chooses_the_store() {
    let settings = json!({
        "kind": "embedded", "cache_size": "32MiB", "memtable_size": "4MiB", "queue_size": "8MiB"
    });
    let embedded = EmbeddedSettings {
        cache_size: ByteSize::mib(32),
        memtable_size: ByteSize::mib(4),
        queue_size: ByteSize::mib(8),
    };
    assert_eq!(from_value::<StoreSettings>(settings).unwrap(), StoreSettings::Embedded(embedded));
}

#[test]
fn what_is_not_allowed_is_named() {
    let refused = |settings| from_value::<StoreSettings>(settings).unwrap_err().to_string();
    let sizes = |memtable_size: &str| {
        json!({
            "kind": "embedded", "cache_size": "1MiB", "queue_size": "1MiB",
            "memtable_size": memtable_size
        })
    };
    for size in ["1000B", "65MiB"] {
        let error = refused(sizes(size));
        assert!(error.contains("1 MiB to 64 MiB"), "{error}");
    }
    let mut unknown = sizes("4MiB");
    unknown["speed"] = json!("fast");
    let error = refused(unknown);
    assert!(error.contains("speed") && error.contains("memtable_size"), "{error}");
    let error = refused(json!({ "kind": "sqlite" }));
    assert!(error.contains("sqlite") && error.contains("embedded"), "{error}");
}

#[test]
fn times_are_written_as_people_write_them() {
    let settings = json!({ "size": "16MiB", "time_to_live": "1s" });
    let settings: MemoryCacheSettings = from_value(settings).unwrap();
    assert_eq!(settings.time_to_live.as_millis(), 1000);
}
