//! What a child has of an allowance and when it asks for more, read naively off the records (L5).

use std::collections::BTreeMap;

use ledger::account::AccountKind;
use ledger::record::{Body, Message, Record, Sent};

/// What a child has, by the records alone.
#[derive(Clone, Copy, Default)]
struct Naive {
    parent: u64,
    target: i64,
    mark: i64,
    left: i64,
    asked: bool,
}

impl Naive {
    /// What it had given back came to it again, if it is in its purse.
    fn has_again(&mut self, message: &Message, landed: bool) {
        let Message::Allowance { child: giver, amount, .. } = message else { return };
        if landed && [0, giver.get()].contains(&self.parent) {
            (self.parent, self.left) = (giver.get(), self.left + amount);
        }
    }

    /// A sale asks for what is missing, or does not.
    fn buys(&mut self, record: &Record, has: i64) {
        let missing = record.decline.is_none() && self.target > 0 && !self.asked && has < self.mark;
        let asked = sent(record).find_map(|sent| match sent.message {
            Message::AllowanceAsked { amount, .. } => Some(amount),
            _ => None,
        });
        assert_eq!(asked, missing.then_some(self.target - has), "{record:?}");
        self.asked |= missing;
    }

    /// An allowance, a change of it, its end or a filling.
    fn is_given(&mut self, message: &Message, taken: bool) {
        let Message::Allowance { parent, target, mark, amount, .. } = message else { return };
        let own = self.parent == parent.get();
        // A filling that is not taken answers too.
        if *amount > 0 && own && (self.target > 0 || !taken) {
            self.asked = false;
        }
        if taken && *target > 0 {
            let Self { left, asked, .. } = if own { *self } else { Self::default() };
            let (parent, left) = (parent.get(), left + amount);
            *self = Self { parent, target: *target, mark: *mark, left, asked };
        } else if taken && own {
            self.target = 0;
        }
    }

    /// What took so much of its parent's money is taken back, or came back.
    fn was_not_spent(&mut self, spent: Option<(u64, i64)>) {
        let Some((parent, amount)) = spent else { return };
        if self.parent == parent {
            self.left += amount;
        } else if self.parent == 0 {
            *self = Self { parent, left: amount, ..Self::default() };
        }
    }
}

/// What sales that stand, and messages, took of whose money; and which sale each void took back.
#[derive(Default)]
struct Spent {
    by_sale: BTreeMap<u64, (u64, i64)>,
    by_message: BTreeMap<u64, (u64, i64)>,
    voids: BTreeMap<u64, u64>,
}

impl Spent {
    /// The sale at `position` is taken back by the record `number`.
    fn taken_back(&mut self, position: u64, number: u64) -> Option<(u64, i64)> {
        self.voids.insert(number, position);
        self.by_sale.remove(&position)
    }

    fn note(&mut self, number: u64, record: &Record, was: &Naive, now: &Naive) {
        let left = if now.parent == was.parent { now.left } else { 0 };
        let took = (was.parent, was.left - left);
        match &record.body {
            _ if record.decline.is_some() || was.parent == 0 || took.1 <= 0 => {}
            Body::Purchased { .. } => {
                self.by_sale.insert(number, took);
            }
            Body::Cancelled { position } => {
                self.by_sale.extend(self.voids.get(&position.0).map(|sale| (*sale, took)));
            }
            Body::TransferSent { .. }
            | Body::AllowanceSet { .. }
            | Body::Delivered { message: Message::AllowanceAsked { .. } } => {
                self.by_message.extend(sent(record).map(|sent| (sent.number, took)));
            }
            _ => {}
        }
    }
}

fn sent(record: &Record) -> impl Iterator<Item = &Sent> {
    record.envelope.mail.iter().flat_map(|mail| &mail.sent)
}

/// Paid-in, bonus and held money of a wallet after a record. Nobody here holds bonus.
fn post(purses: &mut [i64; 3], wallet: u64, record: &Record) -> [i64; 3] {
    for posting in record.entry.postings().iter().filter(|posting| posting.account.owner == wallet) {
        match posting.account.kind {
            AccountKind::WalletPaid => purses[0] -= posting.minor,
            AccountKind::WalletBonus => purses[1] -= posting.minor,
            AccountKind::WalletHeld => purses[2] -= posting.minor,
            _ => {}
        }
    }
    *purses
}

/// Every record must ask exactly when the naive reading of the records before it says so, and give back
/// exactly what is left by it.
pub(crate) fn check_asking(history: &[Record]) {
    let mut kept = BTreeMap::<u64, Naive>::new();
    let mut purses = BTreeMap::<u64, [i64; 3]>::new();
    let mut spent = Spent::default();
    for (number, record) in (0..).zip(history) {
        let Some(wallet) = record.envelope.wallet.map(ledger::ids::WalletNumber::get) else { continue };
        let before = purses.entry(wallet).or_default()[0];
        let has = post(purses.entry(wallet).or_default(), wallet, record);
        let done = record.decline.is_none();
        let now = kept.entry(wallet).or_default();
        let was = *now;
        match &record.body {
            Body::Voided { position: Some(position), .. } | Body::Cancelled { position } if done => {
                now.was_not_spent(spent.taken_back(position.0, number));
            }
            Body::Purchased { .. } => now.buys(record, has[0] + has[1]),
            Body::AllowanceReturned { parent, amount } => {
                assert_eq!(
                    (parent.get(), *amount),
                    (now.parent, now.left.min(has[0] + amount)),
                    "{record:?}"
                );
                (now.left, now.target) = (now.left - amount, 0);
            }
            Body::Delivered { message } if message.gives_back() => assert!(done, "{record:?}"),
            Body::Delivered { message: message @ Message::Allowance { .. } }
            | Body::DeadLettered { message: message @ Message::Allowance { .. } } => {
                let taken = done && matches!(record.body, Body::Delivered { .. });
                now.is_given(message, taken);
            }
            Body::Delivered { message: Message::Returned { message, .. } } if message.gives_back() => {
                now.has_again(message, has[0] > before);
            }
            Body::Delivered { message: Message::Returned { why, message, number } } => match **message {
                Message::AllowanceAsked { parent, .. } if parent.get() == now.parent => {
                    now.asked = false;
                    if why.0.get() == 27 {
                        now.target = 0;
                    }
                }
                Message::Transfer { .. } | Message::Allowance { .. } if has[0] > before => {
                    now.was_not_spent(spent.by_message.remove(number));
                }
                _ => {}
            },
            _ => {}
        }
        now.left = now.left.min(has[0] + has[2]);
        spent.note(number, record, &was, now);
        if now.target == 0 && now.left == 0 && !now.asked {
            *now = Naive::default();
        }
    }
}
