//! What is written to Redis: by one task, from a queue that is bounded in bytes.

use std::{sync::Arc, time::Duration};

use ::redis::{Client, Pipeline, Script, Value};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};

use super::{fence, lifetime::Lifetime, link::Link};

/// What may wait to be written.
const ROOM: usize = 8 * 1024 * 1024;
/// What an entry takes in the queue beside its key and value.
const OVERHEAD: usize = 256;
/// Entries that are sent at a time.
const BATCH: usize = 64;
/// Nobody waits for a write, so it has longer than a read.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why an entry is written.
pub(super) enum Kind {
    /// A reader did not find it. What begins so is broken and has to give way.
    Fill { broken: Vec<u8> },
    /// A worker wrote something newer, which is of use only where there is an entry.
    Refresh,
}

/// Takes entries to be written.
pub(super) struct Queue {
    link: Arc<Link>,
    room: Arc<Semaphore>,
    entries: mpsc::UnboundedSender<Entry>,
}

struct Entry {
    kind: Kind,
    key: String,
    value: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Queue {
    /// Writes over a connection of its own, so that no reader waits behind a large entry.
    pub(super) fn spawn(client: &Client, lifetime: Lifetime, tasks: &mut JoinSet<()>) -> Self {
        let link = Link::spawn(client, RESPONSE_TIMEOUT, tasks);
        let (entries, queued) = mpsc::unbounded_channel();
        let writer = Writer { link: Arc::clone(&link), script: fence::script(), lifetime };
        tasks.spawn(writer.run(queued));
        Self { link, room: Arc::new(Semaphore::new(ROOM)), entries }
    }

    /// Waits until the first try to connect has ended.
    pub(super) async fn tried(&self) {
        self.link.tried().await;
    }

    /// Has an entry written some time, if there is room and Redis is there.
    pub(super) fn push(&self, kind: Kind, key: String, value: Option<Vec<u8>>) {
        let Some(value) = value else {
            return kind.count("incomplete");
        };
        if !self.link.is_up() {
            return kind.count("skipped");
        }
        let weight = OVERHEAD + key.len() + value.len();
        let room = u32::try_from(weight)
            .ok()
            .and_then(|weight| Arc::clone(&self.room).try_acquire_many_owned(weight).ok());
        let Some(room) = room else {
            return kind.count("dropped");
        };
        let entry = Entry { kind, key, value, _room: room };
        if let Err(unsent) = self.entries.send(entry) {
            unsent.0.kind.count("dropped");
        }
    }
}

impl Kind {
    fn is_refresh(&self) -> bool {
        matches!(self, Self::Refresh)
    }

    fn count(&self, result: &'static str) {
        let name = match self {
            Self::Fill { .. } => "hubbub_cache_fills_total",
            Self::Refresh => "hubbub_cache_refreshes_total",
        };
        metrics::counter!(name, "result" => result).increment(1);
    }
}

struct Writer {
    link: Arc<Link>,
    script: Script,
    lifetime: Lifetime,
}

impl Writer {
    async fn run(self, mut queued: mpsc::UnboundedReceiver<Entry>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queued.recv_many(&mut batch, BATCH).await > 0 {
            self.drop_absent(&mut batch).await;
            self.write(&batch).await;
            batch.clear();
        }
    }

    /// Most of what workers write nobody has read lately: to ask first costs less than to
    /// send it all. The script has the last word, as an entry may end in between.
    async fn drop_absent(&self, batch: &mut Vec<Entry>) {
        let mut pipeline = Pipeline::new();
        for entry in batch.iter().filter(|entry| entry.kind.is_refresh()) {
            pipeline.cmd("EXISTS").arg(&entry.key);
        }
        if pipeline.is_empty() {
            return;
        }
        let Some(answers) = self.link.request(&pipeline).await else {
            return;
        };
        let mut answers = answers.into_iter();
        batch.retain(|entry| {
            let is_absent = entry.kind.is_refresh() && answers.next() == Some(Value::Int(0));
            if is_absent {
                entry.kind.count("absent");
            }
            !is_absent
        });
    }

    async fn write(&self, batch: &[Entry]) {
        let mut left: Vec<&Entry> = batch.iter().collect();
        let mut is_loaded = false;
        while !left.is_empty() {
            let Some(answers) = self.send(&left).await else {
                left.iter().for_each(|entry| entry.kind.count("error"));
                return;
            };
            let mut unknown = Vec::new();
            for (entry, answer) in left.into_iter().zip(answers) {
                match result(&answer) {
                    None if !is_loaded => unknown.push(entry),
                    result => entry.kind.count(result.unwrap_or("error")),
                }
            }
            left = unknown;
            if !left.is_empty() {
                is_loaded = true;
                self.load().await;
            }
        }
    }

    async fn send(&self, entries: &[&Entry]) -> Option<Vec<Value>> {
        let mut pipeline = Pipeline::with_capacity(entries.len());
        for Entry { kind, key, value, .. } in entries {
            let (mode, broken): (_, &[u8]) = match kind {
                Kind::Fill { broken } => ("fill", broken),
                Kind::Refresh => ("refresh", &[]),
            };
            let time_to_live = self.lifetime.of(key).as_millis() as u64;
            let mut call = self.script.prepare_invoke();
            call.key(key).arg(value).arg(time_to_live).arg(mode).arg(broken);
            pipeline.invoke_script(&call);
        }
        self.link.request(&pipeline).await
    }

    /// Redis forgets scripts when it restarts.
    async fn load(&self) {
        let mut pipeline = Pipeline::new();
        pipeline.load_script(&self.script);
        // Where this fails so does what is sent next.
        let _ = self.link.request(&pipeline).await;
    }
}

/// What became of an entry; `None` where the script is not known.
fn result(answer: &Value) -> Option<&'static str> {
    match answer {
        Value::BulkString(text) if text == b"written" => Some("written"),
        Value::BulkString(text) if text == b"kept" => Some("kept"),
        Value::BulkString(text) if text == b"absent" => Some("absent"),
        Value::ServerError(error) if error.code() == "NOSCRIPT" => None,
        answer => {
            tracing::debug!(?answer, "Redis refused to write");
            Some("error")
        }
    }
}
