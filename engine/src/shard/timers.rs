//! Timers that are due, decided a few at a time between customers. What is due is in the shard's state
//! and survives a restart there; here is only how far one look at it is.

use std::panic::{AssertUnwindSafe, catch_unwind};

use std::collections::BTreeMap;

use actors::shard_state::Timer;

use super::{Phase, Shard, Step};
use crate::job::Clock;
use crate::limits::{BROKEN_TIMERS, PANICS_TO_QUARANTINE, TIMERS_AT_A_TIME};

/// Where a shard is with the timers that are due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Alarm {
    #[default]
    Resting,
    Begun,
    /// The timer decided last.
    Behind(Timer),
}

impl Alarm {
    pub(super) fn is_under_way(self) -> bool {
        self != Self::Resting
    }
}

/// Timers whose deciding made this build panic, by their numbers, and how often. One that did so three times is
/// passed over until the next start: each time the whole shard is rebuilt for it.
#[derive(Debug, Default)]
pub(super) struct Broken(BTreeMap<u64, u32>);

impl Broken {
    /// Whether that was once too often.
    fn panicked(&mut self, timer: Timer) -> bool {
        if self.0.len() >= BROKEN_TIMERS {
            self.0.clear();
        }
        let panics = self.0.entry(timer.number).or_default();
        *panics += 1;
        *panics == PANICS_TO_QUARANTINE
    }

    fn passes_over(&self, timer: Timer) -> bool {
        self.0.get(&timer.number).is_some_and(|panics| *panics >= PANICS_TO_QUARANTINE)
    }
}

impl Shard {
    /// Begins with the timers if one is due.
    pub(crate) fn tick_timers(&mut self, clock: Clock) {
        let Some(state) = &self.state else { return };
        let at = state.ledger_time(clock.wall);
        if !self.alarm.is_under_way() && state.next_due().is_some_and(|due| due <= at) {
            self.alarm = Alarm::Begun;
        }
    }

    /// Decides the next few timers that are due.
    pub(super) fn work_timers(&mut self, step: &mut Step<'_>) {
        if step.full {
            // They are still due at the next tick; waiting for room here would keep the loop awake.
            self.alarm = Alarm::Resting;
        }
        for _ in 0..TIMERS_AT_A_TIME {
            if !self.alarm.is_under_way() || self.state.is_none() || !self.filling.has_room() {
                return;
            }
            if catch_unwind(AssertUnwindSafe(|| self.next_timer(step))).is_err() {
                step.counters.panics += 1;
                self.timer_panicked(step);
                if self.phase == Phase::Applying {
                    self.harmed(step);
                }
            }
        }
    }

    /// Its actor is not to blame: what it holds stays held, and it may do all else.
    fn timer_panicked(&mut self, step: &mut Step<'_>) {
        let Alarm::Behind(timer) = self.alarm else { return };
        step.counters.given_up += u64::from(self.broken_timers.panicked(timer));
    }

    fn next_timer(&mut self, step: &mut Step<'_>) {
        let Some(state) = &self.state else { return };
        let at = state.ledger_time(step.clock.wall);
        let after = if let Alarm::Behind(timer) = self.alarm { Some(timer) } else { None };
        let Some(timer) = state.due(at, after) else {
            self.alarm = Alarm::Resting;
            return;
        };
        // Before it is decided: one that panics is passed over until the next tick, not asked for ever.
        self.alarm = Alarm::Behind(timer);
        if self.broken_timers.passes_over(timer) {
            return;
        }
        if let Some(record) = state.fire(at, timer) {
            self.append(at, &record);
            step.counters.records += 1;
            step.counters.timers += 1;
        }
    }
}
