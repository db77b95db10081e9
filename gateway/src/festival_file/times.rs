//! Times in a festival file: a moment is written in the festival's own time zone, or with an offset.
//! A local time that a change of the clocks repeats or leaves out is not guessed at.

use actors::festival::{FestivalError, Hours, Interval};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ledger::ids::At;
use serde::Deserialize;

use super::{FestivalFileError, Place};

/// Hours as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntervalEntry {
    from: String,
    until: String,
}

/// Reads times of the festival's time zone.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// Of the zone with this IANA name.
    pub(super) fn of(zone: &str, place: &Place) -> Result<Self, FestivalFileError> {
        let unknown =
            |_| place.wrong(format!("time_zone = {zone:?} is not known: write it as in \"Europe/Paris\""));
        Ok(Self { zone: TimeZone::get(zone).map_err(unknown)? })
    }

    /// The zone.
    pub(super) const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The moment that `text` names.
    pub(super) fn moment(&self, text: &str, what: &str, place: &Place) -> Result<At, FestivalFileError> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Ok(At(moment.as_microsecond()));
        }
        let local: DateTime = text.parse().map_err(|_| {
            place.wrong(format!(
                "{what} = {text:?} is no time: write it as in \"2026-07-10 14:00\", local, or with its offset \
                 as in \"2026-07-10T14:00+02:00\""
            ))
        })?;
        let moment = self.zone.to_ambiguous_timestamp(local).unambiguous().map_err(|_| {
            place.wrong(format!(
                "{what} = {text:?} happens twice or never, for the clocks change then: write it with its offset"
            ))
        })?;
        Ok(At(moment.as_microsecond()))
    }

    /// Opening hours, in whatever order they were written.
    pub(super) fn hours(&self, entries: &[IntervalEntry], place: &Place) -> Result<Hours, FestivalFileError> {
        let mut intervals = Vec::with_capacity(entries.len());
        for entry in entries {
            let from = self.moment(&entry.from, "from", place)?;
            let until = self.moment(&entry.until, "until", place)?;
            if until <= from {
                let IntervalEntry { from, until } = entry;
                return Err(place.wrong(format!(
                    "hours from {from:?} until {until:?} end before they begin: exchange the two, or name \
                     the next day"
                )));
            }
            intervals.push(Interval { from, until });
        }
        intervals.sort_unstable_by_key(|interval| interval.from);
        Hours::new(intervals).map_err(|error: FestivalError| place.wrong(format!("{error}: join them")))
    }
}
