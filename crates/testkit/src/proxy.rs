//! A bad network: a proxy between a program and a server that slows down, holds back and cuts what passes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
    time::sleep,
};

/// What happens to what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It passes.
    Open,
    /// Every piece of it comes later by this, in both directions.
    Slow(Duration),
    /// What the program sends does not arrive; what the server sends does.
    RequestsHeld,
    /// What the server sends does not arrive; what the program sends does.
    AnswersHeld,
    /// Connections are reset, new ones too.
    Reset,
}

/// A running proxy, which ends, with all of its connections, when this is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    server: watch::Sender<Option<String>>,
    met: Arc<Met>,
    accepting: AbortHandle,
}

/// What has met something else than an open way.
#[derive(Debug, Default)]
struct Met {
    slowed: AtomicUsize,
    held: AtomicUsize,
    reset: AtomicUsize,
}

impl Proxy {
    /// Starts one on a free port, for a server that is named later. Needs a tokio runtime.
    ///
    /// # Panics
    /// Where there is no port.
    #[must_use]
    pub fn start() -> Self {
        let bind = || {
            let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listener = bind().unwrap_or_else(|error| panic!("no port for a proxy: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let (way, server) = (watch::Sender::new(Way::Open), watch::Sender::new(None));
        let met = Arc::<Met>::default();
        let accepting = accept(listener, way.clone(), server.clone(), Arc::clone(&met));
        let accepting = tokio::spawn(accepting).abort_handle();
        Self { address, way, server, met, accepting }
    }

    /// Where it is connected to, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Names the server behind it.
    pub fn lead_to(&self, server: String) {
        self.server.send_replace(Some(server));
    }

    /// What was slowed down or held back so far, in pieces, and reset, in connections.
    #[must_use]
    pub fn met(&self) -> [usize; 3] {
        let Met { slowed, held, reset } = &*self.met;
        [slowed, held, reset].map(|count| count.load(Ordering::Relaxed))
    }

    /// Changes what happens to what passes, from now on.
    pub fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.way.send_replace(Way::Reset);
    }
}

async fn accept(
    listener: TcpListener,
    way: watch::Sender<Way>,
    server: watch::Sender<Option<String>>,
    met: Arc<Met>,
) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, way.subscribe(), server.subscribe(), Arc::clone(&met)));
    }
}

async fn connect(
    client: TcpStream,
    mut way: watch::Receiver<Way>,
    mut server: watch::Receiver<Option<String>>,
    met: Arc<Met>,
) {
    // What is closed with this sends a reset, in place of an orderly end.
    let _ = client.set_zero_linger();
    let Ok(address) = server.wait_for(Option::is_some).await.map(|server| server.clone()) else {
        return;
    };
    let Ok(server) = TcpStream::connect(address.unwrap_or_default()).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true), server.set_zero_linger());
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let (requests, answers) = (way.clone(), way.clone());
    tokio::select! {
        () = forward(from_client, to_server, requests, Way::RequestsHeld, &met) => {}
        () = forward(from_server, to_client, answers, Way::AnswersHeld, &met) => {}
        _ = way.wait_for(|way| *way == Way::Reset) => {
            met.reset.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    held: Way,
    met: &Met,
) {
    let mut piece = vec![0; 64 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            return;
        };
        if *way.borrow() == held {
            met.held.fetch_add(1, Ordering::Relaxed);
        }
        let Ok(now) = way.wait_for(|way| *way != held).await.map(|way| *way) else {
            return;
        };
        if let Way::Slow(by) = now {
            met.slowed.fetch_add(1, Ordering::Relaxed);
            sleep(by).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
