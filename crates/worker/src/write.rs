//! Writes a projection's changes in the order that a replay relies on.

use futures::future::{BoxFuture, FutureExt, try_join_all};
use hubbub_projections::{Tables, View, Visitor};
use hubbub_store::{Error, Store};
use hubbub_tables::{Build, Change, Table};

/// Which tables are written: the derived ones first, as a deciding head that says
/// "applied" must never be seen while something that follows from it is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Derived,
    Deciding,
}

/// Writes the changes of one part's tables; durable when it returns.
pub(crate) async fn write<S: Store>(
    tables: &mut impl Tables,
    store: &S,
    build: Build,
    part: Part,
) -> Result<(), Error> {
    let mut writer = Writer { store, build, part, writes: Vec::new() };
    tables.visit(&mut writer);
    try_join_all(writer.writes).await?;
    Ok(())
}

struct Writer<'s, S> {
    store: &'s S,
    build: Build,
    part: Part,
    writes: Vec<BoxFuture<'static, Result<(), Error>>>,
}

impl<S: Store> Writer<'_, S> {
    fn push<T: Table>(&mut self, changes: Vec<Change<T>>) {
        if changes.is_empty() {
            return;
        }
        let rows = self.store.table::<T>(self.build);
        self.writes.push(async move { rows?.apply(changes).await }.boxed());
    }
}

impl<'a, S: Store> Visitor<'a> for Writer<'_, S> {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        if self.part == Part::Deciding {
            self.push(view.changes());
        }
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        if self.part == Part::Derived {
            self.push(view.changes());
        }
    }
}
