//! The tier in the process: entries live for a second or so, and many readers of one
//! key share one load.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hubbub_events::Offset;
use moka::ops::compute::Op;
use tokio::{sync::oneshot, time::Instant};
use tracing::Instrument;

use super::Cached;
use crate::{Error, MemoryCacheSettings};

/// What an entry weighs beside its key and value.
const OVERHEAD: usize = 256;

/// Keeps values by key, weighed in bytes. Absences are never kept.
pub struct MemoryCache<V> {
    shared: Arc<Tier<V>>,
    time_to_live: Duration,
}

struct Tier<V> {
    entries: moka::future::Cache<String, Entry<V>>,
    /// The loads that are running, at most one for each key.
    flights: Mutex<HashMap<String, Flight<V>>>,
}

#[derive(Clone)]
struct Entry<V> {
    cached: Cached<V>,
    /// By tokio's clock, which moka does not know.
    until: Instant,
}

type Loaded<V> = Result<Option<Cached<V>>, Error>;
type Flight<V> = Shared<BoxFuture<'static, Loaded<V>>>;

impl<V> Clone for MemoryCache<V> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), time_to_live: self.time_to_live }
    }
}

impl<V: Clone + Send + Sync + 'static> MemoryCache<V> {
    /// An empty cache. `weigh` tells what a value holds, in bytes.
    #[must_use]
    pub fn new(settings: &MemoryCacheSettings, weigh: fn(&V) -> usize) -> Self {
        let weigher = move |key: &String, entry: &Entry<V>| {
            let weight = OVERHEAD + 2 * key.len() + weigh(&entry.cached.value);
            u32::try_from(weight).unwrap_or(u32::MAX)
        };
        let entries = moka::future::Cache::builder()
            .max_capacity(settings.size.as_u64())
            .weigher(weigher)
            .build();
        Self {
            shared: Arc::new(Tier { entries, flights: Mutex::default() }),
            time_to_live: settings.time_to_live,
        }
    }

    /// The value at a key: kept, being loaded for somebody else, or loaded now.
    ///
    /// With a `floor`, no entry and no running load whose *as of* is below it is
    /// answered. What a load brings that began after the call is answered as it is: to
    /// have the floor kept, wait until the projection has passed it, then call.
    ///
    /// The load runs in a task of its own: a caller who goes away does not end it for
    /// the others.
    ///
    /// # Errors
    /// Those of the load.
    pub async fn get_or_load(
        &self,
        key: &str,
        floor: Option<Offset>,
        load: impl Future<Output = Loaded<V>> + Send + 'static,
    ) -> Loaded<V> {
        if let Some(cached) = self.kept(key, floor).await {
            count("hit");
            return Ok(Some(cached));
        }
        count("miss");
        // Of a load that began earlier it is not known what an absence or an error is as of.
        let loaded = match self.running(key) {
            None => None,
            Some(flight) => Some(flight.await).filter(|loaded| match loaded {
                Ok(Some(cached)) => cached.serves(floor),
                Ok(None) | Err(_) => floor.is_none(),
            }),
        };
        match loaded {
            Some(loaded) => loaded,
            // A load found running by now began after the call.
            None => self.join_or_start(key, load).await,
        }
    }

    async fn kept(&self, key: &str, floor: Option<Offset>) -> Option<Cached<V>> {
        let entry = self.shared.entries.get(key).await?;
        let serves = entry.cached.serves(floor) && Instant::now() < entry.until;
        serves.then_some(entry.cached)
    }

    fn running(&self, key: &str) -> Option<Flight<V>> {
        self.shared.flights().get(key).cloned()
    }

    fn join_or_start(
        &self,
        key: &str,
        load: impl Future<Output = Loaded<V>> + Send + 'static,
    ) -> Flight<V> {
        let mut flights = self.shared.flights();
        if let Some(flight) = flights.get(key) {
            return flight.clone();
        }
        let (landed, landing) = oneshot::channel();
        let broken_off = |_| Err(Error::Permanent("a load was broken off, see the log".to_owned()));
        let flight = landing.map(move |loaded| loaded.unwrap_or_else(broken_off)).boxed().shared();
        flights.insert(key.to_owned(), flight.clone());
        // A runtime that shuts down drops the task at once, and that takes the lock.
        drop(flights);
        let listed = Listed { shared: Arc::clone(&self.shared), key: key.to_owned() };
        let landing = Landing { listed, landed };
        let time_to_live = self.time_to_live;
        let load = async move {
            let loaded = load.await;
            if let Ok(Some(cached)) = &loaded {
                landing.keep(cached.clone(), time_to_live).await;
            }
            landing.answer(loaded);
        };
        tokio::spawn(load.in_current_span());
        flight
    }
}

impl<V> Tier<V> {
    fn flights(&self) -> MutexGuard<'_, HashMap<String, Flight<V>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of a flight. It is off the list before anyone is answered, also where the
/// load panics: whoever is not content with the answer finds no flight but a later one.
struct Landing<V> {
    listed: Listed<V>,
    landed: oneshot::Sender<Loaded<V>>,
}

/// Takes a flight off the list when dropped.
struct Listed<V> {
    shared: Arc<Tier<V>>,
    key: String,
}

impl<V: Clone + Send + Sync + 'static> Landing<V> {
    async fn keep(&self, cached: Cached<V>, time_to_live: Duration) {
        let until = Instant::now() + time_to_live;
        let entry = self.listed.shared.entries.entry_by_ref(&self.listed.key);
        entry
            .and_compute_with(|old| {
                let wins = old.is_none_or(|old| cached.replaces(&old.value().cached));
                let op = if wins { Op::Put(Entry { cached, until }) } else { Op::Nop };
                std::future::ready(op)
            })
            .await;
    }

    fn answer(self, loaded: Loaded<V>) {
        drop(self.listed);
        // Whoever asked may be gone.
        let _ = self.landed.send(loaded);
    }
}

impl<V> Drop for Listed<V> {
    fn drop(&mut self) {
        self.shared.flights().remove(&self.key);
    }
}

fn count(result: &'static str) {
    metrics::counter!("hubbub_cache_requests_total", "tier" => "memory", "result" => result)
        .increment(1);
}
