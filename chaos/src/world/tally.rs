//! How often each fault, each code and each branch of recovery was hit. A run that hit one of them
//! too seldom proved nothing about it. Owns the list of what must be hit.

use std::collections::BTreeMap;
use std::fmt;

use actors::codes::{Decline, Refusal};

/// Declines that this commands can produce.
const DECLINES: [Decline; 27] = [
    Decline::InsufficientFunds,
    Decline::OverCap,
    Decline::LooksRepeated,
    Decline::Cancelled,
    Decline::Burned,
    Decline::AlreadyOpen,
    Decline::AlreadyVoided,
    Decline::TopUpSpent,
    Decline::NoSuchSale,
    Decline::WalletInUse,
    Decline::TransferGone,
    Decline::NoSuchHold,
    Decline::HoldEnded,
    Decline::AboveHold,
    Decline::TooManyHolds,
    Decline::NoAllowance,
    Decline::FestivalPaused,
    Decline::FestivalClosed,
    Decline::OutsideHours,
    Decline::VendorStopped,
    Decline::ItemStopped,
    Decline::StaleConfiguration,
    Decline::BadConfiguration,
    Decline::WalletBlocked,
    Decline::TagReplaced,
    Decline::TagTaken,
    Decline::Stands,
];

/// Refusals that the engine and its actors can produce; malformed bytes end in the gateway.
const REFUSALS: [Refusal; 23] = [
    Refusal::Unauthenticated,
    Refusal::NotYourRole,
    Refusal::NotYourId,
    Refusal::UnknownTag,
    Refusal::WrongFestival,
    Refusal::UnknownItemOrPrice,
    Refusal::AmountZero,
    Refusal::AmountTooLarge,
    Refusal::IdReused,
    Refusal::Busy,
    Refusal::Late,
    Refusal::NoOperator,
    Refusal::TagCollision,
    Refusal::Unsupported,
    Refusal::WrongTill,
    Refusal::TooManyLines,
    Refusal::LinesDoNotAddUp,
    Refusal::AmountTooSmall,
    Refusal::SameWallet,
    Refusal::NotThisOffice,
    Refusal::DeviceRevoked,
    Refusal::TransfersOff,
    Refusal::AllowancesOff,
];

macro_rules! rows {
    ($($name:ident = $group:literal $text:literal $(if $feature:literal)?,)*) => {
        /// One line of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each row says what it is in the table itself")]
        pub enum Row { $($name,)* Declined(u8), Refused(u8) }

        const ROWS: &[(Row, &str, &str, bool)] =
            &[$((Row::$name, $group, $text, true $(&& cfg!(feature = $feature))?),)*];
    };
}

