//! The end of a run: nothing fails any more, so everybody must learn the end of what they asked, what is
//! on its way must arrive, every shard must come to the newest configuration, and a clean stop must lose
//! nothing.
//!
//! "Transit zero at most 10 simulated seconds after the faults stop" is meant to the letter: the time runs from the
//! last fault and not from the last request, though everybody still asks meanwhile for what they know no end of.
//! Within it there must be a moment at which nothing is on its way.

use engine::job::Mono;
use ledger::law::Law;

use super::{Verdict, World};
use crate::laws::Violation;
use crate::laws::allowances::Allowances;

/// How long after the faults stopped the shards may take until nothing is on its way between them and they agree:
/// ten seconds, in microseconds.
const AGREEING_MICROS: u64 = 10_000_000;
/// The length of a round meanwhile.
const DRAINING_MICROS: u32 = 20_000;

impl World {
    /// The faults stop: everybody must learn the end of what they asked, and the log must be whole.
    pub(super) fn heal(&mut self) -> Verdict {
        self.trace.line(format_args!("heal"));
        self.nemesis.stop(&self.disk, &self.clock);
        let until = self.agreeing();
        if !self.mended {
            self.mend()?;
        }
        self.settle_everybody()?;
        self.drain_channels(until)?;
        self.rest()
    }

    /// When it must be over, from now on.
    pub(super) fn agreeing(&mut self) -> u64 {
        let now = self.clock.mono();
        self.mail_from = Mono(now.0 + self.plan.mail_held_micros);
        now.0 + AGREEING_MICROS
    }

    /// A build that was mended takes the place of one in which a shard stopped, or still would.
    fn mend(&mut self) -> Verdict {
        self.trace.line(format_args!("mend"));
        self.retire();
        self.disk = self.disk.restart();
        self.begin_again()
    }

    /// L5: at some moment up to `until` nothing is on its way between shards, every band is of the wallet
    /// that it was given to, and all of them go by one configuration. What comes later came too late.
    pub(super) fn drain_channels(&mut self, until: u64) -> Verdict {
        while self.clock.mono().0 + u64::from(DRAINING_MICROS) <= until {
            let settled = self.laws.agreed().is_ok();
            if settled && self.laws.whole().in_flight() == 0 && self.mesh.is_empty() {
                break;
            }
            self.clock.pass(DRAINING_MICROS - 1_000);
            self.round()?;
        }
        let late = self.clock.mono().0.saturating_sub(until);
        if late > 0 {
            let what = format!("looked at {late} microseconds after the ten seconds were over");
            return Err(Violation::new(Law::WholeOrNothing, what));
        }
        self.laws.whole().at_rest()?;
        self.bands_at_rest()?;
        Allowances::at_rest(self.laws.shadow())?;
        self.laws.agreed()
    }

    /// One round of everybody.
    pub(super) fn round(&mut self) -> Verdict {
        self.clock.pass(1_000);
        for core in 0..usize::from(self.plan.loops) {
            let count = self.net.len().min(32);
            let letters = self.net.split_off(self.net.len() - count);
            self.hand_over(core, letters)?;
            self.turn(core)?;
            self.look_up();
            self.rebuild()?;
            self.work()?;
        }
        let arriving = if self.clock.mono() < self.mail_from { 0 } else { self.mesh.len() };
        for _ in 0..arriving {
            self.carry_oldest();
        }
        Ok(())
    }

    /// Letters arrive as they were sent: to mix them up is a fault too.
    fn carry_oldest(&mut self) {
        let clock = self.clock.read();
        let Some(letter) = self.mesh.oldest() else { return };
        self.trace.line(format_args!("mail {letter:?}"));
        if let Some(process) = &mut self.process {
            process.arrive(letter, clock);
        }
    }

    /// At rest: all that lives is durable, and a clean stop loses nothing. A fault that was set before
    /// the healing may still meet the last write.
    fn rest(&mut self) -> Verdict {
        self.compare()?;
        let Some(process) = self.retire() else { return Ok(()) };
        let closed = process.close();
        self.nemesis.fired(&self.disk, &mut self.tally);
        if let Err(error) = closed
            && !self.nemesis.struck()
            && !self.disk.frozen()
        {
            return Err(Violation::new(Law::Replay, format!("close: {error}")));
        }
        self.laws.silence();
        if self.disk.frozen() {
            return self.mid_call_crash();
        }
        self.look()?;
        self.start()
    }
}
