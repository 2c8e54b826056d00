//! A proxy between a broker and its server that misbehaves on command. Speaks unencrypted connections only.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What the proxy does with what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Nothing.
    Pass,
    /// Closes new connections at once.
    Refuse,
    /// Accepts, and then lets nothing through.
    Blackhole,
    /// Drops notifications.
    Mute,
    /// A pooler in session mode: names a process of its own at the login, and is faithful otherwise.
    SessionPooler,
    /// A pooler in transaction mode: as above, and a notification gets through only while a statement is under way.
    TransactionPooler,
}

const MODES: [Mode; 6] =
    [Mode::Pass, Mode::Refuse, Mode::Blackhole, Mode::Mute, Mode::SessionPooler, Mode::TransactionPooler];

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    accepted: AtomicUsize,
}

impl State {
    fn mode(&self) -> Mode {
        MODES[usize::from(self.mode.load(Ordering::SeqCst))]
    }
}

impl Proxy {
    /// Before the server at that port of this machine.
    pub(crate) async fn before(port: u16, mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own_port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { mode: AtomicU8::new(mode as u8), accepted: AtomicUsize::new(0) });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                shared.accepted.fetch_add(1, Ordering::SeqCst);
                if shared.mode() != Mode::Refuse {
                    tokio::spawn(carry(client, port, Arc::clone(&shared)));
                }
            }
        });
        Self { port: own_port, state }
    }

    /// Changes the mode, for open connections too.
    pub(crate) fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
    }

    /// How many connections were made to it.
    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, port: u16, state: Arc<State>) {
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    // The login counts as a statement.
    let under_way = Arc::new(AtomicI32::new(1));
    let up = upwards(client_read, server_write, Arc::clone(&state), Arc::clone(&under_way));
    let down = downwards(server_read, client_write, state, under_way);
    // When one side ends, both are closed.
    tokio::select! { _ = up => {}, _ = down => {} }
}

async fn upwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: Arc<State>,
    under_way: Arc<AtomicI32>,
) -> std::io::Result<()> {
    let length = from.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    from.read_exact(&mut body).await?;
    if state.mode() != Mode::Blackhole {
        to.write_all(&[length.to_be_bytes().as_slice(), &body].concat()).await?;
    }
    loop {
        let message = read_message(&mut from).await?;
        if matches!(message[0], b'Q' | b'S') {
            under_way.fetch_add(1, Ordering::SeqCst);
        }
        if state.mode() != Mode::Blackhole {
            to.write_all(&message).await?;
        }
    }
}

async fn downwards(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: Arc<State>,
    under_way: Arc<AtomicI32>,
) -> std::io::Result<()> {
    loop {
        let mut message = read_message(&mut from).await?;
        match (message[0], state.mode()) {
            (_, Mode::Blackhole) | (b'A', Mode::Mute) => continue,
            (b'A', Mode::TransactionPooler) if under_way.load(Ordering::SeqCst) == 0 => continue,
            (b'K', Mode::SessionPooler | Mode::TransactionPooler) => message[5] ^= 0x40,
            (b'Z', _) => {
                under_way.fetch_sub(1, Ordering::SeqCst);
            }
            _ => {}
        }
        to.write_all(&message).await?;
    }
}

async fn read_message(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    let length = from.read_u32().await?;
    let mut message = vec![kind];
    message.extend(length.to_be_bytes());
    message.resize(length as usize + 1, 0);
    from.read_exact(&mut message[5..]).await?;
    Ok(message)
}
