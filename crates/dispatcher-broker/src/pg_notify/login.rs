//! Watches the login of a connection: which way the server wants to be convinced, and which process it is.
//!
//! Looks at the messages of the server up to its first "ready for query" and then steps aside. It ends a login
//! before a password leaves in a way that `require_auth` forbids, and never changes a byte.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsStream};

use super::conninfo::config;
use crate::BrokerError;

/// `require_auth`: ways to log in, by the code the server asks for them with.
const METHODS: &[(&str, &[i32])] = &[
    ("none", &[0]),
    ("password", &[3]),
    ("md5", &[5]),
    ("gss", &[7, 8]),
    ("sspi", &[9]),
    ("scram-sha-256", &[10]),
];

/// Which ways to log in are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AuthPolicy {
    names: Vec<&'static str>,
    /// The names are what is forbidden.
    negated: bool,
}

impl AuthPolicy {
    /// A comma-separated list, of names only or of `!name` only; empty allows everything.
    pub(super) fn parse(text: &str) -> Result<Self, BrokerError> {
        let mut policy = Self { names: Vec::new(), negated: true };
        for (at, entry) in text.split(',').map(str::trim).filter(|_| !text.is_empty()).enumerate() {
            let (name, negated) = entry.strip_prefix('!').map_or((entry, false), |name| (name, true));
            if at > 0 && negated != policy.negated {
                return Err(config("require_auth mixes methods with and without \"!\""));
            }
            policy.negated = negated;
            let (known, _) = METHODS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
                let names: Vec<_> = METHODS.iter().map(|(known, _)| *known).collect();
                config(format!("require_auth={name:?} is none of: {}", names.join(", ")))
            })?;
            policy.names.push(known);
        }
        Ok(policy)
    }

    fn allows(&self, code: i32) -> bool {
        let named = METHODS.iter().any(|(name, codes)| codes.contains(&code) && self.names.contains(name));
        named != self.negated
    }
}

/// What one login may do, and what was seen of it.
#[derive(Debug, Default)]
pub(super) struct Login {
    pub(super) policy: AuthPolicy,
    pub(super) has_password: bool,
    /// The server's process, as it names itself to this connection; 0 until known.
    pub(super) pid: AtomicI32,
}

/// A stream to a server, watched until the login is over.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    login: Arc<Login>,
    watch: Option<Watch>,
}

/// Where in the server's messages we are.
#[derive(Debug, Default)]
struct Watch {
    /// Type, length, and the first four bytes of the body of those messages that are looked into.
    head: [u8; 9],
    have: usize,
    skip: usize,
    /// The server has asked for a proof of some kind.
    asked: bool,
}

impl<S> Watched<S> {
    /// Watches a stream that carries the protocol itself.
    pub(super) fn new(stream: S, login: Arc<Login>) -> Self {
        Self { stream, login, watch: Some(Watch::default()) }
    }

    /// Carries a stream that will be encrypted first.
    pub(super) fn unwatched(stream: S, login: Arc<Login>) -> Self {
        Self { stream, login, watch: None }
    }

    pub(super) fn into_parts(self) -> (S, Arc<Login>) {
        (self.stream, self.login)
    }
}

impl Watch {
    /// Takes the next bytes of the server; true when the login is over.
    fn feed(&mut self, mut bytes: &[u8], login: &Login) -> io::Result<bool> {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let Some((byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            self.head[self.have] = *byte;
            self.have += 1;
            if self.have < 5 {
                continue;
            }
            let length =
                u32::from_be_bytes([self.head[1], self.head[2], self.head[3], self.head[4]]) as usize;
            let body = length
                .checked_sub(4)
                .ok_or_else(|| io::Error::other("the server does not speak PostgreSQL"))?;
            let wanted = if matches!(self.head[0], b'R' | b'K') { body.min(4) } else { 0 };
            if self.have < 5 + wanted {
                continue;
            }
            (self.skip, self.have) = (body - wanted, 0);
            let number = i32::from_be_bytes([self.head[5], self.head[6], self.head[7], self.head[8]]);
            match self.head[0] {
                b'R' => self.request(number, login)?,
                b'K' => login.pid.store(number, Ordering::Relaxed),
                b'Z' => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }

    /// The server asks for a proof, goes on with one (8, 11, 12), or is content (0).
    fn request(&mut self, code: i32, login: &Login) -> io::Result<()> {
        let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
        match code {
            0 | 8 | 11 | 12 if self.asked => Ok(()),
            code if !login.policy.allows(code) => {
                refused("the server asks for a login that require_auth forbids")
            }
            3 | 5 | 10 if !login.has_password => refused(
                "the server asks for a password and none is set (password, PGPASSWORD or a password file)",
            ),
            7 | 9 => refused("the server asks for a Kerberos login, which is not spoken here"),
            _ => {
                self.asked = true;
                Ok(())
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if let Some(watch) = &mut this.watch
            && watch.feed(&buf.filled()[before..], &this.login)?
        {
            this.watch = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: TlsStream> TlsStream for Watched<S>
where
    Self: AsyncRead + AsyncWrite,
{
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn ask(code: i32) -> Vec<u8> {
        message(b'R', &code.to_be_bytes())
    }

    /// The outcome of what a server sends, given to the watch in pieces of one size.
    fn login(policy: &str, has_password: bool, bytes: &[u8], piece: usize) -> (io::Result<bool>, i32) {
        let login = Login { policy: AuthPolicy::parse(policy).unwrap(), has_password, ..Login::default() };
        let mut watch = Watch::default();
        let mut done = Ok(false);
        for piece in bytes.chunks(piece) {
            done = watch.feed(piece, &login);
            if !matches!(done, Ok(false)) {
                break;
            }
        }
        (done, login.pid.load(Ordering::Relaxed))
    }

    #[test]
    fn whole_login_is_followed_in_pieces_of_any_size() {
        let scram = message(b'R', &[10i32.to_be_bytes().as_slice(), b"SCRAM-SHA-256\0\0"].concat());
        let key = message(b'K', &[77i32.to_be_bytes(), [9; 4]].concat());
        let notice = message(b'N', &[b'x'; 300]);
        let bytes =
            [scram, ask(11), ask(12), notice, ask(0), message(b'S', b"a\0b\0"), key, message(b'Z', b"I")]
                .concat();
        for piece in 1..bytes.len() {
            let (done, pid) = login("scram-sha-256", true, &bytes, piece);
            assert!(done.unwrap(), "pieces of {piece}");
            assert_eq!(pid, 77);
        }
    }

    #[test]
    fn login_that_the_policy_forbids_ends_before_anything_is_answered() {
        for (policy, asked, fine) in [
            ("", 3, true),
            ("scram-sha-256", 3, false),
            ("scram-sha-256", 5, false),
            ("scram-sha-256", 0, false),
            ("scram-sha-256,none", 0, true),
            ("!password,!md5", 5, false),
            ("!password,!md5", 10, true),
            ("!none", 0, false),
        ] {
            assert_eq!(login(policy, true, &ask(asked), 9).0.is_ok(), fine, "{policy} {asked}");
        }
    }

    #[test]
    fn missing_password_is_said_instead_of_sent() {
        let error = login("", false, &ask(10), 9).0.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("PGPASSWORD"), "{error}");
        assert!(login("", false, &ask(0), 9).0.is_ok());
    }

    #[test]
    fn something_else_than_a_server_is_noticed() {
        assert!(
            login("", false, b"HTTP/1.1 400 Bad Request", 9).0.is_ok(),
            "a long message, as far as one can tell"
        );
        assert!(login("", false, &[b'R', 0, 0, 0, 0], 9).0.is_err());
    }
}
