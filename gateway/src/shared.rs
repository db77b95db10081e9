//! Owns: what all loops of a server share: the ledger's keys, the view of the configuration, the limits, the order to stop, and each loop's counts for whoever asks.
//! Must never: be changed on the way of a tap but for the atomics in it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actors::address::Keys;
use actors::festival::Festival;
use engine::counters::Counters;
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
    view: Mutex<Arc<View>>,
    version: AtomicU32,
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
}

/// What a loop last said about itself.
#[derive(Debug, Default)]
struct Report {
    /// Monotonic microseconds of its last round, at first of its start; 0 before.
    beat: AtomicU64,
    /// The version that its shards have in force for good; 0 before it said so.
    in_force: AtomicU32,
    counts: Mutex<(Counts, Counters)>,
}

impl Shared {
    /// For `loops` loops over a recovered ledger.
    pub fn new(parts: SharedParts, limits: Limits, loops: u16) -> Self {
        let SharedParts { keys, ledger, epoch, festival, highest } = parts;
        let version = AtomicU32::new(festival.version.get());
        let (id, view) = (festival.id, Mutex::new(Arc::new(View::new(festival, &highest))));
        let reports = (0..loops).map(|_| Report::default()).collect();
        let stopping = AtomicBool::new(false);
        Self { keys, ledger, epoch, festival: id, view, version, limits, stopping, reports }
    }

    /// The configuration to work by.
    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The version that every shard has in force for good.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// Loop `number` has `version` in force in all its shards. The last loop to say so brings the
    /// festival along for all.
    pub(crate) fn note_in_force(&self, number: u16, version: Version, festival: Option<Arc<Festival>>) {
        if let Some(report) = self.reports.get(usize::from(number)) {
            report.in_force.store(version.get(), Ordering::Release);
        }
        let lowest = self.reports.iter().map(|report| report.in_force.load(Ordering::Acquire)).min();
        let Some(festival) = festival.filter(|festival| Some(festival.version.get()) == lowest) else {
            return;
        };
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        if festival.version.get() > view.version() {
            *view = Arc::new(view.followed_by(festival));
            self.version.store(view.version(), Ordering::Release);
        }
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
