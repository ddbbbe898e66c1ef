//! How far the store says that projections are.

use std::{collections::HashMap, sync::Arc};

use hubbub_events::{LogIdentity, Offset, Topic, TopicPartition};
use hubbub_tables::{Build, Frontiers as Table};

use crate::{Error, Rows, Store};

/// Rows read at a time: more than a projection has, as a rule.
const PAGE: usize = 256;

/// The table of frontiers. There is one for all builds: its keys tell them apart.
///
/// # Errors
/// As [`Store::table`].
pub fn frontiers_table<S: Store>(store: &S) -> Result<Arc<dyn Rows<Table>>, Error> {
    store.table::<Table>(Table::BUILD)
}

/// By partition of the log: the last offset that is folded and durable, and the log that it
/// belongs to.
pub type Frontiers = HashMap<TopicPartition, (Offset, LogIdentity)>;

/// The frontiers of a projection's build: for each partition of the log the last
/// offset that is folded and durable, and the log that it belongs to. Topics that this
/// version does not know are left out.
///
/// # Errors
/// Where the store does not answer.
pub async fn load_frontiers<S: Store>(
    store: &S,
    projection: &str,
    build: Build,
) -> Result<Frontiers, Error> {
    let table = frontiers_table(store)?;
    let of = (projection.to_owned(), build);
    let mut frontiers = HashMap::new();
    let mut after = None;
    loop {
        let page = table.scan(&of, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|(key, _)| key.clone());
        for ((stem, generation, partition), stored) in page {
            if let Some(topic) = Topic::find(&stem, generation) {
                let frontier = stored.record;
                let known = (frontier.log_offset, LogIdentity(frontier.log_identity));
                frontiers.insert(TopicPartition { topic, partition }, known);
            }
        }
        if is_last {
            return Ok(frontiers);
        }
    }
}
