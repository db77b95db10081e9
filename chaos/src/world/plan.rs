//! What goes wrong in one run, drawn from its seed: a random subset of all kinds of fault, so that
//! each pair of them meets in some run and each is alone in another (swarm testing).

use fastrand::Rng;

use super::organiser::Intent;

/// Shape and faults of one run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Shards of the ledger.
    pub shards: u16,
    /// Cores.
    pub loops: u16,
    /// Wristbands.
    pub bands: u32,
    /// Steps before the faults stop.
    pub steps: u32,
    /// Most requests on the way at a time.
    pub crowd: usize,
    /// Most bytes written on a core's own thread; 0 sends everything to the journal thread.
    pub inline_bytes: usize,
    /// Pages of 4 KiB in a segment of the log.
    pub segment_pages: u64,
    /// How often the journal writes its MARK, microseconds.
    pub mark_every_micros: u64,
    /// Whether bonus money pays first.
    pub bonus_first: bool,
    /// What the organiser is about, if there is one.
    pub organiser: Intent,
    /// Weights of what the scheduler may do, see [`Weights`].
    pub weights: Weights,
    /// Wristbands that nobody opens a wallet with: they are given to wallets.
    pub spare_bands: u32,
    /// Most of them are given to one wallet.
    pub hoard: bool,
    /// Out of 100 new requests, ones about bands.
    pub about_bands: u32,
    /// Some records of the last shard panic where they are read back, and some starts are of a build that was
    /// not mended.
    pub stops: bool,
    /// How long after the faults stopped no letter between shards arrives, microseconds: nothing in any seed.
    pub mail_held_micros: u64,
}

/// How often each step is chosen, relative to the others.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "named after the steps they weigh")]
pub struct Weights {
    pub deliver: u32,
    pub turn: u32,
    pub work: u32,
    pub look_up: u32,
    pub rebuild: u32,
    pub clock: u32,
    pub mail: u32,
    /// The organiser; in half of the runs there is none.
    pub organise: u32,
    /// Out of 100 letters between shards, lost ones.
    pub mail_lost: u32,
    /// Out of 100, ones that arrive twice.
    pub mail_twice: u32,
    pub clock_back: u32,
    pub clock_jump: u32,
    pub flood: u32,
    /// A burst that one shard's mailbox cannot hold; long, so only in some runs.
    pub crush: u32,
    pub fenced: u32,
    /// Out of 100 look-ups, ones that the disk cannot read.
    pub unreadable: u32,
    pub crash: u32,
    pub crash_mid_call: u32,
    pub kill: u32,
    pub fail_io: u32,
    pub fail_full: u32,
    pub disk_full: u32,
    pub slow_disk: u32,
    pub pause: u32,
    pub store_killed: u32,
    /// Out of 1,000 requests, poisoned ones.
    pub poison: u32,
    /// Out of 100 transfers and allowances, ones whose messages are poisoned.
    pub poison_mail: u32,
    /// Out of 1,000 requests, ones that something is wrong with.
    pub wrong: u32,
}

/// Shards of a ledger unless somebody says otherwise.
pub const MANY_SHARDS: u16 = 32;

impl Plan {
    /// The plan of a seed.
    pub fn draw(rng: &mut Rng) -> Self {
        let shards = *rng.choice([4, 4, 4, 5, 8, MANY_SHARDS].iter()).unwrap_or(&4);
        // As many wristbands as shards, or most of them would have nothing to do with each other.
        let bands = if shards == MANY_SHARDS { rng.u32(24..=48) } else { rng.u32(3..=10) };
        Self {
            shards,
            loops: rng.u16(1..=2),
            bands,
            steps: rng.u32(1_500..=3_000),
            crowd: rng.usize(8..=80),
            inline_bytes: if rng.bool() { 0 } else { 64 << 10 },
            segment_pages: rng.u64(110..=160),
            mark_every_micros: if rng.bool() { 1_000_000 } else { 20_000 },
            bonus_first: rng.bool(),
            weights: Weights::draw(rng),
            organiser: Intent { large: rng.u8(0..4) == 0, closes: rng.bool() },
            spare_bands: 0,
            hoard: false,
            about_bands: 0,
            stops: rng.u8(0..4) == 0 && cfg!(feature = "mutants"),
            mail_held_micros: 0,
        }
        .with_bands(rng)
    }

    /// Most runs have bands to give away, some more than one wallet may have.
    fn with_bands(mut self, rng: &mut Rng) -> Self {
        self.hoard = rng.u8(0..10) == 0;
        let some = rng.u8(0..5) != 0;
        self.spare_bands = if self.hoard { rng.u32(20..=26) } else { rng.u32(4..=14) * u32::from(some) };
        self.about_bands = if self.spare_bands == 0 { 0 } else { rng.u32(6..=30) };
        self
    }

    /// The same without any fault of the machine.
    pub fn good_machine(mut self) -> Self {
        self.stops = false;
        let Weights { deliver, turn, work, look_up, rebuild, clock, mail, flood, wrong, .. } = self.weights;
        self.weights = Weights {
            deliver,
            turn,
            work,
            look_up,
            rebuild,
            clock,
            mail,
            flood,
            wrong,
            ..Weights::default()
        };
        self
    }
}

impl Weights {
    fn draw(rng: &mut Rng) -> Self {
        let mut some = |most: u32| if rng.u8(0..3) == 0 { rng.u32(1..=most) } else { 0 };
        let faults = [some(8), some(8), some(8), some(6), some(6), some(4), some(6), some(6), some(3)];
        let (clock_back, clock_jump, flood) = (some(10), some(4), some(6));
        let (poison, poison_mail) = (some(40), some(40));
        let (mail_lost, mail_twice) = (some(40), some(40));
        let (fenced, unreadable) = (some(4), some(40));
        let [crash, crash_mid_call, kill, fail_io, fail_full, disk_full, slow_disk, pause, store_killed] =
            faults;
        Self {
            deliver: rng.u32(100..=400),
            turn: rng.u32(100..=500),
            work: rng.u32(50..=400),
            look_up: rng.u32(50..=200),
            rebuild: rng.u32(20..=100),
            clock: rng.u32(20..=100),
            mail: rng.u32(50..=400),
            mail_lost,
            mail_twice,
            clock_back,
            clock_jump,
            flood,
            crush: u32::from(rng.u8(0..12) == 0),
            fenced,
            unreadable,
            crash,
            crash_mid_call,
            kill,
            fail_io,
            fail_full,
            disk_full,
            slow_disk,
            pause,
            store_killed,
            poison,
            poison_mail,
            wrong: rng.u32(40..=200),
            organise: if rng.bool() { rng.u32(10..=40) } else { 0 },
        }
    }
}
