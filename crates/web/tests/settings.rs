//! What an operator may write, and what a mistake says.

use hubbub_web::HttpSettings;
use serde_json::{Value, json};

fn written() -> Value {
    json!({
        "listen": "127.0.0.1:8080",
        "max_connections": 10_000,
        "header_timeout": "5s",
        "body_idle_timeout": "10s",
        "request_timeout": "15s",
        "idle_timeout": "1m",
        "max_header_bytes": "16KiB",
        "max_body_bytes": "512KiB",
        "max_body_memory": "64MiB",
        "cors_origins": ["https://a.example", "http://localhost:3000", "*"],
    })
}

#[test]
fn settings_are_read_and_written() {
    let settings: HttpSettings = serde_json::from_value(written()).unwrap();
    assert_eq!(settings.idle_timeout.as_secs(), 60);
    assert_eq!(settings.max_header_bytes.as_u64(), 16_384);
    let again: HttpSettings =
        serde_json::from_value(serde_json::to_value(&settings).unwrap()).unwrap();
    assert_eq!(format!("{again:?}"), format!("{settings:?}"));
}

#[test]
fn a_mistake_is_refused_by_name() {
    for (key, value, says) in [
        ("listn", json!("x"), "unknown field `listn`"),
        ("listen", json!("localhost"), "invalid socket address"),
        ("max_connections", json!(0), "nonzero"),
        ("header_timeout", json!("0s"), "longer than zero"),
        ("idle_timeout", json!("soon"), "expected"),
        ("max_header_bytes", json!("512"), "1 KiB to 64 KiB"),
        ("cors_origins", json!(["example.com"]), "\"example.com\" is not a web origin"),
        ("cors_origins", json!(["https://a.example/"]), "without a path"),
        ("cors_origins", json!(["ftp://a.example"]), "is not a web origin"),
    ] {
        let mut written = written();
        written[key] = value;
        let error = serde_json::from_value::<HttpSettings>(written).unwrap_err().to_string();
        assert!(error.contains(says), "{key}: {error}");
    }
    for key in written().as_object().unwrap().keys() {
        let mut lacking = written();
        lacking.as_object_mut().unwrap().remove(key);
        let error = serde_json::from_value::<HttpSettings>(lacking).unwrap_err().to_string();
        assert!(error.contains(&format!("missing field `{key}`")), "{error}");
    }
}
