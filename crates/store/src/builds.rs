//! Which builds of a projection there are, as the store says.

use std::sync::Arc;

use hubbub_events::{Stamp, Timestamp};
use hubbub_tables::{Builds, Change, ProjectionBuilds, Stored};

use crate::{Error, Rows, Store};

/// Before any time at which builds are noted.
const FIRST: Stamp = Stamp(1);

/// The builds of a projection; `None` where nobody has noted any: then there is the first.
///
/// # Errors
/// Where the store does not answer.
pub async fn load_builds<S: Store>(
    store: &S,
    projection: &str,
) -> Result<Option<Stored<ProjectionBuilds>>, Error> {
    let mut found = table(store)?.heads(&[(projection.to_owned(),)]).await?;
    Ok(found.pop().flatten())
}

/// Notes the builds of a projection, in place of those that were loaded. For one process at
/// a time: of two the later clock wins.
///
/// # Errors
/// Where the store does not answer.
pub async fn store_builds<S: Store>(
    store: &S,
    projection: &str,
    loaded: Option<&Stored<ProjectionBuilds>>,
    builds: ProjectionBuilds,
) -> Result<(), Error> {
    let now = Stamp(Timestamp::now().0 * 1000);
    let stamp = loaded.map_or(now, |loaded| now.max(Stamp(loaded.stamp.0 + 1)));
    put(store, projection, Stored { stamp, record: builds }).await
}

/// Notes the builds of a projection where there is no note of any: whatever somebody else
/// notes at the same moment wins.
///
/// # Errors
/// Where the store does not answer.
pub async fn store_first_builds<S: Store>(
    store: &S,
    projection: &str,
    builds: ProjectionBuilds,
) -> Result<(), Error> {
    put(store, projection, Stored { stamp: FIRST, record: builds }).await
}

async fn put<S: Store>(
    store: &S,
    projection: &str,
    builds: Stored<ProjectionBuilds>,
) -> Result<(), Error> {
    let head = Some(builds);
    let change = Change { partition: (projection.to_owned(),), head, rows: Vec::new() };
    table(store)?.apply(vec![change]).await
}

fn table<S: Store>(store: &S) -> Result<Arc<dyn Rows<Builds>>, Error> {
    store.table::<Builds>(Builds::BUILD)
}
