//! Owns: how a connection comes in: accepted here or by another loop, read at once.
//! Must never: spin when the process has no file descriptors left.
//! Laws: L12 (connections are counted, the one too many is told `busy`).

use std::io;

use engine::job::Clock;
use ledger::journal::Journal;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::net::SendFlags;
use wire::{Fault, Refusal};

use super::{CoreLoop, LISTENER};
use crate::connection::Connection;
use crate::counts::Ending;
use crate::limits::ACCEPTS;

impl<J: Journal> CoreLoop<J> {
    /// Watches the listener. Of several loops one is woken for a new connection.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        if !self.listening && self.ending.is_none() {
            let flags = EventFlags::IN | EventFlags::EXCLUSIVE;
            epoll::add(&self.epoll, &*self.listener, EventData::new_u64(LISTENER), flags)?;
            self.listening = true;
        }
        Ok(())
    }

    /// Leaves the listener alone.
    pub(super) fn stop_listening(&mut self) {
        if self.listening {
            // It fails only for a descriptor that the poll does not watch.
            let _unwatched = epoll::delete(&self.epoll, &*self.listener);
            self.listening = false;
        }
    }

    /// Takes what waits, deals it out, keeps its own share.
    pub(super) fn accept(&mut self, clock: Clock) {
        for _ in 0..ACCEPTS {
            match self.listener.accept() {
                Ok(Some(socket)) => {
                    if let Some(socket) = self.dealer.deal(self.number, socket) {
                        self.adopt(socket, clock);
                    }
                }
                Ok(None) => return,
                Err(_) => {
                    // No descriptor left: the level-triggered poll would spin. The next sweep
                    // listens again.
                    self.stop_listening();
                    return;
                }
            }
        }
    }

    /// Takes what other loops accepted for this one.
    pub(super) fn take_arrivals(&mut self, clock: Clock) {
        while let Ok(socket) = self.arrivals.try_recv() {
            self.adopt(socket, clock);
        }
    }

    fn adopt(&mut self, socket: OwnedFd, clock: Clock) {
        self.counts.accepted += 1;
        if self.slab.len() >= self.shared.limits.connections || self.ending.is_some() {
            self.counts.end(Ending::Limit);
            let mut out = Vec::new();
            let fault = Fault::new(Refusal::Busy, "too many connections; come back in a few seconds");
            if fault.push(&mut out).is_ok() {
                // Whoever does not get it sees the connection close, which says the same.
                let _told = rustix::net::send(&socket, &out, SendFlags::NOSIGNAL);
            }
            return;
        }
        let Some(token) = self.slab.insert(Connection::new(socket, clock.mono.0)) else { return };
        let Some((place, connection)) = self.slab.find(token) else { return };
        if epoll::add(&self.epoll, &*connection, EventData::new_u64(token), connection.interest).is_err() {
            self.drop_connection(place, Ending::Limit);
            return;
        }
        // The hello is usually there already.
        self.read(token, clock);
    }
}
