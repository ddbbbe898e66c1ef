//! Keyspaces of a test's own on the Cassandra of the stack.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use hubbub_events::Timestamp;
use hubbub_store::{
    CassandraSettings, CassandraStore, Error, Store, TlsSettings,
    cassandra::{Replication, Schema},
};
use hubbub_tables::{PostLikes, Table};
use hubbub_testkit::stack;
use scylla::client::{session::Session, session_builder::SessionBuilder};
use secrecy::SecretString;

/// A keyspace, dropped with this.
pub struct Keyspace {
    name: String,
}

impl Keyspace {
    /// A name that no keyspace has; nothing is made.
    pub fn absent() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now().0;
        Self { name: format!("hubbub_test_{now}_{}_{next}", std::process::id()) }
    }

    /// One with the whole schema.
    pub async fn new() -> Self {
        let keyspace = Self::absent();
        Schema::connect(&keyspace.settings()).await.unwrap().apply().await.unwrap();
        keyspace
    }

    /// One that all tests running at the moment share, with a second build of the likes.
    /// Whoever uses it writes under keys of its own.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Keyspace>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keyspace) = shared.upgrade() {
            return keyspace;
        }
        let keyspace = on_a_runtime(async || {
            let keyspace = Self::new().await;
            keyspace.open().await.make_build(&[PostLikes::NAME], 2).await.unwrap();
            keyspace
        });
        let keyspace = Arc::new(keyspace);
        *shared = Arc::downgrade(&keyspace);
        keyspace
    }

    pub fn settings(&self) -> CassandraSettings {
        CassandraSettings {
            contact_points: vec![stack::cassandra()],
            local_datacenter: "datacenter1".to_owned(),
            keyspace: self.name.clone().try_into().unwrap(),
            replication: Replication::try_from(vec!["datacenter1:1".to_owned()]).unwrap(),
            username: String::new(),
            password: SecretString::default(),
            tls: TlsSettings::default(),
            connections_per_node: 1,
            max_in_flight: 256,
            request_timeout: Duration::from_secs(20),
            start_timeout: Duration::from_secs(20),
        }
    }

    pub async fn open(&self) -> CassandraStore {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<CassandraStore, Error> {
        CassandraStore::connect(&self.settings()).await
    }

    /// A session beside the store's, as an operator with cqlsh has.
    pub async fn session(&self) -> Session {
        let session = session().await;
        session.use_keyspace(&self.name, false).await.unwrap();
        session
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let statement = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        on_a_runtime(async || {
            session().await.query_unpaged(statement, ()).await.unwrap();
        });
    }
}

async fn session() -> Session {
    SessionBuilder::new()
        .known_node(stack::cassandra())
        .fetch_schema_metadata(false)
        .build()
        .await
        .unwrap()
}

/// Runs a future where there may already be a runtime, or none.
fn on_a_runtime<A: Send>(run: impl AsyncFnOnce() -> A + Send) -> A {
    thread::scope(|scope| {
        let run = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run())
        });
        run.join().unwrap()
    })
}
