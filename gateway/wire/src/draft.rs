//! Owns: writing requests: one for each command, and the frame that carries many.
//! Must never: write a request that this crate would not read back.
//! Laws: L4 (cancel and lookup name the same id twice), L12 (limits hold for the sender too).

use crate::bytes::put;
use crate::codes::Command;
use crate::error::WireError;
use crate::frame::{FrameKind, FrameWriter};
use crate::id::{Name, RequestId};
use crate::limits::{
    ADOPT, ALLOWANCE, LINE, MAX_FRAME_BODY, MAX_LINES, MAX_REQUEST, MAX_REQUESTS_IN_FRAME, MAX_UID, NAME,
    OFFICE, PAIR, REQUEST_HEAD, STAGE_HEAD,
};
use crate::request::{Flags, Line, Tender};

/// What follows the head of a request, beside lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail<'a> {
    /// Nothing.
    None,
    /// A transfer: who is to have the money.
    Payee(Name),
    /// A pairing.
    Pair {
        /// The wallet that is to have the band, by any name it has.
        wallet: Name,
        /// The band that the new one takes the place of.
        replaces: Option<Name>,
    },
    /// One part of the next configuration.
    Stage {
        /// The version.
        version: u32,
        /// Which part, from 0.
        part: u16,
        /// At most 4,000 bytes.
        bytes: &'a [u8],
    },
    /// The staged configuration is to be in force.
    Adopt {
        /// The version.
        version: u32,
        /// How many parts it has.
        parts: u16,
        /// BLAKE3 over all parts in order.
        hash: [u8; 32],
    },
    /// An allowance.
    Allowance {
        /// Who is to have it.
        child: Name,
        /// Below which balance it is filled up.
        mark: i64,
    },
}

impl Tail<'_> {
    /// Its bytes on the wire.
    pub fn size(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Payee(_) => NAME,
            Self::Pair { .. } => PAIR,
            Self::Stage { bytes, .. } => STAGE_HEAD + bytes.len(),
            Self::Adopt { .. } => ADOPT,
            Self::Allowance { .. } => ALLOWANCE,
        }
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Payee(payee) => out.extend_from_slice(&name_bytes(payee)),
            Self::Pair { wallet, replaces } => {
                out.extend_from_slice(&name_bytes(wallet));
                out.extend_from_slice(&replaces.as_ref().map_or([0; NAME], name_bytes));
            }
            Self::Stage { version, part, bytes } => {
                out.extend_from_slice(&version.to_le_bytes());
                out.extend_from_slice(&part.to_le_bytes());
                // A longer part than a request can carry is not appended at all.
                out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(0).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Adopt { version, parts, hash } => {
                out.extend_from_slice(&version.to_le_bytes());
                out.extend_from_slice(&parts.to_le_bytes());
                out.extend_from_slice(&[0; 2]);
                out.extend_from_slice(hash);
            }
            Self::Allowance { child, mark } => {
                out.extend_from_slice(&name_bytes(child));
                out.extend_from_slice(&mark.to_le_bytes());
                out.extend_from_slice(&[0; ALLOWANCE - NAME - 8]);
            }
        }
    }
}

/// A request to be sent. Build it with one of the constructors, then set what else is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What is asked for.
    pub command: Command,
    /// Marks.
    pub flags: Flags,
    /// How long the sender still waits, milliseconds; 0 is no limit.
    pub wait_ms: u32,
    /// The request's id; for cancel and lookup the id in question.
    pub id: RequestId,
    /// The tag, or the ticket; `None` addresses an office.
    pub name: Option<Name>,
    /// The vendor whose office is addressed instead of a tag; 0 is the festival's own.
    pub office: Option<u32>,
    /// The till, as the welcome names it; 0 takes the device's own of that moment.
    pub till: u32,
    /// When it happened, microseconds since 1970 UTC; 0 is absent.
    pub happened: i64,
    /// Minor units.
    pub amount: i64,
    /// Void: the sale. Capture, release: the authorisation. Cancel, lookup: the id in question. Purchase: the try it
    /// replaces.
    pub target: RequestId,
    /// The tag's own counter; 0 is absent.
    pub tag_counter: u32,
    /// The operator; 0 is absent.
    pub operator: u32,
    /// The zone; 0 is absent.
    pub zone: u16,
    /// How a top-up was paid.
    pub tender: Option<Tender>,
    /// How long an authorisation holds, in seconds.
    pub seconds: u32,
    /// What the command needs beside.
    pub tail: Tail<'a>,
    /// What a purchase or a capture sells.
    pub lines: &'a [Line],
}

