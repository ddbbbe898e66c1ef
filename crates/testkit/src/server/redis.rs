//! A Redis of one test's own, and settings with keys of a test's own on any.

use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use hubbub_events::Timestamp;
use hubbub_store::RedisSettings;
use serde_json::{from_value, json};

use redis::{AsyncConnectionConfig, Client, RedisResult, aio::MultiplexedConnection, cmd};

use super::{Server, folder, free_port};

/// What a test itself asks Redis for may take longer than what hubbub does.
const PATIENCE: Duration = Duration::from_secs(30);

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

/// Replaces every entry of a Redis: by bytes that are none, by a piece of itself, by the entry of another key, and by what
/// is no string. How many there were.
///
/// # Panics
/// Where Redis refuses.
pub async fn spoil(address: &str) -> usize {
    let spoiled = async {
        let mut redis = connect(address).await?;
        let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut redis).await?;
        let mut other = b"the first has no other".to_vec();
        for (number, key) in keys.iter().enumerate() {
            // It may have run out since.
            let own: Option<Vec<u8>> =
                cmd("GET").arg(key).query_async(&mut redis).await.unwrap_or_default();
            let own = own.unwrap_or_default();
            let garbage = match number % 4 {
                0 => b"\xFF\xFE garbage".to_vec(),
                1 => own[..own.len() / 2].to_vec(),
                _ => other,
            };
            if number % 4 == 3 {
                let _: () = cmd("DEL").arg(key).query_async(&mut redis).await?;
                // Somebody may have filled it in between.
                let pushed: RedisResult<()> =
                    cmd("RPUSH").arg(key).arg("garbage").query_async(&mut redis).await;
                drop(pushed);
            } else {
                let _: () = cmd("SET").arg(key).arg(garbage).query_async(&mut redis).await?;
            }
            other = own;
        }
        RedisResult::Ok(keys.len())
    };
    spoiled.await.unwrap_or_else(|error| panic!("Redis is not spoiled: {error}"))
}

/// Lets a Redis have so many bytes, and refuse what would take more; 0: as many as it likes.
///
/// # Panics
/// Where Redis refuses.
pub async fn limit_memory(address: &str, bytes: u64) {
    let limited = async {
        let mut redis = connect(address).await?;
        let set = |name: &str, value: String| {
            let mut set = cmd("CONFIG");
            set.arg("SET").arg(name).arg(value);
            set
        };
        let _: () = set("maxmemory-policy", "noeviction".into()).query_async(&mut redis).await?;
        let _: () = set("maxmemory", bytes.to_string()).query_async(&mut redis).await?;
        RedisResult::Ok(())
    };
    limited.await.unwrap_or_else(|error| panic!("Redis's memory is not limited: {error}"));
}

/// A connection of a test's own to the Redis at `host:port`.
///
/// # Errors
/// Where Redis does not answer.
pub async fn connect(address: &str) -> RedisResult<MultiplexedConnection> {
    let patient = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE));
    let client = Client::open(format!("redis://{address}"))?;
    client.get_multiplexed_async_connection_with_config(&patient).await
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
