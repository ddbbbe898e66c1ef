//! Which log it is.

use hubbub_events::LogIdentity;

/// The identity of the log that has this prefix in a cluster: the cluster's own id, and
/// the prefix where there is one, as several hubbubs may share a cluster.
///
/// Kafka has an id for each topic too, which the client shows by a call that rdkafka does
/// not wrap. So of a topic that was deleted and made again this tells nothing: that is known
/// by an end offset below a frontier, for as long as it has not grown past that.
pub(super) fn identity(cluster: &str, prefix: &str) -> LogIdentity {
    LogIdentity(match prefix {
        "" => format!("kafka:{cluster}"),
        prefix => format!("kafka:{cluster}/{prefix}"),
    })
}
