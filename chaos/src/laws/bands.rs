//! Bands in their plainest form: to whom a band was given, which ones a wallet took and what each of them may
//! do; and the laws of them. A band is of one wallet, for ever (L13); a pairing arrives or comes back (L5);
//! an id that came by a band has one home (L4). Written from the specification, never from the actors' code.

use std::collections::{BTreeMap, BTreeSet};

use actors::codes::{Decline, Refusal};
use actors::command::{Command, Request};
use actors::festival::Role;
use ledger::ids::{TagNumber, WalletNumber};
use ledger::law::Law;
use ledger::record::{Body, Message, Record, Sent};

use super::book::{Book, Page};
use super::rules::{Expected, Rules};
use super::timeline::Timeline;
use super::{Asked, Seen, Verdict, Violation};
use crate::world::tally::Row;

/// Most further bands of a wallet.
const MOST: usize = 16;

/// What a band may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum May {
    /// Pay.
    #[default]
    Pay,
    /// Nothing new until it is unblocked.
    Wait,
    /// Nothing new: another one has its place.
    Rest,
}

/// What a page knows of bands, at all times.
#[derive(Clone, Debug, Default)]
pub struct Bands {
    /// As a band that opened no wallet: to which one it was given.
    given: Timeline<Option<u64>>,
    /// As a wallet: its further bands, each with the other half of its hash.
    taken: BTreeMap<u64, Timeline<(u64, May)>>,
    /// As a wallet: its first band.
    first: Timeline<May>,
}

impl Bands {
    /// The wallet that the band was given to.
    pub fn given(&self, position: u64) -> Option<u64> {
        self.given.at(position).copied().flatten()
    }

    /// Whether the band was ever given to anybody.
    pub(super) fn was_given(&self) -> bool {
        self.given.at(u64::MAX).is_some()
    }

    /// Every wallet that the band was ever given to.
    fn ever_given(&self) -> BTreeSet<u64> {
        self.given.values().copied().flatten().collect()
    }

    /// The other half of the hash of a further band of the wallet, if it is one.
    pub(super) fn check(&self, band: u64, position: u64) -> Option<u64> {
        self.taken.get(&band).and_then(|taken| taken.at(position)).map(|(check, _)| *check)
    }

    /// How many further bands the wallet has.
    pub(super) fn count(&self, position: u64) -> usize {
        self.taken.values().filter(|taken| taken.at(position).is_some()).count()
    }

    /// What a band of the wallet `of` may do; `None` if it is none of it.
    pub fn may(&self, of: u64, band: u64, position: u64) -> Option<May> {
        if of == band {
            return Some(self.first.at(position).copied().unwrap_or_default());
        }
        self.taken.get(&band).and_then(|taken| taken.at(position)).map(|(_, may)| *may)
    }

    fn set(&mut self, of: u64, band: u64, number: u64, may: May) {
        if of == band {
            return self.first.set(number + 1, may);
        }
        if let (Some(check), Some(taken)) = (self.check(band, number), self.taken.get_mut(&band)) {
            taken.set(number + 1, (check, may));
        }
    }

    /// What a record that took effect on the page `of` does.
    pub(super) fn enter(&mut self, of: u64, number: u64, record: &Record) {
        match &record.body {
            Body::TagPaired { wallet, .. } => self.given.set(number + 1, Some(wallet.get())),
            Body::TagSet { tag, blocked } => {
                self.set(of, tag.get(), number, if *blocked { May::Wait } else { May::Pay });
            }
            Body::Delivered { message: Message::Paired { tag, check, replaces, .. } } => {
                self.taken.entry(tag.get()).or_default().set(number + 1, (*check, May::Pay));
                if let Some(old) = replaces {
                    self.set(of, old.get(), number, May::Rest);
                }
            }
            Body::Delivered { message: Message::Returned { message, .. } } => {
                if let Message::Paired { wallet, .. } = &**message
                    && self.given(number) == Some(wallet.get())
                {
                    self.given.set(number + 1, None);
                }
            }
            _ => {}
        }
    }
}

/// Why nothing new is done for the request's band, if so.
pub fn barred(page: &Page, request: &Request, position: u64) -> Option<Decline> {
    match page.bands.may(request.actor().get(), request.tag.number.get(), position) {
        Some(May::Wait) => Some(Decline::WalletBlocked),
        Some(May::Rest) => Some(Decline::TagReplaced),
        Some(May::Pay) | None => None,
    }
}