rows! {
    Crash = "fault" "power loss between two steps",
    CrashMidCall = "fault" "power loss in the middle of a write, flush or rename",
    CrashInRecovery = "fault" "power loss during recovery",
    LostWrites = "fault" "unflushed writes lost",
    TornWrite = "fault" "write torn: of one page some sectors",
    Reordered = "fault" "a later write there, an earlier one lost",
    Kill = "fault" "process killed, machine lives",
    WriteFailed = "fault" "write fails (EIO)",
    FlushFailed = "fault" "flush fails (EIO), what it had is lost",
    NameFailed = "fault" "create, rename or directory flush fails",
    WriteFull = "fault" "write finds no space (ENOSPC)",
    DiskFull = "fault" "disk full, space comes back later",
    SlowDisk = "fault" "disk slow, journal thread starved",
    ClockBack = "fault" "wall clock steps back",
    ClockJump = "fault" "wall clock jumps ahead",
    StoreKilled = "fault" "store ended by its operator",
    CorePaused = "fault" "a core is not turned for long",
    Unreadable = "fault" "record cannot be read as evidence (EIO)",
    Fenced = "fault" "another owner writes to a shard",
    MailLost = "fault" "message between shards lost",
    MailTwice = "fault" "message between shards arrives twice",
    PartLost = "fault" "part of a configuration lost",
    PartTwice = "fault" "part of a configuration arrives twice",
    PartReordered = "fault" "part of a configuration arrives behind a later one",
    CrashStaged = "fault" "process ends between stage and adopt",
    CrashApart = "fault" "process ends while only some shards have a version",
    PoisonMessage = "fault" "message asked for that panics where it is taken" if "mutants",
    PoisonReplay = "fault" "record that panics its replay" if "mutants",
    ManyShards = "world" "run with 32 shards",
    Duplicate = "client" "same request again",
    Overtaken = "client" "request overtaken by a later one of its wristband",
    OtherDoor = "client" "same request through another door",
    Late = "client" "request taken up after its sender left",
    IdReused = "client" "id used again with another content",
    Cancel = "client" "request given up",
    Reader = "client" "balance read by another client",
    Lookup = "client" "request looked up",
    Flood = "client" "burst on one wallet",
    BandRace = "client" "two desks give one band to two wallets",
    Crush = "client" "more requests than a shard's mailbox takes",
    PoisonDecide = "client" "decision that panics" if "mutants",
    PoisonApply = "client" "application that panics" if "mutants",
    Internal = "code" "refused internal" if "mutants",
    Quarantined = "code" "refused quarantined" if "mutants",
    Applied = "code" "applied",
    Unknown = "code" "unknown, resend",
    Balance = "code" "balance",
    NeverSeen = "code" "never seen",
    Retried = "code" "a retry got its first answer",
    Taken = "code" "message taken",
    Returned = "code" "message sent back",
    DeadLetter = "code" "message buried as a dead letter",
    DeadPoisoned = "code" "dead letter: it panicked" if "mutants",
    DeadGivenBack = "code" "dead letter: what was left of an allowance" if "mutants",
    Unclaimed = "code" "money that came back kept to be claimed" if "mutants",
    Swept = "code" "stripe swept home",
    Expired = "code" "hold ended by its timer",
    VersionAdopted = "code" "configuration version adopted by a shard",
    ClosingSweep = "code" "stripe swept home after the festival closed",
    PaidOut = "code" "vendor paid out",
    AllowanceAsked = "code" "more of an allowance asked for",
    AllowanceReturned = "code" "what was left of an allowance went back",
    RoleTaken = "code" "refused not_your_role, once allowed",
    RoleGiven = "code" "applied in a role that was given",
    TillTaken = "code" "refused wrong_till, once right",
    TillGiven = "code" "sold at another till than at first",
    PriceNew = "code" "sold at a new price",
    PriceScheduled = "code" "sold after a scheduled change of a price",
    PriceGrace = "code" "sold at the price before a scheduled change",
    PriceGone = "code" "refused unknown_item_or_price, once right",
    Reinstated = "code" "applied by a device that had been revoked",
    BandOfDesk = "code" "band given to a wallet opened at a desk",
    BandOfTicket = "code" "band given to a wallet opened from a ticket",
    BandTaken = "code" "band taken by its wallet",
    BandInPlace = "code" "band taken in the place of another",
    BandToNobody = "code" "band sent back: no such wallet",
    BandForAnother = "code" "band sent back: the other is not the wallet's",
    BandTooMany = "code" "band sent back: the wallet has too many",
    BandAnew = "code" "band that came back given once more",
    BandNamed = "code" "band in a command taken for its wallet",
    BandUnderWay = "code" "refused busy: its wallet has not taken the band yet",
    BandPays = "code" "applied by a further band",
    BandItself = "code" "band answers what it remembers from before its wallet",
    OldBandAgain = "code" "a retry by a replaced band got its first answer",
    LostBandAgain = "code" "a retry by a blocked band got its first answer",
    SentOn = "code" "sent on to another actor",
    OpenedClean = "recovery" "opened, tail whole",
    TornTail = "recovery" "opened, torn tail cut",
    Reopened = "recovery" "reopened in the process after the store died",
    BeyondTold = "recovery" "block found that was never told",
    ShardRebuilt = "recovery" "shard rebuilt beside the others",
    Stopped = "recovery" "shard stopped at a start by a record that panics its replay" if "mutants",
    StoppedRebuild = "recovery" "shard stopped in its rebuild by such a record" if "mutants",
    Besides = "recovery" "applied while another shard is stopped" if "mutants",
    Mended = "recovery" "stopped shard brought back by a mended build" if "mutants",
    ActorQuarantined = "recovery" "actor quarantined by name" if "mutants",
    DamageByFrame = "recovery" "damage refused: a good frame follows",
    DamageByMark = "recovery" "damage refused: the MARK had passed it",
    RotAfterMark = "recovery" "rot after the MARK taken for a torn tail",
    DamageShort = "recovery" "damage refused: the log ends before its MARK",
    DamageByHeader = "recovery" "damage refused: a segment's header is bad",
    DamageByGap = "recovery" "damage refused: a segment is missing",
    DamageNoMark = "recovery" "damage refused: no page of the MARK is whole",
    HalfMark = "recovery" "one page of the MARK bad, the other believed",
    LeftOver = "recovery" "left-over of an interrupted cut taken away",
    Resent = "recovery" "channel sent again",
    Rotated = "recovery" "log went on in the next segment",
    Evidence = "recovery" "record fetched as evidence",
    FullReplay = "recovery" "full replay of the image compared",
    CrashReplay = "recovery" "full replay of what a crash left compared",
    LiveCompared = "recovery" "live shard compared with its replica",
    StepCompared = "recovery" "end of a live shard's step compared with the replay of its records",
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Row, u64>);

