//! When a festival trades: its standing, its opening hours, and the moments at which prices change.
//! All of it is absolute ledger time, so that no shard needs a calendar.

use ledger::ids::At;

use super::FestivalError;

/// How long the price before a change is still taken: terminals learn of the moment ahead, but their
/// clocks differ and a barman may have shown the old price to a customer who is still looking for his band.
pub const PRICE_GRACE: i64 = 30_000_000;

/// Whether a festival trades at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Standing {
    /// It does.
    #[default]
    Open = 0,
    /// Not now: nothing is sold and nothing paid in; what went wrong can still be taken back.
    Paused = 1,
    /// It is over: as paused, and allowances end: what is left of them goes back. A later version may open it
    /// again; what was brought home stays there.
    Closed = 2,
}

impl Standing {
    /// Every standing, with its name in festival files.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Open, "open"), (Self::Paused, "paused"), (Self::Closed, "closed")];

    /// The standing of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Open),
            1 => Some(Self::Paused),
            2 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// From a moment on, until before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The first moment within.
    pub from: At,
    /// The first moment after.
    pub until: At,
}

/// Opening hours. None given means always.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hours(Vec<Interval>);

impl Hours {
    /// Hours of these intervals, if each ends after it begins and before the next one begins.
    pub fn new(intervals: Vec<Interval>) -> Result<Self, FestivalError> {
        let ends = intervals.iter().all(|interval| interval.from < interval.until);
        let rises = intervals.is_sorted_by(|one, next| one.until <= next.from);
        if ends && rises { Ok(Self(intervals)) } else { Err(FestivalError::Hours) }
    }

    /// Whether `at` lies within them.
    pub fn include(&self, at: At) -> bool {
        let begun = self.0.partition_point(|interval| interval.from <= at);
        let last = begun.checked_sub(1).and_then(|index| self.0.get(index));
        self.0.is_empty() || last.is_some_and(|interval| at < interval.until)
    }

    /// The intervals, by rising time; none: always.
    pub fn intervals(&self) -> &[Interval] {
        &self.0
    }
}

/// A price that is not in force yet, or was once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// In force from then on.
    pub from: At,
    /// Minor units, tax included.
    pub price: u32,
}

/// An item's price and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Prices {
    first: u32,
    scheduled: Vec<Scheduled>,
}

impl Prices {
    /// One price, for ever.
    pub const fn fixed(price: u32) -> Self {
        Self { first: price, scheduled: Vec::new() }
    }

    /// `first` until the first of the scheduled ones, which must come by rising time.
    pub fn new(first: u32, scheduled: Vec<Scheduled>) -> Result<Self, FestivalError> {
        let rises = scheduled.is_sorted_by(|one, next| one.from < next.from);
        if rises { Ok(Self { first, scheduled }) } else { Err(FestivalError::Schedule) }
    }

    /// The price before any change.
    pub const fn first(&self) -> u32 {
        self.first
    }

    /// The changes, by rising time.
    pub fn scheduled(&self) -> &[Scheduled] {
        &self.scheduled
    }

    /// The price in force.
    pub fn at(&self, at: At) -> u32 {
        self.before(self.scheduled.partition_point(|change| change.from <= at))
    }

    /// Whether a sale at `at` may be made at `price`: the one in force, or one that was within the
    /// last [`PRICE_GRACE`].
    pub fn accept(&self, price: u32, at: At) -> bool {
        let in_force = self.scheduled.partition_point(|change| change.from <= at);
        let graced = At(at.0.saturating_sub(PRICE_GRACE));
        let oldest = self.scheduled.partition_point(|change| change.from <= graced);
        (oldest..=in_force).any(|changes| self.before(changes) == price)
    }

    /// The price after so many changes.
    fn before(&self, changes: usize) -> u32 {
        let last = changes.checked_sub(1).and_then(|index| self.scheduled.get(index));
        last.map_or(self.first, |change| change.price)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn interval(from: i64, until: i64) -> Interval {
        Interval { from: At(from), until: At(until) }
    }

    #[test]
    fn hours_begin_with_their_first_moment_and_end_before_their_last() {
        let hours = Hours::new(vec![interval(10, 20), interval(20, 30), interval(40, 50)]).unwrap();
        let open = |at| hours.include(At(at));
        assert!(!open(9) && open(10) && open(19) && open(20) && open(29));
        assert!(!open(30) && !open(39) && open(40) && open(49) && !open(50));
        assert!(Hours::default().include(At(i64::MIN)), "none given: always");
        assert!(Hours::new(vec![interval(10, 10)]).is_err());
        assert!(Hours::new(vec![interval(10, 20), interval(19, 30)]).is_err());
    }

    #[test]
    fn the_price_before_a_change_is_taken_for_half_a_minute_and_the_price_after_it_never_before() {
        let change = |seconds: i64, price| Scheduled { from: At(seconds * SECOND), price };
        let prices = Prices::new(500, vec![change(100, 600), change(110, 700), change(200, 400)]).unwrap();
        let accept = |price, at: i64| prices.accept(price, At(at * SECOND));
        assert_eq!([99, 100, 109, 110, 200].map(|at| prices.at(At(at * SECOND))), [500, 600, 600, 700, 400]);
        assert!(accept(500, 99) && !accept(600, 99));
        assert!(accept(500, 100) && accept(600, 100) && !accept(700, 100));
        assert!(accept(500, 115) && accept(600, 115) && accept(700, 115), "two changes within the grace");
        assert!(!accept(500, 130) && accept(600, 130) && !accept(600, 140));
        assert!(accept(400, 1_000) && !accept(700, 1_000));
        assert!(Prices::new(1, vec![change(2, 1), change(2, 2)]).is_err());
        assert!(Prices::fixed(7).accept(7, At(0)));
    }
}
