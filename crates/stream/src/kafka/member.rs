//! The thread that is a group's member: it polls the client, answers the group, and
//! does what the consumer's owner wants.

mod group;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_events::{Offset, Topic};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset as At, TopicPartitionList};

use super::channel::{Channel, Command, Delivery, Event};
use super::membership::Membership;
use super::reader::Readers;
use super::record::record;
use crate::{Error, Record};

/// How much is gathered of all partitions before it is passed on, in bytes.
const GATHERED: usize = 256 * 1024;
/// The longest sleep: the client must be polled, whatever happens.
const NAP: Duration = Duration::from_millis(100);
/// How long the client may take for what it does in memory alone.
const SEEK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often lag tools are told.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

/// A member of a group, as its thread keeps it.
pub(super) struct Member {
    config: ClientConfig,
    consumer: BaseConsumer<Membership>,
    channel: Arc<Channel>,
    readers: Arc<Readers>,
    topic: Topic,
    name: String,
    owned: BTreeMap<i32, Owned>,
    /// Revocations that the owner has not yet wholly let go of.
    revoked: Vec<Revocation>,
    /// Set when the group has given its partitions away, until it joins anew.
    is_out: bool,
    commits: BTreeMap<i32, Offset>,
    committed_at: Instant,
    /// Set when nothing more can come.
    has_ended: bool,
}

/// A partition of this member's.
struct Owned {
    /// Its so-manieth start.
    start: u64,
    /// The offset that is expected next.
    next: Offset,
    state: State,
    is_paused: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The owner has not said from where on, or must say it again.
    Idle,
    /// It has, and the client could not yet do it.
    Starting,
    /// The client delivers.
    Started,
}

struct Revocation {
    partitions: Vec<i32>,
    kept: BTreeSet<i32>,
}

/// A client that asks to be a member.
fn subscribed(
    config: &ClientConfig,
    name: &str,
    channel: &Arc<Channel>,
) -> KafkaResult<BaseConsumer<Membership>> {
    let mut consumer: BaseConsumer<_> =
        BaseConsumer::from_config_and_context(config, Membership::default())?;
    let woken = Arc::clone(channel);
    consumer.set_nonempty_callback(move || woken.wake());
    consumer.subscribe(&[name])?;
    Ok(consumer)
}

impl Member {
    /// Becomes a member, to which nothing is assigned yet.
    pub fn join(
        config: ClientConfig,
        channel: Arc<Channel>,
        readers: Arc<Readers>,
        topic: Topic,
        name: String,
    ) -> KafkaResult<Self> {
        Ok(Self {
            consumer: subscribed(&config, &name, &channel)?,
            config,
            channel,
            readers,
            topic,
            name,
            owned: BTreeMap::new(),
            revoked: Vec::new(),
            is_out: false,
            commits: BTreeMap::new(),
            committed_at: Instant::now(),
            has_ended: false,
        })
    }

