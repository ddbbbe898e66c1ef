//! The port that every store implements.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_tables::{Build, Change, Stored, Table};

/// Why the store did not do as it was told.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Worth another try: a time-out, a node away. A write may have been applied.
    #[error("the store does not answer: {0}")]
    Transient(String),
    /// No try will help before somebody mends it.
    #[error("the store is unusable: {0}")]
    Permanent(String),
}

/// Keeps tables.
pub trait Store: Clone + Send + Sync + 'static {
    /// The handle on a table of a build; made once, then shared.
    ///
    /// # Errors
    /// Where the table is missing or has other columns than declared.
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error>;

    /// Makes the tables of a later build than the first where they are missing, and opens
    /// them. For one process at a time; it may do so again.
    ///
    /// # Errors
    /// Where a table is unknown or has no builds, or the store does not answer.
    fn make_build(
        &self,
        tables: &[&'static str],
        build: Build,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Opens the tables of a build, which may have been made since this store was opened.
    ///
    /// # Errors
    /// Where one is missing or has other columns than declared, or the store does not answer.
    fn open_build(
        &self,
        tables: &[&'static str],
        build: Build,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Drops the tables of a build, and all that is kept of how far a projection folded it.
    /// The build must not be in use, and its number not be used again.
    ///
    /// # Errors
    /// Where the store does not answer; then some may be left.
    fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

/// The operations on one table, all of them plural: the store owns the concurrency.
#[async_trait]
pub trait Rows<T: Table>: Send + Sync {
    /// The heads of partitions, in their order. Absent is a partition never written,
    /// or one with rows but no head.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error>;

    /// The rows at keys, in their order.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error>;

    /// At most `limit` rows of a partition in the table's order, from the first one
    /// behind `after` on.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<(T::Clustering, Stored<T::Row>)>, Error>;

    /// At most `limit` keys of partitions that hold anything, in an order of the store's own,
    /// from the first one behind `after` on: for whoever reads a whole table.
    ///
    /// # Errors
    /// Where the store does not answer.
    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error>;

    /// Writes changes; each is atomic, all of them together are not. When this returns
    /// they are durable. A head or row whose stamp is not above the stored one's is
    /// left as it is: at an equal stamp the bytes are the same, and an older one has
    /// lost.
    ///
    /// # Errors
    /// Where the store does not answer; then each change may be applied or not.
    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error>;
}
