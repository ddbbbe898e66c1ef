//! The accept loop: connections within their limits, and a drain at the end.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http::Request;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use crate::{edge::Edge, pace::Pace, settings::HttpSettings, socket::Socket};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 1024;
/// The pause after an accept that failed for want of file descriptors or memory: connections that end free them.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// hyper's buffers of a connection, for reading and for writing.
const MAX_BUFFER: usize = 128 * 1024;
/// Being at the cap is said at most this often.
const FULL_WARNING: Duration = Duration::from_secs(10);

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Someone listens there.
    #[error(
        "address {0} is already in use: another process listens there; end it, or choose another address to listen on"
    )]
    InUse(SocketAddr),
    /// The address belongs to none of the machine's interfaces.
    #[error(
        "address {0} is not one of this machine's: listen on 127.0.0.1, on 0.0.0.0 for all interfaces, or on one of its own"
    )]
    NotAvailable(SocketAddr),
    /// The process may not.
    #[error(
        "address {0} may not be listened on by this user: ports below 1024 need a privilege; choose a higher one"
    )]
    NotPermitted(SocketAddr),
    /// Anything else.
    #[error("address {address} cannot be listened on: {source}")]
    Other {
        /// Where it was tried.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

impl BindError {
    fn of(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::AddrNotAvailable => Self::NotAvailable(address),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(address),
            _ => Self::Other { address, source },
        }
    }
}

/// How a server ends. Cancelling `stop` closes the port and all idle connections at once; requests in flight get
/// `finish` to come to their end, then they are dropped. A process that should be seen as unready while it still serves
/// says so and waits before it cancels.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Cancelled to stop accepting.
    pub stop: CancellationToken,
    /// How long requests in flight may take after that.
    pub finish: Duration,
}

/// A port that listens.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    max_connections: usize,
    header_timeout: Duration,
    idle_timeout: Duration,
    http: http1::Builder,
}

impl Server {
    /// Opens the port; connections wait until the server is served. Needs a tokio runtime.
    pub fn bind(settings: &HttpSettings) -> Result<Self, BindError> {
        let listen = settings.listen;
        let failed = |source| BindError::of(listen, source);
        let socket = if listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
            .map_err(failed)?;
        // A restart must not wait for the connections of its predecessor to be forgotten.
        socket.set_reuseaddr(true).map_err(failed)?;
        socket.bind(listen).map_err(failed)?;
        let listener = socket.listen(BACKLOG).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;

        let max_header = usize::try_from(settings.max_header_bytes.as_u64()).unwrap_or(usize::MAX);
        let mut http = http1::Builder::new();
        // The socket keeps the time.
        http.header_read_timeout(None);
        http.max_header_size(max_header);
        http.max_buf_size(MAX_BUFFER);
        // Not pipeline_flush: it withholds a response while any byte stands behind its request, be it a stray line end.
        Ok(Self {
            listener,
            address,
            max_connections: settings.max_connections.get().min(Semaphore::MAX_PERMITS),
            header_timeout: settings.header_timeout,
            idle_timeout: settings.idle_timeout,
            http,
        })
    }

    /// Where it listens: with the port that the system chose, if it was asked to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the drain is over.
    pub async fn serve(self, edge: Edge, drain: Drain) {
        let connections = TaskTracker::new();
        drain.stop.run_until_cancelled(self.accept_all(&connections, &edge, &drain)).await;
        drop(self.listener);
        connections.close();
        connections.wait().await;
    }

    /// Accepts while there are slots. At the cap it stops accepting: the kernel's queue holds who comes, which costs less
    /// than any answer would, and each connection that ends lets one in.
    async fn accept_all(&self, connections: &TaskTracker, edge: &Edge, drain: &Drain) {
        let slots = Arc::new(Semaphore::new(self.max_connections));
        let mut warned: Option<Instant> = None;
        loop {
            if slots.available_permits() == 0 && warned.is_none_or(|at| at.elapsed() > FULL_WARNING)
            {
                warned = Some(Instant::now());
                let max_connections = self.max_connections;
                warn!(address = %self.address, max_connections, "all connections are taken: new ones wait");
            }
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                return;
            };
            let stream = self.accept().await;
            connections.spawn(self.connection(stream, edge.clone(), drain.clone(), slot));
        }
    }

    async fn accept(&self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    warn!(address = %self.address, %error, "cannot accept connections, trying again");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves one connection to its end.
    fn connection(
        &self,
        stream: TcpStream,
        edge: Edge,
        drain: Drain,
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let pace = Arc::new(Pace::new(self.header_timeout, self.idle_timeout));
        let http = self.http.clone();
        async move {
            let _slot = slot;
            if let Err(error) = stream.set_nodelay(true) {
                debug!(%error, "connection lost before its first request");
                return;
            }
            let socket = TokioIo::new(Socket::new(stream, Arc::clone(&pace)));
            let service = service_fn(|request: Request<Incoming>| {
                let started = pace.begin();
                let (edge, pace) = (edge.clone(), Arc::clone(&pace));
                async move {
                    let response = edge.respond_since(request.map(Body::new), started).await;
                    Ok::<_, std::convert::Infallible>(response.map(|body| Paced { body, pace }))
                }
            });
            let mut connection = pin!(http.serve_connection(socket, service));
            let served = tokio::select! {
                biased;
                served = connection.as_mut() => served,
                () = drain.stop.cancelled() => {
                    pace.stop();
                    connection.as_mut().graceful_shutdown();
                    match timeout(drain.finish, connection).await {
                        Ok(served) => served,
                        Err(_) => {
                            warn!(finish = ?drain.finish, "a request in flight was dropped at the end of the drain");
                            return;
                        }
                    }
                }
            };
            if let Err(error) = served {
                debug!(error = &error as &dyn std::error::Error, "connection broke");
            }
        }
    }
}

/// Errors of accept that belong to the connection, which is gone, and not to the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// A response's body, whose end is the end of the request.
struct Paced {
    body: Body,
    pace: Arc<Pace>,
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.pace.rest();
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
