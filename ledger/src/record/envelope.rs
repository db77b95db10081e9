//! The part every record shares. Each field has its place from the first format on; an absent one
//! costs a bit.

use super::message::Mail;
use crate::ids::{At, DeviceNumber, OperatorId, RequestId, TagNumber, TillId, Version, WalletNumber, ZoneId};

/// How the sale was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mode {
    /// Finished by the terminal on its own and uploaded later.
    pub offline: bool,
    /// Training: no money moves.
    pub training: bool,
}

impl Mode {
    pub(super) const fn to_byte(self) -> u8 {
        self.offline as u8 | (self.training as u8) << 1
    }

    pub(super) const fn from_byte(byte: u8) -> Option<Self> {
        if byte > 3 { None } else { Some(Self { offline: byte & 1 != 0, training: byte & 2 != 0 }) }
    }
}

/// Fields so seldom present that a record keeps them out of line.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rare {
    /// Reference of the device's signature over the sale.
    pub signature: Option<[u8; 16]>,
    /// The order this belongs to, as the terminal named it.
    pub order: Option<[u8; 16]>,
    /// Second half of a long request id (HTTP, PSP).
    pub long_id: Option<u64>,
    /// The zone of the grounds that the device was in.
    pub zone: Option<ZoneId>,
}

/// Who asked, from where, on which tag, under which versions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The wallet this is a fact about.
    pub wallet: Option<WalletNumber>,
    /// The request that caused it.
    pub request: Option<RequestId>,
    /// Keyed check of the request's business content; 0 without a request.
    pub content: u32,
    /// The device, where it is not the one in the request id.
    pub device: Option<DeviceNumber>,
    /// The till the request was made at.
    pub till: Option<TillId>,
    /// When the device says it happened.
    pub happened: Option<At>,
    /// Who acted.
    pub operator: Option<OperatorId>,
    /// The tag, where it is not the wallet's first.
    pub tag: Option<TagNumber>,
    /// The tag's own counter.
    pub tag_counter: Option<std::num::NonZeroU32>,
    /// Online, offline, training.
    pub mode: Mode,
    /// Configuration version the decision was made under; `None` before the first.
    pub configuration: Option<Version>,
    /// Catalogue version of its lines.
    pub catalogue: Option<Version>,
    /// Policy version it was judged by.
    pub policy: Option<Version>,
    /// The unanswered try that this finishes.
    pub replaces: Option<RequestId>,
    /// Seldom present fields; never `Some` of all-absent.
    pub rare: Option<Box<Rare>>,
    /// Messages taken and sent; never `Some` of neither.
    pub mail: Option<Box<Mail>>,
}
