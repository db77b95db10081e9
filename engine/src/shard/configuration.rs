//! How a new configuration comes and goes: which version is confirmed to be in force here, and, where
//! it was changed, the messages that tell the other shards, a few at a time between customers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actors::festival::{Festival, Standing};
use ledger::ids::{RecordNumber, Version};
use ledger::record::{Body, Message, Record};

use super::{Phase, Shard, Step};
use crate::limits::{PANICS_TO_QUARANTINE, SPREAD_BLOCK_BYTES, SPREADS_AT_A_TIME};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// Adopted by a record that is confirmed.
    in_force: Option<Version>,
    /// Adopted by a record that is not.
    coming: Option<(RecordNumber, Version)>,
    /// Something may be told to other shards.
    telling: bool,
    /// An adoption was applied, and nobody has looked whether another shard holds the same festival.
    unshared: bool,
}

impl Versions {
    /// What is in force after a start, or a rebuild.
    pub(super) fn of(adopted: Option<Version>) -> Self {
        Self { in_force: adopted, telling: true, ..Self::default() }
    }

    /// Everything before `next` is confirmed. Whether another version is in force now.
    pub(super) fn confirmed(&mut self, next: RecordNumber) -> bool {
        let Some((_, version)) = self.coming.take_if(|(number, _)| *number < next) else { return false };
        self.in_force = Some(version);
        true
    }
}

/// Whether a record may have brought another version into force.
fn is_adoption(record: &Record) -> bool {
    matches!(
        record.body,
        Body::ConfigurationAdopted { .. } | Body::Delivered { message: Message::ConfigurationOrder { .. } }
    )
}

impl Shard {
    /// The version that is in force here for good, whatever happens.
    pub(crate) const fn in_force(&self) -> Option<Version> {
        self.versions.in_force
    }

    /// Whether another shard could be told something now.
    pub(super) fn could_tell(&self) -> bool {
        self.versions.telling && (self.has_room_to_tell() || !self.in_flight())
    }

    /// Customers of this shard wait for the same block: it is not filled with a configuration.
    fn has_room_to_tell(&self) -> bool {
        self.filling.count() == 0 || self.filling.sealed_len() <= SPREAD_BLOCK_BYTES
    }

    /// Looks at a record that was just applied.
    pub(super) fn note_adoption(&mut self, number: RecordNumber, record: &Record) {
        if !is_adoption(record) {
            return;
        }
        let Some(adopted) = self.state.as_ref().and_then(|state| state.adopted()) else { return };
        let known = self.versions.coming.map(|(_, version)| version).max(self.versions.in_force);
        if known.is_some_and(|known| known >= adopted.version) {
            return;
        }
        self.versions.coming = Some((number, adopted.version));
        self.versions.telling = true;
        self.versions.unshared = true;
        self.telling_panics = 0;
        if adopted.festival.standing == Standing::Closed {
            self.sweep.begin_soon();
        }
    }

    /// Lets shards of one process hold one festival once.
    pub(crate) fn share_configuration(&mut self, common: &mut Option<Arc<Festival>>) {
        if !std::mem::take(&mut self.versions.unshared) {
            return;
        }
        if let Some(state) = &mut self.state {
            state.share_configuration(common);
        }
    }

    /// Acknowledgements may have made room on channels that were full.
    pub(crate) fn tick_versions(&mut self) {
        self.versions.telling =
            self.state.as_ref().is_some_and(actors::shard_state::ShardState::is_spreading);
    }

    /// Tells other shards the next of a new configuration. Where that panics the shard is rebuilt and tries
    /// again; after three times it waits for another version, or another build, and serves.
    pub(super) fn work_versions(&mut self, step: &mut Step<'_>) {
        if self.telling_panics >= PANICS_TO_QUARANTINE {
            self.versions.telling = false;
            return;
        }
        if catch_unwind(AssertUnwindSafe(|| self.tell_versions(step))).is_ok() {
            return;
        }
        // Its office is not to blame, and must be able to adopt another version.
        step.counters.panics += 1;
        self.telling_panics += 1;
        step.counters.given_up += u64::from(self.telling_panics == PANICS_TO_QUARANTINE);
        self.versions.telling = false;
        if self.phase == Phase::Applying {
            self.harmed(step);
        }
    }

    fn tell_versions(&mut self, step: &mut Step<'_>) {
        for _ in 0..SPREADS_AT_A_TIME {
            let Some(state) = self.state.as_ref().filter(|_| self.versions.telling) else { return };
            if step.full || !state.is_spreading() {
                self.versions.telling = false;
                return;
            }
            if !self.has_room_to_tell() {
                return;
            }
            let at = state.ledger_time(step.clock.wall);
            let Some(record) = state.spread(at) else {
                self.versions.telling = false;
                return;
            };
            self.append(at, &record);
            step.counters.spread += 1;
        }
    }
}
