//! Once a minute what the vendors' stripes of a shard hold leaves for the vendors' homes, a few
//! records at a time between customers.

use ledger::ids::VendorId;
use ledger::mutant::{self, Point};

use super::{Shard, Step};
use crate::job::Mono;
use crate::limits::{SWEEP_MICROS, SWEEPS_AT_A_TIME};

/// How far a sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Resting,
    Begun,
    /// The vendor swept last.
    Behind(VendorId),
}

/// Where a shard is with its sweep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    /// When the next one begins; set when the shard first turns.
    due: Option<Mono>,
    progress: Progress,
}

impl Sweep {
    /// The next one begins at the next tick: the festival is over, and vendors wait for their money.
    pub(super) fn begin_soon(&mut self) {
        self.due = Some(Mono(0));
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.progress != Progress::Resting
    }
}

impl Shard {
    /// Begins a sweep when it is due. The shards of a ledger take turns over the minute.
    pub(crate) fn tick_sweep(&mut self, now: Mono) {
        let offset = SWEEP_MICROS / 32 * u64::from(self.id.0 % 32);
        let due = *self.sweep.due.get_or_insert(Mono(now.0 + SWEEP_MICROS / 32 + offset));
        if now >= due && !self.sweep.is_under_way() {
            self.sweep = Sweep { due: Some(Mono(now.0 + SWEEP_MICROS)), progress: Progress::Begun };
        }
    }

    /// Sweeps the next few vendors.
    pub(super) fn work_sweep(&mut self, step: &mut Step<'_>) {
        // Whatever panics below is not asked again before the next sweep is due.
        let mut after = match std::mem::take(&mut self.sweep.progress) {
            Progress::Resting => return,
            Progress::Begun => None,
            Progress::Behind(vendor) => Some(vendor),
        };
        if step.full {
            return;
        }
        for _ in 0..SWEEPS_AT_A_TIME {
            let Some(state) = &self.state else { return };
            if !self.filling.has_room() {
                break;
            }
            let _only_panics = mutant::struck(Point::Sweep);
            let at = state.ledger_time(step.clock.wall);
            let Some((vendor, record)) = state.sweep(at, after) else { return };
            after = Some(vendor);
            if let Some(record) = record {
                self.append(at, &record);
                step.counters.swept += 1;
            }
        }
        self.sweep.progress = after.map_or(Progress::Begun, Progress::Behind);
    }
}
