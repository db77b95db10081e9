//! What every request id came to (L4), in 24 bytes each: 20 million of them and the postings they
//! may have to be compared with fit in two gigabytes.

use std::collections::hash_map::Entry as Slot;

use super::table::Table;
use crate::entry::Posting;
use crate::ids::{RecordNumber, RequestId};
use crate::record::leb;

/// What a record did under its request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Effect {
    Declined,
    /// Closed by its own device before it was seen.
    Burned,
    /// Closed by a sale that finishes it.
    Replaced,
    Opened,
    ToppedUp,
    Purchased,
    Transferred,
    Voided,
    Held,
    Captured,
    Released,
    PaidOut,
    /// A configuration was changed: that is followed by another, never taken back.
    Configured,
    Paired,
    TagSet,
    Allowed,
}

impl Effect {
    pub(super) const fn took_effect(self) -> bool {
        !matches!(self, Self::Declined | Self::Burned | Self::Replaced)
    }

    /// Whether a void can take it back.
    pub(super) const fn is_sale(self) -> bool {
        matches!(self, Self::Purchased | Self::Captured)
    }
}

/// A request id; a long one has a second half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) id: RequestId,
    pub(super) second: Option<u64>,
}

/// What is known of an id on a wallet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    wallet: u32,
    record: [u8; 5],
    postings: [u8; 5],
    pub(super) effect: Effect,
    pub(super) state: State,
}

/// What became of what took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State(u8);

impl State {
    /// It stands.
    pub(super) const STANDS: Self = Self(0);
    /// A sale that a void took back.
    pub(super) const REFUNDED: Self = Self(1);
    /// Taken back by its own device.
    pub(super) const CANCELLED: Self = Self(2);
    /// Its own device was told that it stands: it cannot take it back any more.
    pub(super) const SETTLED: Self = Self(4);

    pub(super) const fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl Known {
    pub(super) fn record(&self) -> RecordNumber {
        RecordNumber(wide(self.record))
    }
}

/// The low five bytes; record numbers have no more, and no arena of postings grows beyond them.
fn five(value: u64) -> [u8; 5] {
    let bytes = value.to_le_bytes();
    [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]]
}

fn wide(bytes: [u8; 5]) -> u64 {
    u64::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], 0, 0, 0])
}

/// What a record did, for [`Requests::claim`].
pub(super) struct Done<'a> {
    pub(super) number: RecordNumber,
    pub(super) effect: Effect,
    pub(super) postings: &'a [Posting],
}

/// What became of an id that a record wants to use.
pub(super) enum Claim {
    /// Never seen before.
    Fresh,
    /// Never seen on this wallet, but on the one of this index.
    Forked(u32),
    /// Known on this wallet.
    Taken(Known),
}

/// All ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Requests {
    /// Short ids, by the first wallet that used them: nearly all.
    first: Table<u64, Known>,
    /// The others: long ids, and ids on a second wallet.
    rest: Table<(Key, u32), Known>,
    /// Which sale a void took back.
    by_void: Table<(Key, u32), Key>,
    /// Postings of what took effect, in an order and form that can be compared.
    arena: Vec<u8>,
    scratch: Vec<u8>,
}

impl Requests {
    /// Whether a short id was seen on any wallet.
    pub(super) fn holds(&self, id: RequestId) -> bool {
        self.first.contains_key(&id.get())
    }

    /// What is known of `key` on the wallet of this index.
    pub(super) fn find(&mut self, key: Key, wallet: u32) -> Option<&mut Known> {
        if key.second.is_none() {
            match self.first.get_mut(&key.id.get()) {
                None => return None,
                Some(known) if known.wallet == wallet => return Some(known),
                Some(_) => {}
            }
        }
        self.rest.get_mut(&(key, wallet))
    }

    /// Says that a record did something under `key`, if the id is free on this wallet.
    pub(super) fn claim(&mut self, key: Key, wallet: u32, done: &Done<'_>) -> Claim {
        let (record, postings) = (five(done.number.0), five(self.arena.len() as u64));
        let new = Known { wallet, record, postings, effect: done.effect, state: State::STANDS };
        let mut forked = None;
        if key.second.is_none() {
            match self.first.entry(key.id.get()) {
                Slot::Vacant(slot) => {
                    slot.insert(new);
                    self.keep(done);
                    return Claim::Fresh;
                }
                Slot::Occupied(slot) if slot.get().wallet == wallet => return Claim::Taken(*slot.get()),
                Slot::Occupied(slot) => forked = Some(slot.get().wallet),
            }
        }
        match self.rest.entry((key, wallet)) {
            Slot::Occupied(slot) => Claim::Taken(*slot.get()),
            Slot::Vacant(slot) => {
                slot.insert(new);
                self.keep(done);
                forked.map_or(Claim::Fresh, Claim::Forked)
            }
        }
    }

    fn keep(&mut self, done: &Done<'_>) {
        if done.effect.took_effect() {
            put_postings(&mut self.arena, done.postings, false);
        }
    }

    /// Changes what is known of what took effect under `key`.
    pub(super) fn change(&mut self, key: Key, wallet: u32, change: impl FnOnce(State) -> State) {
        if let Some(known) = self.find(key, wallet) {
            known.state = change(known.state);
        }
    }

    /// Whether `postings` are those kept with `known`, each with the other sign.
    pub(super) fn reverses(&mut self, known: &Known, postings: &[Posting]) -> bool {
        self.scratch.clear();
        put_postings(&mut self.scratch, postings, true);
        let start = usize::try_from(wide(known.postings)).unwrap_or(usize::MAX);
        let kept = self.arena.get(start..).unwrap_or_default();
        known.effect.took_effect() && kept.starts_with(&self.scratch)
    }

    /// Ties a void to the sale it took back, so that cancelling the void lets the sale stand again.
    pub(super) fn tie(&mut self, void: Key, sale: Key, wallet: u32) {
        self.by_void.insert((void, wallet), sale);
    }

    /// The sale that this void took back.
    pub(super) fn sale_of(&self, void: Key, wallet: u32) -> Option<Key> {
        self.by_void.get(&(void, wallet)).copied()
    }
}

/// Count, then each posting, sorted: one set of postings has one form, and since the count leads,
/// no form begins another. The owner of a purse is left out: it is the wallet that both records
/// are about, or the record was named for it.
fn put_postings(out: &mut Vec<u8>, postings: &[Posting], reversed: bool) {
    let signed = |posting: &Posting| if reversed { posting.minor.wrapping_neg() } else { posting.minor };
    let mut order: smallvec::SmallVec<[&Posting; 8]> = postings.iter().collect();
    order.sort_unstable_by_key(|posting| (posting.account, signed(posting)));
    leb::put(out, order.len() as u64);
    for posting in order {
        let account = posting.account;
        out.push(account.kind as u8);
        if !account.kind.is_purse() {
            leb::put(out, account.owner);
        }
        leb::put(out, account.currency.numeric().into());
        leb::put_signed(out, signed(posting));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_takes_24_bytes() {
        assert_eq!((size_of::<Known>(), size_of::<(u64, Known)>()), (16, 24));
    }

    #[test]
    fn five_bytes_hold_every_record_number() {
        for value in [0, 1, 0x12_3456_789a, RecordNumber::MAX] {
            assert_eq!(wide(five(value)), value);
        }
    }
}
