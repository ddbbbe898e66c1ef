//! What became of an event, for the requests that wait for it. The store is asked for nothing else here, so whatever
//! stands in its way costs the answer and never the write.

use std::sync::PoisonError;

use hubbub_events::Position;
use hubbub_store::{Need, Waited};
use hubbub_tables::{Receipts, posts::Receipt};
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::Ingest;

/// The projection that writes receipts.
const PROJECTION: &str = "posts";

impl Ingest {
    /// The receipt of an event, as soon as there is one. `None` where there is none before the deadline, or cannot be.
    pub(crate) async fn receipt(
        &self,
        at: Position,
        event_id: &str,
        deadline: Instant,
    ) -> Option<Receipt> {
        let need = Need {
            projection: PROJECTION,
            topic_partition: at.topic_partition(),
            offset: at.offset,
        };
        if self.progress.wait(&[need], deadline).await != Waited::Passed {
            return None;
        }
        let receipts = self.receipts.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        match timeout_at(deadline, receipts.heads(&[Receipts::key(at)])).await {
            Ok(Ok(heads)) => {
                let receipt = heads.into_iter().flatten().next()?.record;
                (receipt.event_id == event_id).then_some(receipt)
            }
            Ok(Err(error)) => {
                warn!(%error, event_id, "a receipt cannot be read, so a request that waits gets no outcome");
                None
            }
            Err(_) => None,
        }
    }
}
