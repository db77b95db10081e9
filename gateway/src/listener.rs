//! Owns: the listening socket, and the way of an accepted socket to its loop. The node keeps the
//! listener, so the port survives the death of a loop; every loop polls it, one is woken for a new
//! connection and deals it to the next loop in turn.
//! Must never: listen without TLS on an address that others can reach.
//! Laws: L12 (what waits to be accepted or handed over is bounded).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use thiserror::Error;

use crate::limits::{HANDOFF, LISTEN_BACKLOG};
use crate::wake::Wake;

/// Why the server does not listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// Plain TCP is for this machine only.
    #[error(
        "{0} can be reached from other machines, and plain TCP has neither secrecy nor device \
         certificates; give a loopback address such as 127.0.0.1:7400"
    )]
    NotLoopback(SocketAddr),
    /// The system said no.
    #[error("could not listen on {address}: {error}; is another server running there?")]
    System {
        /// Where.
        address: SocketAddr,
        /// What it said.
        error: io::Error,
    },
}

/// A listening socket for terminals.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    address: SocketAddr,
}

impl Listener {
    /// Listens for plain TCP on a loopback address; port 0 takes any free one.
    pub fn plain(address: SocketAddr) -> Result<Self, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback(address));
        }
        listen(address).map_err(|error| ListenError::System { address, error })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection, if one waits.
    pub(crate) fn accept(&self) -> io::Result<Option<OwnedFd>> {
        match rustix::net::accept_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => Ok(Some(socket)),
            // Gone before it was taken, or taken by another loop.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn listen(address: SocketAddr) -> io::Result<Listener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // After a restart the old server's connections linger in the kernel; they must not hold the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // Accepted sockets inherit it: an answer never waits for the acknowledgement of the one before.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, LISTEN_BACKLOG)?;
    let bound = rustix::net::getsockname(&socket)?;
    let address = SocketAddr::try_from(bound).map_err(|_| io::Error::other("not an internet address"))?;
    Ok(Listener { socket, address })
}

/// Deals accepted sockets to the loops in turn.
#[derive(Debug)]
pub struct Dealer {
    turn: AtomicUsize,
    ways: Vec<(Sender<OwnedFd>, Wake)>,
}

impl Dealer {
    /// A dealer for the loops that these wake, and each loop's end of it.
    pub fn new(wakes: &[Wake]) -> (Self, Vec<Receiver<OwnedFd>>) {
        let (ways, arrivals) = wakes
            .iter()
            .map(|wake| {
                let (sender, receiver) = bounded(HANDOFF);
                ((sender, wake.clone()), receiver)
            })
            .unzip();
        (Self { turn: AtomicUsize::new(0), ways }, arrivals)
    }

    /// Wakes every loop but the asking one: something waits for all of them.
    pub(crate) fn wake_others(&self, asking: u16) {
        let others = self.ways.iter().zip(0..).filter(|(_, number)| *number != asking);
        others.for_each(|((_, wake), _)| wake.wake());
    }

    /// Gives the socket to the next loop in turn, or back when that is the asking loop itself or
    /// one that does not take it.
    pub(crate) fn deal(&self, asking: u16, socket: OwnedFd) -> Option<OwnedFd> {
        let home = self.turn.fetch_add(1, Ordering::Relaxed) % self.ways.len().max(1);
        if home == usize::from(asking) {
            return Some(socket);
        }
        let Some((sender, wake)) = self.ways.get(home) else { return Some(socket) };
        match sender.try_send(socket) {
            Ok(()) => {
                wake.wake();
                None
            }
            Err(TrySendError::Full(socket) | TrySendError::Disconnected(socket)) => Some(socket),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_tcp_is_refused_where_others_can_reach_it() {
        let open = "0.0.0.0:0".parse().unwrap();
        let error = Listener::plain(open).unwrap_err();
        assert!(error.to_string().contains("loopback"), "{error}");
    }

    #[test]
    fn accepted_sockets_do_not_hold_small_answers_back() {
        let listener = Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap();
        let _client = std::net::TcpStream::connect(listener.address()).unwrap();
        let socket = loop {
            if let Some(socket) = listener.accept().unwrap() {
                break socket;
            }
        };
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
    }

    #[test]
    fn sockets_are_dealt_in_turn() {
        let wakes = [Wake::new().unwrap(), Wake::new().unwrap()];
        let (dealer, arrivals) = Dealer::new(&wakes);
        let socket = || rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let kept = (0..6).filter_map(|_| dealer.deal(0, socket())).count();
        assert_eq!((kept, arrivals[0].len(), arrivals[1].len()), (3, 0, 3));
        assert!(!wakes[1].may_sleep());
    }
}
