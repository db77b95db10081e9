//! Which actor a request is for, now that a tag may belong to a wallet of another number; and what a tag
//! may do. A tag's own actor looks an id up before it sends a request on, so that what it remembers from
//! before holds for ever (L4); a wallet answers for no tag that it did not take.

use ledger::ids::{Office, TagNumber, WalletNumber};
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Message, Record};

use super::ShardState;
use crate::command::{Command, Request};
use crate::office;
use crate::tag::{News, Pairing, Standing, Tags};
use crate::wallet::Wallet;

impl ShardState {
    pub(crate) const fn tags(&self) -> &Tags {
        &self.tags
    }

    /// What is to be known about tags that were given away here, or taken.
    pub fn all_tag_news(&self) -> Vec<News> {
        let given = self.tags.all_given().into_iter();
        let given = given.map(|(tag, pairing)| News::Given { tag, straight: pairing.straight });
        let taken =
            self.tags.all_further().map(|((wallet, tag), _)| News::Taken { tag: *tag, wallet: *wallet });
        given.chain(taken).collect()
    }

    /// What is to be known about a tag after `record`, which was applied last.
    pub fn tag_news(&self, record: &Record) -> Option<News> {
        if record.decline.is_some() {
            return None;
        }
        match &record.body {
            Body::TagPaired { .. } => {
                let tag = record.envelope.wallet?.as_tag();
                Some(News::Given { tag, straight: self.tags.given(tag)?.straight })
            }
            Body::Delivered { message: Message::Paired { tag, wallet, .. } } => {
                Some(News::Taken { tag: *tag, wallet: *wallet })
            }
            _ => None,
        }
    }

    /// To whom a tag whose actor lives here was given.
    pub fn given_tag(&self, tag: TagNumber) -> Option<Pairing> {
        self.tags.given(tag)
    }

    /// The second half of the hash of a tag of a wallet; of the first one where `tag` is `None`; 0 for an
    /// office.
    pub(crate) fn tag_check(&self, number: WalletNumber, tag: Option<TagNumber>) -> Option<u64> {
        if let Some(tag) = tag {
            return self.tags.further(number, tag).map(|further| further.check);
        }
        let known = self.wallet_of(number).map(|wallet| wallet.check);
        known.or(Office::of(number).map(|office| office::tag(office).check))
    }

    /// What a tag of a wallet may do; `None` if it is none of it.
    pub(crate) fn standing(&self, wallet: &Wallet, tag: TagNumber) -> Option<Standing> {
        if wallet.number == tag.get() {
            return Some(wallet.standing());
        }
        self.tags.further(wallet.number(), tag).map(|further| further.standing)
    }

    /// A request that was sent to a wallet for a tag that it did not take: the tag is to be asked.
    #[inline]
    pub(super) fn not_its_wallet(&self, request: &Request) -> Option<WalletNumber> {
        let wallet = request.wallet?;
        let tag = request.tag.number;
        (!self.tags.is_of(wallet, tag)).then(|| tag.as_wallet())
    }

    /// The wallet that the request's tag was given to, where that one is to be asked. `known` says that the
    /// tag itself remembers the id.
    #[inline]
    pub(super) fn given_to(
        &self,
        request: &Request,
        actor: Option<&Wallet>,
        known: bool,
    ) -> Option<WalletNumber> {
        // A tag that opened a wallet is given to none.
        let again = matches!(request.command, Command::Pair { .. }) && mutant::on(Mutant::SecondPairingWins);
        if request.wallet.is_some() || actor.is_some_and(Wallet::is_open) || again {
            return None;
        }
        let pairing = self.tags.given(request.tag.number)?;
        // A pairing too: were it declined here, its cancel could have been burned there, and an id had two ends.
        let own = known && request.command != Command::Balance;
        (!own).then_some(pairing.wallet)
    }

    /// A tag was given to a wallet: it knows to whom.
    pub(super) fn give_tag(&mut self, slot: u32, wallet: WalletNumber) {
        let own = self.slots.at(slot);
        let (tag, straight) = (own.number().as_tag(), own.remembered == 0);
        self.tags.give(tag, Pairing { wallet, straight });
    }

    /// What a tag of a wallet may do from here on.
    pub(super) fn set_standing(&mut self, number: WalletNumber, tag: TagNumber, standing: Standing) {
        if number.as_tag() != tag {
            return self.tags.set(number, tag, standing);
        }
        if let Some(slot) = self.slots.find(number) {
            self.slots.at_mut(slot).set_standing(standing);
        }
    }

    /// What a message about a tag does, where it arrives and where it comes back.
    pub(super) fn take_tag(&mut self, record: &Record, message: &Message) {
        match message {
            Message::Paired { tag, check, wallet, replaces, .. } if record.decline.is_none() => {
                self.tags.add(*wallet, *tag, *check);
                if let Some(replaced) = replaces {
                    self.set_standing(*wallet, *replaced, Standing::Replaced);
                }
            }
            Message::Returned { message, .. } => {
                if let Message::Paired { tag, wallet, .. } = &**message {
                    self.tags.free(*tag, *wallet);
                }
            }
            _ => {}
        }
    }
}
