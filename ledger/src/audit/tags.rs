//! Tags that were given to wallets of other numbers (L13): each to at most one, by its own shard; a wallet
//! acts for the tags that it took and for no other, and a blocked or replaced one pays nothing. From the
//! records alone.

use std::collections::BTreeMap;

use super::finding::Rule;
use super::history::Found;
use super::table::Table;
use crate::ids::{TagNumber, WalletNumber};
use crate::record::{Body, Message, Record};

/// What a tag of a wallet may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Pay,
    /// Nothing until it is unblocked.
    Wait,
    /// Nothing new any more.
    Rest,
}

/// All of them, as the shards of the tags and of the wallets recorded them.
#[derive(Clone, Debug, Default)]
pub(super) struct Tags {
    /// To whom a tag was given, in its own shard.
    given: Table<u64, WalletNumber>,
    /// The tags that wallets took, and first tags that may not pay.
    taken: BTreeMap<(WalletNumber, TagNumber), May>,
}

impl Tags {
    /// A tag gives itself to a wallet; `open` says that it opened one itself.
    pub(super) fn give(
        &mut self,
        tag: WalletNumber,
        wallet: WalletNumber,
        open: bool,
        found: &mut Found<'_>,
    ) {
        if open {
            found.say(Rule::Pairing, || format!("gives tag {tag} away, which has a wallet of its own"));
        }
        if let Some(before) = self.given.insert(tag.get(), wallet) {
            found.say(Rule::Pairing, || format!("gives tag {tag} to wallet {wallet}, which {before} has"));
        }
    }

    /// A wallet is opened by a tag.
    pub(super) fn open(&self, tag: WalletNumber, found: &mut Found<'_>) {
        if let Some(wallet) = self.given.get(&tag.get()) {
            found.say(Rule::Pairing, || format!("opens a wallet by tag {tag}, which wallet {wallet} has"));
        }
    }

    /// A message about a tag, taken: by the wallet, or by the tag to which it came back.
    pub(super) fn deliver(&mut self, record: &Record, found: &mut Found<'_>) {
        let Body::Delivered { message } = &record.body else { return };
        match message {
            Message::Paired { tag, wallet, replaces, .. } if record.decline.is_none() => {
                self.take(*tag, *wallet, *replaces, found);
            }
            Message::Returned { message, .. } => {
                let Message::Paired { tag, wallet, .. } = &**message else { return };
                if self.given.remove(&tag.get()) != Some(*wallet) {
                    found.say(Rule::Pairing, || {
                        format!("tag {tag} comes back from wallet {wallet}, which it is not of")
                    });
                }
            }
            _ => {}
        }
    }

    fn take(
        &mut self,
        tag: TagNumber,
        wallet: WalletNumber,
        replaces: Option<TagNumber>,
        found: &mut Found<'_>,
    ) {
        if let Some(replaced) = replaces {
            if matches!(self.may(wallet, replaced), None | Some(May::Rest)) {
                found.say(Rule::Pairing, || {
                    format!("replaces tag {replaced}, which wallet {wallet} does not have")
                });
            }
            self.taken.insert((wallet, replaced), May::Rest);
        }
        if tag == wallet.as_tag() || self.taken.insert((wallet, tag), May::Pay).is_some() {
            found.say(Rule::Pairing, || format!("wallet {wallet} takes tag {tag} again"));
        }
    }

    /// `None` for a tag that is none of the wallet.
    fn may(&self, wallet: WalletNumber, tag: TagNumber) -> Option<May> {
        let first = (tag == wallet.as_tag()).then_some(May::Pay);
        self.taken.get(&(wallet, tag)).copied().or(first)
    }

    /// A record that a wallet decided names a tag of its own, and one that may do what it did.
    pub(super) fn check(&mut self, wallet: WalletNumber, record: &Record, found: &mut Found<'_>) {
        let tag = record.envelope.tag.unwrap_or(wallet.as_tag());
        let may = self.may(wallet, tag);
        if may.is_none() || record.envelope.tag == Some(wallet.as_tag()) {
            return found.say(Rule::Pairing, || {
                format!("names tag {tag}, which is none of wallet {wallet}'s further ones")
            });
        }
        if record.decline.is_some() {
            return;
        }
        match &record.body {
            Body::TagSet { tag: named, blocked } => {
                if *named != tag || may == Some(May::Rest) {
                    found.say(Rule::Pairing, || {
                        format!("sets tag {named} where {tag} asked, or a replaced one")
                    });
                }
                self.taken.insert((wallet, tag), if *blocked { May::Wait } else { May::Pay });
            }
            Body::ToppedUp { .. }
            | Body::Purchased { .. }
            | Body::Voided { .. }
            | Body::TransferSent { .. }
            | Body::AllowanceSet { .. }
            | Body::Held { .. }
                if may != Some(May::Pay) =>
            {
                found.say(Rule::Pairing, || format!("tag {tag} is blocked or replaced, and pays"));
            }
            _ => {}
        }
    }
}
