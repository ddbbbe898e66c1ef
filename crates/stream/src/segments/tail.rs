//! The units committed last, in memory: consumers that keep up never touch the disk.

use std::collections::VecDeque;
use std::sync::Mutex;

use hubbub_events::Offset;

use super::topics::Slot;
use super::unit::Share;
use crate::sync::lock;

/// How much is kept, in bytes.
const LIMIT: usize = 8 * 1024 * 1024;
/// What a share weighs beside its records.
const OVERHEAD: usize = 128;

#[derive(Debug)]
pub(super) struct Tail {
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    weight: usize,
    /// Whose the shares are, in the order in which they came.
    order: VecDeque<Slot>,
    slots: Vec<VecDeque<Share>>,
}

impl Tail {
    pub fn new(slots: usize) -> Self {
        Self {
            kept: Mutex::new(Kept {
                weight: 0,
                order: VecDeque::new(),
                slots: vec![VecDeque::new(); slots],
            }),
        }
    }

    /// Adds the shares of a committed unit.
    pub fn push(&self, shares: Vec<Share>) {
        let mut kept = lock(&self.kept);
        for share in shares {
            kept.weight += weight(&share);
            kept.order.push_back(share.slot);
            kept.slots[share.slot].push_back(share);
        }
        while kept.weight > LIMIT {
            let Some(slot) = kept.order.pop_front() else {
                return;
            };
            let oldest = kept.slots[slot].pop_front();
            kept.weight -= oldest.as_ref().map_or(0, weight);
        }
    }

    /// The shares of a slot from the one with this offset on, of at least `bytes` if
    /// there are so many; none where it no longer has the offset.
    pub fn shares(&self, slot: Slot, from: Offset, bytes: usize) -> Option<Vec<Share>> {
        let kept = lock(&self.kept);
        let shares = &kept.slots[slot];
        let at = shares.partition_point(|share| share.end() <= from);
        if shares.get(at)?.first > from {
            return None;
        }
        let mut room = bytes;
        let mut found = Vec::new();
        for share in shares.range(at..) {
            found.push(share.clone());
            room = room.saturating_sub(records(share));
            if room == 0 {
                break;
            }
        }
        Some(found)
    }
}

fn records(share: &Share) -> usize {
    share.records.as_ref().map_or(0, |records| records.len())
}

fn weight(share: &Share) -> usize {
    OVERHEAD + records(share)
}
