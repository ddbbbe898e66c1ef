//! The members of a simulated log's groups, and who holds what.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::PoisonError,
};

use hubbub_events::{Offset, TopicPartition};
use hubbub_stream::{Polled, Record};

use super::{MemoryLog, Partition, State};

/// A consumer; they are numbered from 0 in the order in which they joined.
pub type MemberId = usize;

/// A group's name, and the island where it is.
pub(super) type GroupId = (u64, String);

/// All groups.
#[derive(Default)]
pub(super) struct Groups {
    members: BTreeMap<MemberId, Member>,
    joined: MemberId,
    committed: BTreeMap<(GroupId, TopicPartition), Offset>,
    rebalances: u64,
}

/// A consumer.
struct Member {
    group: GroupId,
    all: Vec<TopicPartition>,
    held: BTreeMap<TopicPartition, Held>,
    told: VecDeque<Polled>,
    /// Whom the next poll looks at first.
    turn: usize,
    /// Its group thinks it dead, while it thinks that it holds what it held.
    is_evicted: bool,
}

/// A partition that a consumer holds.
#[derive(Default)]
pub(super) struct Held {
    /// What is delivered next; `None` before it is started.
    pub next: Option<Offset>,
    pub is_paused: bool,
    /// To be released: it is another's from then on.
    is_leaving: bool,
    /// Its holder was told that it has it, and not yet that it has to let go.
    is_usable: bool,
}

impl Groups {
    pub fn join(&mut self, group: GroupId, all: Vec<TopicPartition>) -> MemberId {
        let id = self.joined;
        self.joined += 1;
        let member = Member {
            group: group.clone(),
            all,
            held: BTreeMap::new(),
            told: VecDeque::new(),
            turn: 0,
            is_evicted: false,
        };
        self.members.insert(id, member);
        self.balance(&group);
        id
    }

    pub fn leave(&mut self, id: MemberId) {
        if let Some(member) = self.members.remove(&id) {
            self.balance(&member.group);
        }
    }

    fn evict(&mut self, id: MemberId) {
        if let Some(member) = self.members.get_mut(&id) {
            member.is_evicted = true;
            let group = member.group.clone();
            self.balance(&group);
        }
    }

    pub fn release(&mut self, id: MemberId, released: &[TopicPartition]) {
        if let Some(member) = self.members.get_mut(&id) {
            member.held.retain(|of, _| !released.contains(of));
            let group = member.group.clone();
            self.balance(&group);
        }
    }

    pub fn commit(&mut self, id: MemberId, of: TopicPartition, next: Offset) {
        if let Some(member) = self.members.get(&id).filter(|member| !member.is_evicted) {
            self.committed.insert((member.group.clone(), of), next);
        }
    }

    /// What a member knows that it holds.
    pub fn held(&mut self, id: MemberId, of: TopicPartition) -> Option<&mut Held> {
        self.members.get_mut(&id)?.held.get_mut(&of).filter(|held| held.is_usable)
    }

    /// Revokes from those who hold too much, and assigns what nobody holds.
    fn balance(&mut self, group: &GroupId) {
        let mut living: Vec<_> =
            self.members.values_mut().filter(|member| member.is_in(group)).collect();
        let Some(all) = living.first().map(|member| member.all.clone()) else {
            return;
        };
        let taken: BTreeSet<_> =
            living.iter().flat_map(|member| member.held.keys().copied()).collect();
        let mut free = all.iter().copied().filter(|of| !taken.contains(of));
        let (share, larger) = (all.len() / living.len(), all.len() % living.len());
        for (index, member) in living.iter_mut().enumerate() {
            member.adjust(share + usize::from(index < larger), &mut free);
        }
        // The first assignment of a group that was empty moves nothing.
        let is_first = living.len() == 1 && taken.is_empty();
        let is_told = living.iter().any(|member| !member.told.is_empty());
        self.rebalances += u64::from(is_told && !is_first);
    }
}

impl Member {
    fn is_in(&self, group: &GroupId) -> bool {
        self.group == *group && !self.is_evicted
    }

    fn adjust(&mut self, share: usize, free: &mut impl Iterator<Item = TopicPartition>) {
        let kept = self.held.values().filter(|held| !held.is_leaving).count();
        let assigned: Vec<_> = free.take(share.saturating_sub(kept)).collect();
        if !assigned.is_empty() {
            self.held.extend(assigned.iter().map(|of| (*of, Held::default())));
            self.told.push_back(Polled::Assigned(assigned));
        }
        let last_first = self.held.iter_mut().rev().filter(|(_, held)| !held.is_leaving);
        let mut revoked: Vec<_> = last_first
            .take(kept.saturating_sub(share))
            .map(|(of, held)| {
                held.is_leaving = true;
                *of
            })
            .collect();
        revoked.reverse();
        if !revoked.is_empty() {
            self.told.push_back(Polled::Revoked(revoked));
        }
    }

