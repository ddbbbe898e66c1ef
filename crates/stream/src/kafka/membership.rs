//! What the client of a group's member calls: it only takes notes, which the member
//! reads after each poll.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, TopicPartitionList};

use super::client;
use crate::sync::lock;

/// What the group decided about this member.
#[derive(Debug)]
pub(super) enum Change {
    /// These are to be its own.
    Assigned(Vec<i32>),
    /// These are to be another's, or are so already.
    Revoked { partitions: Vec<i32>, are_lost: bool },
}

/// The notes.
#[derive(Default)]
pub(super) struct Membership {
    changes: Mutex<Vec<Change>>,
    /// Whether a poll that returned nothing did something all the same.
    has_served: AtomicBool,
    is_leaving: AtomicBool,
    reason: Mutex<String>,
}

impl Membership {
    /// Whether anything was called since the last time.
    pub fn take_served(&self) -> bool {
        self.has_served.swap(false, Ordering::Relaxed)
    }

    /// What was decided since the last time, and waits for an answer.
    pub fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut lock(&self.changes))
    }

    /// From now on everything is answered at once.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    /// What the client said of the last error.
    pub fn reason(&self) -> String {
        lock(&self.reason).clone()
    }

    fn served(&self) {
        self.has_served.store(true, Ordering::Relaxed);
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.served();
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
        reason.clone_into(&mut lock(&self.reason));
    }

    fn stats_raw(&self, _statistics: &[u8]) {
        self.served();
    }
}

impl ConsumerContext for Membership {
    /// A revocation is answered when the owner lets go, so nothing is answered here;
    /// meanwhile the client keeps the member in the group, and fetches nothing.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.served();
        let is_assignment = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_leaving.load(Ordering::Acquire) {
            return answer_leaving(consumer, is_assignment, list);
        }
        let partitions = list.elements().iter().map(|element| element.partition()).collect();
        lock(&self.changes).push(match is_assignment {
            true => Change::Assigned(partitions),
            false => Change::Revoked { partitions, are_lost: consumer.assignment_lost() },
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        self.served();
        if let Err(error) = result {
            // Lag tools see an older offset for a while; the next commit mends it.
            tracing::debug!(%error, "the group's offsets were not committed");
        }
    }
}

/// Answers without anybody's doing: a failure only means that it is settled already.
fn answer_leaving(
    consumer: &BaseConsumer<Membership>,
    is_assignment: bool,
    list: &TopicPartitionList,
) {
    let answered = match (consumer.rebalance_protocol(), is_assignment) {
        (RebalanceProtocol::Cooperative, true) => consumer.incremental_assign(list),
        (RebalanceProtocol::Cooperative, false) => consumer.incremental_unassign(list),
        (_, true) => consumer.assign(list),
        (_, false) => consumer.unassign(),
    };
    if let Err(error) = answered {
        tracing::debug!(%error, "leaving the group");
    }
}