/// What giving a band to a wallet comes to: the band decides, once.
pub fn pair(
    rules: &Rules<'_>,
    request: &Request,
    page: Option<&Page>,
    position: u64,
    till_fits: bool,
    wallet: WalletNumber,
) -> Result<Expected, Refusal> {
    rules.may(request, Role::Pair)?;
    till_fits.then_some(()).ok_or(Refusal::WrongTill)?;
    if wallet.as_tag() == request.tag.number {
        return Err(Refusal::SameWallet);
    }
    let taken = page.is_some_and(|page| page.is_open_at(position) || page.bands.given(position).is_some());
    Ok(if taken { Expected::no(Decline::TagTaken) } else { Expected::nothing() })
}

/// What blocking or unblocking a band comes to.
pub fn set(
    rules: &Rules<'_>,
    request: &Request,
    page: &Page,
    position: u64,
    till_fits: bool,
) -> Result<Expected, Refusal> {
    rules.may(request, Role::Pair).or_else(|_| rules.may(request, Role::Supervise))?;
    till_fits.then_some(()).ok_or(Refusal::WrongTill)?;
    request.operator.ok_or(Refusal::NoOperator)?;
    let replaced = barred(page, request, position).filter(|why| *why == Decline::TagReplaced);
    Ok(replaced.map_or(Expected::nothing(), Expected::no))
}

/// The wallet, or a band of it, that a command names beside the request's own.
fn named(command: &mut Command) -> Option<&mut WalletNumber> {
    match command {
        Command::Transfer { payee: named, .. }
        | Command::Pair { wallet: named, .. }
        | Command::SetAllowance { child: named, .. } => Some(named),
        _ => None,
    }
}

impl Book {
    /// The ways in which a request may have been addressed: to the band or to a wallet that it was given to, and
    /// with the name of a band in its command, or of the wallet that took that one.
    pub fn addressed(&self, request: &Request) -> Vec<Request> {
        let mut ways = vec![request.clone()];
        let owner = |number: u64| self.owner(number).and_then(WalletNumber::new);
        let mut resolved = request.clone();
        if let Some(named) = named(&mut resolved.command)
            && let Some(wallet) = owner(named.get())
        {
            *named = wallet;
            ways.push(resolved);
        }
        let page = self.page(request.tag.number.get(), u64::MAX);
        let given = page.map(|page| page.bands.ever_given()).unwrap_or_default();
        for wallet in given.into_iter().map(WalletNumber::new) {
            let here: Vec<_> = ways.iter().filter(|way| way.wallet.is_none()).cloned().collect();
            ways.extend(here.into_iter().map(|way| Request { wallet, ..way }));
        }
        ways
    }

    /// Whether what comes by a band may be for this actor: the band itself, or a wallet that it was given to.
    pub fn leads_to(&self, band: u64, actor: u64) -> bool {
        let given = || self.page(band, u64::MAX).is_some_and(|page| page.bands.ever_given().contains(&actor));
        band == actor || given()
    }

    /// The request as the actor of `record` decided it, if it could have come to this record: with a wallet in
    /// the place of the band that it named.
    pub fn as_decided(&self, request: &Request, record: &Record) -> Option<Request> {
        let envelope = &record.envelope;
        let mut again = Request::of_record(record, request.festival, request.tag.check)?;
        let mut decided = Request { wallet: envelope.tag.and(envelope.wallet), ..request.clone() };
        if let (Some(asked), Some(told)) = (named(&mut decided.command), named(&mut again.command))
            && self.owner(asked.get()) == Some(told.get())
        {
            *asked = *told;
        }
        let same = decided.command == again.command && decided.content == again.content;
        (same && decided.till == again.till).then_some(decided)
    }
}

/// What became of all pairings, from the durable records.
#[derive(Clone, Debug, Default)]
pub struct Pairings {
    /// The actor that answers for an id that came by a band.
    homes: BTreeMap<(u64, u64), u64>,
    taken: u64,
    in_place: u64,
    /// Sent back: nobody there, one that was not the wallet's to be replaced, too many.
    back: [u64; 3],
    /// Given once more after it came back.
    anew: u64,
    named: u64,
}

