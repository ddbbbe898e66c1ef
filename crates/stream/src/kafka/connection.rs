//! Whether a producer has a broker to talk to, as far as it knows.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Deserialize;

use crate::AppendError;
use crate::sync::lock;

/// What a producer's callbacks told last.
#[derive(Debug, Default)]
pub(super) struct Connection {
    is_up: AtomicBool,
    is_broken: AtomicBool,
    /// What went wrong last.
    reason: Mutex<String>,
}

/// The part of librdkafka's statistics that says how connections stand.
#[derive(Deserialize)]
struct Statistics {
    brokers: HashMap<String, Broker>,
}

#[derive(Deserialize)]
struct Broker {
    state: String,
    source: String,
}

impl Broker {
    fn is_up(&self) -> bool {
        let is_real = matches!(self.source.as_str(), "learned" | "configured");
        is_real && matches!(self.state.as_str(), "UP" | "UPDATE" | "REAUTH")
    }
}

impl Connection {
    /// A broker has answered.
    pub fn note_up(&self) {
        self.is_up.store(true, Ordering::Release);
    }

    /// Takes an error that the client reports. That all brokers are gone is told at
    /// once; that one is back, only by statistics.
    pub fn note_error(&self, error: &KafkaError, reason: &str) {
        let mut last = lock(&self.reason);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.is_up.store(false, Ordering::Release);
                // It says how many, and the error before it says why.
                if !last.is_empty() {
                    return;
                }
            }
            Some(RDKafkaErrorCode::Fatal) => self.note_broken(),
            _ => {}
        }
        reason.clone_into(&mut last);
    }

    /// The client says at an append that it is done for: that may be before it reports it.
    pub fn note_broken(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    /// Takes the client's statistics, in JSON.
    pub fn note_statistics(&self, statistics: &[u8]) {
        match serde_json::from_slice::<Statistics>(statistics) {
            Ok(Statistics { brokers }) => {
                let is_up = brokers.values().any(Broker::is_up);
                self.is_up.store(is_up, Ordering::Release);
                if is_up {
                    lock(&self.reason).clear();
                }
            }
            Err(error) => tracing::warn!(%error, "librdkafka's statistics cannot be read"),
        }
    }

    /// Whether the producer is done for, and another is to take its place.
    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Why nothing can be appended now.
    pub fn refusal(&self) -> Option<AppendError> {
        (!self.is_up.load(Ordering::Acquire)).then(|| AppendError::Unavailable(self.complaint()))
    }

    /// What keeps it from a broker.
    pub fn complaint(&self) -> String {
        match lock(&self.reason).as_str() {
            "" => "no broker is connected".to_owned(),
            reason => format!("no broker is connected: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(state: &str, source: &str) -> Vec<u8> {
        format!(r#"{{"brokers":{{"b":{{"state":"{state}","source":"{source}","x":1}}}},"y":[]}}"#)
            .into_bytes()
    }

    #[test]
    fn a_connection_is_down_at_once_and_up_when_statistics_show_a_broker() {
        let connection = Connection::default();
        assert!(connection.refusal().is_some());
        connection.note_up();
        assert_eq!(connection.refusal(), None);
        let all_down = KafkaError::Global(RDKafkaErrorCode::AllBrokersDown);
        connection.note_error(&all_down, "1/1 brokers are down");
        let refusal = connection.refusal().unwrap();
        assert!(refusal.to_string().contains("1/1 brokers are down"), "{refusal}");
        let why = KafkaError::Global(RDKafkaErrorCode::Resolve);
        connection.note_error(&why, "Failed to resolve 'nosuchhost'");
        connection.note_error(&all_down, "1/1 brokers are down");
        let refusal = connection.refusal().unwrap();
        assert!(refusal.to_string().contains("nosuchhost"), "{refusal}");
        for (state, source) in [("CONNECT", "learned"), ("UP", "internal"), ("UP", "logical")] {
            connection.note_statistics(&statistics(state, source));
            assert!(connection.refusal().is_some(), "{state} {source}");
        }
        connection.note_statistics(&statistics("UP", "learned"));
        assert_eq!(connection.refusal(), None);
        connection.note_statistics(b"not JSON");
        assert_eq!(connection.refusal(), None);
    }
}