    /// Runs until the owner goes, or nothing more can come.
    pub fn run(mut self) {
        while let Some(commands) = self.channel.commands()
            && !self.has_ended
        {
            commands.into_iter().for_each(|command| self.obey(command));
            self.begin_started();
            self.commit_if_due();
            let is_idle = !self.channel.has_room() || !self.poll();
            if is_idle {
                self.channel.wait(NAP);
            }
        }
        self.leave();
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Start { partition, from, start } => {
                if let Some(owned) = self.owned.get_mut(&partition) {
                    (owned.start, owned.next, owned.state) = (start, from, State::Starting);
                }
            }
            Command::Pause(partition) => self.set_paused(partition, true),
            Command::Resume(partition) => self.set_paused(partition, false),
            Command::Commit { partition, next } => {
                self.commits.insert(partition, next);
            }
            Command::Release(partitions) => self.release(&partitions),
        }
    }

    fn set_paused(&mut self, partition: i32, is_paused: bool) {
        let Some(owned) = self.owned.get_mut(&partition) else {
            return;
        };
        owned.is_paused = is_paused;
        if owned.state == State::Started {
            self.flow(partition, !is_paused);
        }
    }

    /// Has the client fetch a partition, or not.
    fn flow(&self, partition: i32, flows: bool) {
        let list = self.list([partition]);
        let done = if flows { self.consumer.resume(&list) } else { self.consumer.pause(&list) };
        if let Err(error) = done {
            tracing::warn!(topic = self.name, partition, flows, %error, "pausing or resuming failed");
        }
    }

    fn list(&self, partitions: impl IntoIterator<Item = i32>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.name, partition);
        }
        list
    }

    fn list_at(&self, partition: i32, offset: Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, partition, At::Offset(offset))?;
        Ok(list)
    }

    /// Has the client deliver what the owner started; what it cannot do yet is tried
    /// again.
    fn begin_started(&mut self) {
        let starting = self.owned.iter().filter(|(_, owned)| owned.state == State::Starting);
        for (partition, from) in Vec::from_iter(starting.map(|(key, owned)| (*key, owned.next))) {
            if let Err(error) = self.seek(partition, from) {
                tracing::debug!(topic = self.name, partition, from, %error, "starting waits");
                continue;
            }
            let Some(owned) = self.owned.get_mut(&partition) else { continue };
            owned.state = State::Started;
            let flows = !owned.is_paused;
            self.flow(partition, flows);
        }
    }

    fn seek(&self, partition: i32, from: Offset) -> KafkaResult<()> {
        let sought = self.consumer.seek_partitions(self.list_at(partition, from)?, SEEK_TIMEOUT)?;
        match sought.elements().first().map_or(Ok(()), |element| element.error()) {
            // Where it could not read on, the client has stopped fetching for good: the
            // partition is assigned anew, which is between this member and its client. An
            // answer that the group waits for must not be taken for it.
            Err(KafkaError::OffsetFetch(RDKafkaErrorCode::State))
                if self.revoked.is_empty() && !self.consumer.assignment_lost() =>
            {
                self.consumer.incremental_unassign(&self.list([partition]))?;
                self.consumer.incremental_assign(&self.list_at(partition, from)?)
            }
            sought => sought,
        }
    }

    /// Passes on what the client has, up to some size; whether there was anything.
    fn poll(&mut self) -> bool {
        let mut gathered = BTreeMap::<i32, Vec<Record>>::new();
        let mut bytes = 0;
        let mut is_busy = false;
        while bytes < GATHERED && !self.has_ended {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    is_busy = true;
                    let partition = message.partition();
                    let owned = self.owned.get_mut(&partition);
                    let wanted = |owned: &&mut Owned| {
                        owned.state == State::Started && message.offset() >= owned.next
                    };
                    let Some(owned) = owned.filter(wanted) else { continue };
                    let record = record(&message);
                    owned.next = record.offset + 1;
                    bytes += record.weight();
                    gathered.entry(partition).or_default().push(record);
                }
                Some(Err(error)) => {
                    is_busy = true;
                    self.pass_on(&mut gathered);
                    self.fail(&error);
                }
                // Something was served that is no message: there may be more behind it.
                None if self.consumer.context().take_served() => {
                    is_busy = true;
                    self.pass_on(&mut gathered);
                    self.answer_group();
                }
                None => break,
            }
        }
        self.pass_on(&mut gathered);
        is_busy
    }

    fn pass_on(&self, gathered: &mut BTreeMap<i32, Vec<Record>>) {
        for (partition, records) in std::mem::take(gathered) {
            self.deliver(partition, Delivery::Records(records));
        }
    }

    fn deliver(&self, partition: i32, delivery: Delivery) {
        if let Some(owned) = self.owned.get(&partition) {
            self.channel.tell(Event::Delivery { partition, start: owned.start, delivery });
        }
    }

    fn end(&mut self, error: Error) {
        self.has_ended = true;
        self.channel.tell(Event::Ended(error));
    }

    fn commit_if_due(&mut self) {
        // A commit in the middle of a rebalance fails.
        if self.committed_at.elapsed() >= COMMIT_EVERY && self.revoked.is_empty() {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.committed_at = Instant::now();
        let commits = std::mem::take(&mut self.commits);
        if commits.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        let filled = commits.into_iter().try_for_each(|(partition, next)| {
            list.add_partition_offset(&self.name, partition, At::Offset(next))
        });
        let committed = filled.and_then(|()| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = committed {
            tracing::debug!(topic = self.name, %error, "the group's offsets were not committed");
        }
    }
}