type Checked = Result<(), (Law, String)>;

impl Pairings {
    /// Takes in a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        let checked = self.of_request(seen).and_then(|()| self.of_band(seen));
        checked.map_err(|(law, what)| {
            let place = format!("shard {} record {}", seen.shard, seen.number);
            Violation::new(law, format!("{place}: {what}: {:?}", seen.record))
        })
    }

    /// L13 and L4: a wallet acts by its own bands, and an id by one band in one place.
    fn of_request(&mut self, seen: &Seen<'_>) -> Checked {
        let envelope = &seen.record.envelope;
        let (Some(wallet), Some(id)) = (envelope.wallet, envelope.request) else { return Ok(()) };
        let band = envelope.tag.map_or(wallet.get(), TagNumber::get);
        let page = seen.book.page(wallet.get(), seen.number);
        let own = page.is_some_and(|page| page.bands.may(wallet.get(), band, seen.number).is_some());
        if envelope.tag.is_some() && !own {
            return Err((Law::Isolation, "the band is not the wallet's".to_owned()));
        }
        let home = *self.homes.entry((band, id.get())).or_insert(wallet.get());
        if home != wallet.get() {
            let what = format!("the band had an answer to this id from {home:016x}");
            return Err((Law::ExactlyOnce, what));
        }
        let decided = |asked: &Asked| seen.book.as_decided(&asked.request, seen.record);
        let resolved = |asked: &Asked| decided(asked).is_some_and(|it| it.command != asked.request.command);
        self.named += u64::from(seen.asked.iter().any(resolved));
        Ok(())
    }

    fn of_band(&mut self, seen: &Seen<'_>) -> Checked {
        match &seen.record.body {
            Body::TagPaired { .. } => self.paired(seen),
            Body::TagSet { tag, .. } => {
                let envelope = &seen.record.envelope;
                let band = envelope.tag.or(envelope.wallet.map(WalletNumber::as_tag));
                let own = band == Some(*tag);
                if own { Ok(()) } else { Err((Law::Isolation, "sets another band".to_owned())) }
            }
            Body::Delivered { message } | Body::DeadLettered { message } => self.message(seen, message),
            _ => Ok(()),
        }
    }

    /// What is given is told to the wallet, and nothing else is.
    fn paired(&mut self, seen: &Seen<'_>) -> Checked {
        let Body::TagPaired { check, wallet, replaces } = &seen.record.body else { return Ok(()) };
        let envelope = &seen.record.envelope;
        let tag = envelope.wallet.map(WalletNumber::as_tag);
        let sent = envelope.mail.as_ref().map_or(&[][..], |mail| mail.sent.as_slice());
        let page = tag.and_then(|tag| seen.book.page(tag.get(), seen.number));
        self.anew +=
            u64::from(page.is_some_and(|page| page.bands.was_given()) && seen.record.decline.is_none());
        let right = match sent {
            [] => seen.record.decline.is_some(),
            [Sent { message, .. }] => {
                let told = seen.festival.zip(tag).map(|(festival, tag)| {
                    let (festival, check, wallet, replaces) = (festival.id, *check, *wallet, *replaces);
                    Message::Paired { festival, tag, check, wallet, replaces }
                });
                seen.record.decline.is_none() && Some(message) == told.as_ref()
            }
            _ => false,
        };
        if right {
            Ok(())
        } else {
            Err((Law::WholeOrNothing, "the wallet is told something else".to_owned()))
        }
    }

    /// A wallet takes what is given to it, unless it cannot.
    fn message(&mut self, seen: &Seen<'_>, message: &Message) -> Checked {
        let Message::Paired { tag, wallet, replaces, .. } = message else { return Ok(()) };
        let page = seen.book.page(wallet.get(), seen.number);
        let expected = taking(page, wallet.get(), *replaces, seen.number);
        let came = match (&seen.record.body, seen.record.decline.and_then(Decline::from_record)) {
            (Body::DeadLettered { .. }, _) => Err(None),
            (_, Some(why)) => Err(Some(why)),
            (_, None) => Ok(()),
        };
        if came != expected {
            return Err((Law::Order, format!("the history before it gives {expected:?}")));
        }
        let given = seen.book.page(tag.get(), u64::MAX).and_then(|page| page.bands.given(u64::MAX));
        if given != Some(wallet.get()) {
            return Err((Law::WholeOrNothing, format!("the band is given to {given:016x?}")));
        }
        if let Some(other) = seen.book.owner(tag.get()) {
            return Err((Law::Isolation, format!("the band is already of {other:016x}")));
        }
        match came {
            Ok(()) => self.taken += 1,
            Err(None) => self.back[0] += 1,
            Err(Some(Decline::NotItsTag)) => self.back[1] += 1,
            Err(Some(_)) => self.back[2] += 1,
        }
        self.in_place += u64::from(came.is_ok() && replaces.is_some());
        Ok(())
    }

    /// How often what happened.
    pub const fn counts(&self) -> [(Row, u64); 7] {
        [
            (Row::BandTaken, self.taken),
            (Row::BandInPlace, self.in_place),
            (Row::BandToNobody, self.back[0]),
            (Row::BandForAnother, self.back[1]),
            (Row::BandTooMany, self.back[2]),
            (Row::BandAnew, self.anew),
            (Row::BandNamed, self.named),
        ]
    }
}

