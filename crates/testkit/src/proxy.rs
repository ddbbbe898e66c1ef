//! A bad network: a proxy between a program and a server that slows down, holds back and cuts what passes.

use std::{net::SocketAddr, time::Duration};

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
    accepting: AbortHandle,
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
        let accepting = tokio::spawn(accept(listener, way.clone(), server.clone()));
        Self { address, way, server, accepting: accepting.abort_handle() }
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
) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(connect(client, way.subscribe(), server.subscribe()));
    }
}

async fn connect(
    client: TcpStream,
    mut way: watch::Receiver<Way>,
    mut server: watch::Receiver<Option<String>>,
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
        () = forward(from_client, to_server, requests, Way::RequestsHeld) => {}
        () = forward(from_server, to_client, answers, Way::AnswersHeld) => {}
        _ = way.wait_for(|way| *way == Way::Reset) => {}
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut way: watch::Receiver<Way>,
    held: Way,
) {
    let mut piece = vec![0; 64 << 10];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else {
            return;
        };
        let Ok(now) = way.wait_for(|way| *way != held).await.map(|way| *way) else {
            return;
        };
        if let Way::Slow(by) = now {
            sleep(by).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
