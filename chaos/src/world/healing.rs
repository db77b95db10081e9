//! The end of a run: nothing fails any more, so everybody must learn the end of what they asked, what is
//! on its way must arrive, every shard must come to the newest configuration, and a clean stop must lose
//! nothing.

use ledger::law::Law;

use super::{Verdict, World};
use crate::laws::Violation;
use crate::laws::allowances::Allowances;

/// How long after the faults stopped the shards may take until they agree: ten seconds, in microseconds.
pub(super) const AGREEING_MICROS: u64 = 10_000_000;
/// The length of a round meanwhile.
const DRAINING_MICROS: u32 = 20_000;

impl World {
    /// The faults stop: everybody must learn the end of what they asked, and the log must be whole.
    pub(super) fn heal(&mut self) -> Verdict {
        self.trace.line(format_args!("heal"));
        self.nemesis.stop(&self.disk, &self.clock);
        let until = self.clock.mono().0 + AGREEING_MICROS;
        self.settle_everybody()?;
        self.drain_channels(until)?;
        self.rest()
    }

    /// L5: at the moment `until` nothing is on its way between shards, every band is of the wallet that
    /// it was given to, and all of them go by one configuration.
    pub(super) fn drain_channels(&mut self, until: u64) -> Verdict {
        while self.clock.mono().0 + u64::from(DRAINING_MICROS) <= until {
            let settled = self.laws.agreed().is_ok();
            if settled && self.laws.whole().in_flight() == 0 && self.mesh.is_empty() {
                break;
            }
            self.clock.pass(DRAINING_MICROS - 1_000);
            self.round()?;
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
        for _ in 0..self.mesh.len() {
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
        if let Err(error) = process.close()
            && !self.nemesis.fired(&self.disk, &mut self.tally)
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
