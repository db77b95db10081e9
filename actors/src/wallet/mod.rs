//! The wallet: purses, remembered request ids, and what it decides about each command.

mod allow;
mod allowances;
mod authorise;
mod cancel;
mod capture;
mod change;
mod holds;
mod open;
mod purchase;
mod release;
mod remembered;
mod slot;
mod topup;
mod trading;
mod transfer;
mod void;

pub use remembered::{Entry as RememberedEntry, Memory};
pub use slot::{Balances, Slots, Wallet};

pub(crate) use allow::{Terms, filling, set_allowance};
pub(crate) use allowances::{AT_ONCE, Allowances, GIVEN_BACK_AGAIN, Given, Kept, Spent};
pub(crate) use authorise::authorise;
pub(crate) use cancel::cancel;
pub(crate) use capture::capture;
use holds::unsold;
pub(crate) use holds::{Hold, Holds, out_of_purses};
pub(crate) use open::open;
pub(crate) use purchase::purchase;
pub(crate) use release::release_hold;
pub(crate) use topup::top_up;
pub(crate) use transfer::transfer;
pub(crate) use void::void;

use ledger::entry::Entry;
use ledger::record::{Body, Envelope, Mode, Record, Sent};

use crate::codes::{Decline, Refusal};
use crate::command::{Command, Request};
use crate::shard_state::Context;

/// What a wallet makes of a command.
pub(crate) enum Verdict {
    /// A record: something happened, or a decided no. Boxed: it is handed on several times.
    Record(Box<Record>),
    /// A no without a record.
    Refused(Refusal),
    /// The record at this position is needed to decide.
    Evidence(ledger::ids::RecordNumber),
    /// A cancel that finds nothing to do: the id's outcome stands as it is.
    Stands,
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The record of a decided no: what was asked, and why not.
pub(crate) fn declined(cx: &Context<'_>, request: &Request, body: Body, decline: Decline) -> Verdict {
    let (envelope, decline) = (envelope(cx, request), decline.to_record());
    Verdict::Record(Box::new(Record { at: cx.at, envelope, body, decline, entry: Entry::none() }))
}

/// The record of something that took effect.
pub(crate) fn applied(cx: &Context<'_>, request: &Request, body: Body, entry: Entry) -> Verdict {
    let envelope = envelope(cx, request);
    Verdict::Record(Box::new(Record { at: cx.at, envelope, body, decline: None, entry }))
}

/// The same with a message that it sends.
pub(crate) fn sending(verdict: Verdict, sent: Sent) -> Verdict {
    match verdict {
        Verdict::Record(mut record) => {
            record.envelope.mail = Some(Box::new(crate::mail::sends(sent)));
            Verdict::Record(record)
        }
        other => other,
    }
}

/// The entry that takes back what `record` moved. A capture brought two things about: what it sold is
/// taken back, what it left stays given back.
fn undone(record: &Record) -> Option<Entry> {
    match &record.body {
        Body::Captured { from, .. } => unsold(record, *from),
        _ => record.entry.reversed().ok(),
    }
}

/// Everything the record keeps of the request beside its body.
fn envelope(cx: &Context<'_>, request: &Request) -> Envelope {
    let wallet = request.actor();
    let tag = Some(request.tag.number).filter(|tag| *tag != wallet.as_tag());
    let device = (request.id.device() != Some(request.device)).then_some(request.device);
    // A cancel takes back what happened, whatever the terminal says it is doing by now: a training
    // mark on a record that moves money would be a lie.
    let mode = if matches!(request.command, Command::Cancel) { Mode::default() } else { request.mode };
    let rare =
        request.zone.map(|zone| Box::new(ledger::record::Rare { zone: Some(zone), ..Default::default() }));
    Envelope {
        wallet: Some(wallet),
        request: Some(request.id),
        content: request.content,
        device,
        till: request.till,
        happened: request.happened,
        operator: request.operator,
        tag,
        tag_counter: request.tag_counter,
        mode,
        configuration: cx.versions.0,
        catalogue: cx.versions.1,
        policy: cx.versions.2,
        replaces: request.replaces,
        rare,
        mail: None,
    }
}
