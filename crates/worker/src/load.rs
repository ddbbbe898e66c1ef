//! Loads what folds asked for in vain, in the order that keeps them consistent.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt, try_join_all};
use hubbub_projections::{Tables, View, Visitor};
use hubbub_store::{Error, Rows, Store};
use hubbub_tables::{Build, Table};

/// What loading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loaded {
    /// Everything that was missing is in memory.
    Whole,
    /// A deciding row is newer than its head in memory: another writer came between.
    Torn,
}

type Load<'a> = BoxFuture<'a, Result<Loaded, Error>>;

/// Loads everything missing: deciding heads, then deciding rows, and only after their
/// answer the derived ones. Whoever wrote wrote in the other order, so what is derived
/// is never older than what was decided.
pub(crate) async fn load<S: Store>(
    tables: &mut impl Tables,
    store: &S,
    build: Build,
) -> Result<Loaded, Error> {
    let mut loader =
        Loader { store, build, deciding: Vec::new(), derived: Vec::new(), failed: None };
    tables.visit(&mut loader);
    let Loader { deciding, derived, failed, .. } = loader;
    if let Some(error) = failed {
        return Err(error);
    }
    let decided = try_join_all(deciding).await?;
    if decided.contains(&Loaded::Torn) {
        return Ok(Loaded::Torn);
    }
    try_join_all(derived).await?;
    Ok(Loaded::Whole)
}

struct Loader<'a, S> {
    store: &'a S,
    build: Build,
    deciding: Vec<Load<'a>>,
    derived: Vec<Load<'a>>,
    failed: Option<Error>,
}

impl<'a, S: Store> Visitor<'a> for Loader<'a, S> {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        match self.store.table::<T>(self.build) {
            Ok(rows) => self.deciding.push(load_view(view, rows, true).boxed()),
            Err(error) => self.failed = Some(error),
        }
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        match self.store.table::<T>(self.build) {
            Ok(rows) => self.derived.push(load_view(view, rows, false).boxed()),
            Err(error) => self.failed = Some(error),
        }
    }
}

async fn load_view<T: Table>(
    view: &mut View<T>,
    store: Arc<dyn Rows<T>>,
    is_deciding: bool,
) -> Result<Loaded, Error> {
    let missing = view.take_missing();
    if missing.is_empty() {
        return Ok(Loaded::Whole);
    }
    let partitions: Vec<_> = missing.heads.into_iter().collect();
    let heads = store.heads(&partitions).await?;
    for (partition, head) in partitions.into_iter().zip(heads) {
        view.loaded_head(partition, head);
    }
    let keys: Vec<_> = missing.rows.into_iter().collect();
    let rows = store.rows(&keys).await?;
    let mut loaded = Loaded::Whole;
    for ((partition, key), row) in keys.into_iter().zip(rows) {
        let is_newer = row.as_ref().map(|row| row.stamp) > view.head_stamp(&partition);
        if is_deciding && is_newer {
            loaded = Loaded::Torn;
        }
        view.loaded_row(partition, key, row);
    }
    Ok(loaded)
}