/// Why a wallet does not take a band; `Err(None)` where there is nobody to take it.
fn taking(
    page: Option<&Page>,
    wallet: u64,
    replaces: Option<TagNumber>,
    position: u64,
) -> Result<(), Option<Decline>> {
    let acts = |page: &&Page| page.is_open_at(position) && !page.is_quarantined_at(position);
    let page = page.filter(acts).ok_or(None)?;
    if page.bands.count(position) >= MOST {
        return Err(Some(Decline::TooManyTags));
    }
    match replaces.map(|old| page.bands.may(wallet, old.get(), position)) {
        Some(None | Some(May::Rest)) => Err(Some(Decline::NotItsTag)),
        _ => Ok(()),
    }
}

/// L5: when nothing is on its way, every band that was given is its wallet's.
pub fn at_rest(book: &Book) -> Verdict {
    let waits = |(band, page): &(u64, &Page)| {
        let given = page.bands.given(u64::MAX);
        given.is_some() && given != book.owner(*band)
    };
    book.pages().find(waits).map_or(Ok(()), |(band, page)| {
        let given = page.bands.given(u64::MAX).unwrap_or(0);
        let what = format!("band {band:016x} was given to {given:016x}, which never took it");
        Err(Violation::new(Law::WholeOrNothing, what))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::ids::{At, ShardId};
    use ledger::record::Envelope;

    use super::*;
    use crate::world::fixture;

    fn record(wallet: u64, body: Body) -> Record {
        let envelope = Envelope { wallet: WalletNumber::new(wallet), ..Envelope::default() };
        Record::fact(At(1), envelope, body)
    }

    #[test]
    fn a_band_that_was_given_and_never_taken_is_named_and_one_that_came_back_is_free() {
        let (band, wallet) = (1 << 40, WalletNumber::new(1 << 41).unwrap());
        let mut book = Book::new(Arc::new(fixture::festival(true).unwrap()), 1);
        let opened = Body::WalletOpened { check: 7, festival: fixture::FESTIVAL };
        book.enter(ShardId(0), 0, &record(wallet.get(), opened));
        let paired = record(band, Body::TagPaired { check: 8, wallet, replaces: None });
        book.enter(ShardId(0), 1, &paired);
        assert_eq!(at_rest(&book).unwrap_err().law, Law::WholeOrNothing);
        let (festival, tag) = (fixture::FESTIVAL, TagNumber::new(band).unwrap());
        let message = Message::Paired { festival, tag, check: 8, wallet, replaces: None };
        let why = Decline::TooManyTags.to_record().unwrap();
        let back = Message::Returned { number: 1, why, message: Box::new(message.clone()) };
        let mut returned = book.clone();
        returned.enter(ShardId(0), 2, &record(band, Body::Delivered { message: back }));
        assert_eq!((at_rest(&returned), returned.owner(band)), (Ok(()), None));
        book.enter(ShardId(0), 2, &record(wallet.get(), Body::Delivered { message }));
        assert_eq!((at_rest(&book), book.owner(band)), (Ok(()), Some(wallet.get())));
    }
}
