//! What a terminal may ask of an actor, with the tag already turned into its number.

use ledger::ids::{
    At, DeviceNumber, FestivalId, OperatorId, RequestId, TagNumber, TillId, Version, WalletNumber, ZoneId,
};
use ledger::record::{Body, Line, Mode, Record, Tender};
use smallvec::SmallVec;

use crate::address::Tag;

/// One line as the terminal sent it; prices and items are checked against the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedLine {
    /// Catalogue item.
    pub item: u32,
    /// How many.
    pub quantity: u16,
    /// Price of one, in minor units.
    pub unit_price: u32,
}

/// Lines of a purchase; five fit without an allocation.
pub type AskedLines = SmallVec<[AskedLine; 5]>;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a wallet by its first tag.
    Open,
    /// Pay money in.
    TopUp {
        /// How.
        tender: Tender,
        /// Minor units.
        amount: i64,
    },
    /// Buy.
    Purchase {
        /// What.
        lines: AskedLines,
        /// What the customer was shown: must be the sum of the lines.
        amount: i64,
        /// The barman says that it is no repeat.
        confirmed: bool,
    },
    /// Take a whole purchase back.
    Void {
        /// The id of the sale.
        sale: RequestId,
    },
    /// Pay another wallet.
    Transfer {
        /// Who is to have it.
        payee: WalletNumber,
        /// Minor units.
        amount: i64,
    },
    /// Give the tag to a wallet that there is already.
    Pair {
        /// The wallet.
        wallet: WalletNumber,
        /// The tag of it that this one takes the place of.
        replaces: Option<TagNumber>,
    },
    /// The tag may pay no more.
    BlockTag,
    /// The tag may pay again.
    UnblockTag,
    /// Hold money for a sale to come.
    Authorise {
        /// Minor units.
        amount: i64,
        /// After how many seconds it is given back by itself.
        seconds: u32,
    },
    /// Sell out of what is held; the rest is given back at once.
    Capture {
        /// The id of the request that had it held.
        hold: RequestId,
        /// What.
        lines: AskedLines,
        /// What the customer was shown: must be the sum of the lines.
        amount: i64,
    },
    /// Give back what is held.
    ReleaseHold {
        /// The id of the request that had it held.
        hold: RequestId,
    },
    /// Give another wallet an allowance, change it, or end it.
    SetAllowance {
        /// Who is to have it.
        child: WalletNumber,
        /// What it is filled up to, minor units; 0 ends it.
        target: i64,
        /// Below this it is filled up.
        mark: i64,
    },
    /// Decide a payout to the vendor whose office is addressed.
    PayOut {
        /// Minor units.
        amount: i64,
    },
    /// One part of the next configuration, to the festival's office.
    StageConfiguration {
        /// The version being staged.
        version: Version,
        /// Which part, from 0.
        part: u16,
        /// The part.
        bytes: Box<[u8]>,
    },
    /// The staged configuration is to be in force, to the festival's office.
    AdoptConfiguration {
        /// The version.
        version: Version,
        /// How many parts it has.
        parts: u16,
        /// BLAKE3 over all parts in order.
        hash: [u8; 32],
    },
    /// Balance and last movements.
    Balance,
    /// Take the request with this id back, or close the id.
    Cancel,
    /// The answer of the request with this id, or that it was never seen.
    Lookup,
}

impl Command {
    /// The number on the wire.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Open => 1,
            Self::TopUp { .. } => 2,
            Self::Purchase { .. } => 3,
            Self::Void { .. } => 4,
            Self::Balance => 5,
            Self::Cancel => 6,
            Self::Lookup => 7,
            Self::Transfer { .. } => 8,
            Self::Pair { .. } => 9,
            Self::BlockTag => 10,
            Self::UnblockTag => 11,
            Self::Authorise { .. } => 12,
            Self::Capture { .. } => 13,
            Self::ReleaseHold { .. } => 14,
            Self::SetAllowance { .. } => 15,
            Self::PayOut { .. } => 16,
            Self::StageConfiguration { .. } => 17,
            Self::AdoptConfiguration { .. } => 18,
        }
    }
}

