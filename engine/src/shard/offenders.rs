//! Actors whose commands made this build panic, counted by name. From the third panic on an actor is to
//! be quarantined by a record, as soon as there is a state to write it into; from there on the state
//! refuses its commands. An actor that never came into being has no state that a record could change:
//! it is barred here until the next start. Bounded, and forgets (L12).

use ledger::ids::WalletNumber;

use crate::job::Mono;
use crate::limits::{OFFENDERS, PANIC_MEMORY_MICROS, PANICS_TO_QUARANTINE};

#[derive(Clone, Copy, Debug)]
struct Offender {
    actor: WalletNumber,
    panics: u32,
    last: Mono,
    /// Its quarantine may have to be written.
    due: bool,
    /// The state refuses its commands.
    recorded: bool,
}

impl Offender {
    const fn is_condemned(&self) -> bool {
        self.panics >= PANICS_TO_QUARANTINE
    }

    const fn is_barred(&self) -> bool {
        self.is_condemned() && !self.recorded
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Offenders {
    list: Vec<Offender>,
    barred: usize,
    due: usize,
}

impl Offenders {
    /// A command of `actor` panicked.
    pub(super) fn panicked(&mut self, actor: WalletNumber, now: Mono) {
        let forgotten = |offender: &Offender| {
            !offender.is_condemned() && now.0.saturating_sub(offender.last.0) > PANIC_MEMORY_MICROS
        };
        self.list.retain(|offender| !forgotten(offender));
        let known = self.list.iter().position(|offender| offender.actor == actor);
        let at = known.unwrap_or_else(|| self.make_room(actor));
        let offender = &mut self.list[at];
        offender.panics += 1;
        offender.last = now;
        offender.due = offender.is_condemned();
        self.count();
    }

    /// A place for `actor`; the offender that was quiet for longest makes room, one that is barred here
    /// only if all are.
    fn make_room(&mut self, actor: WalletNumber) -> usize {
        let new = Offender { actor, panics: 0, last: Mono(0), due: false, recorded: false };
        if self.list.len() < OFFENDERS {
            self.list.push(new);
            return self.list.len() - 1;
        }
        let quiet = |(_, offender): &(usize, &Offender)| (offender.is_barred(), offender.last);
        let oldest = self.list.iter().enumerate().min_by_key(quiet).map_or(0, |(at, _)| at);
        self.list[oldest] = new;
        oldest
    }

    fn count(&mut self) {
        self.barred = self.list.iter().filter(|offender| offender.is_barred()).count();
        self.due = self.list.iter().filter(|offender| offender.due).count();
    }

    /// Whether the commands of `actor` are refused.
    #[inline]
    pub(super) fn bars(&self, actor: WalletNumber) -> bool {
        self.barred > 0 && self.list.iter().any(|offender| offender.is_barred() && offender.actor == actor)
    }

    /// Whether a quarantine may have to be written.
    pub(super) const fn has_due(&self) -> bool {
        self.due > 0
    }

    /// The next actor whose quarantine may have to be written.
    pub(super) fn next_due(&mut self) -> Option<WalletNumber> {
        let offender = self.list.iter_mut().find(|offender| offender.due)?;
        offender.due = false;
        self.due -= 1;
        Some(offender.actor)
    }

    /// The state refuses the commands of `actor` from here on.
    pub(super) fn recorded(&mut self, actor: WalletNumber) {
        if let Some(offender) = self.list.iter_mut().find(|offender| offender.actor == actor) {
            offender.recorded = true;
        }
        self.count();
    }

    /// The state is another than it was: it was rebuilt and holds only the quarantines that were
    /// stored, or an actor that was barred here came into being.
    pub(super) fn look_again(&mut self) {
        for offender in &mut self.list {
            (offender.due, offender.recorded) = (offender.is_condemned(), false);
        }
        self.count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(number: usize) -> WalletNumber {
        WalletNumber::new(number as u64 + 1).unwrap()
    }

    #[test]
    fn a_panic_now_and_then_bars_nobody() {
        // A band that met a rare defect in May, June and July, locked out in July.
        let mut offenders = Offenders::default();
        for time in 1..=10 {
            offenders.panicked(actor(0), Mono(time * (PANIC_MEMORY_MICROS + 1)));
            assert!(!offenders.bars(actor(0)));
        }
        assert_eq!(offenders.list.len(), 1);
        (0..PANICS_TO_QUARANTINE).for_each(|_| offenders.panicked(actor(0), Mono(u64::MAX)));
        assert!(offenders.bars(actor(0)) && !offenders.bars(actor(1)));
        assert_eq!((offenders.next_due(), offenders.next_due()), (Some(actor(0)), None));
        offenders.recorded(actor(0));
        assert!(!offenders.bars(actor(0)));
        offenders.look_again();
        assert!(offenders.bars(actor(0)));
        assert_eq!(offenders.next_due(), Some(actor(0)));
    }

    #[test]
    fn a_flood_of_offenders_takes_no_more_memory_and_frees_nobody_who_is_barred() {
        // Memory of the whole festival, eaten by one broken firmware that trips a defect everywhere.
        let mut offenders = Offenders::default();
        (0..PANICS_TO_QUARANTINE).for_each(|_| offenders.panicked(actor(0), Mono(1)));
        for number in 1..10 * OFFENDERS {
            offenders.panicked(actor(number), Mono(2));
        }
        assert_eq!(offenders.list.len(), OFFENDERS);
        assert!(offenders.bars(actor(0)));
    }
}
