//! Visitors that ask something of every table of a projection, or tell it.

use hubbub_events::Stamp;
use hubbub_projections::{Mode, Tables, View, Visitor};
use hubbub_tables::Table;

/// Does the same to every view, whatever part its table plays.
pub(crate) trait Each {
    fn each<T: Table>(&mut self, view: &mut View<T>);
}

struct Every<E>(E);

impl<'a, E: Each> Visitor<'a> for Every<E> {
    fn deciding<T: Table>(&mut self, view: &'a mut View<T>) {
        self.0.each(view);
    }

    fn derived<T: Table>(&mut self, view: &'a mut View<T>) {
        self.0.each(view);
    }
}

/// Asks every view, or tells it something.
pub(crate) fn ask<E: Each>(tables: &mut impl Tables, question: E) -> E {
    let mut every = Every(question);
    tables.visit(&mut every);
    every.0
}

struct Begin(Stamp, Mode);

impl Each for Begin {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        view.begin(self.0, self.1);
    }
}

/// Tells every view which record is folded next, and how.
pub(crate) fn begin(tables: &mut impl Tables, now: Stamp, mode: Mode) {
    ask(tables, Begin(now, mode));
}

struct Clear;

impl Each for Clear {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        view.clear();
    }
}

/// Forgets all rows in memory, unwritten changes included.
pub(crate) fn clear(tables: &mut impl Tables) {
    ask(tables, Clear);
}

struct Written;

impl Each for Written {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        view.written();
    }
}

/// Notes that all changes are durable.
pub(crate) fn written(tables: &mut impl Tables) {
    ask(tables, Written);
}

struct Weight(usize);

impl Each for Weight {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        self.0 += view.weight();
    }
}

/// What all views hold, in bytes.
pub(crate) fn weight(tables: &mut impl Tables) -> usize {
    ask(tables, Weight(0)).0
}

struct LargestChange(usize);

impl Each for LargestChange {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        self.0 = self.0.max(view.largest_change());
    }
}

/// The largest share of unwritten changes that one store partition has, in bytes.
pub(crate) fn largest_change(tables: &mut impl Tables) -> usize {
    ask(tables, LargestChange(0)).0
}
