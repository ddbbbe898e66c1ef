//! What the client could not read: of which partition, it does not tell.

use std::time::{Duration, Instant};

use hubbub_events::{Offset, TopicPartition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Delivery, Member, State};
use crate::Error;
use crate::kafka::client;

/// How long a broker may take to tell a partition's bounds.
const BOUNDS_TIMEOUT: Duration = Duration::from_secs(2);
/// How long partitions are looked at. Nothing is polled meanwhile, and who does not poll for a
/// minute loses its partitions to others.
const LOOK_TIMEOUT: Duration = Duration::from_secs(20);

impl Member {
    pub(super) fn fail(&mut self, error: &KafkaError) {
        let reason = self.consumer.context().reason();
        match error {
            KafkaError::MessageConsumptionFatal(_) => self.end(Error::Permanent(reason)),
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.look_for_lost_offsets();
            }
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::NotImplemented
                | RDKafkaErrorCode::MessageSizeTooLarge,
            ) => self.look_for_damage(&reason),
            KafkaError::MessageConsumption(code) if client::is_final(*code) => {
                self.end(Error::Permanent(reason));
            }
            // The client goes on by itself, and logs it.
            _ => {}
        }
    }

    fn started(&self) -> Vec<(i32, Offset)> {
        let started = self.owned.iter().filter(|(_, owned)| owned.state == State::Started);
        started.map(|(partition, owned)| (*partition, owned.next)).collect()
    }

    /// An offset was out of range: the client does not tell of which partition.
    fn look_for_lost_offsets(&mut self) {
        let mut is_found = false;
        let begun = Instant::now();
        for (partition, next) in self.started() {
            if begun.elapsed() > LOOK_TIMEOUT {
                break;
            }
            let bounds = self.consumer.fetch_watermarks(&self.name, partition, BOUNDS_TIMEOUT);
            let of = TopicPartition { topic: self.topic, partition };
            match bounds {
                Ok((low, _)) if next < low => {
                    is_found = true;
                    self.stop(partition, next, format!("{of} begins at offset {low} now"));
                }
                Ok((_, high)) if next > high => {
                    return self.end(Error::Recreated(format!(
                        "{of} ends before offset {high}, and is to be read from offset {next} on"
                    )));
                }
                _ => {}
            }
        }
        if !is_found {
            self.start_again();
        }
    }

    /// Something could not be read, and was left out: the client does not tell of which
    /// partition, so each is looked at by itself.
    fn look_for_damage(&mut self, reason: &str) {
        let mut is_found = false;
        let begun = Instant::now();
        for (partition, next) in self.started() {
            if begun.elapsed() > LOOK_TIMEOUT {
                break;
            }
            let of = TopicPartition { topic: self.topic, partition };
            if self.readers.read(of, &self.name, next, 1).is_err_and(|error| error.is_damage()) {
                is_found = true;
                self.stop(partition, next, reason.to_owned());
            }
        }
        if !is_found {
            self.start_again();
        }
    }

    /// Whatever was wrong has passed, or cannot be found as a broker does not answer. So
    /// that nothing is left out, every partition goes on from what it delivered last; if
    /// something is still wrong, it fails again.
    fn start_again(&mut self) {
        for owned in self.owned.values_mut() {
            if owned.state == State::Started {
                owned.state = State::Starting;
            }
        }
    }

    fn stop(&mut self, partition: i32, at: Offset, why: String) {
        self.flow(partition, false);
        self.deliver(partition, Delivery::Unreadable(at, why));
        if let Some(owned) = self.owned.get_mut(&partition) {
            owned.state = State::Idle;
        }
    }
}
