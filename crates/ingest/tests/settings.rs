//! What an operator may set.

use hubbub_ingest::IngestSettings;

#[test]
fn a_batchs_limit_is_64_kib_to_16_mib() {
    let read = |size: &str| {
        serde_json::from_str::<IngestSettings>(&format!(r#"{{"max_batch_bytes":"{size}"}}"#))
            .map_err(|error| error.to_string())
    };
    for size in ["64KiB", "1 MiB", "16 MiB"] {
        assert!(read(size).is_ok(), "{size}");
    }
    for size in ["0", "63KiB", "17 MiB"] {
        let error = read(size).unwrap_err();
        assert!(error.contains("64 KiB to 16 MiB"), "{error}");
    }
}
