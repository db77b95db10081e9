//! Deliberately wrong versions of single lines, for the test of the tests. Without the `mutants`
//! feature [`on`] is `false` at compile time and every trace of a mutant is gone from the binary.

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
}

/// A request with this tag counter panics in `decide`, in a build with the `mutants` feature.
pub const POISON_DECIDE: u32 = 0x00de_c1de;
/// A request with this tag counter panics in `apply`, in a build with the `mutants` feature.
pub const POISON_APPLY: u32 = 0x00a9_9117;

/// Panics if `counter` is the given poison: how tests make an actor fail at a chosen place.
#[cfg(feature = "mutants")]
#[expect(clippy::panic, reason = "that is what it is for; not in any release build")]
pub fn trip(counter: Option<std::num::NonZeroU32>, poison: u32) {
    assert!(counter.is_none_or(|counter| counter.get() != poison), "poisoned request");
}

/// Panics if `counter` is the given poison: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the call must vanish")]
pub const fn trip(_counter: Option<std::num::NonZeroU32>, _poison: u32) {}

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
