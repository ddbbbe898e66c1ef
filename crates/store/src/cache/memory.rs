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
use metrics::Counter;
use tokio::{sync::oneshot, time::Instant};
use tracing::Instrument;

use crate::{Error, MemoryCacheSettings};

/// What an entry weighs beside its key and value.
const OVERHEAD: usize = 256;
/// How many loads of others a reader waits for who is not content with what they bring.
const OTHERS: usize = 2;

/// Keeps values by key, weighed in bytes. Absences are never kept.
pub struct MemoryCache<V> {
    tier: Arc<Tier<V>>,
    time_to_live: Duration,
    hits: Counter,
    misses: Counter,
}

struct Tier<V> {
    /// Written only by whoever holds the lock on the flights.
    entries: moka::sync::Cache<String, Entry<V>>,
    flights: Mutex<Flights<V>>,
    replaces: fn(&V, &V) -> bool,
}

/// The loads that are running, at most one for each key: others are left to end by
/// themselves, and what they bring is not kept.
struct Flights<V> {
    by_key: HashMap<String, Listed<V>>,
    begun: u64,
}

struct Listed<V> {
    number: u64,
    flight: Flight<V>,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    /// By tokio's clock, which moka does not know.
    until: Instant,
}

type Loaded<V> = Result<Option<V>, Error>;
type Flight<V> = Shared<BoxFuture<'static, Loaded<V>>>;

impl<V> Clone for MemoryCache<V> {
    fn clone(&self) -> Self {
        Self {
            tier: Arc::clone(&self.tier),
            time_to_live: self.time_to_live,
            hits: self.hits.clone(),
            misses: self.misses.clone(),
        }
    }
}

impl<V: Clone + Send + Sync + 'static> MemoryCache<V> {
    /// An empty cache. `weigh` tells what a value holds, in bytes; `replaces`, whether a
    /// value may take the place of another one under the same key.
    #[must_use]
    pub fn new(
        settings: &MemoryCacheSettings,
        weigh: fn(&V) -> usize,
        replaces: fn(&V, &V) -> bool,
    ) -> Self {
        let weigher = move |key: &String, entry: &Entry<V>| {
            let weight = OVERHEAD + 2 * key.len() + weigh(&entry.value);
            u32::try_from(weight).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder()
            .max_capacity(settings.size.as_u64())
            .weigher(weigher)
            .build();
        let flights = Flights { by_key: HashMap::new(), begun: 0 };
        Self {
            tier: Arc::new(Tier { entries, flights: Mutex::new(flights), replaces }),
            time_to_live: settings.time_to_live,
            hits: counter("hit"),
            misses: counter("miss"),
        }
    }

    /// The value at a key: kept, being loaded for somebody else, or loaded now.
    ///
    /// Of what others loaded, only a value that `serves` is answered, and no absence that
    /// was found by a load begun before the call. What `load` brings is answered as it is.
    ///
    /// The load runs in a task of its own: a caller who goes away does not end it for
    /// the others.
    ///
    /// # Errors
    /// Those of the load.
    pub async fn get_or_load(
        &self,
        key: &str,
        serves: impl Fn(&V) -> bool,
        load: impl Future<Output = Loaded<V>> + Send + 'static,
    ) -> Loaded<V> {
        if let Some(value) = self.kept(key).filter(&serves) {
            self.hits.increment(1);
            return Ok(Some(value));
        }
        self.misses.increment(1);
        if let Some(flight) = self.running(key)
            && let Ok(Some(value)) = flight.await
            && serves(&value)
        {
            return Ok(Some(value));
        }
        let mut load = load;
        // A load found running by now began after the call.
        for _ in 0..OTHERS {
            let flight = match self.join_or_start(key, load) {
                Joined::Own(flight) => return flight.await,
                Joined::Others(flight, unused) => {
                    load = unused;
                    flight
                }
            };
            match flight.await {
                Ok(Some(value)) if !serves(&value) => {}
                loaded => return loaded,
            }
        }
        self.start(self.tier.flights(), key, load).await
    }

    /// Drops what is kept of keys, and what running loads will bring of them: whoever
    /// asks after this call gets nothing that was read before it.
    pub fn forget(&self, keys: impl IntoIterator<Item = String>) {
        let mut flights = self.tier.flights();
        for key in keys {
            flights.by_key.remove(&key);
            self.tier.entries.invalidate(&key);
        }
    }

    /// The same for all keys.
    pub fn forget_all(&self) {
        self.tier.flights().by_key.clear();
        self.tier.entries.invalidate_all();
    }

    /// What is kept at a key, and for how long it has been. No use of it is counted.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<(V, Duration)> {
        let Entry { value, until } = self.tier.entries.get(key)?;
        let left = until.checked_duration_since(Instant::now())?;
        Some((value, self.time_to_live.saturating_sub(left)))
    }

    fn kept(&self, key: &str) -> Option<V> {
        let entry = self.tier.entries.get(key)?;
        (Instant::now() < entry.until).then_some(entry.value)
    }

    fn running(&self, key: &str) -> Option<Flight<V>> {
        self.tier.flights().by_key.get(key).map(|listed| listed.flight.clone())
    }

    fn join_or_start<L>(&self, key: &str, load: L) -> Joined<V, L>
    where
        L: Future<Output = Loaded<V>> + Send + 'static,
    {
        let flights = self.tier.flights();
        if let Some(listed) = flights.by_key.get(key) {
            return Joined::Others(listed.flight.clone(), load);
        }
        Joined::Own(self.start(flights, key, load))
    }

    /// Starts a load, and lists it in the place of another one.
    fn start(
        &self,
        mut flights: MutexGuard<'_, Flights<V>>,
        key: &str,
        load: impl Future<Output = Loaded<V>> + Send + 'static,
    ) -> Flight<V> {
        let (landed, landing) = oneshot::channel();
        let broken_off = |_| Err(Error::Permanent("a load was broken off, see the log".to_owned()));
        let flight = landing.map(move |loaded| loaded.unwrap_or_else(broken_off)).boxed().shared();
        flights.begun += 1;
        let number = flights.begun;
        flights.by_key.insert(key.to_owned(), Listed { number, flight: flight.clone() });
        // A runtime that shuts down drops the task at once, and that takes the lock.
        drop(flights);
        let landing = Landing { tier: Arc::clone(&self.tier), key: key.to_owned(), number };
        let time_to_live = self.time_to_live;
        let load = async move {
            let loaded = load.await;
            landing.land(&loaded, time_to_live);
            // Whoever asked may be gone.
            let _ = landed.send(loaded);
        };
        tokio::spawn(load.in_current_span());
        flight
    }
}

