//! The servers that all tests share: a suite whose server is away fails with the line that starts it, and is never
//! skipped.

use std::{
    env,
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Where Kafka answers, as `host:port`.
///
/// # Panics
/// Where it does not.
#[must_use]
pub fn kafka() -> String {
    server("Kafka", "HUBBUB_TEST_KAFKA", "127.0.0.1:19092")
}

/// Where Cassandra answers, as `host:port`.
///
/// # Panics
/// Where it does not.
#[must_use]
pub fn cassandra() -> String {
    server("Cassandra", "HUBBUB_TEST_CASSANDRA", "127.0.0.1:19042")
}

/// Where Redis answers, as `host:port`.
///
/// # Panics
/// Where it does not.
#[must_use]
pub fn redis() -> String {
    server("Redis", "HUBBUB_TEST_REDIS", "127.0.0.1:16379")
}

fn server(name: &str, variable: &str, default: &str) -> String {
    let address = env::var(variable).unwrap_or_else(|_| default.to_owned());
    let resolved = address.to_socket_addrs();
    let answers = resolved.is_ok_and(|mut resolved| {
        resolved.any(|at| TcpStream::connect_timeout(&at, CONNECT).is_ok())
    });
    assert!(
        answers,
        "no {name} answers on {address}: start one with `make stack-up`, or name another in {variable}"
    );
    address
}