    fn tell(&mut self) -> Option<Polled> {
        let told = self.told.pop_front()?;
        let (of, is_usable) = match &told {
            Polled::Assigned(assigned) => (assigned, true),
            Polled::Revoked(revoked) => (revoked, false),
            Polled::Records(..) | Polled::Unreadable(..) => return Some(told),
        };
        for (_, held) in self.held.iter_mut().filter(|(held, _)| of.contains(held)) {
            held.is_usable = is_usable;
        }
        Some(told)
    }
}

impl State {
    /// What a member is told next, if there is anything. One that was evicted is told
    /// nothing any more.
    pub fn next_for(&mut self, id: MemberId) -> Option<Polled> {
        let member = self.groups.members.get_mut(&id).filter(|member| !member.is_evicted)?;
        if let Some(told) = member.tell() {
            return Some(told);
        }
        let count = member.held.len();
        for step in 0..count {
            let index = (member.turn + step) % count;
            let Some((of, held)) = member.held.iter_mut().nth(index) else {
                continue;
            };
            let Some(log) = self.logs.get(of).filter(|_| !held.is_paused && held.is_usable) else {
                continue;
            };
            if let Some(polled) = held.deliver(*of, log, self.fetch_records) {
                member.turn = index + 1;
                return Some(polled);
            }
        }
        None
    }
}

impl Held {
    fn deliver(&mut self, of: TopicPartition, log: &Partition, most: usize) -> Option<Polled> {
        let next = self.next?;
        let mut found = log.records.range(next..).map(|(_, record)| record).peekable();
        let first = found.peek()?.offset;
        if let Some(detail) = log.damaged.get(&first) {
            self.next = None;
            return Some(Polled::Unreadable(of.at(first), detail.clone()));
        }
        let is_whole = |record: &&Record| !log.damaged.contains_key(&record.offset);
        let records: Vec<_> = found.take_while(is_whole).take(most).cloned().collect();
        self.next = Some(records.last()?.offset + 1);
        Some(Polled::Records(of, records))
    }
}

/// Commands to the groups, and looks at them.
impl MemoryLog {
    /// The living members of a group, in the order in which they joined.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<MemberId> {
        let group = (self.island, group.to_owned());
        let state = self.shared.lock();
        let living = state.groups.members.iter().filter(|(_, member)| member.is_in(&group));
        living.map(|(id, _)| *id).collect()
    }

    /// The consumers that were opened with this handle, in their order.
    #[must_use]
    pub fn joined(&self) -> Vec<MemberId> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often a group's partitions were shared out anew among members.
    #[must_use]
    pub fn rebalances(&self) -> u64 {
        self.shared.lock().groups.rebalances
    }

    /// Takes all from a member and tells it nothing, as its group thinks it dead: what
    /// it was given already it works on.
    pub fn evict(&self, id: MemberId) {
        self.shared.change(|state| state.groups.evict(id));
    }

    /// Delivers a partition to a member again, from an offset on.
    pub fn redeliver(&self, id: MemberId, of: TopicPartition, from: Offset) {
        self.shared.change(|state| {
            if let Some(held) = state.groups.held(id, of)
                && held.next.is_some_and(|next| next > from)
            {
                held.next = Some(from);
            }
        });
    }

    /// What a member holds, with what it has still to release.
    #[must_use]
    pub fn held(&self, id: MemberId) -> Vec<TopicPartition> {
        let state = self.shared.lock();
        let member = state.groups.members.get(&id);
        member.map_or(Vec::new(), |member| member.held.keys().copied().collect())
    }

    /// The offset that a member is given next; `None` where it has not started.
    #[must_use]
    pub fn delivered(&self, id: MemberId, of: TopicPartition) -> Option<Offset> {
        self.shared.lock().groups.held(id, of)?.next
    }

    /// Whether a member has paused a partition.
    #[must_use]
    pub fn is_paused(&self, id: MemberId, of: TopicPartition) -> bool {
        self.shared.lock().groups.held(id, of).is_some_and(|held| held.is_paused)
    }

    /// What a group last told lag tools.
    #[must_use]
    pub fn committed(&self, group: &str, of: TopicPartition) -> Option<Offset> {
        let group = (self.island, group.to_owned());
        self.shared.lock().groups.committed.get(&(group, of)).copied()
    }
}