/// Whose load a reader waits for.
enum Joined<V, L> {
    Own(Flight<V>),
    /// Somebody else's, with one's own unused.
    Others(Flight<V>, L),
}

impl<V> Tier<V> {
    fn flights(&self) -> MutexGuard<'_, Flights<V>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Flights<V> {
    /// Takes a flight off the list; false where it was no longer on it.
    fn remove(&mut self, key: &str, number: u64) -> bool {
        let is_listed = self.by_key.get(key).is_some_and(|listed| listed.number == number);
        if is_listed {
            self.by_key.remove(key);
        }
        is_listed
    }
}

/// The end of a flight. It is off the list before anyone is answered, also where the
/// load panics: whoever is not content with the answer finds no flight but a later one.
struct Landing<V> {
    tier: Arc<Tier<V>>,
    key: String,
    number: u64,
}

impl<V: Clone + Send + Sync + 'static> Landing<V> {
    fn land(self, loaded: &Loaded<V>, time_to_live: Duration) {
        let Tier { entries, replaces, .. } = &*self.tier;
        let mut flights = self.tier.flights();
        let is_wanted = flights.remove(&self.key, self.number);
        let Ok(Some(value)) = loaded else { return };
        let old = entries.get(&self.key);
        if is_wanted && old.is_none_or(|old| replaces(value, &old.value)) {
            let entry = Entry { value: value.clone(), until: Instant::now() + time_to_live };
            entries.insert(self.key.clone(), entry);
        }
        drop(flights);
    }
}

impl<V> Drop for Landing<V> {
    fn drop(&mut self) {
        self.tier.flights().remove(&self.key, self.number);
    }
}

fn counter(result: &'static str) -> Counter {
    metrics::counter!("hubbub_cache_requests_total", "tier" => "memory", "result" => result)
}
