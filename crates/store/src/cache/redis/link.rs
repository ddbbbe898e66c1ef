//! One connection to Redis, made again whenever it fails.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ::redis::{
    AsyncConnectionConfig, Client, Pipeline, RedisError, Value,
    aio::{ConnectionLike, MultiplexedConnection},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

/// How long a new connection may take until Redis answers on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// Requests that a connection takes before it has sent the first of them.
const BUFFER: usize = 1024;

/// A connection that is shared by all who send at a time. It is given up at the first
/// request that is not answered in time; until there is a new one nobody waits.
pub(super) struct Link {
    current: Mutex<Current>,
    failed: Notify,
    tried: watch::Sender<bool>,
    response_timeout: Duration,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// Of the connection: a late failure of an older one does not end it.
    number: u64,
}

impl Link {
    /// Keeps a connection from now on.
    pub(super) fn spawn(
        client: &Client,
        response_timeout: Duration,
        tasks: &mut JoinSet<()>,
    ) -> Arc<Self> {
        let link = Arc::new(Self {
            current: Mutex::default(),
            failed: Notify::new(),
            tried: watch::Sender::new(false),
            response_timeout,
        });
        tasks.spawn(Arc::clone(&link).keep(client.clone()));
        link
    }

    /// Whether there is a connection, as far as is known.
    pub(super) fn is_up(&self) -> bool {
        self.current().connection.is_some()
    }

    /// Waits until the first try to connect has ended.
    pub(super) async fn tried(&self) {
        // The sender lives as long as `self`.
        let _ = self.tried.subscribe().wait_for(|tried| *tried).await;
    }

    /// Sends commands and brings what each was answered; `None` where they were not. An
    /// answer that refuses a command is one.
    pub(super) async fn request(&self, commands: &Pipeline) -> Option<Vec<Value>> {
        let (mut connection, number) = {
            let current = self.current();
            (current.connection.clone()?, current.number)
        };
        let answers = connection.req_packed_commands(commands, 0, commands.len());
        let failure = match timeout(self.response_timeout, answers).await {
            Ok(Ok(answers)) => return Some(answers),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {:?}", self.response_timeout),
        };
        self.give_up(number, &failure);
        None
    }

    fn give_up(&self, number: u64, failure: &str) {
        let mut current = self.current();
        if current.number == number && current.connection.take().is_some() {
            tracing::warn!(failure, "Redis is away, so reads go to the store");
            self.failed.notify_one();
        }
    }

    async fn keep(self: Arc<Self>, client: Client) {
        let mut is_first = true;
        loop {
            match connect(&client).await {
                Ok(connection) => {
                    {
                        let mut current = self.current();
                        current.connection = Some(connection);
                        current.number += 1;
                    }
                    tracing::info!("Redis answers");
                    self.tried.send_replace(true);
                    self.failed.notified().await;
                }
                Err(error) => {
                    if is_first {
                        tracing::warn!(%error, "Redis does not answer, so reads go to the store");
                    }
                    self.tried.send_replace(true);
                    sleep(PAUSE).await;
                }
            }
            is_first = false;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on which Redis has answered: one that still loads its data has not.
async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(BUFFER);
    let connecting = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        ::redis::cmd("PING").exec_async(&mut connection).await?;
        Ok(connection)
    };
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
}
