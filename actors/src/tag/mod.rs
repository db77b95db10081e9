//! Tags. A tag is an actor in the shard of its number: it decides to which wallet it belongs, once and
//! for ever. A wallet that was opened by it at a desk has its number, and nothing is said here; the
//! exceptions are: tags that were given to a wallet of another number, and the wallet's own list of them.

mod pair;
mod routes;
mod set;

pub(crate) use pair::pair;
pub use routes::{News, Routes};
pub(crate) use set::set;

use std::collections::BTreeMap;

use ledger::ids::{TagNumber, WalletNumber};
use ledger::mutant::{self, Mutant};

use crate::codes::Decline;
use crate::table::Table;

/// Most further tags of one wallet: lost bands of a long weekend, and bounded all the same.
pub const MAX_TAGS: usize = 16;

/// What a tag of a wallet may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Standing {
    /// Pay.
    #[default]
    Active,
    /// Nothing new until it is unblocked.
    Blocked,
    /// Nothing new: another one has its place.
    Replaced,
}

impl Standing {
    /// Why a new request with such a tag is declined.
    pub(crate) const fn decline(self) -> Option<Decline> {
        match self {
            Self::Active => None,
            Self::Blocked => Some(Decline::WalletBlocked),
            Self::Replaced => Some(Decline::TagReplaced),
        }
    }
}

/// To whom a tag of this shard was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pairing {
    /// The wallet.
    pub wallet: WalletNumber,
    /// The tag remembers no id from before: requests need not ask it.
    pub straight: bool,
}

/// A further tag of a wallet of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Further {
    pub(crate) check: u64,
    pub(crate) standing: Standing,
}

/// The exceptions: see the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    given: Table<TagNumber, Pairing>,
    further: BTreeMap<(WalletNumber, TagNumber), Further>,
}

impl Tags {
    /// To whom this tag was given.
    #[inline]
    pub(crate) fn given(&self, tag: TagNumber) -> Option<Pairing> {
        self.given.get(&tag).copied()
    }

    /// All tags that were given away, by rising number.
    pub(crate) fn all_given(&self) -> Vec<(TagNumber, Pairing)> {
        let mut all: Vec<_> = self.given.iter().map(|(tag, pairing)| (*tag, *pairing)).collect();
        all.sort_unstable_by_key(|(tag, _)| *tag);
        all
    }

    /// The tag was given away.
    pub(crate) fn give(&mut self, tag: TagNumber, pairing: Pairing) {
        self.given.insert(tag, pairing);
    }

    /// The wallet did not take the tag: it is free again.
    pub(crate) fn free(&mut self, tag: TagNumber, wallet: WalletNumber) {
        if self.given(tag).is_some_and(|pairing| pairing.wallet == wallet) {
            self.given.remove(&tag);
        }
    }

    /// A further tag of a wallet.
    pub(crate) fn further(&self, wallet: WalletNumber, tag: TagNumber) -> Option<&Further> {
        self.further.get(&(wallet, tag))
    }

    /// Whether a tag is the wallet's: the first, or a further one.
    pub(crate) fn is_of(&self, wallet: WalletNumber, tag: TagNumber) -> bool {
        let of_it = wallet.as_tag() == tag || self.further.contains_key(&(wallet, tag));
        of_it || mutant::on(Mutant::TagUnchecked)
    }

    /// How many further tags a wallet has.
    pub(crate) fn count(&self, wallet: WalletNumber) -> usize {
        self.further.range((wallet, TagNumber::MIN)..=(wallet, TagNumber::MAX)).count()
    }

    /// Every further tag, by wallet.
    pub(crate) fn all_further(&self) -> impl Iterator<Item = (&(WalletNumber, TagNumber), &Further)> {
        self.further.iter()
    }

    /// The wallet has one more tag.
    pub(crate) fn add(&mut self, wallet: WalletNumber, tag: TagNumber, check: u64) {
        self.further.insert((wallet, tag), Further { check, standing: Standing::Active });
    }

    /// What a further tag may do from here on.
    pub(crate) fn set(&mut self, wallet: WalletNumber, tag: TagNumber, standing: Standing) {
        if let Some(further) = self.further.get_mut(&(wallet, tag)) {
            further.standing = standing;
        }
    }
}
