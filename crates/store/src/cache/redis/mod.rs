//! The tier that the readers of a fleet share: entries in Redis.
//!
//! An entry is one partition of one table, so it has one source and one position. It is
//! replaced only by what reflects more, by one script, whoever writes. Nothing here ever
//! fails a reader: whatever is odd is a miss.

mod connect;
mod entry;
mod fence;
mod lifetime;
mod link;
mod reads;
mod settings;
mod writes;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::redis::{Pipeline, Value};
use hubbub_events::{LogIdentity, Offset};
use hubbub_tables::{Build, Change, Stored, Table};
use hubbub_trace::SPANS;
use metrics::Counter;
use tokio::task::JoinSet;
use tracing::Instrument;

use self::{
    entry::Keys,
    lifetime::Lifetime,
    link::Link,
    reads::{Answer, Reads},
    writes::{Kind, Queue},
};
use super::{Cached, Snapshot};
use crate::{Error, Watcher};

pub use settings::RedisSettings;

/// Entries in Redis, and the connections to it. Clones are of the same.
#[derive(Clone)]
pub struct RedisCache(Arc<Shared>);

struct Shared {
    prefix: String,
    log: LogIdentity,
    reads: Reads,
    readers: Vec<Arc<Link>>,
    next: AtomicUsize,
    lifetime: Lifetime,
    queue: Queue,
    /// What runs for it; ends with it.
    _tasks: JoinSet<()>,
}

/// Entries of one table.
pub(super) struct RedisTable<T: Table> {
    cache: RedisCache,
    keys: Keys<T>,
    hits: Counter,
}

/// What Redis answered about one key.
pub(super) enum Reply {
    Value(Vec<u8>),
    Nothing,
    /// Something that nobody of ours has written.
    Odd,
    Error,
    /// Redis was not asked, as it is known to be away.
    Skipped,
}

/// How a look-up in Redis ended.
pub(super) enum Found<T: Table> {
    Hit(Cached<Snapshot<T>>),
    /// Nothing that can be served; the gap is to be filled.
    Nothing(Option<Gap>),
}

/// A key at which Redis had nothing that could be served.
pub(super) struct Gap {
    key: String,
    /// The beginning of what is broken there.
    broken: Option<Vec<u8>>,
}

impl RedisCache {
    /// A cache of what is folded from a log. Connects for a moment; where Redis does not
    /// answer by then it is tried on and on, and the cache is empty until it does.
    ///
    /// # Errors
    /// Where the settings cannot be used.
    pub async fn connect(settings: &RedisSettings, log: LogIdentity) -> Result<Self, Error> {
        let client = connect::client(settings)?;
        let mut tasks = JoinSet::new();
        let mut readers = Vec::new();
        for _ in 0..settings.connections {
            readers.push(Link::spawn(&client, settings.response_timeout, &mut tasks));
        }
        let lifetime = Lifetime(settings.time_to_live);
        let queue = Queue::spawn(&client, lifetime, &mut tasks);
        for reader in &readers {
            reader.tried().await;
        }
        queue.tried().await;
        Ok(Self(Arc::new(Shared {
            prefix: settings.key_prefix.clone(),
            log,
            reads: Reads::default(),
            readers,
            next: AtomicUsize::new(0),
            lifetime,
            queue,
            _tasks: tasks,
        })))
    }

    /// The entries of a table.
    ///
    /// # Errors
    /// Where the table's declaration is wrong.
    pub(super) fn table<T: Table>(&self, build: Build) -> Result<RedisTable<T>, Error> {
        let keys = Keys::new(&self.0.prefix, &self.0.log, build)?;
        Ok(RedisTable { cache: self.clone(), keys, hits: counter("hit") })
    }

    /// What Redis has of a partition, and how old that is, where it is to end; `None` also
    /// where it does not answer.
    ///
    /// # Errors
    /// Where the table's declaration is wrong.
    pub async fn peek<T: Table>(
        &self,
        build: Build,
        partition: &T::Partition,
    ) -> Result<Option<(Cached<Snapshot<T>>, Option<Duration>)>, Error> {
        let key = self.table::<T>(build)?.key(partition);
        let Some(link) = self.reader() else {
            return Ok(None);
        };
        let mut commands = Pipeline::new();
        commands.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let answers = link.request(&commands).await;
        let Some([Value::BulkString(value), Value::Int(left)]) = answers.as_deref() else {
            return Ok(None);
        };
        let found = entry::open::<T>(&key, value);
        Ok(found.map(|found| (found, self.0.lifetime.age(&key, *left))))
    }

