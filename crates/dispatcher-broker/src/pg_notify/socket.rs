//! The bare line to a server: TCP with its timers set, or a Unix socket.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::target::{Host, Keepalive};

/// One address of a host.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// An open line.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Every address of a host. The lookup runs on a thread of its own; the caller gives it a deadline.
pub(super) async fn resolve(host: &Host) -> io::Result<Vec<Address>> {
    if let Some(path) = host.socket_path() {
        return Ok(vec![Address::Unix(path)]);
    }
    if let Some(addr) = host.addr {
        return Ok(vec![Address::Tcp(SocketAddr::new(addr, host.port))]);
    }
    let found = tokio::net::lookup_host((host.name.as_str(), host.port)).await?;
    Ok(found.map(Address::Tcp).collect())
}

/// Opens the line.
pub(super) async fn open(address: &Address, keepalive: &Keepalive) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            set_timers(&stream, keepalive)?;
            Ok(Socket::Tcp(stream))
        }
        Address::Unix(path) => Ok(Socket::Unix(UnixStream::connect(socket_name(path)).await?)),
    }
}

/// A leading `@` means the abstract namespace, which the system writes as a leading NUL.
fn socket_name(path: &Path) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(rest) => PathBuf::from(format!("\0{rest}")),
        None => path.to_owned(),
    }
}

fn set_timers(stream: &TcpStream, keepalive: &Keepalive) -> io::Result<()> {
    if let Some(timeout) = keepalive.user_timeout {
        sockopt::set_tcp_user_timeout(stream, u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX))?;
    }
    if !keepalive.on {
        return Ok(());
    }
    sockopt::set_socket_keepalive(stream, true)?;
    if let Some(idle) = keepalive.idle {
        sockopt::set_tcp_keepidle(stream, idle)?;
    }
    if let Some(interval) = keepalive.interval {
        sockopt::set_tcp_keepintvl(stream, interval)?;
    }
    if let Some(count) = keepalive.count {
        sockopt::set_tcp_keepcnt(stream, count)?;
    }
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn timers_are_set_on_the_line() {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let keepalive = Keepalive {
            on: true,
            idle: Some(Duration::from_secs(5)),
            interval: Some(Duration::from_secs(2)),
            count: Some(3),
            user_timeout: Some(Duration::from_secs(10)),
        };
        let address = Address::Tcp(server.local_addr().unwrap());
        let Socket::Tcp(stream) = open(&address, &keepalive).await.unwrap() else { panic!("not TCP") };
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), Duration::from_secs(5));
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), Duration::from_secs(2));
        assert_eq!(sockopt::tcp_keepcnt(&stream).unwrap(), 3);
        assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 10_000);
    }

    #[test]
    fn abstract_socket_has_a_nul_for_its_sign() {
        assert_eq!(socket_name(Path::new("@pg/.s.PGSQL.1")), Path::new("\0pg/.s.PGSQL.1"));
        assert_eq!(socket_name(Path::new("/tmp/x")), Path::new("/tmp/x"));
    }
}
