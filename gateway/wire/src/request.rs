//! Owns: reading requests: the walk over a frame, the borrowed view of one, the lines.
//! Must never: allocate; decide on state; let one bad request spoil its neighbours.
//! Laws: L4 (the id is readable even in a request that is refused), L12 (lengths before anything else).

use crate::bytes::{i64_at, u8_at, u16_at, u32_at, u64_at, uid10_at};
use crate::codes::{Addressee, Command, Refusal};
use crate::error::WireError;
use crate::frame::FrameKind;
use crate::id::{Name, NameView, RequestId};
use crate::limits::{
    ADOPT, ALLOWANCE, LINE, MAX_LINES, MAX_PART, MAX_REQUEST, MAX_REQUESTS_IN_FRAME, NAME, OFFICE,
    REQUEST_HEAD, STAGE_HEAD,
};

/// How money comes in at a top-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Tender {
    /// Notes and coins in the till's drawer.
    Cash = 1,
    /// Given by the festival; never paid out.
    Bonus = 2,
}

impl Tender {
    /// The tender with this number, if this version knows it; 0 is no tender.
    #[inline]
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Cash,
            2 => Self::Bonus,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Marks on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The barman says that a sale which looks repeated is a second one.
    pub const CONFIRM: Self = Self(1);
    /// Finished while the terminal was cut off, uploaded now.
    pub const OFFLINE: Self = Self(1 << 1);
    /// A training sale.
    pub const TRAINING: Self = Self(1 << 2);

    /// Whether all of `other` are set.
    #[inline]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One line of a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Line {
    /// The item in the catalogue.
    pub item: u32,
    /// How many.
    pub quantity: u16,
    /// Price of one, in minor units, tax included.
    pub unit_price: u32,
}

/// Why one request can't be taken, while its neighbours in the frame can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadRequest {
    /// The command byte is unknown.
    #[error("unknown command {0}")]
    Command(u8),
    /// The counter of the request id is zero.
    #[error("the request id has counter 0; counters start at 1")]
    Counter,
    /// The UID length is not 4, 7 or 10, or a ticket's is not 10.
    #[error("a tag uid of {0} bytes; they have 4, 7 or 10, a ticket's reference has 10")]
    UidLength(u8),
    /// The name is of an unknown kind.
    #[error("unknown kind of name {0}")]
    Name(u8),
    /// More lines than allowed.
    #[error("{0} lines; at most 64 are taken")]
    TooManyLines(u8),
    /// The request is too short for the lines it counts.
    #[error("{lines} lines do not fit a request of {length} bytes")]
    LinesMissing {
        /// Lines counted.
        lines: u8,
        /// Bytes of the request.
        length: usize,
    },
    /// A sale without lines.
    #[error("a sale without lines")]
    NoLines,
    /// Lines where none belong.
    #[error("lines in a command that sells nothing")]
    StrayLines,
    /// The tender byte is unknown.
    #[error("unknown tender {0}")]
    Tender(u8),
    /// A top-up that does not say how it was paid.
    #[error("a top-up without a tender")]
    NoTender,
    /// A command about another request that does not say about which.
    #[error("the command needs a target")]
    NoTarget,
    /// An authorisation that does not say for how long.
    #[error("an authorisation without seconds")]
    NoSeconds,
    /// A transfer that does not say for whom.
    #[error("a transfer without the 12 bytes of its payee")]
    NoPayee,
    /// A pairing that does not say with which wallet.
    #[error("a pairing without the 24 bytes of its wallet and the band it replaces")]
    NoWallet,
    /// An allowance that does not say below which balance it is filled up.
    #[error("an allowance without the 24 bytes of its terms")]
    NoMark,
    /// A command for an office that does not say for which.
    #[error("a command for an office without the 8 bytes that name it")]
    NoOffice,
    /// A staging or an order to adopt whose own fields are not there whole.
    #[error("a change of the configuration that ends before its fields do")]
    NoConfiguration,
    /// A cancel or lookup whose request id and target differ.
    #[error("cancel and lookup carry the same id as request id and target")]
    TargetDiffers,
}

impl BadRequest {
    /// The code of the answer.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Command(_) | Self::Tender(_) | Self::Name(_) => Refusal::Unsupported,
            Self::TooManyLines(_) => Refusal::TooManyLines,
            Self::Counter
            | Self::UidLength(_)
            | Self::LinesMissing { .. }
            | Self::NoLines
            | Self::StrayLines
            | Self::NoTender
            | Self::NoTarget
            | Self::NoSeconds
            | Self::NoPayee
            | Self::NoWallet
            | Self::NoMark
            | Self::NoOffice
            | Self::NoConfiguration
            | Self::TargetDiffers => Refusal::Malformed,
        }
    }
}

