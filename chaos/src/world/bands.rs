//! What the answers say about bands, counted: who answered for a band, and what became of the old ones. Reads
//! the book of what is durable; judges nothing.

use actors::answer::{Answer, Verdict as Says};
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};

use super::World;
use super::tally::Row;
use crate::laws::bands::{self, May};
use crate::laws::{Verdict, Waiting};

impl World {
    /// Counts what an answer shows of bands.
    pub(super) fn note_band(&mut self, waiting: &Waiting, answer: &Answer) {
        let request = &waiting.request;
        let applied = answer.verdict == Says::Applied(Outcome::Applied);
        if let Command::Pair { wallet, .. } = &request.command {
            if applied && !waiting.retry {
                let of_ticket = self.clients.is_of_ticket(*wallet);
                self.tally.hit(if of_ticket { Row::BandOfTicket } else { Row::BandOfDesk });
            }
            return;
        }
        if let Some(row) = self.answered_by(request, answer, applied) {
            self.tally.hit(row);
        }
        let (book, band) = (self.laws.book(), request.tag.number.get());
        let of = book.owner(band).unwrap_or(band);
        let may = book.page(of, u64::MAX).and_then(|page| page.bands.may(of, band, u64::MAX));
        match may.filter(|_| applied && waiting.retry) {
            Some(May::Rest) => self.tally.hit(Row::OldBandAgain),
            Some(May::Wait) => self.tally.hit(Row::LostBandAgain),
            Some(May::Pay) | None => {}
        }
    }

    /// Who answered for a band that was given away.
    fn answered_by(&self, request: &Request, answer: &Answer, applied: bool) -> Option<Row> {
        let (book, band) = (self.laws.book(), request.tag.number.get());
        let given = book.page(band, u64::MAX).is_some_and(|page| page.bands.given(u64::MAX).is_some());
        let decided = matches!(answer.verdict, Says::Applied(_) | Says::Declined(_));
        match (given, book.owner(band)) {
            (true, None) => (answer.verdict == Says::Refused(Refusal::Busy)).then_some(Row::BandUnderWay),
            (_, Some(_)) if decided && book.known(request, u64::MAX).is_some() => Some(Row::BandItself),
            (_, Some(_)) => applied.then_some(Row::BandPays),
            (false, None) => None,
        }
    }

    /// L5: ten seconds after the faults stopped every band that was given is its wallet's.
    pub(super) fn bands_at_rest(&self) -> Verdict {
        bands::at_rest(self.laws.book())
    }
}
