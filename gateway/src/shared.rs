//! Owns: what all loops of a server share: the ledger's keys, the view of the configuration, the limits, the order to stop,
//! each loop's counts and the shards that stopped for whoever asks.
//! Must never: be changed on the way of a tap but for the atomics in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actors::address::Keys;
use actors::festival::Festival;
use engine::counters::Counters;
use engine::recovery::Stopped;
use ledger::ids::{DeviceNumber, Epoch, FestivalId, LedgerId, Version};

use crate::counts::Counts;
use crate::limits::Limits;
use crate::view::View;

/// The incarnation of a ledger that was never promoted. A restart is no other incarnation: only an
/// operator who makes a copy of the ledger its new original raises it, and no build can do that yet.
pub const FIRST_INCARNATION: u64 = 1;

/// Shared by all loops of a server.
#[derive(Debug)]
pub struct Shared {
    pub(crate) keys: Keys,
    pub(crate) ledger: LedgerId,
    /// This start.
    pub(crate) epoch: Epoch,
    pub(crate) festival: FestivalId,
    /// The configuration that loops are to work by, and its version.
    following: Mutex<Following>,
    version: AtomicU32,
    /// How many shards the ledger has.
    shards: u16,
    pub(crate) limits: Limits,
    stopping: AtomicBool,
    reports: Vec<Report>,
}

/// What the gateway needs to know of a recovered ledger.
#[derive(Clone, Debug)]
pub struct SharedParts {
    /// What tags and contents are hashed under.
    pub keys: Keys,
    /// The ledger.
    pub ledger: LedgerId,
    /// This start.
    pub epoch: Epoch,
    /// The configuration in force.
    pub festival: Arc<Festival>,
    /// The highest counter seen from each device.
    pub highest: HashMap<DeviceNumber, u64>,
    /// How many shards it has.
    pub shards: u16,
}

/// The view, and what would make it another one.
#[derive(Debug)]
struct Following {
    view: Arc<View>,
    /// The version that each loop's shards have in force for good, 0 before it said so, and its festival
    /// while a shard held it. `None` for a loop whose shards all stopped: it holds nobody back.
    in_force: Vec<Option<(u32, Option<Arc<Festival>>)>>,
}

/// What a loop last said about itself.
#[derive(Debug, Default)]
struct Report {
    /// Monotonic microseconds of its last round, at first of its start; 0 before.
    beat: AtomicU64,
    counts: Mutex<(Counts, Counters)>,
    /// Its shards that stopped.
    stopped: Mutex<Vec<Stopped>>,
}

impl Following {
    /// The festival of the version that no loop is behind of, if a loop brought it.
    fn next(&self) -> Option<Arc<Festival>> {
        let said = || self.in_force.iter().flatten();
        let lowest = said().map(|(version, _)| *version).min()?;
        said().find_map(|(version, festival)| festival.clone().filter(|_| *version == lowest))
    }
}

impl Shared {
    /// For `loops` loops over a recovered ledger.
    pub fn new(parts: SharedParts, limits: Limits, loops: u16) -> Self {
        let SharedParts { keys, ledger, epoch, festival, highest, shards } = parts;
        let version = AtomicU32::new(festival.version.get());
        let (id, view) = (festival.id, Arc::new(View::new(festival, &highest)));
        let in_force = (0..loops).map(|_| Some((0, None))).collect();
        let following = Mutex::new(Following { view, in_force });
        let reports = (0..loops).map(|_| Report::default()).collect();
        let stopping = AtomicBool::new(false);
        Self { keys, ledger, epoch, festival: id, following, version, shards, limits, stopping, reports }
    }

