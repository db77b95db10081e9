//! Owns: what a loop does by the clock: the connections' clocks, publishing its counts, and its own
//! end: notice, answers, goodbye.
//! Must never: end a connection that is owed an answer, unless the time to drain is over.
//! Laws: L12 (no connection stays for ever).

use engine::job::Clock;
use ledger::journal::Journal;

use super::{CoreLoop, End};
use crate::counts::Ending;
use crate::limits::SWEEP_MICROS;
use crate::session::Phase;

impl<J: Journal> CoreLoop<J> {
    /// Looks at every connection's clocks and publishes what was counted.
    pub(super) fn sweep(&mut self, clock: Clock) {
        self.next_sweep = clock.mono.0 + SWEEP_MICROS;
        for place in 0..self.slab.places() {
            let Some((_, connection)) = self.slab.at(place) else { continue };
            let before = connection.partial_bytes();
            let looked = connection.look_at_clocks(&self.shared.limits, clock.mono.0);
            // One that ran out of time in the middle of a frame holds it no longer.
            let given_back = before.saturating_sub(connection.partial_bytes());
            self.partial_bytes = self.partial_bytes.saturating_sub(given_back);
            match looked {
                Err(ending) => self.drop_connection(place, ending),
                Ok(()) if connection.needs_care() => self.settle(place, clock),
                Ok(()) => {}
            }
        }
        // Descriptors may have become free.
        let _later = self.listen();
        self.publish();
    }

    fn publish(&mut self) {
        self.counts.connections = self.slab.len() as u64;
        self.counts.in_flight = self.in_flight.into();
        self.shared.publish(self.number, &self.counts, self.core.counters());
    }

    /// Whether the loop is over: told to stop or without a store, and everybody was told.
    pub(super) fn ended(&mut self, clock: Clock, dead: bool) -> Option<End> {
        if self.ending.is_none() {
            let end = if dead {
                End::StoreDead(self.core.death().unwrap_or("the store is dead").to_owned())
            } else if self.shared.is_stopping() {
                End::Stopped
            } else {
                return None;
            };
            self.stop_listening();
            self.dismiss(clock);
            self.ending = Some((clock.mono.0, end));
        }
        self.let_go(clock);
        let (since, _) = self.ending.as_ref()?;
        let patient = clock.mono.0.saturating_sub(*since) <= self.shared.limits.drain;
        if patient && self.slab.len() > 0 {
            return None;
        }
        for place in 0..self.slab.places() {
            self.drop_connection(place, Ending::Stopped);
        }
        self.publish();
        self.ending.take().map(|(_, end)| end)
    }

    /// Tells every terminal that the server goes away.
    fn dismiss(&mut self, clock: Clock) {
        for place in 0..self.slab.places() {
            let Some((_, connection)) = self.slab.at(place) else { continue };
            connection.dismiss();
            self.settle(place, clock);
        }
    }

    /// Ends the connections that are owed nothing: what is already in their sockets is still taken.
    fn let_go(&mut self, clock: Clock) {
        for place in 0..self.slab.places() {
            let Some((token, connection)) = self.slab.at(place) else { continue };
            if connection.session.phase != Phase::Open || !connection.is_quiet() || self.read(token, clock) {
                continue;
            }
            if let Some((_, connection)) = self.slab.at(place) {
                connection.session.phase = Phase::Leaving;
                self.settle(place, clock);
            }
        }
    }
}