impl<'a> Request<'a> {
    /// A request of an office with nothing but its command and id: `vendor`'s, or with 0 the festival's.
    pub fn of_office(command: Command, id: RequestId, vendor: u32) -> Self {
        let target = if command.names_its_target() { id } else { RequestId::NONE };
        Self { name: None, office: Some(vendor), target, ..Self::nothing(command, id) }
    }

    /// A request with nothing but its command, id and tag.
    pub fn bare(command: Command, id: RequestId, name: impl Into<Name>) -> Self {
        Self { name: Some(name.into()), ..Self::nothing(command, id) }
    }

    fn nothing(command: Command, id: RequestId) -> Self {
        Self {
            command,
            flags: Flags::default(),
            wait_ms: 0,
            id,
            name: None,
            office: None,
            till: 0,
            happened: 0,
            amount: 0,
            target: RequestId::NONE,
            tag_counter: 0,
            operator: 0,
            zone: 0,
            tender: None,
            seconds: 0,
            tail: Tail::None,
            lines: &[],
        }
    }

    /// Opens a wallet for a tag.
    pub fn open_wallet(id: RequestId, name: impl Into<Name>) -> Self {
        Self::bare(Command::OpenWallet, id, name)
    }

    /// Puts money into a wallet.
    pub fn top_up(id: RequestId, name: impl Into<Name>, amount: i64, tender: Tender) -> Self {
        Self { amount, tender: Some(tender), ..Self::bare(Command::TopUp, id, name) }
    }

    /// Sells these lines; the amount is their sum.
    pub fn purchase(id: RequestId, name: impl Into<Name>, lines: &'a [Line]) -> Self {
        Self { amount: sum(lines), lines, ..Self::bare(Command::Purchase, id, name) }
    }

    /// Holds an amount for a sale to come.
    pub fn authorise(id: RequestId, name: impl Into<Name>, amount: i64, seconds: u32) -> Self {
        Self { amount, seconds, ..Self::bare(Command::Authorise, id, name) }
    }

    /// Sells these lines out of what `hold` had held; the amount is their sum.
    pub fn capture(id: RequestId, name: impl Into<Name>, hold: RequestId, lines: &'a [Line]) -> Self {
        Self { amount: sum(lines), lines, target: hold, ..Self::bare(Command::Capture, id, name) }
    }

    /// Gives back what `hold` had held.
    pub fn release_hold(id: RequestId, name: impl Into<Name>, hold: RequestId) -> Self {
        Self { target: hold, ..Self::bare(Command::ReleaseHold, id, name) }
    }

    /// Takes a whole purchase back; money goes back, so it names an operator.
    pub fn void(id: RequestId, name: impl Into<Name>, sale: RequestId, operator: u32) -> Self {
        Self { target: sale, operator, ..Self::bare(Command::Void, id, name) }
    }

    /// Pays another wallet.
    pub fn transfer(id: RequestId, payer: impl Into<Name>, payee: impl Into<Name>, amount: i64) -> Self {
        Self { amount, tail: Tail::Payee(payee.into()), ..Self::bare(Command::Transfer, id, payer) }
    }

    /// Gives a band to the wallet that `wallet` names; staff stands behind it.
    pub fn pair(
        id: RequestId,
        name: impl Into<Name>,
        wallet: impl Into<Name>,
        replaces: Option<Name>,
        operator: u32,
    ) -> Self {
        let tail = Tail::Pair { wallet: wallet.into(), replaces };
        Self { operator, tail, ..Self::bare(Command::Pair, id, name) }
    }