    /// Reads keys in one round trip. Each command names one key, so that it makes no
    /// difference which node of a cluster has it.
    pub(super) async fn fetch<const N: usize>(&self, keys: [&str; N]) -> [Reply; N] {
        let (answer, is_first) = self.0.reads.ask(keys);
        if is_first {
            tokio::spawn(self.clone().send_reads());
        }
        let span = tracing::info_span!(
            target: SPANS,
            "cache",
            otel.name = "GET",
            otel.kind = "client",
            db.system.name = "redis",
            db.operation.name = "GET",
            db.operation.batch.size = N,
        );
        let mut replies = match answer.instrument(span).await {
            Ok(Answer::Values(values)) => values.into_iter().map(Reply::from),
            Ok(Answer::Skipped) => return [const { Reply::Skipped }; N],
            Ok(Answer::Error) | Err(_) => return [const { Reply::Error }; N],
        };
        keys.map(|_| replies.next().unwrap_or(Reply::Odd))
    }

    /// Sends what is asked for by all who are about to ask.
    async fn send_reads(self) {
        // Comes back when everyone else who can go on has.
        tokio::task::yield_now().await;
        let reads = self.0.reads.take();
        match self.reader() {
            None => reads.skip(),
            Some(link) => {
                let values = link.request(reads.commands()).await;
                reads.answer(values);
            }
        }
    }

    /// The next connection that works.
    fn reader(&self) -> Option<&Link> {
        let Shared { readers, next, .. } = &*self.0;
        let first = next.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..readers.len()).map(|n| &*readers[first.wrapping_add(n) % readers.len()]);
        in_turn.into_iter().find(|link| link.is_up())
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        match value {
            Value::BulkString(value) => Self::Value(value),
            Value::Nil => Self::Nothing,
            Value::ServerError(error) if error.code() != "WRONGTYPE" => {
                tracing::debug!(%error, "Redis refused to read");
                Self::Error
            }
            _ => Self::Odd,
        }
    }
}

impl<T: Table> RedisTable<T> {
    pub(super) const fn cache(&self) -> &RedisCache {
        &self.cache
    }

    pub(super) fn key(&self, partition: &T::Partition) -> String {
        self.keys.of(partition)
    }

    /// What a reply is worth to a reader who must see everything up to `floor`.
    pub(super) fn open(&self, key: String, reply: Reply, floor: Offset) -> Found<T> {
        let (result, broken) = match reply {
            Reply::Value(value) => match entry::open::<T>(&key, &value) {
                Some(cached) if cached.as_of >= floor => {
                    self.hits.increment(1);
                    return Found::Hit(cached);
                }
                Some(_) => ("stale", None),
                None => ("corrupt", Some(entry::header(&value).to_vec())),
            },
            Reply::Nothing => ("miss", None),
            Reply::Odd => ("corrupt", None),
            Reply::Error => ("error", None),
            Reply::Skipped => ("skipped", None),
        };
        counter(result).increment(1);
        Found::Nothing(Some(Gap { key, broken }))
    }

    /// Leaves for the next reader what was found elsewhere. Not waited for.
    pub(super) fn fill(&self, gap: Gap, found: &Cached<Snapshot<T>>) {
        let Gap { key, broken } = gap;
        let Snapshot { head, row } = &found.value;
        let value = entry::seal::<T>(&key, found.stamp, found.as_of, head, row.as_ref());
        let kind = Kind::Fill { broken: broken.unwrap_or_default() };
        self.cache.0.queue.push(kind, key, value);
    }
}

/// Entries that exist are replaced once what is newer is durable. Not waited for.
impl Watcher for RedisCache {
    type Note = Vec<(String, Option<Vec<u8>>)>;

    fn note<T: Table>(&self, build: Build, changes: &[Change<T>]) -> Self::Note {
        let Ok(keys) = Keys::<T>::new(&self.0.prefix, &self.0.log, build) else {
            return Vec::new();
        };
        let entries = changes.iter().filter_map(|change| {
            let head = change.head.as_ref()?;
            let key = keys.of(&change.partition);
            let value = refreshed(&key, head, change);
            Some((key, value))
        });
        entries.collect()
    }

    fn written(&self, note: Self::Note) {
        for (key, value) in note {
            self.0.queue.push(Kind::Refresh, key, value);
        }
    }
}

/// The entry that a change leads to. Every change of what is cached moves the head, so
/// that the new one lacks nothing up to its own position. `None` where the change does
/// not tell the row that belongs to the head.
fn refreshed<T: Table>(key: &str, head: &Stored<T::Head>, change: &Change<T>) -> Option<Vec<u8>> {
    let row = match T::row_of(&head.record) {
        None => None,
        Some(at) => Some(&change.rows.iter().find(|(key, _)| *key == at)?.1.record),
    };
    entry::seal::<T>(key, head.stamp, head.stamp.offset(), &head.record, row)
}

fn counter(result: &'static str) -> Counter {
    metrics::counter!("hubbub_cache_requests_total", "tier" => "redis", "result" => result)
}
