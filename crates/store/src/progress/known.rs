//! What is known of projections: which build is read, how far it is, what has halted.

use std::collections::HashMap;

use hubbub_events::{Offset, TopicPartition};
use hubbub_tables::Build;
use tokio::sync::watch;

use super::{Need, Waited};
use crate::Frontiers;

/// All of it, under one lock.
pub(super) struct Everything {
    pub(super) projections: Vec<Reading>,
    pub(super) partitions: HashMap<(&'static str, TopicPartition), watch::Sender<Known>>,
    /// Of every build, as one may be read later.
    pub(super) halts: HashMap<(&'static str, Build, TopicPartition), String>,
}

/// What is read of a projection.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) projection: &'static str,
    pub(super) build: Build,
    /// Nothing is noted until another build is read.
    pub(super) is_held: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) frontier: Offset,
    pub(super) halted: Option<String>,
}

impl Everything {
    pub(super) fn reading(&mut self, projection: &str) -> Option<&mut Reading> {
        self.projections.iter_mut().find(|reading| reading.projection == projection)
    }

    pub(super) fn partition(
        &mut self,
        projection: &'static str,
        of: TopicPartition,
    ) -> &mut watch::Sender<Known> {
        self.partitions
            .entry((projection, of))
            .or_insert_with(|| watch::Sender::new(Known { frontier: -1, halted: None }))
    }

    /// Takes and does the change, if a build has all that readers were told of.
    pub(super) fn switch(
        &mut self,
        projection: &str,
        build: Build,
        frontiers: &Frontiers,
        change: &mut Option<impl FnOnce()>,
    ) {
        if !self.is_covered(projection, frontiers, 0) {
            return;
        }
        if let Some(change) = change.take() {
            change();
        }
        self.exchange_halts(projection, build);
        if let Some(reading) = self.reading(projection) {
            reading.build = build;
        }
    }

    /// Whether it is of this build that readers are told; of a projection that is not known
    /// here it is any.
    pub(super) fn is_read(&mut self, projection: &str, build: Build) -> bool {
        self.reading(projection).is_none_or(|reading| reading.build == build)
    }

    /// Tells the halts of the build that is read from now on.
    pub(super) fn exchange_halts(&mut self, projection: &str, build: Build) {
        let of = self.partitions.iter().filter(|((of, _), _)| *of == projection);
        of.for_each(|((projection, of), known)| {
            let halted = self.halts.get(&(*projection, build, *of)).cloned();
            set_halted(known, halted);
        });
    }

    /// Whether a build with these frontiers has all that readers were told of, but for so many
    /// records of each partition.
    pub(super) fn is_covered(&self, projection: &str, by: &Frontiers, but_for: Offset) -> bool {
        let mut told = self.partitions.iter().filter(|((of, _), _)| *of == projection);
        told.all(|((_, of), known)| {
            by.get(of).map_or(-1, |(frontier, _)| *frontier) + but_for >= known.borrow().frontier
        })
    }
}

/// Tells of a halt, or that it has ended.
pub(super) fn set_halted(known: &watch::Sender<Known>, reason: Option<String>) {
    known.send_if_modified(|known| {
        let is_new = known.halted != reason;
        known.halted = reason;
        is_new
    });
}

impl Known {
    pub(super) fn judge(&self, need: &Need) -> Waited {
        let Need { projection, topic_partition, offset } = *need;
        if self.frontier >= offset {
            return Waited::Passed;
        }
        match &self.halted {
            Some(reason) => Waited::Halted { projection, topic_partition, reason: reason.clone() },
            None => Waited::Behind { projection, topic_partition, frontier: self.frontier },
        }
    }
}