    /// Keeps a band from paying.
    pub fn block_tag(id: RequestId, name: impl Into<Name>, operator: u32) -> Self {
        Self { operator, ..Self::bare(Command::BlockTag, id, name) }
    }

    /// Lets a band pay again.
    pub fn unblock_tag(id: RequestId, name: impl Into<Name>, operator: u32) -> Self {
        Self { operator, ..Self::bare(Command::UnblockTag, id, name) }
    }

    /// Keeps another wallet in money: `target` now, and again up to `target` whenever it falls below `mark`.
    /// A target of 0 ends it.
    pub fn set_allowance(
        id: RequestId,
        parent: impl Into<Name>,
        child: impl Into<Name>,
        (target, mark): (i64, i64),
        operator: u32,
    ) -> Self {
        let tail = Tail::Allowance { child: child.into(), mark };
        Self { amount: target, tail, operator, ..Self::bare(Command::SetAllowance, id, parent) }
    }

    /// Pays out to a vendor; money leaves, so it names an operator.
    pub fn pay_out(id: RequestId, vendor: u32, amount: i64, operator: u32) -> Self {
        Self { amount, operator, ..Self::of_office(Command::PayOut, id, vendor) }
    }

    /// Takes one part of the next configuration.
    pub fn stage(id: RequestId, version: u32, part: u16, bytes: &'a [u8]) -> Self {
        let tail = Tail::Stage { version, part, bytes };
        Self { tail, ..Self::nothing(Command::StageConfiguration, id) }
    }

    /// Brings the staged configuration into force.
    pub fn adopt(id: RequestId, version: u32, parts: u16, hash: [u8; 32]) -> Self {
        let tail = Tail::Adopt { version, parts, hash };
        Self { tail, ..Self::nothing(Command::AdoptConfiguration, id) }
    }

    /// Reads balance and last movements.
    pub fn balance(id: RequestId, name: impl Into<Name>) -> Self {
        Self::bare(Command::Balance, id, name)
    }

    /// Gives request `id` up.
    pub fn cancel(id: RequestId, name: impl Into<Name>) -> Self {
        Self { target: id, ..Self::bare(Command::Cancel, id, name) }
    }

    /// Asks what became of request `id`.
    pub fn lookup(id: RequestId, name: impl Into<Name>) -> Self {
        Self { target: id, ..Self::bare(Command::Lookup, id, name) }
    }

    /// Bytes of this request on the wire.
    pub fn size(&self) -> usize {
        let office = self.office.map_or(0, |_| OFFICE);
        REQUEST_HEAD + self.lines.len() * LINE + self.tail.size() + office
    }

