//! Crash points: a fixed workload is cut short at every write, flush, create, rename and directory
//! sync there is, the power lost in several ways, and the log opened again. What was confirmed is
//! there, what is there continues the chain, and a crash alone is never called damage (L3, L7).
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::block::Head;
use ledger::journal::conformance::draft;
use ledger::journal::embedded::{
    Clock, Log, LogConfig, MIN_SEGMENT, OpenError, Opened, Port, SimDisk, SimFault, SimKind, Step,
};
use ledger::journal::{Event, Journal, SubmitError};

const SHARDS: usize = 3;

fn ticking() -> Clock {
    let time = AtomicU64::new(0);
    Arc::new(move || time.fetch_add(1_000, Ordering::Relaxed))
}

fn config() -> LogConfig {
    LogConfig {
        segment_bytes: MIN_SEGMENT,
        ahead_bytes: 150_000,
        mark_every_micros: 30_000,
        inline_bytes: 40_000,
        ..LogConfig::small(ticking())
    }
}

fn open(disk: &SimDisk) -> Result<(Log, Opened), OpenError> {
    Log::open(Arc::new(disk.clone()), config(), &mut |_| Ok(()))
}

/// What the outside knows when the machine stops.
#[derive(Clone, Default)]
struct Known {
    /// The log had come into being.
    created: bool,
    /// It ended before the workload did.
    died: bool,
    /// Told to the shards.
    confirmed: [Head; SHARDS],
    /// The block of each shard whose fate nobody was told.
    unknown: [Option<Head>; SHARDS],
}

impl Known {
    /// One round: a block of each shard, written inline or by the worker. `false` at the end of the
    /// store's life.
    fn round(&mut self, log: &Log, port: &mut Port, round: u16) -> bool {
        let mut worker = log.worker();
        for shard in 0..SHARDS {
            let fill = if round % 5 == 4 { 9_000 } else { 40 * round };
            let draft =
                draft(u16::try_from(shard).unwrap(), self.confirmed[shard], 1 + u32::from(round % 3), fill);
            let head = draft.seal().head();
            match port.submit(draft) {
                Ok(()) => self.unknown[shard] = Some(head),
                // No room: the worker makes some before the next round.
                Err(SubmitError::Full(_)) => {}
                Err(SubmitError::Dead(_)) => return false,
            }
        }
        port.commit(round % 4 != 3);
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
        let mut events = Vec::new();
        port.events(&mut events);
        for event in events {
            match event {
                Event::Confirmed { head, draft } => {
                    let shard = usize::from(draft.shard().0);
                    assert_eq!(self.unknown[shard].take(), Some(head));
                    self.confirmed[shard] = head;
                }
                Event::Dead { .. } => return false,
                other => panic!("{other:?}"),
            }
        }
        true
    }

    /// What a log opened after the crash may hold.
    fn check(&self, opened: &Opened, case: &str) {
        for shard in 0..SHARDS {
            let found = opened.heads.get(shard).copied().unwrap_or_default();
            let right = found == self.confirmed[shard] || Some(found) == self.unknown[shard];
            assert!(right, "{case}: shard {shard} came back at block {}", found.next_seq);
        }
    }

    /// The shards have learned the fate of their last blocks.
    fn learn(&mut self, opened: &Opened) {
        for shard in 0..SHARDS {
            self.confirmed[shard] = opened.heads.get(shard).copied().unwrap_or_default();
        }
        self.unknown = [None; SHARDS];
    }
}

/// The workload: a new log, rounds over several segments, a clean close.
fn workload(disk: &SimDisk, rounds: u16) -> Known {
    let mut known = Known::default();
    let Ok(log) = Log::create(Arc::new(disk.clone()), config()) else { return known };
    known.created = true;
    let mut port = log.port(None);
    for round in 0..rounds {
        if !known.round(&log, &mut port, round) {
            break;
        }
    }
    known.died = log.close().is_err();
    known
}

/// All the ways in which the power is lost here: nothing unflushed is kept, everything is (the
/// process was killed), and some of it.
fn power_losses(disk: &SimDisk) -> Vec<(String, SimDisk)> {
    let mut after = vec![("nothing kept".to_owned(), disk.image())];
    after.extend((0..3).map(|seed| (format!("seed {seed}"), disk.reboot(seed))));
    after.push(("all kept".to_owned(), disk.restart()));
    after
}