    fn following(&self) -> MutexGuard<'_, Following> {
        self.following.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration to work by.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.following().view)
    }

    /// The version that every shard has in force for good; those that stopped are not asked.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// What loop `number` has in force in all its shards. The last loop to say so lets all loops go on to
    /// that version; whether this was it: then the others are to be woken.
    pub(crate) fn note_in_force(
        &self,
        number: u16,
        in_force: Option<(Version, Option<Arc<Festival>>)>,
    ) -> bool {
        let mut following = self.following();
        if let Some(own) = following.in_force.get_mut(usize::from(number)) {
            *own = in_force.map(|(version, festival)| (version.get(), festival));
        }
        let newer = |festival: &Arc<Festival>| festival.version.get() > following.view.version();
        let Some(festival) = following.next().filter(newer) else { return false };
        following.view = Arc::new(following.view.followed_by(festival));
        self.version.store(following.view.version(), Ordering::Release);
        true
    }

    /// The shards of loop `number` that stopped.
    pub(crate) fn note_stopped(&self, number: u16, stopped: impl Iterator<Item = Stopped>) {
        if let Some(report) = self.reports.get(usize::from(number)) {
            *report.stopped.lock().unwrap_or_else(PoisonError::into_inner) = stopped.collect();
        }
    }

    /// All shards that stopped, by number.
    pub fn stopped(&self) -> Vec<Stopped> {
        let of_loop = |report: &Report| report.stopped.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut stopped: Vec<_> = self.reports.iter().flat_map(of_loop).collect();
        stopped.sort();
        stopped
    }

    /// Whether a shard is left that decides.
    pub fn any_shard_serves(&self) -> bool {
        self.stopped().len() < usize::from(self.shards)
    }

    /// Orders all loops to answer what is in flight and to end. Wake them afterwards.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the order was given.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// How many loops the server has.
    pub fn loops(&self) -> u16 {
        // Built from a u16.
        u16::try_from(self.reports.len()).unwrap_or(u16::MAX)
    }

    /// When a loop last turned, in monotonic microseconds; 0 if it never did.
    pub fn beat(&self, number: u16) -> u64 {
        self.reports.get(usize::from(number)).map_or(0, |report| report.beat.load(Ordering::Relaxed))
    }

    pub(crate) fn set_beat(&self, number: u16, mono: u64) {
        if let Some(report) = self.reports.get(usize::from(number)) {
            report.beat.store(mono, Ordering::Relaxed);
        }
    }

    pub(crate) fn publish(&self, number: u16, counts: &Counts, engine: &Counters) {
        if let Some(report) = self.reports.get(usize::from(number)) {
            let mut last = report.counts.lock().unwrap_or_else(PoisonError::into_inner);
            last.0.clone_from(counts);
            last.1.clone_from(engine);
        }
    }

    /// All loops' counts added up, and those of their engines. At most a quarter second old.
    pub fn totals(&self) -> (Counts, Counters) {
        let mut totals = (Counts::default(), Counters::default());
        for report in &self.reports {
            let last = report.counts.lock().unwrap_or_else(PoisonError::into_inner);
            totals.0.add(&last.0);
            totals.1.add(&last.1);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn festival(version: u32) -> Arc<Festival> {
        let text = include_str!("../../deploy/festival.example.toml");
        let mut festival = crate::festival_file::parse(text, ledger::ids::At(0)).unwrap();
        festival.version = Version::new(version).unwrap();
        Arc::new(festival)
    }

    fn in_force(version: u32) -> (Version, Option<Arc<Festival>>) {
        (Version::new(version).unwrap(), Some(festival(version)))
    }

    fn shared(loops: u16) -> Shared {
        let keys = Keys::derive(&[7; 32]);
        let (ledger, epoch, highest) = (LedgerId([9; 16]), Epoch(1), HashMap::new());
        let parts = SharedParts { keys, ledger, epoch, festival: festival(1), highest, shards: 4 };
        Shared::new(parts, Limits::default(), loops)
    }

    #[test]
    fn the_last_loop_to_have_a_version_in_force_brings_it_about() {
        let shared = shared(3);
        for (number, expected) in [(1, 1), (0, 1), (2, 2)] {
            let brought = shared.note_in_force(number, Some(in_force(2)));
            assert_eq!(brought, number == 2);
            assert_eq!((shared.version(), shared.view().version()), (expected, expected));
        }
    }

    #[test]
    fn a_loop_whose_shards_all_stopped_holds_nobody_back() {
        // A bar that was stopped, and terminals that were never told: one loop had nobody to say so any more.
        for stops_last in [false, true] {
            let shared = shared(2);
            shared.note_in_force(1, Some(in_force(1)));
            let noted = [(1, None), (0, Some(in_force(2)))];
            let mut noted = noted.into_iter().collect::<std::collections::VecDeque<_>>();
            noted.rotate_left(usize::from(stops_last));
            for (number, in_force) in noted {
                assert_eq!(shared.version(), 1);
                shared.note_in_force(number, in_force);
            }
            assert_eq!(shared.version(), 2, "stops last: {stops_last}");
        }
    }
}
