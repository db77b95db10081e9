//! Whether anything may be sold or paid in: the festival's standing and hours, and what of it is
//! stopped. What went wrong may be taken back at any time: voids and cancels never ask here.

use ledger::record::Line;

use crate::codes::Decline;
use crate::festival::{Standing, Till};
use crate::shard_state::Context;

/// Why nothing is sold or paid in now, if so.
pub(crate) fn shut(cx: &Context<'_>) -> Option<Decline> {
    match cx.festival.standing {
        Standing::Closed => Some(Decline::FestivalClosed),
        Standing::Paused => Some(Decline::FestivalPaused),
        Standing::Open => (!cx.festival.hours.include(cx.at)).then_some(Decline::OutsideHours),
    }
}

/// Why these lines are not sold at this till now, if so.
pub(crate) fn not_sold(cx: &Context<'_>, till: &Till, lines: &[Line]) -> Option<Decline> {
    if let Some(why) = shut(cx) {
        return Some(why);
    }
    let vendor = till.vendor.and_then(|vendor| cx.festival.vendor(vendor));
    if vendor.is_some_and(|vendor| vendor.stopped) {
        return Some(Decline::VendorStopped);
    }
    if vendor.is_some_and(|vendor| !vendor.hours.include(cx.at)) {
        return Some(Decline::OutsideHours);
    }
    let stopped = |line: &Line| cx.festival.item(line.item).is_some_and(|item| item.stopped);
    lines.iter().any(stopped).then_some(Decline::ItemStopped)
}
