//! L5 for allowances: a sale that leaves its wallet below the mark asks whoever keeps it in money, in its
//! own record, and never again before that is answered; a filling is what was asked for or less; no more
//! goes back than was given. From the durable records alone.

use std::collections::BTreeMap;

use actors::codes::Decline;
use actors::festival::Standing;
use ledger::law::Law;
use ledger::mutant;
use ledger::record::{Body, Message, Record, Sent};

use super::shadow::Shadow;
use super::{Seen, Verdict, Violation, rules};

/// Whether an answer is owed to a wallet that asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owed {
    #[default]
    No,
    Yes,
    /// It asked for an allowance that ended and was set again: it may ask or wait.
    Perhaps,
}

/// What a wallet has.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    parent: u64,
    target: i64,
    mark: i64,
    owed: Owed,
    given: i64,
}

/// All allowances by who has them.
#[derive(Clone, Debug, Default)]
pub struct Allowances {
    kept: BTreeMap<u64, Kept>,
    asked: u64,
    returned: u64,
}

impl Allowances {
    /// Takes in a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        let Some(wallet) = seen.record.envelope.wallet else { return Ok(()) };
        self.judge(wallet.get(), seen).map_err(|what| {
            let place = format!("shard {} record {}", seen.shard, seen.number);
            Violation::new(Law::WholeOrNothing, format!("{place}: {what}: {:?}", seen.record))
        })
    }

    /// When nothing fails any more and time has passed: where the festival is closed nobody keeps an
    /// allowance that stands with money left.
    pub fn at_rest(shadow: &Shadow) -> Verdict {
        for state in shadow.states() {
            let closed = state.adopted().is_some_and(|now| now.festival.standing == Standing::Closed);
            if closed && let Some(child) = state.kept_in_money().next() {
                let what = format!("the festival is closed and {child} keeps its allowance");
                return Err(Violation::new(Law::WholeOrNothing, what));
            }
        }
        Ok(())
    }

    /// Askings and returns so far.
    pub const fn counts(&self) -> [u64; 2] {
        [self.asked, self.returned]
    }

    fn judge(&mut self, wallet: u64, seen: &Seen<'_>) -> Result<(), String> {
        let asks = asking(seen.record);
        self.asked += u64::from(asks.is_some());
        match &seen.record.body {
            Body::Purchased { .. } | Body::Held { .. } => self.sale(wallet, seen, asks),
            _ if asks.is_some() => Err("asks for an allowance without a sale".to_owned()),
            Body::AllowanceReturned { parent, amount } => {
                self.returned += 1;
                let kept = self.kept.get_mut(&wallet).filter(|kept| kept.parent == parent.get());
                let Some(kept) = kept.filter(|kept| (1..=kept.given).contains(amount)) else {
                    return Err(format!("gives back {amount}, which was not given"));
                };
                // What is held goes back later.
                kept.given -= amount;
                kept.target = 0;
                Ok(())
            }
            Body::Delivered { message } | Body::DeadLettered { message } => {
                self.message(wallet, seen.record, message)
            }
            _ => Ok(()),
        }
    }

    fn sale(&mut self, wallet: u64, seen: &Seen<'_>, asks: Option<(u64, i64)>) -> Result<(), String> {
        let purses = seen.book.purses(wallet, seen.number).unwrap_or_default();
        let [paid, bonus, _] = rules::after(purses, &rules::moves(seen.record));
        let Some(kept) = self.kept.get_mut(&wallet).filter(|kept| kept.target > 0) else {
            return if asks.is_none() { Ok(()) } else { Err("asks without an allowance".to_owned()) };
        };
        let allowed = seen.festival.is_some_and(|festival| festival.allowances);
        let missing = allowed && seen.record.decline.is_none() && paid + bonus < kept.mark;
        let wanted = missing.then_some((kept.parent, kept.target - paid - bonus));
        match (asks, kept.owed) {
            (Some(_), Owed::Yes) => Err("asks again before it is answered".to_owned()),
            (None, Owed::Yes | Owed::Perhaps) => Ok(()),
            (asks, _) if asks != wanted => Err(format!("asks {asks:?} instead of {wanted:?}")),
            (asks, _) => {
                if asks.is_some() {
                    kept.owed = Owed::Yes;
                }
                Ok(())
            }
        }
    }

    fn message(&mut self, wallet: u64, record: &Record, message: &Message) -> Result<(), String> {
        let took_effect = record.decline.is_none() && matches!(record.body, Body::Delivered { .. });
        match message {
            // Nobody could decide it: its money is back at the child.
            message if message.gives_back() && buried(record) && mutant::poison_of(message).is_some() => {
                Ok(())
            }
            message if message.gives_back() && !took_effect => {
                Err("declines what is left of an allowance: it is the child's".to_owned())
            }
            message if message.gives_back() => Ok(()),
            Message::Allowance { parent, target, mark, amount, .. } => {
                self.set(wallet, parent.get(), (*target, *mark, *amount), took_effect);
                Ok(())
            }
            Message::AllowanceAsked { amount, .. } if took_effect => filling(record, *amount),
            Message::Returned { message, .. } if message.gives_back() => {
                self.given_again(wallet, message);
                Ok(())
            }
            Message::Returned { why, message, .. } => {
                if let (Message::AllowanceAsked { .. }, Some(kept)) = (&**message, self.kept.get_mut(&wallet))
                {
                    kept.owed = Owed::No;
                    if Decline::from_record(*why) == Some(Decline::NoAllowance) {
                        kept.target = 0;
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What was to go back could not be taken: it may go back once more.
    fn given_again(&mut self, wallet: u64, message: &Message) {
        let Message::Allowance { child: giver, amount, .. } = message else { return };
        if let Some(kept) = self.kept.get_mut(&wallet).filter(|kept| kept.parent == giver.get()) {
            kept.given += amount;
        }
    }

    fn set(&mut self, wallet: u64, parent: u64, terms: (i64, i64, i64), took_effect: bool) {
        let (target, mark, amount) = terms;
        let known = self.kept.get(&wallet).copied().filter(|kept| kept.parent == parent);
        let Some(mut kept) =
            known.or((took_effect && target > 0).then_some(Kept { parent, ..Kept::default() }))
        else {
            return;
        };
        if kept.target > 0 && amount > 0 {
            kept.owed = Owed::No;
        }
        if took_effect {
            if kept.target == 0 && kept.owed == Owed::Yes {
                kept.owed = Owed::Perhaps;
            }
            kept.given += amount;
            (kept.target, kept.mark) = (target, mark);
        }
        self.kept.insert(wallet, kept);
    }
}

fn buried(record: &Record) -> bool {
    matches!(record.body, Body::DeadLettered { .. })
}

/// Whom a record asks for how much.
fn asking(record: &Record) -> Option<(u64, i64)> {
    let sent = record.envelope.mail.iter().flat_map(|mail| &mail.sent);
    sent.into_iter().find_map(|sent| match &sent.message {
        Message::AllowanceAsked { parent, amount, .. } => Some((parent.get(), *amount)),
        _ => None,
    })
}

fn filling(record: &Record, asked: i64) -> Result<(), String> {
    let sent = record.envelope.mail.as_ref().map_or(&[][..], |mail| mail.sent.as_slice());
    match sent {
        [Sent { message: Message::Allowance { amount, .. }, .. }] if (1..=asked).contains(amount) => Ok(()),
        other => Err(format!("answers an asking for {asked} with {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::ids::{At, ShardId, WalletNumber};
    use ledger::money::Currency;
    use ledger::record::Envelope;

    use super::*;
    use crate::laws::book::Book;
    use crate::world::fixture;

    /// What a child had left went back to the child, and the parent never saw it again.
    #[test]
    fn what_is_left_of_an_allowance_is_buried_only_where_it_panics() {
        let [parent, child] = [1 << 40, 1 << 41].map(|number| WalletNumber::new(number).unwrap());
        let book = Book::new(Arc::new(fixture::festival(true).unwrap()), 1);
        let judged = |amount| {
            // Back from the child: it is for who gave it.
            let message = Message::Allowance {
                festival: fixture::FESTIVAL,
                parent: child,
                child: parent,
                target: 0,
                mark: 0,
                currency: Currency::EUR,
                amount,
            };
            let envelope = Envelope { wallet: Some(parent), ..Envelope::default() };
            let record = Record::fact(At(1), envelope, Body::DeadLettered { message });
            let (shard, number) = (ShardId(0), 0);
            let (block, asked, festival) = (0, &[][..], None);
            let seen = Seen { shard, block, number, record: &record, book: &book, asked, festival };
            Allowances::default().record(&seen)
        };
        assert_eq!(judged(5).unwrap_err().law, Law::WholeOrNothing);
        let poisoned = judged(mutant::POISON_GIVE_BACK);
        assert_eq!(poisoned.is_ok(), cfg!(feature = "mutants"));
    }
}
