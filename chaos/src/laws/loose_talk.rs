//! L10: no refusal and no read shows state that could still be lost. What is told must be what the
//! model says at some position between what was durable when the request was handed over and what
//! is durable now: then it is also in real-time order (L9) and the remembered answer (L4).

use actors::answer::{Answer, Verdict as Says};
use actors::codes::Refusal;
use actors::command::{Command, Request};
use engine::job::Message;
use engine::limits::PANICS_TO_QUARANTINE;
use ledger::ids::At;
use ledger::law::Law;

use super::book::Said;
use super::{Release, Verdict, Violation, versions};

/// An answer leaves.
pub fn released(release: &Release<'_>) -> Verdict {
    let answer = release.message.answer();
    match answer.verdict {
        Says::Unknown | Says::Refused(Refusal::Busy) => empty_handed(release, answer),
        Says::Refused(Refusal::Internal) => internal(release, answer),
        Says::Refused(Refusal::Late) => late(release, answer),
        Says::Refused(Refusal::Quarantined) if barred(release) => empty_handed(release, answer),
        _ if said_between(release, release.from, release.durable) => Ok(()),
        _ if said_between(release, 0, release.from) => {
            broken(Law::Order, release, "was true once, but no longer when it was asked")
        }
        Says::Applied(_) | Says::Declined(_) => {
            broken(Law::ExactlyOnce, release, "is not what its record gives")
        }
        _ => broken(Law::NoLooseTalk, release, "is not what the durable records give"),
    }
}

/// These say nothing about any state.
fn empty_handed(release: &Release<'_>, answer: &Answer) -> Verdict {
    if (answer.record.0, answer.balance) == (0, 0) {
        return Ok(());
    }
    broken(Law::NoLooseTalk, release, "says something although it says nothing")
}

/// An actor that never came into being has no state that a record could quarantine: after enough panics
/// the process keeps it out by itself. That may be the band, or the wallet that it was given to, which others may
/// have broken by bands of their own; and it may have come into being since it was asked.
fn barred(release: &Release<'_>) -> bool {
    let (book, shard) = (release.book, release.message.answer().shard);
    let broke = |actor: u64| -> u32 {
        let by = release.poisoned.iter().filter(|(band, _)| book.leads_to(**band, actor));
        by.map(|(_, times)| times).sum()
    };
    book.addressed(&release.waiting.request).iter().any(|way| {
        let actor = way.actor().get();
        book.shard_of(way) == shard
            && book.page(actor, release.from).is_none()
            && broke(actor) >= PANICS_TO_QUARANTINE
    })
}

/// Something broke: only a poisoned request may, or a shard that is not there.
fn internal(release: &Release<'_>, answer: &Answer) -> Verdict {
    if !super::breaks(&release.waiting.request) && !release.stopped {
        return broken(Law::NoLooseTalk, release, "a sound request broke something");
    }
    empty_handed(release, answer)
}

/// Its sender no longer waited, and its id was not known.
fn late(release: &Release<'_>, answer: &Answer) -> Verdict {
    let waiting = release.waiting;
    if waiting.deadline.is_none_or(|deadline| deadline >= release.now) {
        return broken(Law::NoLooseTalk, release, "its sender still waited");
    }
    let known = |way: &Request| {
        let shard = usize::from(release.book.shard_of(way).0);
        release.book.known(way, waiting.from[shard].records).is_some()
    };
    if release.book.addressed(&waiting.request).iter().any(known) {
        return broken(Law::ExactlyOnce, release, "a known id is answered, however late");
    }
    empty_handed(release, answer)
}

/// Whether an actor of the shard that answered says so at some position: the band, or its wallet.
fn said_between(release: &Release<'_>, from: u64, to: u64) -> bool {
    let shard = release.message.answer().shard;
    let ways = release.book.addressed(&release.waiting.request).into_iter();
    let mut ways = ways.filter(|way| release.book.shard_of(way) == shard);
    ways.any(|way| {
        let mut positions = release.book.positions(&way, from, to);
        positions.any(|position| {
            let mut moments = moments(release, &way, position).into_iter();
            moments.any(|moment| said_at(release, &way, position, moment))
        })
    })
}

fn said_at(release: &Release<'_>, way: &Request, position: u64, at: At) -> bool {
    match release.book.say(way, position, at) {
        Said::Answer(said) => matches!(release.message, Message::Answer(told) if *told == said),
        Said::Statement(said) => matches!(release.message, Message::Statement(told) if **told == said),
        Said::Record(_) | Said::Elsewhere => false,
    }
}

/// Moments at which it can have been decided and between which nothing depends on the time: only what is
/// asked for a thing to buy does.
fn moments(release: &Release<'_>, way: &Request, position: u64) -> Vec<At> {
    let buys = matches!(way.command, Command::Purchase { .. } | Command::Capture { .. });
    let shard = release.book.shard_of(way);
    let festival = release.book.versions().at(shard, position).filter(|_| buys);
    let later = festival.map(|festival| versions::price_moments(festival, release.since, release.latest));
    std::iter::once(release.since).chain(later.into_iter().flatten()).collect()
}

fn broken(law: Law, release: &Release<'_>, what: &str) -> Verdict {
    let told = release.message;
    let window = (release.from, release.durable);
    let ways = release.book.addressed(&release.waiting.request);
    let now: Vec<_> = ways.iter().map(|way| release.book.say(way, release.durable, At(0))).collect();
    let what = format!("{told:?} {what}; window {window:?}, model now: {now:?}, asked: {ways:?}");
    Err(Violation::new(law, what))
}
