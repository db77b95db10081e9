//! The nemesis: what goes wrong with disk, clock, process and machine, and how the world comes back.
//! Draws only from the world's own generator; every fault is counted where it is seen to happen.

use ledger::ids::ShardId;
use ledger::journal::embedded::{OpenError, Opened, Remains, SimDisk, SimFault, SimKind};
use ledger::law::Law;

use super::clock::SimClock;
use super::plan::Weights;
use super::process::{Process, StartError};
use super::tally::{Row, Tally};
use super::{World, log_config};
use crate::laws::{Verdict, Violation};

/// One kind of thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Crash,
    CrashMidCall,
    Kill,
    FailIo,
    FailFull,
    DiskFull,
    SlowDisk,
    Pause,
    StoreKilled,
    ClockBack,
    ClockJump,
    Fenced,
}

/// A call that is to fail.
#[derive(Clone, Copy, Debug)]
struct Armed {
    op: u64,
    /// Calls seen when the trace of calls began.
    base: u64,
    fault: SimFault,
}

/// What is wrong right now.
#[derive(Debug, Default)]
pub(super) struct Nemesis {
    step: u64,
    armed: Option<Armed>,
    /// See [`Nemesis::struck`].
    struck: bool,
    slow_until: u64,
    full_until: u64,
    paused: Option<(usize, u64)>,
    stopped: bool,
}

/// Free space when nothing is wrong.
const PLENTY: u64 = 1 << 40;
/// How often a start is tried in a row.
const STARTS: usize = 50;

fn faults(weights: &Weights) -> [(u32, Fault); 12] {
    [
        (weights.crash, Fault::Crash),
        (weights.crash_mid_call, Fault::CrashMidCall),
        (weights.kill, Fault::Kill),
        (weights.fail_io, Fault::FailIo),
        (weights.fail_full, Fault::FailFull),
        (weights.disk_full, Fault::DiskFull),
        (weights.slow_disk, Fault::SlowDisk),
        (weights.pause, Fault::Pause),
        (weights.store_killed, Fault::StoreKilled),
        (weights.clock_back, Fault::ClockBack),
        (weights.clock_jump, Fault::ClockJump),
        (weights.fenced, Fault::Fenced),
    ]
}

impl Nemesis {
    /// Weight of all faults together.
    pub(super) fn weights(&self, weights: &Weights) -> u32 {
        if self.stopped { 0 } else { faults(weights).iter().map(|(weight, _)| weight).sum() }
    }

    pub(super) const fn is_at_work(&self) -> bool {
        !self.stopped
    }

    pub(super) const fn disk_is_slow(&self) -> bool {
        self.step < self.slow_until
    }

    pub(super) fn is_paused(&self, core: usize) -> bool {
        self.paused.is_some_and(|(paused, until)| paused == core && self.step < until)
    }

    /// Time goes on: what was wrong for a while may be over.
    pub(super) fn tick(&mut self, disk: &SimDisk, clock: &SimClock) {
        self.step += 1;
        if self.step == self.slow_until {
            clock.set_tick(0);
        }
        if self.step == self.full_until {
            disk.set_free(PLENTY);
        }
    }

    /// Counts a call that was to fail, once it did.
    pub(super) fn fired(&mut self, disk: &SimDisk, tally: &mut Tally) -> bool {
        let Some(armed) = self.armed.filter(|armed| disk.operations() > armed.op) else { return false };
        self.armed = None;
        self.struck = true;
        let trace = disk.trace();
        let call = usize::try_from(armed.op - armed.base).ok().and_then(|at| trace.get(at));
        tally.hit(match (armed.fault, call.map(|call| call.kind)) {
            (SimFault::Full, _) => Row::WriteFull,
            (SimFault::Io, Some(SimKind::Write)) => Row::WriteFailed,
            (SimFault::Io, Some(SimKind::Sync)) => Row::FlushFailed,
            (SimFault::Io, _) => Row::NameFailed,
        });
        true
    }

    /// Nothing goes wrong any more.
    pub(super) fn stop(&mut self, disk: &SimDisk, clock: &SimClock) {
        *self = Self { stopped: true, armed: self.armed, struck: self.struck, ..Self::default() };
        clock.set_tick(0);
        disk.set_free(PLENTY);
    }

    /// The machine or process is new: what was armed is gone with the old one.
    fn disarm(&mut self) {
        (self.armed, self.struck) = (None, false);
    }

    /// Whether a call failed that was to, and nothing was opened anew since: the store may be dead of it, and
    /// nobody may have heard of that yet.
    pub(super) const fn struck(&self) -> bool {
        self.struck
    }
}

impl World {
    /// The fault that `choice` falls on.
    pub(super) fn strike(&mut self, mut choice: u32) -> Verdict {
        for (weight, fault) in faults(&self.plan.weights) {
            if choice < weight {
                self.trace.line(format_args!("fault {fault:?}"));
                return self.fault(fault);
            }
            choice -= weight;
        }
        Ok(())
    }