/// A request that is refused alone: what its answer needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("request {id} (command {command}): {why}")]
pub struct Malformed {
    /// The id in it, to address the answer.
    pub id: RequestId,
    /// Its command byte, to echo.
    pub command: u8,
    /// What is wrong.
    #[source]
    pub why: BadRequest,
}

/// One request, borrowed from the bytes it arrived in. Whoever holds one knows that its structure is valid.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestView<'a> {
    head: &'a [u8; REQUEST_HEAD],
    lines: &'a [[u8; LINE]],
    /// What stands behind the head of a request without lines.
    tail: &'a [u8],
    command: Command,
}

impl<'a> RequestView<'a> {
    /// Checks the structure of one request of exactly these bytes; bytes after the lines are skipped.
    ///
    /// Fewer bytes than a head are told as `None`: there is no id to answer to.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Option<Result<Self, Malformed>> {
        let (head, rest) = bytes.split_first_chunk::<REQUEST_HEAD>()?;
        Some(Self::check(head, rest).map_err(|why| Malformed {
            id: RequestId::from_raw(u64_at::<8, _>(head)),
            command: u8_at::<2, _>(head),
            why,
        }))
    }

    #[inline]
    fn check(head: &'a [u8; REQUEST_HEAD], rest: &'a [u8]) -> Result<Self, BadRequest> {
        let number = u8_at::<2, _>(head);
        let command = Command::from_u8(number).ok_or(BadRequest::Command(number))?;
        let count = u8_at::<27, _>(head);
        if usize::from(count) > MAX_LINES {
            return Err(BadRequest::TooManyLines(count));
        }
        let lines = rest
            .as_chunks::<LINE>()
            .0
            .get(..usize::from(count))
            .ok_or(BadRequest::LinesMissing { lines: count, length: REQUEST_HEAD + rest.len() })?;
        let tail = if count == 0 { rest } else { &[] };
        let view = Self { head, lines, tail, command };
        view.check_names()?;
        view.check_command()?;
        Ok(view)
    }

    #[inline]
    fn check_names(&self) -> Result<(), BadRequest> {
        if self.id().counter() == 0 {
            return Err(BadRequest::Counter);
        }
        self.check_addressee()?;
        match u8_at::<66, _>(self.head) {
            0..=2 => Ok(()),
            unknown => Err(BadRequest::Tender(unknown)),
        }
    }

    /// A tag has a UID of some length that UIDs have, an office none: it is named behind the head.
    #[inline]
    fn check_addressee(&self) -> Result<(), BadRequest> {
        let (kind, length) = (u8_at::<67, _>(self.head), u8_at::<16, _>(self.head));
        match (self.command.addressee(), length) {
            (Addressee::Office | Addressee::Either, 0) => {
                self.office().map(|_| ()).ok_or(BadRequest::NoOffice)
            }
            (Addressee::Tag | Addressee::Either, length) => check_name(kind, length),
            (Addressee::Festival, 0) => Ok(()),
            (Addressee::Office | Addressee::Festival, length) => Err(BadRequest::UidLength(length)),
        }
    }

    #[inline]
    fn check_command(&self) -> Result<(), BadRequest> {
        match (self.command.sells(), self.lines.is_empty()) {
            (true, true) => return Err(BadRequest::NoLines),
            (false, false) => return Err(BadRequest::StrayLines),
            _ => {}
        }
        match self.command {
            Command::TopUp if self.tender().is_none() => Err(BadRequest::NoTender),
            Command::Transfer => check_tail_name(self.tail, BadRequest::NoPayee),
            Command::SetAllowance if self.tail.len() < ALLOWANCE => Err(BadRequest::NoMark),
            Command::SetAllowance => check_tail_name(self.tail, BadRequest::NoMark),
            Command::Pair => self.check_pair(),
            Command::StageConfiguration => self.staging().map(|_| ()).ok_or(BadRequest::NoConfiguration),
            Command::AdoptConfiguration => self.order().map(|_| ()).ok_or(BadRequest::NoConfiguration),
            Command::Void | Command::Cancel | Command::Lookup | Command::Capture | Command::ReleaseHold
                if self.target().is_none() =>
            {
                Err(BadRequest::NoTarget)
            }
            Command::Authorise if self.seconds() == 0 => Err(BadRequest::NoSeconds),
            Command::Cancel | Command::Lookup if self.target() != self.id() => Err(BadRequest::TargetDiffers),
            _ => Ok(()),
        }
    }

    fn check_pair(&self) -> Result<(), BadRequest> {
        check_tail_name(self.tail, BadRequest::NoWallet)?;
        let replaces = self.tail.get(NAME..).unwrap_or_default();
        // A length of zero: no band is replaced.
        if replaces.first_chunk::<NAME>().is_some() && replaces.first() == Some(&0) {
            return Ok(());
        }
        check_tail_name(replaces, BadRequest::NoWallet)
    }

    /// What is asked for.
    #[inline]
    pub fn command(&self) -> Command {
        self.command
    }

    /// The marks.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(u8_at::<3, _>(self.head))
    }

    /// How long its sender still waits, in milliseconds from the moment the frame is read; 0 is no limit.
    #[inline]
    pub fn wait_ms(&self) -> u32 {
        u32_at::<4, _>(self.head)
    }

    /// Its id; for cancel and lookup the id in question.
    #[inline]
    pub fn id(&self) -> RequestId {
        RequestId::from_raw(u64_at::<8, _>(self.head))
    }

    /// The tag's UID: 4, 7 or 10 bytes; or a ticket's reference; none where an office is addressed.
    #[inline]
    pub fn uid(&self) -> &'a [u8] {
        let length = usize::from(u8_at::<16, _>(self.head));
        self.head.get(17..17 + length).unwrap_or_default()
    }

    /// What the wallet, or the tag, is named by; nothing where an office is addressed.
    #[inline]
    pub fn name(&self) -> NameView<'a> {
        NameView { bytes: self.uid(), ticket: u8_at::<67, _>(self.head) == Name::TICKET }
    }

    /// Transfer, `set_allowance`: who is to have the money. Pair: the wallet that is to have the band.
    pub fn other(&self) -> Option<NameView<'a>> {
        match self.command {
            Command::Transfer | Command::SetAllowance | Command::Pair => self.name_at(0),
            _ => None,
        }
    }

    /// Pair: the band that the new one takes the place of.
    pub fn replaces(&self) -> Option<NameView<'a>> {
        if self.command == Command::Pair { self.name_at(NAME) } else { None }
    }

    fn name_at(&self, at: usize) -> Option<NameView<'a>> {
        let name = self.tail.get(at..)?.first_chunk::<NAME>()?;
        let length = usize::from(u8_at::<0, _>(name));
        let bytes = name.get(1..=length).filter(|bytes| !bytes.is_empty())?;
        Some(NameView { bytes, ticket: u8_at::<11, _>(name) == Name::TICKET })
    }

    /// Stage: the version, the number of the part, the part.
    #[inline]
    pub fn staging(&self) -> Option<(u32, u16, &'a [u8])> {
        let (head, rest) = self.tail.split_first_chunk::<STAGE_HEAD>()?;
        let length = usize::from(u16_at::<6, STAGE_HEAD>(head));
        let part = rest.get(..length).filter(|_| length <= MAX_PART)?;
        Some((u32_at::<0, STAGE_HEAD>(head), u16_at::<4, STAGE_HEAD>(head), part))
    }

    /// Adopt: the version, how many parts it has, BLAKE3 over all of them.
    #[inline]
    pub fn order(&self) -> Option<(u32, u16, [u8; 32])> {
        let tail = self.tail.first_chunk::<ADOPT>()?;
        Some((u32_at::<0, ADOPT>(tail), u16_at::<4, ADOPT>(tail), *tail.last_chunk()?))
    }

    /// `set_allowance`: below which balance the other wallet is filled up; else 0.
    pub fn mark(&self) -> i64 {
        let tail = self.tail.first_chunk::<ALLOWANCE>().filter(|_| self.command == Command::SetAllowance);
        tail.map_or(0, i64_at::<NAME, ALLOWANCE>)
    }

    /// The vendor whose office is addressed instead of a tag; 0 is the festival's own office.
    #[inline]
    pub fn office(&self) -> Option<u32> {
        if u8_at::<16, _>(self.head) != 0 {
            return None;
        }
        if self.command.addressee() == Addressee::Festival {
            return Some(0);
        }
        self.tail.first_chunk::<OFFICE>().map(u32_at::<0, OFFICE>)
    }

    /// What the wallet, or the tag, is named by, as a value of its own.
    #[inline]
    pub fn owned_name(&self) -> Option<Name> {
        self.name().to_owned()
    }

    /// The ten bytes of the UID field: the UID and its padding.
    #[inline]
    pub fn uid_field(&self) -> [u8; 10] {
        uid10_at::<17, _>(self.head)
    }

    /// The till it is made for; 0 takes the device's own.
    #[inline]
    pub fn till(&self) -> u32 {
        u32_at::<28, _>(self.head)
    }

    /// The device's claim when it happened, microseconds since 1970 UTC; 0 is absent.
    #[inline]
    pub fn happened(&self) -> i64 {
        i64_at::<32, _>(self.head)
    }

    /// The amount in minor units.
    #[inline]
    pub fn amount(&self) -> i64 {
        i64_at::<40, _>(self.head)
    }

    /// Void: the sale. Capture, release: the authorisation. Cancel and lookup: the id in question. Purchase: the
    /// unanswered try it replaces, or none.
    #[inline]
    pub fn target(&self) -> RequestId {
        RequestId::from_raw(u64_at::<48, _>(self.head))
    }

    /// The tag's own counter; 0 is absent.
    #[inline]
    pub fn tag_counter(&self) -> u32 {
        u32_at::<56, _>(self.head)
    }

    /// The operator who stands behind it; 0 is absent.
    #[inline]
    pub fn operator(&self) -> u32 {
        u32_at::<60, _>(self.head)
    }

    /// The zone; 0 is absent.
    #[inline]
    pub fn zone(&self) -> u16 {
        u16_at::<64, _>(self.head)
    }

    /// How a top-up was paid.
    #[inline]
    pub fn tender(&self) -> Option<Tender> {
        Tender::from_u8(u8_at::<66, _>(self.head))
    }

    /// How long an authorisation holds, in seconds.
    #[inline]
    pub fn seconds(&self) -> u32 {
        u32_at::<68, _>(self.head)
    }

    /// Number of lines, at most 64.
    #[inline]
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The lines, in the order in which they were sent.
    #[inline]
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Line> + 'a {
        self.lines.iter().map(|line| Line {
            item: u32_at::<0, _>(line),
            quantity: u16_at::<4, _>(line),
            unit_price: u32_at::<8, _>(line),
        })
    }

    /// Sum of quantity times unit price, in minor units. 64 lines of the largest numbers stay under 2^55.
    #[inline]
    pub fn lines_total(&self) -> i64 {
        self.lines().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum()
    }
}

