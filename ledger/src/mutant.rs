//! Deliberately wrong versions of single lines, for the test of the tests. Without the `mutants`
//! feature [`on`] is `false` at compile time and every trace of a mutant is gone from the binary.

use crate::record::Message;

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One wrong line. Chosen at run time by name in a build with the `mutants` feature.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Mutant { $($(#[$doc])* $name,)* }

        impl Mutant {
            /// Every mutant.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name it is chosen by.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

mutants! {
    /// Answers leave before the flush.
    AnswerBeforeFlush = "answer-before-flush",
    /// A refusal leaves although it was decided on unconfirmed state.
    RefusalFromUnconfirmed = "refusal-from-unconfirmed",
    /// A retry of an id whose block is in flight is answered at once.
    RetryInFlightAnswered = "retry-in-flight-answered",
    /// Answers of block N+1 leave although block N failed.
    AnswersAfterFailedBlock = "answers-after-failed-block",
    /// Ids are not remembered.
    IdsForgotten = "ids-forgotten",
    /// A known id is believed whatever its content.
    ContentUnchecked = "content-unchecked",
    /// A frame is believed though it was written for another position.
    FramePositionIgnored = "frame-position-ignored",
    /// A frame is believed though it belongs to the segment's earlier life.
    FrameGenerationIgnored = "frame-generation-ignored",
    /// Recovery believes the tail without flushing it first.
    TailNotFlushed = "tail-not-flushed",
    /// A bad frame before good ones is cut as if it were a torn tail.
    DamageTakenForTorn = "damage-taken-for-torn",
    /// Only the wallet's leg of a sale is applied.
    OneLegApplied = "one-leg-applied",
    /// The chain is not checked when blocks are read.
    ChainUnchecked = "chain-unchecked",
    /// A cancel of an unknown id leaves no trace.
    CancelBurnsNothing = "cancel-burns-nothing",
    /// Prices are taken for major units when they have decimals.
    MinorUnitsWrong = "minor-units-wrong",
    /// A sale can be voided again.
    VoidTwice = "void-twice",
    /// The mailbox takes whatever comes.
    MailboxUnbounded = "mailbox-unbounded",
    /// A flush that failed is taken for done.
    FailedFlushBelieved = "failed-flush-believed",
    /// The floor of a wallet is not checked.
    FloorUnchecked = "floor-unchecked",
    /// Ledger time follows the clock backwards.
    TimeFalls = "time-falls",
    /// A device cancels another device's request.
    CancelFromAnyDevice = "cancel-from-any-device",
    /// A message is taken although one before it is missing.
    WatermarkBySequence = "watermark-by-sequence",
    /// Messages are acknowledged before the record that takes them is confirmed.
    AcknowledgedUnrecorded = "acknowledged-unrecorded",
    /// What comes back is declined.
    ReturnDeclined = "return-declined",
    /// A message leaves before the record that sends it is confirmed.
    DeliveredUnconfirmed = "delivered-unconfirmed",
    /// Between two shards of one loop a message takes a short cut: not confirmed, not numbered again.
    SameThreadShortCut = "same-thread-short-cut",
    /// What was sent is not kept until it is acknowledged.
    OutboxForgotten = "outbox-forgotten",
    /// A wallet pays for a tag that it did not take.
    TagUnchecked = "tag-unchecked",
    /// A tag that was given away is given away again.
    SecondPairingWins = "second-pairing-wins",
    /// A sale may be above what is held for it.
    CaptureAboveHold = "capture-above-hold",
    /// Timers that wait are gone after a restart.
    TimersForgotten = "timers-forgotten",
    /// A timer is taken for due before its time.
    TimerBeforeItsTime = "timer-before-its-time",
    /// A wallet asks for more of its allowance although it has asked and was not answered.
    AllowanceAskedTwice = "allowance-asked-twice",
    /// A vendor is paid out more than the vendor's home holds.
    HomeOverdrawn = "home-overdrawn",
    /// A sweep takes home twice what the stripe holds.
    SweepBeyondStripe = "sweep-beyond-stripe",
    /// One shard is never told of a new configuration.
    AdoptionSkipped = "adoption-skipped",
    /// A restarted shard decides by the first configuration it ever had.
    VersionFallsBack = "version-falls-back",
    /// What a device may do is not asked.
    RoleUnchecked = "role-unchecked",
    /// A known id is decided as if it were new.
    KnownIdDecidedAgain = "known-id-decided-again",
}

/// A request with this tag counter panics in `decide`, in a build with the `mutants` feature.
pub const POISON_DECIDE: u32 = 0x00de_c1de;
/// A request with this tag counter panics in `apply`, in a build with the `mutants` feature.
pub const POISON_APPLY: u32 = 0x00a9_9117;

/// A request with this tag counter panics when its record is put into a block, in a build with the
/// `mutants` feature.
pub const POISON_ENCODE: u32 = 0x00e4_c0de;
/// A request with this tag counter panics when its answer is made, after its record was applied, in a
/// build with the `mutants` feature.
pub const POISON_ANSWER: u32 = 0x00a4_53e4;

/// A record with this tag counter panics when it is read back, and not before, in a build with the
/// `mutants` feature: what a journal meets that was written by another build. [`mend`] ends it.
pub const POISON_REPLAY: u32 = 0x00ae_91a9;

/// A message between shards that brings so many minor units panics when it is decided, in a build with the
/// `mutants` feature.
pub const POISON_RECEIVE: i64 = 137;
/// A message between shards that brings so many minor units panics when its record is applied, in a build with
/// the `mutants` feature.
pub const POISON_TAKE: i64 = 139;
/// A message between shards that brings so many minor units panics when it is decided, and again when it has
/// come back, in a build with the `mutants` feature.
pub const POISON_BOTH_WAYS: i64 = 149;
/// What is left of an allowance panics when it is decided and is so many minor units, in a build with the
/// `mutants` feature.
pub const POISON_GIVE_BACK: i64 = 151;

/// Where a poisoned message panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poisoned {
    /// In its decision.
    Receive,
    /// In the application of the record that takes it.
    Take,
}

/// Where a message panics, if it was poisoned. What a client chooses of a message is how much it brings, so
/// that is what poisons one.
#[cfg(feature = "mutants")]
pub fn poison_of(message: &Message) -> Option<Poisoned> {
    match message {
        Message::Transfer { amount, .. } | Message::Allowance { amount, .. } => match *amount {
            POISON_GIVE_BACK if message.gives_back() => Some(Poisoned::Receive),
            POISON_RECEIVE | POISON_BOTH_WAYS if !message.gives_back() => Some(Poisoned::Receive),
            POISON_TAKE if !message.gives_back() => Some(Poisoned::Take),
            _ => None,
        },
        Message::Returned { message, .. } => match message.money() {
            Some((_, POISON_BOTH_WAYS)) => poison_of(message),
            _ => None,
        },
        _ => None,
    }
}

/// Where a message panics: nowhere, in this build.
#[cfg(not(feature = "mutants"))]
pub const fn poison_of(_message: &Message) -> Option<Poisoned> {
    None
}

/// Panics on a message that was poisoned for this place.
#[cfg(feature = "mutants")]
pub fn trip_message(message: &Message, place: Poisoned) {
    assert!(poison_of(message) != Some(place), "poisoned request: a message");
}

/// Panics on a message that was poisoned for this place: never, in this build.
#[cfg(not(feature = "mutants"))]
pub const fn trip_message(_message: &Message, _place: Poisoned) {}

#[cfg(feature = "mutants")]
static MENDED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Whether this is, from here on, a build that can read back what was poisoned for that.
#[cfg(feature = "mutants")]
pub fn mend(mended: bool) {
    MENDED.store(mended, std::sync::atomic::Ordering::SeqCst);
}

/// Whether this is a build that can read back what was poisoned for that: it always is.
#[cfg(not(feature = "mutants"))]
pub const fn mend(_mended: bool) {}

/// Panics on a record that was poisoned for its reading back.
#[cfg(feature = "mutants")]
pub fn trip_replay(counter: Option<std::num::NonZeroU32>) {
    if !MENDED.load(std::sync::atomic::Ordering::SeqCst) {
        trip(counter, POISON_REPLAY);
    }
}

/// Panics on a record that was poisoned for its reading back: never, in this build.
#[cfg(not(feature = "mutants"))]
pub const fn trip_replay(_counter: Option<std::num::NonZeroU32>) {}

/// Panics if `counter` is the given poison: how tests make an actor fail at a chosen place.
#[cfg(feature = "mutants")]
pub fn trip(counter: Option<std::num::NonZeroU32>, poison: u32) {
    assert!(counter.is_none_or(|counter| counter.get() != poison), "poisoned request");
}

/// Panics if `counter` is the given poison: never, in this build.
#[cfg(not(feature = "mutants"))]
pub const fn trip(_counter: Option<std::num::NonZeroU32>, _poison: u32) {}

/// Places at which a test can end a long-lived part of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Point {
    /// A core loop, at the top of a round.
    CoreLoop = 1,
    /// A core loop, after it took answers and before it sent them.
    CoreLoopAnswering = 2,
    /// The journal thread, between two writes.
    Journal = 3,
    /// The look-up thread.
    Lookup = 4,
    /// The thread that rebuilds shards.
    Recovery = 5,
    /// The HTTP server's thread.
    Http = 6,
    /// A shard, while it puts a record into its block and applies it.
    Append = 7,
    /// A shard, while it sweeps.
    Sweep = 8,
    /// A shard, while it goes on with a state that was rebuilt.
    Install = 9,
    /// A shard, while it takes a record that it looked up.
    Fetched = 10,
    /// A shard, while it decides what becomes of a message, or how it is sent back.
    Receive = 11,
}

/// How a part is made to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Strike {
    /// It panics.
    Panic = 1,
    /// It returns as if it were done.
    End = 2,
    /// It hangs until it is let go.
    Hang = 3,
}

#[cfg(feature = "mutants")]
static ARMED: std::sync::atomic::AtomicU16 = std::sync::atomic::AtomicU16::new(0);

/// Whoever is struck by [`Strike::Hang`] hangs as long as this is set.
#[cfg(feature = "mutants")]
static HELD: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Lets whoever hangs go on.
#[cfg(feature = "mutants")]
pub fn let_go() {
    HELD.store(false, std::sync::atomic::Ordering::SeqCst);
}

/// The next thread that passes `point` is struck, once.
#[cfg(feature = "mutants")]
pub fn arm(point: Point, strike: Strike) {
    HELD.store(strike == Strike::Hang, std::sync::atomic::Ordering::SeqCst);
    ARMED.store((point as u16) << 8 | strike as u16, std::sync::atomic::Ordering::SeqCst);
}

/// Whether a strike is still waiting for its point to be passed.
#[cfg(feature = "mutants")]
pub fn is_armed() -> bool {
    ARMED.load(std::sync::atomic::Ordering::SeqCst) != 0
}

/// Panics, hangs, or returns `true` for "end here", if a test armed this point.
#[cfg(feature = "mutants")]
pub fn struck(point: Point) -> bool {
    use std::sync::atomic::Ordering::SeqCst;
    let strike = [Strike::Panic, Strike::End, Strike::Hang].into_iter().find(|strike| {
        let armed = (point as u16) << 8 | *strike as u16;
        ARMED.compare_exchange(armed, 0, SeqCst, SeqCst).is_ok()
    });
    assert!(strike != Some(Strike::Panic), "struck at {point:?}");
    while strike == Some(Strike::Hang) && HELD.load(SeqCst) {
        std::thread::park_timeout(std::time::Duration::from_millis(1));
    }
    strike == Some(Strike::End)
}

/// Whether a test armed this point: never, in this build.
#[cfg(not(feature = "mutants"))]
pub const fn struck(_point: Point) -> bool {
    false
}

#[cfg(feature = "mutants")]
static CHOSEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(u8::MAX);

/// Whether the wrong version of a line is to be taken.
#[cfg(feature = "mutants")]
pub fn on(mutant: Mutant) -> bool {
    CHOSEN.load(std::sync::atomic::Ordering::Relaxed) == mutant as u8
}

/// Whether the wrong version of a line is to be taken: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the branch must vanish")]
pub const fn on(_mutant: Mutant) -> bool {
    false
}

/// Chooses the mutant of this process, or none.
#[cfg(feature = "mutants")]
pub fn choose(mutant: Option<Mutant>) {
    CHOSEN.store(mutant.map_or(u8::MAX, |mutant| mutant as u8), std::sync::atomic::Ordering::Relaxed);
}