    fn fault(&mut self, fault: Fault) -> Verdict {
        let step = self.nemesis.step;
        match fault {
            Fault::Crash => {
                self.tally.hit(Row::Crash);
                return self.power_loss();
            }
            Fault::CrashMidCall => {
                let far = if self.rng.u8(0..4) == 0 { 60 } else { 4 };
                let op = self.disk.operations() + self.rng.u64(0..far);
                self.disk.crash_at(op);
            }
            Fault::Kill => return self.kill(),
            Fault::FailIo => self.arm(SimFault::Io),
            Fault::FailFull => self.arm(SimFault::Full),
            Fault::DiskFull => {
                self.tally.hit(Row::DiskFull);
                self.disk.set_free(self.rng.u64(0..100_000));
                self.nemesis.full_until = step + self.rng.u64(50..600);
            }
            Fault::SlowDisk => {
                self.tally.hit(Row::SlowDisk);
                self.clock.set_tick(self.rng.u64(2_000..20_000));
                self.nemesis.slow_until = step + self.rng.u64(50..300);
            }
            Fault::Pause => {
                self.tally.hit(Row::CorePaused);
                self.nemesis.paused = Some((self.any_core(), step + self.rng.u64(30..200)));
            }
            Fault::StoreKilled => {
                self.tally.hit(Row::StoreKilled);
                if let Some(process) = &self.process {
                    process.log().kill("ended by its operator");
                }
            }
            Fault::ClockBack => {
                self.tally.hit(Row::ClockBack);
                self.clock.step(-self.rng.i64(1..4_000_000_000));
            }
            Fault::ClockJump => {
                self.tally.hit(Row::ClockJump);
                self.clock.step(self.rng.i64(1..90_000_000_000));
            }
            Fault::Fenced => {
                let now = self.clock.read().wall;
                let shard = ShardId(self.rng.u16(0..self.plan.shards));
                if self.process.as_mut().is_some_and(|process| process.intrude(shard, now)) {
                    self.tally.hit(Row::Fenced);
                }
            }
        }
        Ok(())
    }

    fn arm(&mut self, fault: SimFault) {
        if self.nemesis.armed.is_some() {
            return;
        }
        let base = self.disk.operations();
        // Sometimes far off, so that calls that are rare are met too.
        let far = if self.rng.u8(0..4) == 0 { 60 } else { 5 };
        self.disk.keep_trace();
        let op = base + self.rng.u64(0..far);
        self.fail_call(base, op, fault);
    }

    /// Call number `op` will fail; calls are being kept since number `base`.
    pub(super) fn fail_call(&mut self, base: u64, op: u64, fault: SimFault) {
        self.disk.fail_at(op, fault);
        self.nemesis.armed = Some(Armed { op, base, fault });
    }

    /// The call at which the machine was to crash was made.
    pub(super) fn mid_call_crash(&mut self) -> Verdict {
        self.tally.hit(Row::CrashMidCall);
        self.power_loss()
    }

    /// Power is lost: of what was not flushed any part may be left.
    fn power_loss(&mut self) -> Verdict {
        self.retire();
        self.count_versions();
        self.rot_audit()?;
        self.wreck_audit()?;
        self.disk = self.disk.reboot(self.rng.u64(..) ^ self.subset);
        self.count_remains();
        self.begin_again()
    }

    /// What the end of a process cuts in two.
    fn count_versions(&mut self) {
        let (staged, apart) = (self.laws.book().versions().is_staged(), self.laws.agreed().is_err());
        self.tally.add(Row::CrashStaged, u64::from(staged));
        self.tally.add(Row::CrashApart, u64::from(apart));
    }

    fn count_remains(&mut self) {
        let Remains { lost, torn, reordered } = self.disk.remains();
        self.tally.add(Row::LostWrites, u64::from(lost > 0));
        self.tally.add(Row::TornWrite, u64::from(torn > 0));
        self.tally.add(Row::Reordered, u64::from(reordered));
    }

    /// kill -9: the page cache lives on.
    fn kill(&mut self) -> Verdict {
        self.tally.hit(Row::Kill);
        self.retire();
        self.count_versions();
        self.disk = self.disk.restart();
        self.begin_again()
    }

    pub(super) fn begin_again(&mut self) -> Verdict {
        self.nemesis.disarm();
        self.cut_connections();
        if self.rng.u8(0..4) == 0 && !self.nemesis.stopped {
            self.disk.crash_at(self.rng.u64(0..20));
        } else if self.rng.u8(0..6) < 1 && self.plan.weights.fail_io > 0 && !self.nemesis.stopped {
            // A start makes, renames and flushes names more often than anything after it.
            self.arm(SimFault::Io);
        }
        // A start makes, renames and lists files, which is rare later.
        if self.plan.weights.fail_io > 0 && self.rng.u8(0..4) == 0 && !self.nemesis.stopped {
            self.arm(SimFault::Io);
        }
        self.start()
    }