/// Whether a name of this kind can be this long.
#[inline]
fn check_name(kind: u8, length: u8) -> Result<(), BadRequest> {
    match kind {
        Name::TAG | Name::TICKET if Name::length_is_sane(kind, length) => Ok(()),
        Name::TAG | Name::TICKET => Err(BadRequest::UidLength(length)),
        unknown => Err(BadRequest::Name(unknown)),
    }
}

/// Whether a name of a wallet stands at the beginning of `tail`.
fn check_tail_name(tail: &[u8], missing: BadRequest) -> Result<(), BadRequest> {
    let name = tail.first_chunk::<NAME>().ok_or(missing)?;
    check_name(u8_at::<11, _>(name), u8_at::<0, _>(name))
}

/// Shows what a technician needs; the tag's UID is left out.
impl std::fmt::Debug for RequestView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestView")
            .field("command", &self.command)
            .field("id", &self.id())
            .field("amount", &self.amount())
            .field("target", &self.target())
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

/// The requests of one frame whose lengths have all been checked.
#[derive(Debug, Clone)]
pub struct Requests<'a> {
    rest: &'a [u8],
    left: u16,
}

/// Walks the lengths of the `count` requests in `body`.
///
/// Fails when one length can't be, before any of them is handed out: nobody can tell where the next one starts.
/// A request that is wrong in itself comes out of the iterator as [`Malformed`], between good neighbours.
pub fn requests(body: &[u8], count: u16) -> Result<Requests<'_>, WireError> {
    if count > MAX_REQUESTS_IN_FRAME {
        return Err(WireError::TooMany { kind: FrameKind::Requests, count, limit: MAX_REQUESTS_IN_FRAME });
    }
    let mut rest = body;
    for index in 0..count {
        let Some(bytes) = rest.first_chunk::<2>() else {
            return Err(WireError::RequestsMissing { index, count });
        };
        let length = u16::from_le_bytes(*bytes);
        let sane = (REQUEST_HEAD..=MAX_REQUEST).contains(&usize::from(length));
        rest = match rest.split_at_checked(usize::from(length)) {
            Some((_, after)) if sane => after,
            _ => return Err(bad_length(index, length, body, rest)),
        };
    }
    Ok(Requests { rest: body, left: count })
}

#[cold]
fn bad_length(index: u16, length: u16, body: &[u8], rest: &[u8]) -> WireError {
    WireError::RequestLength {
        index,
        at: body.len() - rest.len(),
        length,
        left: rest.len(),
        min: REQUEST_HEAD,
        max: MAX_REQUEST,
    }
}

impl<'a> Iterator for Requests<'a> {
    type Item = Result<RequestView<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let length = u16::from_le_bytes(*self.rest.first_chunk::<2>()?);
        let (request, rest) = self.rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        RequestView::parse(request)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for Requests<'_> {}
