//! What the group decides about its member, and what the member answers.

use std::{mem, thread};

use rdkafka::Offset as At;
use rdkafka::consumer::Consumer as _;

use super::{Event, Member, Owned, Revocation, State, subscribed};
use crate::kafka::client;
use crate::kafka::membership::Change;

impl Member {
    pub(super) fn answer_group(&mut self) {
        for change in self.consumer.context().take_changes() {
            match change {
                Change::Assigned(partitions) => self.take_over(partitions),
                Change::Revoked { partitions, are_lost } => self.give_up(partitions, are_lost),
            }
        }
    }

    /// Takes assigned partitions, which deliver nothing until they are started. They are
    /// given an offset, any one, so that the client does not look for the group's.
    fn take_over(&mut self, partitions: Vec<i32>) {
        let mut list = self.list(partitions.iter().copied());
        let taken = list
            .set_all_offsets(At::Offset(0))
            .and_then(|()| self.consumer.incremental_assign(&list))
            .and_then(|()| self.consumer.pause(&list));
        if let Err(error) = taken {
            return self.end(client::error("taking partitions over", &error));
        }
        for partition in &partitions {
            let owned = Owned { start: 0, next: 0, state: State::Idle, is_paused: false };
            self.owned.insert(*partition, owned);
        }
        if !partitions.is_empty() {
            self.channel.tell(Event::Assigned(partitions));
        }
    }

    fn give_up(&mut self, mut partitions: Vec<i32>, are_lost: bool) {
        if are_lost {
            tracing::warn!(topic = self.name, ?partitions, "the group gave partitions away");
            // Who is put out has nothing any more.
            self.is_out = true;
            partitions = self.owned.keys().copied().collect();
        }
        for partition in &partitions {
            self.owned.remove(partition);
        }
        let kept = partitions.iter().copied().collect();
        self.revoked.push(Revocation { partitions: partitions.clone(), kept });
        if partitions.is_empty() {
            return self.release(&[]);
        }
        self.channel.tell(Event::Revoked(partitions));
    }

    pub(super) fn release(&mut self, partitions: &[i32]) {
        for revocation in &mut self.revoked {
            revocation.kept.retain(|kept| !partitions.contains(kept));
        }
        if self.revoked.iter().all(|revocation| !revocation.kept.is_empty()) {
            return;
        }
        if self.is_out {
            if self.revoked.iter().all(|revocation| revocation.kept.is_empty()) {
                self.join_anew();
            }
            return;
        }
        self.commit();
        let (released, kept) = mem::take(&mut self.revoked)
            .into_iter()
            .partition::<Vec<_>, _>(|revocation| revocation.kept.is_empty());
        self.revoked = kept;
        for Revocation { partitions, .. } in released {
            // It fails where the group has decided anew, and then asks again.
            if let Err(error) = self.consumer.incremental_unassign(&self.list(partitions)) {
                tracing::warn!(topic = self.name, %error, "letting go of partitions failed");
            }
        }
    }

    /// A client that was put out of the group may answer what the group has forgotten, and wait for ever: it is replaced.
    /// Its owner has let go of everything.
    fn join_anew(&mut self) {
        let client = match subscribed(&self.config, &self.name, &self.channel) {
            Ok(client) => client,
            Err(error) => return self.end(client::error("joining the group anew", &error)),
        };
        let old = mem::replace(&mut self.consumer, client);
        old.context().leave();
        self.is_out = false;
        self.commits.clear();
        let revoked = mem::take(&mut self.revoked).into_iter().flat_map(|it| it.partitions);
        let revoked = self.list(revoked);
        // It is ended once it has its answer, which takes a while where the broker is away.
        thread::spawn(move || {
            let answered = old.incremental_unassign(&revoked);
            tracing::debug!(?answered, "a client that was put out of its group ends");
        });
    }

    /// Leaves the group, so that others have its partitions at once.
    pub(super) fn leave(mut self) {
        self.consumer.context().leave();
        self.commit();
        self.answer_leftovers();
        // Dropping the client ends its membership.
    }

    fn answer_leftovers(&mut self) {
        let unanswered = self.consumer.context().take_changes().into_iter();
        let unanswered = unanswered.map(|change| match change {
            Change::Assigned(partitions) => (true, partitions),
            Change::Revoked { partitions, .. } => (false, partitions),
        });
        let revoked = mem::take(&mut self.revoked).into_iter();
        let revoked = revoked.map(|revocation| (false, revocation.partitions));
        for (is_assignment, partitions) in revoked.chain(unanswered) {
            let list = self.list(partitions);
            let answered = match is_assignment {
                true => self.consumer.incremental_assign(&list),
                false => self.consumer.incremental_unassign(&list),
            };
            if let Err(error) = answered {
                tracing::debug!(topic = self.name, %error, "leaving the group");
            }
        }
    }
}
