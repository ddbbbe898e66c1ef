//! Stands between the store and Cassandra: counts requests, and loses or holds what
//! passes.

use std::{
    collections::HashSet,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use hubbub_testkit::stack;

/// The opcodes of requests that tables are read and written with.
const EXECUTE: u8 = 0x0a;
const BATCH: u8 = 0x0d;

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    way: watch::Sender<Way>,
    /// Connections that were refused.
    refused: AtomicUsize,
    /// Requests without an answer, by connection and stream.
    in_flight: Mutex<HashSet<(usize, [u8; 2])>>,
    changed: watch::Sender<()>,
    peak: AtomicUsize,
}

/// What happens to what passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It passes.
    Open,
    /// Answers wait.
    Held,
    /// Connections are cut, and new ones refused.
    Cut,
}

impl Proxy {
    pub async fn start(way: Way) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            way: watch::Sender::new(way),
            refused: AtomicUsize::new(0),
            in_flight: Mutex::default(),
            changed: watch::Sender::new(()),
            peak: AtomicUsize::new(0),
        });
        let proxy = Self { address: listener.local_addr().unwrap(), shared: Arc::clone(&shared) };
        tokio::spawn(async move {
            for connection in 0.. {
                let (client, _) = listener.accept().await.unwrap();
                if *shared.way.borrow() == Way::Cut {
                    shared.refused.fetch_add(1, Ordering::Relaxed);
                    shared.changed.send_replace(());
                    continue;
                }
                tokio::spawn(Arc::clone(&shared).serve(connection, client));
            }
        });
        proxy
    }

    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn set(&self, way: Way) {
        self.shared.way.send_replace(way);
    }

    /// The most requests that were ever in flight.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::Relaxed)
    }

    pub async fn until_in_flight(&self, count: usize) {
        self.until(|shared| shared.in_flight.lock().unwrap().len() == count).await;
    }

    pub async fn until_refused(&self, count: usize) {
        self.until(|shared| shared.refused.load(Ordering::Relaxed) >= count).await;
    }

    async fn until(&self, is_so: impl Fn(&Shared) -> bool) {
        let mut changed = self.shared.changed.subscribe();
        while !is_so(&self.shared) {
            changed.changed().await.unwrap();
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Self>, connection: usize, client: TcpStream) {
        let server = TcpStream::connect(stack::cassandra()).await.unwrap();
        let (from_client, to_client) = split(client);
        let (from_server, to_server) = split(server);
        let mut way = self.way.subscribe();
        tokio::select! {
            () = self.forward_requests(connection, from_client, to_server) => {}
            () = self.forward_answers(connection, from_server, to_client) => {}
            _ = way.wait_for(|way| *way == Way::Cut) => {}
        }
        self.in_flight.lock().unwrap().retain(|(of, _)| *of != connection);
        self.changed.send_replace(());
    }

    async fn forward_requests(
        &self,
        connection: usize,
        mut from: ReadHalf<TcpStream>,
        mut to: WriteHalf<TcpStream>,
    ) {
        while let Some(frame) = read_frame(&mut from).await {
            if matches!(frame[4], EXECUTE | BATCH) {
                let mut in_flight = self.in_flight.lock().unwrap();
                in_flight.insert((connection, [frame[2], frame[3]]));
                self.peak.fetch_max(in_flight.len(), Ordering::Relaxed);
            }
            self.changed.send_replace(());
            if to.write_all(&frame).await.is_err() {
                return;
            }
        }
    }

    async fn forward_answers(
        &self,
        connection: usize,
        mut from: ReadHalf<TcpStream>,
        mut to: WriteHalf<TcpStream>,
    ) {
        let mut way = self.way.subscribe();
        while let Some(frame) = read_frame(&mut from).await {
            way.wait_for(|way| *way != Way::Held).await.unwrap();
            self.in_flight.lock().unwrap().remove(&(connection, [frame[2], frame[3]]));
            self.changed.send_replace(());
            if to.write_all(&frame).await.is_err() {
                return;
            }
        }
    }
}

/// A frame of the native protocol, version 4: nine bytes, the last four of them the
/// length of what follows.
async fn read_frame(from: &mut ReadHalf<TcpStream>) -> Option<Vec<u8>> {
    let mut header = [0; 9];
    from.read_exact(&mut header).await.ok()?;
    let length = u32::from_be_bytes(header[5..].try_into().ok()?) as usize;
    let mut frame = vec![0; 9 + length];
    frame[..9].copy_from_slice(&header);
    from.read_exact(&mut frame[9..]).await.ok()?;
    Some(frame)
}
