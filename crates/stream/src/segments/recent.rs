//! The few things used last, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Keeps what was used last, up to a weight.
#[derive(Debug)]
pub(super) struct Recent<T> {
    limit: usize,
    kept: Mutex<Kept<T>>,
}

#[derive(Debug)]
struct Kept<T> {
    weight: usize,
    /// Used last at the back.
    items: VecDeque<(Arc<T>, usize)>,
}

impl<T> Recent<T> {
    pub fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::new(Kept { weight: 0, items: VecDeque::new() }) }
    }

    /// The kept item that is the one asked for.
    pub fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let mut kept = lock(&self.kept);
        let at = kept.items.iter().rposition(|(item, _)| wanted(item))?;
        let item = kept.items.remove(at)?;
        let found = Arc::clone(&item.0);
        kept.items.push_back(item);
        Some(found)
    }

    /// Keeps an item in place of those used longest ago.
    pub fn keep(&self, item: Arc<T>, weight: usize) {
        let mut kept = lock(&self.kept);
        kept.weight += weight;
        kept.items.push_back((item, weight));
        while kept.weight > self.limit {
            let Some((_, weight)) = kept.items.pop_front() else {
                return;
            };
            kept.weight -= weight;
        }
    }
}
