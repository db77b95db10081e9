//! Owns: what the gateway knows of each device across connections and loops: its place in the
//! adopted configuration, the highest counter seen from it, its declines and cancels of this minute.
//! Must never: decide about money; grow (one entry per enrolled device, L12).
//! Laws: L12 (a broken terminal fills neither the legal record nor the memory), L13 (only enrolled devices).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::festival::{Festival, Roles};
use engine::job::Mono;
use ledger::ids::{DeviceNumber, TillId};

use crate::time::SECOND;

const MINUTE: u64 = 60 * SECOND;
/// Low bits of the packed window hold the count, the others the minute.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// All devices of the adopted configuration.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// By rising number.
    devices: Vec<Member>,
}

/// A device as its session knows it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The device.
    pub(crate) number: DeviceNumber,
    /// The till it works at.
    pub(crate) till: TillId,
    /// What it may do.
    pub(crate) roles: Roles,
    /// May do nothing any more.
    pub(crate) revoked: bool,
    /// Shared by all its sessions and all versions.
    seen: Arc<Seen>,
}

/// What was seen of a device, whatever the version of the configuration.
#[derive(Debug, Default)]
struct Seen {
    highest: AtomicU64,
    declines: Window,
    cancels: Window,
}

/// How often something happened in this minute of the monotonic clock: the minute and the count, packed so that
/// both move at once.
#[derive(Debug, Default)]
struct Window(AtomicU64);

impl Window {
    /// So many more.
    fn add(&self, count: u32, now: Mono) {
        let minute = now.0 / MINUTE;
        let add = |packed: u64| {
            let before = if packed >> COUNT_BITS == minute { packed & COUNT_MASK } else { 0 };
            minute << COUNT_BITS | (before + u64::from(count)).min(COUNT_MASK)
        };
        let _before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| Some(add(packed)));
    }

    /// Milliseconds until the minute ends, if there were more than `limit` in it.
    fn over(&self, limit: u32, now: Mono) -> Option<u32> {
        let packed = self.0.load(Ordering::Relaxed);
        let over = packed >> COUNT_BITS == now.0 / MINUTE && packed & COUNT_MASK > u64::from(limit);
        // At most 60,000.
        over.then(|| u32::try_from((MINUTE - now.0 % MINUTE).div_ceil(1_000)).unwrap_or(u32::MAX))
    }
}

impl Standing {
    /// The devices of `festival`, with the highest counter that recovery found of each.
    pub(crate) fn new(festival: &Festival, highest: &HashMap<DeviceNumber, u64>) -> Self {
        Self::with(festival, |number| {
            let highest = AtomicU64::new(highest.get(&number).copied().unwrap_or(0));
            Arc::new(Seen { highest, ..Seen::default() })
        })
    }

    /// The devices of the next version: their counters and their declines go on.
    pub(crate) fn of_next(&self, festival: &Festival) -> Self {
        Self::with(festival, |number| {
            self.member(number.get()).map_or_else(Arc::default, |known| Arc::clone(&known.seen))
        })
    }

    fn with(festival: &Festival, seen: impl Fn(DeviceNumber) -> Arc<Seen>) -> Self {
        let member = |device: &actors::festival::Device| Member {
            number: device.number,
            till: device.till,
            roles: device.roles,
            revoked: device.revoked,
            seen: seen(device.number),
        };
        let mut devices: Vec<_> = festival.devices().iter().map(member).collect();
        devices.sort_by_key(|member| member.number);
        Self { devices }
    }

    /// The device of this number, if it is enrolled.
    pub(crate) fn member(&self, number: u32) -> Option<&Member> {
        let place = self.devices.binary_search_by_key(&number, |member| member.number.get()).ok()?;
        self.devices.get(place)
    }
}

impl Member {
    /// The highest counter seen from the device; 0 is none.
    pub(crate) fn highest(&self) -> u64 {
        self.seen.highest.load(Ordering::Relaxed)
    }

    /// A recorded answer about `counter` leaves.
    pub(crate) fn raise(&self, counter: u64) {
        if self.highest() < counter {
            self.seen.highest.fetch_max(counter, Ordering::Relaxed);
        }
    }

    /// So many declines leave for the device.
    pub(crate) fn declined(&self, count: u32, now: Mono) {
        self.seen.declines.add(count, now);
    }

    /// The device gives one request up.
    pub(crate) fn gave_up(&self, now: Mono) {
        self.seen.cancels.add(1, now);
    }

    /// Milliseconds until the device may give up a request, if it has given up `limit` in this minute: each id that
    /// is closed without a request is kept for ever.
    pub(crate) fn gives_up_too_often(&self, limit: u32, now: Mono) -> Option<u32> {
        self.seen.cancels.over(limit.saturating_sub(1), now)
    }

    /// Milliseconds until the device may write again, if it has had more declines than `limit` in
    /// this minute.
    pub(crate) fn busy_for(&self, limit: u32, now: Mono) -> Option<u32> {
        self.seen.declines.over(limit, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_device() -> Standing {
        let number = DeviceNumber::new(7).unwrap();
        let till = TillId::new(1).unwrap();
        let seen = Arc::new(Seen { highest: AtomicU64::new(41), ..Seen::default() });
        Standing { devices: vec![Member { number, till, roles: Roles::default(), revoked: false, seen }] }
    }

    #[test]
    fn the_highest_counter_only_rises() {
        let standing = one_device();
        let member = standing.member(7).unwrap();
        member.raise(40);
        assert_eq!(member.highest(), 41);
        member.clone().raise(50);
        assert_eq!(member.highest(), 50);
        assert!(standing.member(8).is_none());
    }

    #[test]
    fn more_than_sixty_declines_are_busy_until_the_minute_ends() {
        let standing = one_device();
        let member = standing.member(7).unwrap();
        let at = |seconds: u64| Mono(seconds * SECOND);
        member.declined(60, at(61));
        assert_eq!(member.busy_for(60, at(61)), None);
        member.declined(1, at(90));
        assert_eq!(member.busy_for(60, at(90)), Some(30_000));
        assert_eq!(member.busy_for(60, at(120)), None);
        member.declined(1, at(120));
        assert_eq!(member.busy_for(60, at(120)), None);
    }

    #[test]
    fn a_device_gives_up_so_many_requests_a_minute_and_no_more() {
        // A stolen gate closed a million ids that nobody had used: memory, and every start after it.
        let standing = one_device();
        let member = standing.member(7).unwrap();
        let at = |seconds: u64| Mono(seconds * SECOND);
        for _ in 0..600 {
            assert_eq!(member.gives_up_too_often(600, at(90)), None);
            member.gave_up(at(90));
        }
        assert_eq!(member.gives_up_too_often(600, at(90)), Some(30_000));
        assert_eq!((member.gives_up_too_often(600, at(120)), member.busy_for(0, at(90))), (None, None));
    }
}
