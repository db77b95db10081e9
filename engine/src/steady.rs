//! The wall clock as the ledger uses it: the machine's at the start, and from there on as fast as the clock that
//! never steps, drawn towards the machine's by at most a thousandth of the time that passes. A machine that is set
//! a month ahead for a second (a wrong time server, a slip of the hand) would else leave that month in every shard:
//! ledger time never runs backwards, so holds would lapse, prices and hours be those of another day, for a month.

use ledger::ids::At;

use crate::job::{Clock, Mono};

/// Its part of the time that passes is what the clock may be drawn by: the clocks of machines drift by less.
const DRAWN: u64 = 1_000;

/// How long the clock goes on from one reading, in microseconds, before it goes on from a newer one.
const STRETCH: u64 = 1_000_000;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steady {
    /// What it goes on from; none before the first reading.
    from: Option<(At, Mono)>,
}

impl Steady {
    /// The ledger's time when the machine's clocks read so, and by how many microseconds the machine's wall clock
    /// is ahead of it. Readings of several threads may come in another order than they were taken in.
    pub fn read(&mut self, machine: Clock) -> (Clock, i64) {
        let (wall, mono) = *self.from.get_or_insert((machine.wall, machine.mono));
        let passed = machine.mono.0.saturating_sub(mono.0);
        let micros = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        let plain = wall.0.saturating_add(micros(passed));
        let most = micros(passed / DRAWN);
        let drawn = plain.saturating_add(machine.wall.0.saturating_sub(plain).clamp(-most, most));
        if passed >= STRETCH {
            self.from = Some((At(drawn), machine.mono));
        }
        (Clock { wall: At(drawn), mono: machine.mono }, machine.wall.0.saturating_sub(drawn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;
    const MONTH: i64 = 30 * 86_400 * 1_000_000;

    /// Reads every 100 microseconds for so many seconds; the machine's wall clock is `off` the other.
    fn run(steady: &mut Steady, from: u64, seconds: u64, off: i64) -> (i64, i64) {
        let mut last = (0, 0);
        for mono in (from * SECOND..=(from + seconds) * SECOND).step_by(100) {
            let machine = Clock { wall: At(i64::try_from(mono).unwrap() + off), mono: Mono(mono) };
            let (clock, ahead) = steady.read(machine);
            assert_eq!(clock.mono, Mono(mono));
            last = (clock.wall.0 - i64::try_from(mono).unwrap(), ahead);
        }
        last
    }

    #[test]
    fn a_step_of_the_machines_clock_is_not_taken_over() {
        // The clock of a server was a month ahead for one second: no hold ended, no bar opened for a month.
        for step in [MONTH, -MONTH] {
            let mut steady = Steady::default();
            assert_eq!(run(&mut steady, 0, 10, 7), (7, 0));
            let (offset, ahead) = run(&mut steady, 10, 1, 7 + step);
            assert!((offset - 7).abs() <= 1_001, "{offset}");
            assert_eq!(offset + ahead, 7 + step);
            assert_eq!(run(&mut steady, 11, 3, 7), (7, 0), "and it is forgotten when it is put right");
        }
    }

    #[test]
    fn a_small_difference_is_drawn_away() {
        let mut steady = Steady::default();
        run(&mut steady, 0, 1, 0);
        let (offset, ahead) = run(&mut steady, 1, 10, 50_000);
        assert!((9_900..=10_100).contains(&offset), "{offset}");
        assert_eq!(offset + ahead, 50_000);
        assert_eq!(run(&mut steady, 11, 60, 50_000), (50_000, 0));
    }

    #[test]
    fn readings_in_another_order_and_at_the_ends_of_time_are_taken() {
        let mut steady = Steady::default();
        run(&mut steady, 100, 2, 0);
        let (clock, _) = steady.read(Clock { wall: At(50), mono: Mono(50) });
        assert!(clock.wall.0 <= 102 * 1_000_000);
        for (wall, mono) in [(i64::MAX, u64::MAX), (i64::MIN, u64::MAX), (0, 0)] {
            steady.read(Clock { wall: At(wall), mono: Mono(mono) });
        }
    }
}
