//! What a projection is.

use hubbub_events::{DecodeError, Position, Topic};
use hubbub_tables::{Reason, Table};

use crate::{Interrupt, View};

/// A read model's meaning: which topic it follows, and how a record changes its tables.
pub trait Projection: Send + Sync + 'static {
    /// Its name: in frontiers, consumer groups, metrics and settings.
    const NAME: &'static str;
    /// The version of its fold: counts up with whatever changes what it writes, as two
    /// versions must not write the same tables.
    const FOLD: i32;
    /// The topic it follows.
    const TOPIC: Topic;

    /// An event with all that follows from it alone.
    type Event: Send + Sync + 'static;
    /// The views of its tables that one log partition's fold works on.
    type Tables: Tables;

    /// Reads a record's key and value, and computes what depends on them alone; so it
    /// is done once, however often the record is folded.
    ///
    /// # Errors
    /// [`DecodeError::Newer`] halts the partition, [`DecodeError::Invalid`] makes a
    /// dead letter.
    fn decode(key: &[u8], value: &[u8]) -> Result<Self::Event, DecodeError>;

    /// Folds one record: makes all its reads, then puts back what changes.
    ///
    /// # Errors
    /// An interrupt is the view's and is passed on as it is: see [`Interrupt`].
    fn fold(
        at: Position,
        event: &Self::Event,
        tables: &mut Self::Tables,
    ) -> Result<Outcome, Interrupt>;
}

/// What folding a record came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The tables changed.
    Applied,
    /// Nothing was left to change: a repeat.
    Skipped,
    /// Well-formed, and not allowed.
    Rejected(Reason),
    /// An effect failed for the reason given; what was decided stands.
    DeadLetter(String),
}

/// The views of a projection's tables.
pub trait Tables: Default + Send + 'static {
    /// Shows every view to a visitor: the deciding one first, then the derived ones.
    fn visit<'a, V: Visitor<'a>>(&'a mut self, visitor: &mut V);
}

/// Someone who does the same to every table of a projection.
pub trait Visitor<'a> {
    /// The table whose partition of the record's key judges the record.
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>);
    /// A table whose rows follow from what was decided.
    fn derived<T: Table>(&mut self, view: &'a mut View<T>);
}