    /// Nobody hears anything any more; copies on their way may be lost too.
    fn cut_connections(&mut self) {
        self.laws.silence();
        let lossy = self.rng.bool();
        if lossy {
            let kept = self.rng.usize(0..=self.net.len());
            self.net.truncate(kept);
        }
        for letter in self.clients.unsettled() {
            if self.rng.u8(0..10) < 9 && self.net.len() < 2 * self.plan.crowd {
                self.net.push(letter);
            }
        }
    }

    /// The store died under a living process: everybody is told `unknown`, and it is opened again.
    pub(super) fn store_died(&mut self) -> Verdict {
        let clock = self.clock.read();
        for core in 0..usize::from(self.plan.loops) {
            let Some(process) = &mut self.process else { return Ok(()) };
            process.turn(core, clock);
            self.collect(core)?;
        }
        self.retire();
        self.cut_connections();
        self.tally.hit(Row::Reopened);
        self.start()
    }

    /// Starts a process over what the disk holds, however often it takes.
    pub(super) fn start(&mut self) -> Verdict {
        for _ in 0..STARTS {
            let left = self.disk.copy();
            let config = log_config(&self.plan, &self.clock);
            self.mended = !self.plan.stops || !self.nemesis.is_at_work() || self.rng.bool();
            let start = || Process::start(&self.disk, config, self.plan.loops, self.clock.read(), &self.mesh);
            let started = self.builds.run(self.mended, start);
            match started {
                Ok((process, opened)) if !self.disk.frozen() => {
                    self.process = Some(process);
                    return self.opened(&opened, &left);
                }
                Ok(_) => self.crash_in_recovery(),
                Err(_) if self.disk.frozen() => self.crash_in_recovery(),
                Err(error) => self.failed_start(&error)?,
            }
        }
        Err(Violation::new(Law::DurableBeforeTold, "does not start, however often it is tried"))
    }

    fn crash_in_recovery(&mut self) {
        self.tally.hit(Row::CrashInRecovery);
        self.disk = self.disk.reboot(self.rng.u64(..));
        self.count_remains();
        self.nemesis.disarm();
    }

    /// A start may fail of a fault; never of what is on the disk.
    fn failed_start(&mut self, error: &StartError) -> Verdict {
        self.trace.line(format_args!("start failed: {error}"));
        let of_fault = self.nemesis.fired(&self.disk, &mut self.tally);
        let of_space = self.nemesis.step < self.nemesis.full_until;
        if of_space {
            self.disk.set_free(PLENTY);
        }
        let locked = matches!(error, StartError::Open(OpenError::Locked));
        if (of_fault || of_space) && !locked {
            return Ok(());
        }
        Err(Violation::new(
            Law::DurableBeforeTold,
            format!("what was written cannot be started from: {error}"),
        ))
    }

    /// Shards that stopped since this was last asked are known to serve nobody; ones that are back serve again.
    pub(super) fn note_stopped(&mut self, row: Row) {
        let Some(process) = &self.process else { return };
        let stopped: Vec<_> = process.stopped().collect();
        for shard in stopped.iter().filter(|shard| !self.stopped.contains(shard)) {
            self.trace.line(format_args!("stopped {shard}"));
        }
        let back = self.stopped.iter().filter(|shard| !stopped.contains(shard)).count();
        self.tally.add(Row::Mended, back as u64);
        let known = if row == Row::Stopped { 0 } else { self.stopped.len() };
        self.tally.add(row, stopped.len().saturating_sub(known) as u64);
        for shard in &stopped {
            self.laws.stopped(*shard);
        }
        self.stopped = stopped;
    }

    /// A start went well, over what lay there before it: `left`.
    fn opened(&mut self, opened: &Opened, left: &SimDisk) -> Verdict {
        self.nemesis.fired(&self.disk, &mut self.tally);
        self.nemesis.struck = false;
        self.tally.hit(if opened.torn.is_empty() { Row::OpenedClean } else { Row::TornTail });
        self.trace.line(format_args!("opened {} frames, torn {:?}", opened.frames, opened.torn));
        self.looked_at = self.disk.operations();
        let before = self.laws.shadow().heads().to_vec();
        self.laws.reopened(&self.disk)?;
        if before.iter().any(|head| head.next_seq > 0) && before != self.laws.shadow().heads() {
            self.tally.hit(Row::BeyondTold);
        }
        self.laws.opened(&opened.heads)?;
        self.note_stopped(Row::Stopped);
        self.tally.hit(Row::CrashReplay);
        self.laws.replay_of(left)?;
        self.compare()
    }
}
