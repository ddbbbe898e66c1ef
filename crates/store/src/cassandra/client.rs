//! The way to the cluster: connections, and how many requests are under way.

use std::{
    future::ready,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream};
use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    frame::types::Consistency,
    policies::load_balancing::DefaultPolicy,
    response::query_result::QueryResult,
    serialize::{batch::BatchValues, row::SerializeRow},
    statement::{Statement, batch::Batch, bound::BoundStatement, prepared::PreparedStatement},
};
use secrecy::ExposeSecret;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::{
    CassandraSettings,
    error::{mistake, of_prepare, of_request, of_start},
};
use crate::Error;

/// The waits between tries to start.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Sends requests, so many at a time.
pub(super) struct Client {
    session: Session,
    permits: Arc<Semaphore>,
    max_in_flight: usize,
}

impl Client {
    /// Connects, once.
    pub(super) async fn connect(settings: &CassandraSettings) -> Result<Self, Error> {
        let connections = settings.connections_per_node.try_into().map_err(mistake)?;
        let mut builder = SessionBuilder::new()
            .known_nodes(&settings.contact_points)
            .keyspaces_to_fetch([settings.keyspace.to_string()])
            .pool_size(PoolSize::PerHost(connections))
            .tls_context(settings.tls.client_config()?.map(Arc::new))
            .default_execution_profile_handle(profile(settings).into_handle());
        if !settings.username.is_empty() {
            builder = builder.user(&settings.username, settings.password.expose_secret());
        }
        let at = settings.contact_points.join(", ");
        let session = builder.build().await.map_err(|error| of_start(&at, &error))?;
        let max_in_flight = settings.max_in_flight;
        let permits = Arc::new(Semaphore::new(max_in_flight));
        let client = Self { session, permits, max_in_flight };
        client.check_datacenter(&settings.local_datacenter)?;
        Ok(client)
    }

    /// With a name that no node has, every request would fail for want of a node.
    fn check_datacenter(&self, wanted: &str) -> Result<(), Error> {
        let cluster = self.session.get_cluster_state();
        let nodes = cluster.get_nodes_info().iter();
        let mut known: Vec<_> = nodes.filter_map(|node| node.datacenter.as_deref()).collect();
        known.sort_unstable();
        known.dedup();
        if known.contains(&wanted) {
            return Ok(());
        }
        Err(Error::Permanent(format!(
            "local_datacenter is {wanted:?}, and the cluster's nodes are in {}",
            known.join(", ")
        )))
    }

    /// Prepares a statement; it may be sent again whenever an answer is lost.
    pub(super) async fn prepare(&self, statement: String) -> Result<PreparedStatement, Error> {
        let prepared = self.session.prepare(statement.as_str()).await;
        let mut prepared = prepared.map_err(|error| of_prepare(&statement, &error))?;
        prepared.set_is_idempotent(true);
        // The columns are named one by one, so they do not change with the table.
        prepared.set_use_cached_result_metadata(true);
        Ok(prepared)
    }

    /// Does some work for each of `requests`, many at a time, and returns what comes of
    /// each, in their order. After a failure no more are begun.
    ///
    /// All of it runs as one task: a task for each would cost three times the CPU. And
    /// the task outlives the caller: the driver gives up a connection on which many
    /// requests were abandoned.
    pub(super) async fn each<R, A, F>(
        self: &Arc<Self>,
        requests: Vec<R>,
        work: impl Fn(Arc<Self>, R) -> F + Send + Sync + 'static,
    ) -> Result<Vec<A>, Error>
    where
        R: Send + 'static,
        A: Send + 'static,
        F: Future<Output = Result<A, Error>> + Send,
    {
        let client = Arc::clone(self);
        let all = tokio::spawn(async move { client.work_through(requests, work).await });
        all.await.map_err(|error| mistake(format_args!("a request was broken off: {error}")))?
    }

    async fn work_through<R, A, F>(
        self: &Arc<Self>,
        requests: Vec<R>,
        work: impl Fn(Arc<Self>, R) -> F,
    ) -> Result<Vec<A>, Error>
    where
        F: Future<Output = Result<A, Error>>,
    {
        let has_failed = AtomicBool::new(false);
        let work = &work;
        let mut done = Vec::with_capacity(requests.len());
        let mut failure = None;
        let begun = stream::iter(requests.into_iter().enumerate())
            .take_while(|_| ready(!has_failed.load(Ordering::Relaxed)))
            // Before anything is made for a request: what the driver needs for one takes
            // kilobytes, and all partitions of a worker wait here with hundreds.
            .then(|request| {
                let permit = Arc::clone(&self.permits).acquire_owned();
                async move { (permit.await, request) }
            })
            .map(|(permit, (place, request))| {
                // Boxed, as it would be moved several times on its way into the buffer.
                Box::pin(async move {
                    let _permit = permit.map_err(mistake)?;
                    Ok((place, work(Arc::clone(self), request).await?))
                })
            });
        // Not `buffered`, with which one slow request would hold up those behind it.
        let mut results = pin!(begun.buffer_unordered(self.max_in_flight));
        while let Some(result) = results.next().await {
            match result {
                Ok(result) => done.push(result),
                Err(error) => {
                    has_failed.store(true, Ordering::Relaxed);
                    failure.get_or_insert(error);
                }
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        done.sort_unstable_by_key(|(place, _)| *place);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    /// Sends a statement of [`Client::each`].
    pub(super) async fn execute(&self, statement: &BoundStatement) -> Result<QueryResult, Error> {
        self.session.execute_bound_unpaged(statement).await.map_err(|error| of_request(&error))
    }

    /// The same for a batch.
    pub(super) async fn batch(
        &self,
        batch: &Batch,
        values: impl BatchValues,
    ) -> Result<QueryResult, Error> {
        self.session.batch(batch, values).await.map_err(|error| of_request(&error))
    }

    /// Sends a statement that is not worth preparing, and waits for its answer.
    pub(super) async fn query(
        &self,
        statement: impl Into<Statement>,
        values: impl SerializeRow,
    ) -> Result<QueryResult, Error> {
        self.session.query_unpaged(statement, values).await.map_err(|error| of_request(&error))
    }
}

fn profile(settings: &CassandraSettings) -> ExecutionProfile {
    let nodes = DefaultPolicy::builder().prefer_datacenter(settings.local_datacenter.clone());
    ExecutionProfile::builder()
        .consistency(Consistency::LocalQuorum)
        .request_timeout(Some(settings.request_timeout))
        .load_balancing_policy(nodes.build())
        .build()
}

/// Tries to start until it works, it cannot work, or the time is over: a cluster that
/// is started together with this process needs longer than it.
pub(super) async fn until_started<A, F>(
    timeout: Duration,
    mut start: impl FnMut() -> F,
) -> Result<A, Error>
where
    F: Future<Output = Result<A, Error>>,
{
    let deadline = Instant::now() + timeout;
    let mut wait = FIRST_WAIT;
    loop {
        let error = match start().await {
            Err(error @ Error::Transient(_)) => error,
            settled => return settled,
        };
        if Instant::now() + wait > deadline {
            return Err(error);
        }
        tracing::warn!(%error, wait_ms = wait.as_millis(), "Cassandra cannot be used yet");
        sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
}
