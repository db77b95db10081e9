//! Allowances (L5): asked for by whoever has one, once before it is answered; paid by whoever gives one;
//! and never more goes back than was given. From the records alone, each end by the records of its own
//! shard; it does not know how anybody decides.

use std::collections::BTreeMap;

use super::finding::Rule;
use super::history::Found;
use super::table::Table;
use crate::ids::WalletNumber;
use crate::record::{Body, Message, Record};

/// Why an asking comes back whose allowance is not there: the decline `no_allowance`.
const NO_ALLOWANCE: u8 = 27;

/// What a wallet has.
#[derive(Clone, Copy, Debug)]
struct Kept {
    parent: WalletNumber,
    active: bool,
    asked: bool,
    /// Given and not gone back.
    given: i128,
}

/// All allowances, by both their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowances {
    kept: Table<u64, Kept>,
    /// By who gives and who has it: the number of the message that set it.
    given: BTreeMap<(u64, u64), u64>,
}

impl Allowances {
    /// Takes in what a record says of allowances.
    pub(super) fn take(&mut self, record: &Record, found: &mut Found<'_>) {
        let Some(wallet) = record.envelope.wallet else { return };
        let taken = record.decline.is_none() && !matches!(record.body, Body::DeadLettered { .. });
        match &record.body {
            Body::AllowanceSet { child, target, .. } if taken => {
                let key = (wallet.get(), child.get());
                let sent = record.envelope.mail.iter().flat_map(|mail| &mail.sent).next();
                if *target > 0 {
                    self.given.insert(key, sent.map_or(0, |sent| sent.number));
                } else if self.given.remove(&key).is_none() {
                    found.say(Rule::Allowance, || format!("ends an allowance of {child}, which has none"));
                }
            }
            Body::AllowanceReturned { parent, amount } => self.gone_back(wallet, *parent, *amount, found),
            Body::Delivered { message } | Body::DeadLettered { message } => {
                self.message(wallet, message, taken, found);
            }
            _ => {}
        }
        for sent in record.envelope.mail.iter().flat_map(|mail| &mail.sent) {
            if let Message::AllowanceAsked { child, parent, .. } = &sent.message {
                self.asks(*child, *parent, found);
            }
        }
    }

    fn asks(&mut self, child: WalletNumber, parent: WalletNumber, found: &mut Found<'_>) {
        let kept = self.kept.get_mut(&child.get()).filter(|kept| kept.active && kept.parent == parent);
        match kept {
            None => found.say(Rule::Allowance, || format!("asks {parent}, who gives {child} nothing")),
            Some(kept) if kept.asked => {
                found.say(Rule::Allowance, || format!("asks {parent} again before it is answered"));
            }
            Some(kept) => kept.asked = true,
        }
    }

    fn message(&mut self, wallet: WalletNumber, message: &Message, taken: bool, found: &mut Found<'_>) {
        match message {
            message if message.gives_back() => {}
            Message::Allowance { parent, target, amount, .. } => {
                self.allowance(wallet, *parent, *target, *amount, taken, found);
            }
            Message::AllowanceAsked { child, .. }
                if taken && !self.given.contains_key(&(wallet.get(), child.get())) =>
            {
                found.say(Rule::Allowance, || format!("fills {child} up, whom {wallet} gives nothing"));
            }
            Message::Returned { number, why, message } => match &**message {
                // It did not go back after all: the wallet that gave it back has it again.
                Message::Allowance { child: giver, amount, .. } if message.gives_back() => {
                    let kept = self.kept.get_mut(&wallet.get()).filter(|kept| kept.parent == *giver);
                    if let Some(kept) = kept {
                        kept.given += i128::from(*amount);
                    }
                }
                Message::Allowance { parent, child, .. } => {
                    let key = (parent.get(), child.get());
                    if self.given.get(&key) == Some(number) {
                        self.given.remove(&key);
                    }
                }
                Message::AllowanceAsked { child, parent, .. } => {
                    let kept = self.kept.get_mut(&child.get()).filter(|kept| kept.parent == *parent);
                    if let Some(kept) = kept {
                        kept.asked = false;
                        kept.active &= why.0.get() != NO_ALLOWANCE;
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }

    /// One that begins, changes or ends, or a filling.
    fn allowance(
        &mut self,
        child: WalletNumber,
        parent: WalletNumber,
        target: i64,
        amount: i64,
        taken: bool,
        found: &mut Found<'_>,
    ) {
        let fresh = Kept { parent, active: false, asked: false, given: 0 };
        let known = self.kept.get(&child.get()).copied();
        if taken && target > 0 && known.is_some_and(|kept| kept.active && kept.parent != parent) {
            found.say(Rule::Allowance, || format!("a second allowance for {child}"));
        }
        let own = known.filter(|kept| kept.parent == parent);
        if own.is_none() && (!taken || target == 0) {
            // The end of one that this wallet never had, or one that it could not take.
            return;
        }
        let mut kept = own.unwrap_or(fresh);
        if amount > 0 && kept.active {
            kept.asked = false;
        }
        if taken {
            kept.active = target > 0;
            kept.given += i128::from(amount);
        }
        self.kept.insert(child.get(), kept);
    }

    fn gone_back(&mut self, child: WalletNumber, parent: WalletNumber, amount: i64, found: &mut Found<'_>) {
        let kept = self.kept.get_mut(&child.get()).filter(|kept| kept.parent == parent);
        let given = kept.as_ref().map_or(0, |kept| kept.given);
        if i128::from(amount) > given {
            found.say(Rule::Allowance, || format!("{amount} go back to {parent}, who had given {given}"));
        }
        if let Some(kept) = kept {
            (kept.given, kept.active) = (given - i128::from(amount), false);
        }
    }
}
