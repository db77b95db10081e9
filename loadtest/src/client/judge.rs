//! Owns: what an answer means for the request it answers: settled, again, look it up, cancel it, or it can't be.
//! Must never: settle on a class it does not understand; take a refusal for a no while an earlier copy is in doubt.
//! Laws: checks L4 from outside.

use wire::codes::DONE;
use wire::{Answer, Class, Command, Outcome, Read, Refusal};

use super::flight::{Slot, Step};

/// How a request ended for the barman.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The server decided or read: the answer says what.
    Answered,
    /// Given up: nothing of it stands.
    Cancelled,
    /// Given up, but what it did can't be undone: it stands.
    Stands,
    /// Neither can be had: a person must decide; the id stays open.
    Undecided,
    /// None yet: the request's own answer came while its cancel or a look-up was out, whose word counts.
    Overheard,
}

/// What to do about an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The caller is told.
    Settle(Ending),
    /// The same once more, not before so many milliseconds (0: the usual pause).
    Again(u32),
    /// An earlier copy is in doubt: ask what became of it.
    LookUp,
    /// Undo or burn it.
    Cancel,
    /// It can't be.
    Insane(&'static str),
}

/// After so many `internal` a terminal gives the request up.
const INTERNAL_TRIES: u32 = 5;

/// What `answer`, which was owed to the present step of `slot`, means. `statement` says that it came in one.
pub fn judge(slot: &Slot, answer: &Answer, statement: bool) -> Verdict {
    if answer.come_back_ms != 0 && answer.outcome() != Outcome::Refused(Refusal::Busy) {
        return Verdict::Insane("says when to come back without being busy");
    }
    if answer.class == Class::Unknown {
        return Verdict::Again(0);
    }
    if answer.class == Class::Refused {
        return refused(slot, answer);
    }
    match slot.step {
        Step::Asking => asked(slot.command, answer, statement),
        Step::LookingUp => looked_up(answer),
        Step::Cancelling => cancelled(answer),
    }
}

fn asked(command: Command, answer: &Answer, statement: bool) -> Verdict {
    let reads = !command.consumes_id();
    match answer.outcome() {
        Outcome::Read(Read::Balance) if reads && statement => Verdict::Settle(Ending::Answered),
        Outcome::Read(_) => Verdict::Insane("reads what was not asked"),
        _ if reads => Verdict::Insane("decides where nothing was to be decided"),
        _ if statement => Verdict::Insane("is a statement that nobody asked for"),
        Outcome::Applied if answer.code != DONE => Verdict::Insane("is applied with the code of a no"),
        _ => Verdict::Settle(Ending::Answered),
    }
}

fn looked_up(answer: &Answer) -> Verdict {
    match answer.outcome() {
        Outcome::Applied | Outcome::Declined(_) | Outcome::Other(Class::Declined, _) => {
            Verdict::Settle(Ending::Answered)
        }
        // A copy may still be on its way: only a cancel closes the id.
        Outcome::Read(Read::NeverSeen) => Verdict::Cancel,
        _ => Verdict::Insane("reads what was not asked"),
    }
}

fn cancelled(answer: &Answer) -> Verdict {
    match answer.class {
        Class::Applied if answer.code == DONE => {
            Verdict::Insane("is an applied cancel of a request that is done")
        }
        Class::Applied => Verdict::Settle(Ending::Cancelled),
        Class::Declined => Verdict::Settle(Ending::Stands),
        _ => Verdict::Insane("reads what was not asked"),
    }
}

/// A refusal speaks of this copy only.
fn refused(slot: &Slot, answer: &Answer) -> Verdict {
    match answer.outcome() {
        Outcome::Refused(Refusal::Busy) => Verdict::Again(answer.come_back_ms.max(1)),
        Outcome::Refused(Refusal::Late) => Verdict::Again(0),
        Outcome::Refused(Refusal::Internal) => match slot.step {
            Step::Asking if slot.tries >= INTERNAL_TRIES && slot.command.consumes_id() => Verdict::Cancel,
            Step::Asking if slot.tries >= INTERNAL_TRIES => Verdict::Settle(Ending::Answered),
            _ => Verdict::Again(0),
        },
        // What can't be looked up can still be undone.
        _ if slot.step == Step::LookingUp => Verdict::Cancel,
        _ if slot.step == Step::Cancelling => Verdict::Settle(Ending::Undecided),
        _ if slot.doubt && slot.command.consumes_id() => Verdict::LookUp,
        _ => Verdict::Settle(Ending::Answered),
    }
}
