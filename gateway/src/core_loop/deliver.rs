//! Owns: the way of a round's answers to their connections: chained per connection, encoded together,
//! one send each.
//! Must never: send what the engine has not given out (L3, L10).

use engine::job::Clock;
use ledger::journal::Journal;
use rustix::event::epoll::{self, EventData};

use super::CoreLoop;
use crate::encode::END;

impl<J: Journal> CoreLoop<J> {
    /// Sends everything that may leave, and settles every connection that was touched.
    pub(super) fn deliver(&mut self, clock: Clock) {
        std::mem::swap(self.core.ready(), &mut self.ready);
        self.chain();
        let mut touched = std::mem::take(&mut self.touched);
        for place in touched.drain(..) {
            self.settle(place, clock);
        }
        self.touched = touched;
        // Nothing is in flight for a gone connection any more either.
        let told = u32::try_from(self.ready.len()).unwrap_or(u32::MAX);
        self.in_flight = self.in_flight.saturating_sub(told);
        self.ready.clear();
    }

    /// Links the answers of each connection, so that they need not be sorted.
    fn chain(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        self.next.clear();
        self.next.resize(self.ready.len(), END);
        for (at, told) in (0_u32..).zip(&self.ready) {
            let Some((place, connection)) = self.slab.find(told.reply.token) else {
                self.counts.orphans += 1;
                continue;
            };
            if connection.mine.first == END {
                connection.mine.first = at;
            } else if let Some(link) = self.next.get_mut(connection.mine.last as usize) {
                *link = at;
            }
            connection.mine.last = at;
            if !connection.touched {
                connection.touched = true;
                self.touched.push(place);
            }
        }
    }

    /// Sends a connection what is its, takes its end as far as it goes, and watches it for what it
    /// needs next.
    pub(super) fn settle(&mut self, place: u32, clock: Clock) {
        let Some((token, connection)) = self.slab.at(place) else { return };
        connection.touched = false;
        let counts = &mut self.counts;
        let (next, scratch) = (&self.next, &mut self.scratch);
        let mut settled = connection.tell(&self.ready, next, scratch, counts, clock.mono);
        if settled.is_ok() && connection.needs_care() {
            settled = connection.end(counts, clock.mono.0);
        }
        if let Err(ending) = settled {
            return self.drop_connection(place, ending);
        }
        let wanted = connection.wanted(&self.shared.limits);
        if wanted != connection.interest {
            connection.interest = wanted;
            // It fails only when the system has no memory: then the clocks end the connection.
            let _unwatched = epoll::modify(&self.epoll, &*connection, EventData::new_u64(token), wanted);
        }
    }
}
