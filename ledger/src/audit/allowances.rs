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
    /// It gave back what was left before its giver said that it ends: the festival closed.
    gave_back: bool,
}

/// All allowances, by both their ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Allowances {
    kept: Table<u64, Kept>,
    /// Given and not gone back, by who has it and who gave it.
    sums: Table<(u64, u64), i128>,
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
                    self.add(wallet, *giver, i128::from(*amount));
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
        let fresh = Kept { parent, active: false, asked: false, gave_back: false };
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
        if amount > 0 && (kept.active || kept.gave_back) {
            kept.asked = false;
        }
        if taken {
            (kept.active, kept.gave_back) = (target > 0, false);
            self.add(child, parent, i128::from(amount));
        }
        self.kept.insert(child.get(), kept);
    }

    /// `child` has so much more of what `parent` gave.
    fn add(&mut self, child: WalletNumber, parent: WalletNumber, amount: i128) {
        let key = (child.get(), parent.get());
        let sum = self.sums.get(&key).copied().unwrap_or(0);
        self.sums.insert(key, sum + amount);
    }

    fn gone_back(&mut self, child: WalletNumber, parent: WalletNumber, amount: i64, found: &mut Found<'_>) {
        let given = self.sums.get(&(child.get(), parent.get())).copied().unwrap_or(0);
        if i128::from(amount) > given {
            found.say(Rule::Allowance, || format!("{amount} go back to {parent}, who had given {given}"));
        }
        self.add(child, parent, -i128::from(amount));
        if let Some(kept) = self.kept.get_mut(&child.get()).filter(|kept| kept.parent == parent) {
            (kept.active, kept.gave_back) = (false, true);
        }
    }
}