impl Tally {
    /// One more.
    pub fn hit(&mut self, row: Row) {
        self.add(row, 1);
    }

    /// So many more.
    pub fn add(&mut self, row: Row, count: u64) {
        *self.0.entry(row).or_default() += count;
    }

    /// How often.
    pub fn of(&self, row: Row) -> u64 {
        self.0.get(&row).copied().unwrap_or_default()
    }

    /// Adds another run's counts.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(row, count)| self.add(*row, *count));
    }

    /// Every line: group, text, count.
    pub fn lines(&self) -> Vec<(&'static str, String, u64)> {
        let fixed = ROWS.iter().filter(|(.., wanted)| *wanted);
        let fixed = fixed.map(|(row, group, text, _)| (*group, (*text).to_owned(), self.of(*row)));
        let declines = DECLINES
            .iter()
            .map(|code| ("code", format!("declined {}", code.name()), self.of(Row::Declined(code.number()))));
        let refusals = REFUSALS
            .iter()
            .map(|code| ("code", format!("refused {}", code.name()), self.of(Row::Refused(code.number()))));
        let mut lines: Vec<_> = fixed.chain(declines).chain(refusals).collect();
        lines.sort_by_key(|(group, ..)| {
            ["world", "client", "fault", "code", "recovery"].iter().position(|g| g == group)
        });
        lines
    }

    /// Lines hit fewer than `least` times.
    pub fn missed(&self, least: u64) -> Vec<String> {
        let lines = self.lines().into_iter().filter(|(.., count)| *count < least);
        lines.map(|(group, text, count)| format!("{group}: {text} ({count})")).collect()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines()
            .iter()
            .try_for_each(|(group, text, count)| writeln!(f, "{group:9} {text:55} {count:>10}"))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Everything hit so often.
    pub(crate) fn all(times: u64) -> Tally {
        let mut tally = Tally::default();
        let codes = DECLINES.iter().map(|code| Row::Declined(code.number()));
        let codes = codes.chain(REFUSALS.iter().map(|code| Row::Refused(code.number())));
        for row in ROWS.iter().map(|(row, ..)| *row).chain(codes) {
            tally.add(row, times);
        }
        tally
    }

    #[test]
    fn what_was_hit_too_seldom_is_named_and_nothing_else() {
        assert_eq!(all(10).missed(10), Vec::<String>::new());
        let mut tally = all(10);
        tally.0.insert(Row::TornWrite, 9);
        tally.0.remove(&Row::Refused(Refusal::Busy.number()));
        let missed = tally.missed(10);
        assert_eq!(missed.len(), 2, "{missed:?}");
        assert!(missed[0].starts_with("fault: write torn") && missed[0].ends_with("(9)"), "{missed:?}");
        assert_eq!(missed[1], "code: refused busy (0)");
        assert_eq!(Tally::default().missed(1).len(), Tally::default().lines().len());
    }
}
