//! The properties of librdkafka that hubbub sets itself.

/// What `kafka.client` may not set, in the order of the alphabet, with all aliases:
/// either hubbub's guarantees rest on its value, or it has a setting of its own.
pub(super) const RESERVED: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "bootstrap.servers",
    "check.crcs",
    "delivery.report.only.error",
    "delivery.timeout.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "enabled_events",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "linger.ms",
    "log.queue",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "max.poll.interval.ms",
    "message.max.bytes",
    "message.send.max.retries",
    "message.timeout.ms",
    "metadata.broker.list",
    "partition.assignment.strategy",
    "partitioner",
    "plugin.library.paths",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "queuing.strategy",
    "request.required.acks",
    "retries",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.password",
    "sasl.username",
    "security.protocol",
    "session.timeout.ms",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.key.location",
    "statistics.interval.ms",
    "transactional.id",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::client::{self, Names};
    use crate::kafka::{KafkaSettings, SaslMechanism};

    /// Tuning that an operator may know better: nothing else rests on it.
    const TUNING: [&str; 10] = [
        "client.id",
        "compression.codec",
        "fetch.max.bytes",
        "fetch.message.max.bytes",
        "fetch.queue.backoff.ms",
        "fetch.wait.max.ms",
        "queued.max.messages.kbytes",
        "reconnect.backoff.max.ms",
        "socket.keepalive.enable",
        "socket.timeout.ms",
    ];

    #[test]
    fn whatever_hubbub_sets_is_reserved_or_tuning() {
        let mut settings = KafkaSettings::default();
        settings.tls.enabled = true;
        settings.tls.certificate_file = "c".into();
        settings.sasl.mechanism = SaslMechanism::Plain;
        for config in [
            client::admin(&settings),
            client::producer(&settings),
            client::member(&settings, "g"),
            client::reader(&settings, &Names::new("")),
        ] {
            for name in config.config_map().into_keys() {
                let is_known = RESERVED.contains(&name) || TUNING.contains(&name);
                assert!(is_known, "{name}");
            }
        }
        assert!(RESERVED.is_sorted());
    }
}
