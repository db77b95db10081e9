//! Owns: how a loop comes to another configuration: it says which version its own shards have in
//! force for good, and takes the next view when all loops' shards have it. And which of them stopped.
//! Must never: tell a terminal of a version that a shard could still lose (L10).

use engine::job::Clock;
use ledger::journal::Journal;

use super::CoreLoop;

impl<J: Journal> CoreLoop<J> {
    /// Looks whether another version is in force.
    pub(super) fn follow(&mut self, clock: Clock) {
        let engine = self.core.counters();
        let changes = Some(engine.adopted + engine.rebuilds + engine.stopped);
        if changes != self.changes {
            self.changes = changes;
            self.shared.note_stopped(self.number, self.core.stopped());
            if self.shared.note_in_force(self.number, self.core.in_force()) {
                // One that sleeps would tell its terminals a quarter of a second later.
                self.dealer.wake_others(self.number);
            }
        }
        if self.shared.version() != self.view.version() {
            self.view = self.shared.view();
            self.tell_of_configuration(clock);
        }
    }

    /// Every connection goes on by the new version, and its terminal is told.
    fn tell_of_configuration(&mut self, clock: Clock) {
        for place in 0..self.slab.places() {
            let Some((_, connection)) = self.slab.at(place) else { continue };
            connection.reconfigure(&self.view);
            if connection.needs_care() {
                self.settle(place, clock);
            }
        }
    }
}