/// One request of one device about one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its identity; for cancel and lookup the id they are about.
    pub id: RequestId,
    /// Keyed check of the business content: [`crate::address::Keys::content`].
    pub content: u32,
    /// Who asks.
    pub device: DeviceNumber,
    /// The festival the device's session is in.
    pub festival: FestivalId,
    /// The wristband.
    pub tag: Tag,
    /// The wallet that the tag was given to, where that is known and it is not the tag's own.
    pub wallet: Option<WalletNumber>,
    /// The till the device says it sells for.
    pub till: Option<TillId>,
    /// When the device says it happened.
    pub happened: Option<At>,
    /// Who acts.
    pub operator: Option<OperatorId>,
    /// Where.
    pub zone: Option<ZoneId>,
    /// The tag's own counter.
    pub tag_counter: Option<std::num::NonZeroU32>,
    /// Online, offline, training.
    pub mode: Mode,
    /// The unanswered try that this finishes.
    pub replaces: Option<RequestId>,
    /// What is asked.
    pub command: Command,
}

impl Request {
    /// The actor it is for.
    #[inline]
    pub fn actor(&self) -> WalletNumber {
        self.wallet.unwrap_or(self.tag.number.as_wallet())
    }

    /// The request that `record` answered, as far as the decision depended on it. `check` is the
    /// tag's second half, which the record of a wallet's opening holds. `None` for a record that no
    /// request caused.
    pub fn of_record(record: &Record, festival: FestivalId, check: u64) -> Option<Self> {
        let envelope = &record.envelope;
        let id = envelope.request?;
        let wallet = envelope.wallet?;
        let number = envelope.tag.unwrap_or(wallet.as_tag());
        Some(Self {
            id,
            content: envelope.content,
            device: envelope.device.or(id.device())?,
            festival,
            tag: Tag { number, check },
            wallet: envelope.tag.map(|_| wallet),
            till: envelope.till,
            happened: envelope.happened,
            operator: envelope.operator,
            zone: envelope.rare.as_ref().and_then(|rare| rare.zone),
            tag_counter: envelope.tag_counter,
            mode: envelope.mode,
            replaces: envelope.replaces,
            command: command_of(&record.body)?,
        })
    }
}

/// Lines as they were asked for.
fn asked(lines: &[Line]) -> AskedLines {
    let asked = |line: &Line| AskedLine {
        item: line.item.get(),
        quantity: line.quantity,
        unit_price: line.unit_price,
    };
    lines.iter().map(asked).collect()
}

fn command_of(body: &Body) -> Option<Command> {
    Some(match body {
        Body::WalletOpened { .. } => Command::Open,
        Body::ToppedUp { tender, amount } => Command::TopUp { tender: *tender, amount: *amount },
        Body::Purchased { lines, confirmed, .. } => Command::Purchase {
            amount: lines.iter().map(Line::gross).sum(),
            lines: asked(lines),
            confirmed: *confirmed,
        },
        Body::Voided { sale, .. } => Command::Void { sale: *sale },
        Body::TransferSent { payee, amount } => Command::Transfer { payee: *payee, amount: *amount },
        Body::TagPaired { wallet, replaces, .. } => Command::Pair { wallet: *wallet, replaces: *replaces },
        Body::TagSet { blocked: true, .. } => Command::BlockTag,
        Body::TagSet { blocked: false, .. } => Command::UnblockTag,
        Body::Held { amount, seconds } => Command::Authorise { amount: *amount, seconds: *seconds },
        Body::Captured { hold, lines, .. } => {
            Command::Capture { hold: *hold, amount: lines.iter().map(Line::gross).sum(), lines: asked(lines) }
        }
        Body::HoldReleased { hold } => Command::ReleaseHold { hold: *hold },
        Body::AllowanceSet { child, target, mark } => {
            Command::SetAllowance { child: *child, target: *target, mark: *mark }
        }
        Body::PaidOut { amount } => Command::PayOut { amount: *amount },
        Body::ConfigurationStaged { version, part, bytes } => {
            Command::StageConfiguration { version: *version, part: *part, bytes: bytes.clone().into() }
        }
        Body::ConfigurationAdopted { version, parts, hash } => {
            Command::AdoptConfiguration { version: *version, parts: *parts, hash: *hash }
        }
        Body::Cancelled { .. } | Body::Burned { .. } => Command::Cancel,
        Body::LedgerOpened(_)
        | Body::EpochOpened { .. }
        | Body::Quarantined
        | Body::Released
        | Body::Delivered { .. }
        | Body::DeadLettered { .. }
        | Body::Acknowledged { .. }
        | Body::Swept { .. }
        | Body::Told
        | Body::HoldExpired { .. }
        | Body::AllowanceReturned { .. } => return None,
    })
}
