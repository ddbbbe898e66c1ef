//! A Redis of one test's own, and settings with keys of a test's own on any.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use hubbub_events::Timestamp;
use hubbub_store::RedisSettings;
use serde_json::{from_value, json};

use super::{Server, folder, free_port};

/// Settings for a Redis, with a prefix that no other test has.
///
/// # Panics
/// Where the address is none.
#[must_use]
pub fn settings(address: &str) -> RedisSettings {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = format!("hubbub-test-{}-{}-{next}:", Timestamp::now().0, std::process::id());
    let settings = json!({
        "address": address, "database": 0, "username": "", "password": "",
        "tls": { "enabled": false, "ca_file": "", "certificate_file": "", "key_file": "" },
        "key_prefix": prefix, "time_to_live": "60s",
        // The machine of a test may be slow; what is to be away is away for longer.
        "response_timeout": "2s", "connections": 1
    });
    from_value(settings).unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// One with nothing on disk, with further arguments, such as `--maxmemory 2mb`; with TLS where they say so.
///
/// # Panics
/// Where it does not start.
#[must_use]
pub fn start(arguments: &[&str]) -> Server {
    let port = free_port();
    let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Server::start(port, folder(), move |folder| command(port, &arguments, folder))
}

fn command(port: u16, arguments: &[String], folder: &Path) -> Command {
    let is_encrypted = arguments.iter().any(|argument| argument.starts_with("--tls"));
    let port = port.to_string();
    let ports = match is_encrypted {
        true => ["--port", "0", "--tls-port", &port].to_vec(),
        false => ["--port", &port].to_vec(),
    };
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    command.args(ports).args(arguments);
    command
}