    /// Appends the request to `out`; `false` (and nothing appended) when it has more than 64 lines or more
    /// bytes than a request may have.
    pub fn append_to(&self, out: &mut Vec<u8>) -> bool {
        let (Ok(length), Ok(lines)) = (u16::try_from(self.size()), u8::try_from(self.lines.len())) else {
            return false;
        };
        if usize::from(lines) > MAX_LINES || usize::from(length) > MAX_REQUEST {
            return false;
        }
        out.extend_from_slice(&self.head(length, lines));
        for line in self.lines {
            let mut bytes = [0; LINE];
            put::<0, 4, LINE>(&mut bytes, line.item.to_le_bytes());
            put::<4, 2, LINE>(&mut bytes, line.quantity.to_le_bytes());
            put::<8, 4, LINE>(&mut bytes, line.unit_price.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        self.tail.append_to(out);
        if let Some(vendor) = self.office {
            let mut bytes = [0; OFFICE];
            put::<0, 4, OFFICE>(&mut bytes, vendor.to_le_bytes());
            out.extend_from_slice(&bytes);
        }
        true
    }

    fn head(&self, length: u16, lines: u8) -> [u8; REQUEST_HEAD] {
        const N: usize = REQUEST_HEAD;
        let mut head = [0; N];
        let uid = self.name.map(|name| name.uid());
        put::<0, 2, N>(&mut head, length.to_le_bytes());
        put::<2, 2, N>(&mut head, [self.command.number(), self.flags.0]);
        put::<4, 4, N>(&mut head, self.wait_ms.to_le_bytes());
        put::<8, 8, N>(&mut head, self.id.raw().to_le_bytes());
        put::<16, 1, N>(&mut head, [uid.map_or(0, |uid| uid.length())]);
        put::<17, 10, N>(&mut head, uid.map_or([0; MAX_UID], |uid| uid.padded()));
        put::<27, 1, N>(&mut head, [lines]);
        put::<28, 4, N>(&mut head, self.till.to_le_bytes());
        put::<32, 8, N>(&mut head, self.happened.to_le_bytes());
        put::<40, 8, N>(&mut head, self.amount.to_le_bytes());
        put::<48, 8, N>(&mut head, self.target.raw().to_le_bytes());
        put::<56, 4, N>(&mut head, self.tag_counter.to_le_bytes());
        put::<60, 4, N>(&mut head, self.operator.to_le_bytes());
        put::<64, 2, N>(&mut head, self.zone.to_le_bytes());
        put::<66, 1, N>(&mut head, [self.tender.map_or(0, Tender::number)]);
        put::<67, 1, N>(&mut head, [self.name.map_or(Name::TAG, |name| name.kind())]);
        put::<68, 4, N>(&mut head, self.seconds.to_le_bytes());
        head
    }
}

fn sum(lines: &[Line]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum()
}

fn name_bytes(name: &Name) -> [u8; NAME] {
    let mut bytes = [0; NAME];
    put::<0, 1, NAME>(&mut bytes, [name.uid().length()]);
    put::<1, 10, NAME>(&mut bytes, name.uid().padded());
    put::<11, 1, NAME>(&mut bytes, [name.kind()]);
    bytes
}

/// Sets how long the sender of an encoded request still waits: the one field that changes from try to try.
///
/// `request` starts with a request's first byte; shorter than a head, nothing is set.
pub fn set_wait(request: &mut [u8], wait_ms: u32) {
    if let Some(head) = request.first_chunk_mut::<REQUEST_HEAD>() {
        put::<4, 4, REQUEST_HEAD>(head, wait_ms.to_le_bytes());
    }
}

/// A frame of requests being written at the end of a buffer.
#[derive(Debug)]
#[must_use = "a frame without `finish` has no length"]
pub struct RequestsWriter<'a> {
    frame: FrameWriter<'a>,
    count: u16,
}

impl<'a> RequestsWriter<'a> {
    /// Begins a frame of requests.
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { frame: FrameWriter::begin(out, FrameKind::Requests, 0), count: 0 }
    }

    /// Requests in the frame so far.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Bytes of the frame's body so far, for a welcome that allows less than the protocol.
    pub fn body_len(&self) -> usize {
        self.frame.len()
    }

    /// Appends one request; `false` (and nothing appended) when the frame is full or the request has too many lines.
    pub fn push(&mut self, request: &Request<'_>) -> bool {
        let fits = self.fits(request.size()) && request.append_to(self.frame.body());
        self.count += u16::from(fits);
        fits
    }

    /// Appends one request that was encoded before; `false` when the frame is full.
    pub fn push_encoded(&mut self, request: &[u8]) -> bool {
        let fits = self.fits(request.len());
        if fits {
            self.frame.body().extend_from_slice(request);
            self.count += 1;
        }
        fits
    }

    fn fits(&self, size: usize) -> bool {
        self.count < MAX_REQUESTS_IN_FRAME && self.frame.len() + size <= MAX_FRAME_BODY as usize
    }

    /// Takes the begun frame off the buffer again.
    pub fn abandon(self) {
        self.frame.abandon();
    }

    /// Fills in the frame's length and count.
    pub fn finish(self) -> Result<(), WireError> {
        self.frame.finish(self.count)
    }
}
