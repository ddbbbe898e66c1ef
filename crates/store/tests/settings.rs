//! Settings as they are written in a file.

use hubbub_store::{CassandraSettings, EmbeddedSettings, MemoryCacheSettings, RedisSettings};
use secrecy::ExposeSecret;
use serde_json::{Value, from_value, json};

#[test]
fn what_is_not_allowed_is_named() {
    let refused = |settings| from_value::<EmbeddedSettings>(settings).unwrap_err().to_string();
    let sizes = |memtable_size: &str| json!({ "cache_size": "1MiB", "queue_size": "1MiB", "memtable_size": memtable_size });
    for size in ["1000B", "65MiB"] {
        let error = refused(sizes(size));
        assert!(error.contains("1 MiB to 64 MiB"), "{error}");
    }
    let mut unknown = sizes("4MiB");
    unknown["speed"] = json!("fast");
    let error = refused(unknown);
    assert!(error.contains("speed") && error.contains("memtable_size"), "{error}");
}

#[test]
fn times_are_written_as_people_write_them() {
    let settings = json!({ "size": "16MiB", "time_to_live": "1s" });
    let settings: MemoryCacheSettings = from_value(settings).unwrap();
    assert_eq!(settings.time_to_live.as_millis(), 1000);
}

fn cassandra() -> Value {
    json!({
        "contact_points": ["a:9042", "b:9042"], "local_datacenter": "dc1", "keyspace": "hubbub",
        "replication": ["dc1:3", "dc-2:2"], "username": "hubbub", "password": "a secret",
        "tls": { "enabled": true, "ca_file": "ca.pem", "certificate_file": "", "key_file": "" },
        "connections_per_node": 2, "max_in_flight": 256, "request_timeout": "5s",
        "start_timeout": "1m"
    })
}

#[test]
fn passwords_are_used_and_never_shown() {
    let settings: CassandraSettings = from_value(cassandra()).unwrap();
    assert_eq!(settings.password.expose_secret(), "a secret");
    assert_eq!(settings.check(), Ok(()));
    let shown = format!("{settings:?}");
    assert!(!shown.contains("a secret"), "{shown}");
}

#[test]
fn what_cassandra_would_not_take_is_refused() {
    for (key, value, allowed) in [
        ("contact_points", json!([]), "at least one"),
        ("keyspace", json!("Hubbub"), "a-z"),
        ("keyspace", json!("a".repeat(49)), "48"),
        ("keyspace", json!("x; DROP"), "a-z"),
        ("replication", json!([]), "no datacenter"),
        ("replication", json!(["dc1"]), "datacenter:copies"),
        ("replication", json!(["dc1:0"]), "1 to 9"),
        ("replication", json!(["d'c:1"]), "datacenter:copies"),
        ("connections_per_node", json!(0), "1 to 16"),
        ("max_in_flight", json!(8193), "1 to 8192"),
    ] {
        let mut settings = cassandra();
        settings[key] = value.clone();
        let error = from_value::<CassandraSettings>(settings).unwrap_err().to_string();
        assert!(error.contains(allowed), "{key} = {value}: {error}");
    }
}

#[test]
fn what_does_not_go_together_is_refused() {
    for (path, value, named) in [
        ("/password", json!(""), "cassandra.username and cassandra.password"),
        ("/username", json!(""), "both or none"),
        ("/tls/enabled", json!(false), "cassandra.tls.ca_file is ca.pem"),
        ("/tls/key_file", json!("key.pem"), "cassandra.tls.certificate_file"),
    ] {
        let mut settings = cassandra();
        *settings.pointer_mut(path).unwrap() = value;
        let settings: CassandraSettings = from_value(settings).unwrap();
        let problem = settings.check().unwrap_err();
        assert!(problem.contains(named), "{path}: {problem}");
    }
}

fn redis() -> Value {
    json!({
        "address": "redis.internal:6379", "database": 0, "username": "hubbub",
        "password": "a secret", "key_prefix": "hubbub:", "time_to_live": "60s",
        "response_timeout": "100ms", "connections": 2,
        "tls": { "enabled": true, "ca_file": "ca.pem", "certificate_file": "", "key_file": "" }
    })
}

#[test]
fn redis_is_named_by_host_and_port_and_its_password_is_not_shown() {
    for (address, host, port) in
        [("redis.internal:6379", "redis.internal", 6379), ("[::1]:1", "::1", 1)]
    {
        let mut settings = redis();
        settings["address"] = json!(address);
        let settings: RedisSettings = from_value(settings).unwrap();
        assert_eq!((settings.address.host(), settings.address.port()), (host, port));
        assert_eq!(settings.password.expose_secret(), "a secret");
        assert!(!format!("{settings:?}").contains("a secret"));
    }
}

#[test]
fn what_redis_cannot_be_is_refused() {
    let long = "x".repeat(65);
    for (key, value, allowed) in [
        ("address", json!("redis"), "host:port"),
        ("address", json!("redis://redis:6379"), "host:port"),
        ("address", json!(":6379"), "host:port"),
        ("address", json!("redis:0"), "host:port"),
        ("address", json!("redis:65536"), "host:port"),
        ("database", json!(1024), "0 to 1023"),
        ("key_prefix", json!("{a}"), "without { and }"),
        ("key_prefix", json!(long), "at most 64 bytes"),
        ("time_to_live", json!("999ms"), "1s to 24h"),
        ("time_to_live", json!("2days"), "1s to 24h"),
        ("response_timeout", json!("0s"), "1ms to 10s"),
        ("response_timeout", json!("11s"), "1ms to 10s"),
        ("connections", json!(0), "1 to 64"),
        ("connections", json!(65), "1 to 64"),
        ("speed", json!("fast"), "unknown field"),
    ] {
        let mut settings = redis();
        settings[key] = value.clone();
        let error = from_value::<RedisSettings>(settings).unwrap_err().to_string();
        assert!(error.contains(allowed), "{key} = {value}: {error}");
    }
}