/// Opens after a crash, checks, goes on writing, loses the power again and checks again.
fn survives(mut known: Known, disk: &SimDisk, case: &str) {
    let (log, opened) = match open(disk) {
        Err(OpenError::Missing) if !known.created => return,
        Err(error) => panic!("{case}: {error}"),
        Ok(opened) => opened,
    };
    known.check(&opened, case);
    known.learn(&opened);
    // Answers may leave from here on: what was found must survive whatever comes.
    let worst = open(&disk.image()).map(|(_, opened)| opened.heads);
    assert_eq!(worst.unwrap(), opened.heads, "{case}: believed, and lost by the next power loss");

    let mut port = log.port(None);
    for round in 0..3 {
        assert!(known.round(&log, &mut port, 100 + round), "{case}: the reopened log died");
    }
    assert_eq!(known.unknown, [None; SHARDS], "{case}: not confirmed by the reopened log");
    let (_, again) = open(&disk.image()).unwrap();
    known.check(&again, case);
}

#[test]
fn every_crash_point_keeps_what_was_confirmed() {
    let whole = SimDisk::new(0);
    whole.keep_trace();
    let known = workload(&whole, 40);
    assert!(known.confirmed.iter().all(|head| head.next_seq >= 35), "room was short too often");
    let trace = whole.trace();
    for kind in [SimKind::Create, SimKind::Write, SimKind::Sync, SimKind::Rename, SimKind::SyncDir] {
        assert!(trace.iter().any(|op| op.kind == kind), "{kind:?} does not occur");
    }
    let segments = trace.iter().filter(|op| op.kind == SimKind::Rename && &*op.name == "next.tmp").count();
    assert!(segments >= 4, "only {segments} segments: too few rotations");
    for point in 0..whole.operations() {
        let disk = SimDisk::new(point);
        disk.crash_at(point);
        let known = workload(&disk, 40);
        for (how, after) in power_losses(&disk) {
            let op = &trace[usize::try_from(point).unwrap()];
            survives(known.clone(), &after, &format!("crash at {point} ({:?} {}), {how}", op.kind, op.name));
        }
    }
}

#[test]
fn a_crash_while_recovering_loses_nothing_either() {
    // A crash in the middle of the write of a large frame: recovery has a tail to cut or to keep.
    let whole = SimDisk::new(0);
    whole.keep_trace();
    workload(&whole, 12);
    let large =
        |op: &ledger::journal::embedded::SimOp| op.kind == SimKind::Write && op.pages > 6 && op.pages < 60;
    let points: Vec<_> =
        whole.trace().iter().enumerate().filter(|(_, op)| large(op)).map(|(at, _)| at).collect();
    assert!(!points.is_empty());
    let mut torn = 0;
    for (point, seed) in points.iter().flat_map(|point| (0..6).map(move |seed| (*point as u64, seed))) {
        let crashed = SimDisk::new(point + seed);
        // At the flush: the write is there, any part of it may be lost.
        crashed.crash_at(point + 1);
        let known = workload(&crashed, 12);
        let after = crashed.reboot(seed);
        let probe = after.restart();
        let (_, opened) = open(&probe).unwrap();
        torn += usize::from(!opened.torn.is_empty());
        for second in 0..probe.operations() {
            let after = crashed.reboot(seed);
            after.crash_at(second);
            if let Ok((log, _)) = open(&after) {
                log.kill("the machine has crashed");
            }
            for (how, again) in power_losses(&after) {
                survives(
                    known.clone(),
                    &again,
                    &format!("crash at {point}, seed {seed}, then at {second}, {how}"),
                );
            }
        }
    }
    assert!(torn > 3, "only {torn} torn tails: the test has lost its point");
}

#[test]
fn every_failing_call_ends_the_store_or_costs_nothing() {
    let whole = SimDisk::new(0);
    whole.keep_trace();
    workload(&whole, 25);
    let trace = whole.trace();
    for point in 0..whole.operations() {
        for fault in [SimFault::Io, SimFault::Full] {
            let disk = SimDisk::new(point);
            disk.fail_at(point, fault);
            let known = workload(&disk, 25);
            let op = &trace[usize::try_from(point).unwrap()];
            let case = format!("{fault:?} at {point} ({:?} {})", op.kind, op.name);
            // A segment made ahead may fail without ending anything; then room is short for a while.
            let ahead = op.name.ends_with(".tmp") || op.kind == SimKind::SyncDir;
            assert!(known.died || ahead || !known.created, "{case}: the store lived on");
            assert!(!known.died || !ahead, "{case}: ended the store");
            for (how, after) in power_losses(&disk) {
                survives(known.clone(), &after, &format!("{case}, {how}"));
            }
        }
    }
}
