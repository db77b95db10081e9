//! Every limit of the engine, each with its reason (L12).

use ledger::block::MAX_PAYLOAD;

/// Jobs in one shard's mailbox, both lanes together. 32 shards hold 262,144: above what any number
/// of terminals with one tap in flight can send, and more would only add waiting.
pub const MAILBOX_JOBS: usize = 8_192;

/// Jobs whose room an array of a mailbox keeps when it is empty: what a steady stream brings in a round. The rest
/// of a storm's room is given back.
pub const KEPT_JOBS: usize = 1_024;

/// Of these, how many uploads and bulk may take: a quarter is left for customers at the bar.
pub const BACKLOG_JOBS: usize = MAILBOX_JOBS / 4 * 3;

/// Bytes that the jobs of one mailbox may hold beyond their fixed size (lines of long sales,
/// parts of a configuration).
pub const MAILBOX_BYTES: usize = 4 * 1024 * 1024;

/// Of these, how many uploads and bulk may take.
pub const BACKLOG_BYTES: usize = MAILBOX_BYTES / 4 * 3;

/// Jobs of one actor in its shard's mailbox, those set aside for evidence included: one wallet must
/// not fill it for all others.
pub const ACTOR_JOBS: usize = 64;

/// Jobs of one shard that wait for a record to be fetched, and as many that wait to be sent on.
pub const PARKED_JOBS: usize = 1_024;

/// How often a request is sent on, from a tag to its wallet or back: to a wallet that a stale entry named,
/// back to the tag, on to the wallet that has it now.
pub const MAX_WAYS: u8 = 2;

/// Jobs between a step of asking for memory and the next one that needs it: deciding them takes several times
/// as long as memory does.
pub const AHEAD: usize = 4;

/// Letters of one channel that leave together; the rest follows with the next block or turn.
pub const LETTERS_AT_A_TIME: usize = 256;

/// After how many microseconds without an acknowledgement a message is sent again: some flushes of a
/// slow disk, and far below what a person notices.
pub const RESEND_MICROS: u64 = 200_000;

/// The longest that becomes while nothing at all is heard of the receiver: each time in vain doubles it. A
/// shard that is away for hours would have its letters copied five times a second; what is on its way must
/// still have arrived ten seconds after it is back, and that may take a few letters one after the other.
pub const MOST_RESEND_MICROS: u64 = 1_600_000;

/// How often vendors' stripes are swept home, in microseconds.
pub const SWEEP_MICROS: u64 = 60_000_000;

/// Vendors swept between two looks at the mailbox.
pub const SWEEPS_AT_A_TIME: usize = 16;

/// Records of a new configuration written between two looks at the mailbox; each has at most 65 KB.
pub const SPREADS_AT_A_TIME: usize = 2;

/// A block that is fuller than this takes nothing more of a new configuration: customers wait for it.
pub const SPREAD_BLOCK_BYTES: usize = 64 * 1024;

/// Due timers decided between two looks at the mailbox.
pub const TIMERS_AT_A_TIME: usize = 32;

/// Room the disk must keep beyond all blocks in flight and filling, for control records.
pub const CONTROL_ROOM: u64 = 1024 * 1024;

/// Room that a ledger of so many shards must find in its journal before anything is decided: each may have a
/// block in flight and one filling, on whichever core it runs. With less everything is answered `busy`.
pub const fn room_for(shards: usize) -> u64 {
    shards as u64 * 2 * (MAX_PAYLOAD as u64 + 8 * 1024) + CONTROL_ROOM
}

/// Timers of one shard whose panics are remembered. Beyond so many it is the build that is broken.
pub const BROKEN_TIMERS: usize = 1_024;

/// Panics of one actor after which it is quarantined by name.
pub const PANICS_TO_QUARANTINE: u32 = 3;

/// After how many microseconds without another panic an actor's panics are forgotten: a defect that
/// it meets once in a while is no reason to keep it from buying. An hour.
pub const PANIC_MEMORY_MICROS: u64 = 3_600_000_000;

/// Panics while one message is sent back, in the place of being taken, after which its shard stops: those
/// behind it could not be taken either, and each panic costs a rebuild.
pub const BURIALS: u32 = 3;

/// Actors of one shard whose panics are remembered. Beyond so many it is the build that is broken.
pub const OFFENDERS: usize = 64;

/// When a sender that was told `busy` should come back, in milliseconds.
pub const BUSY_RETRY_MS: u32 = 200;

/// Batches that may wait between two loops before the sender is told `busy`.
pub const LOOP_BATCHES: usize = 1_024;
