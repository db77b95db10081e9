//! Owns: what a loop counts about its connections, as plain numbers of its own (L12: every limit
//! that was reached shows). What the engine counts is in `engine::counters`.
//! Must never: cost an atomic operation per tap.

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    /// Said goodbye, or closed with nothing in flight.
    Goodbye,
    /// Gone without a word, or the network failed.
    Lost,
    /// A frame that cannot be believed, or a hello that was not welcome.
    Fault,
    /// No hello in time.
    Handshake,
    /// A frame took too long.
    WholeFrame,
    /// Silence.
    Idle,
    /// Did not take its answers.
    SlowReader,
    /// A limit of the loop.
    Limit,
    /// The server stopped.
    Stopped,
}

impl Ending {
    /// Every way to end, with its name in metrics.
    pub(crate) const ALL: [(Self, &'static str); 9] = [
        (Self::Goodbye, "goodbye"),
        (Self::Lost, "lost"),
        (Self::Fault, "fault"),
        (Self::Handshake, "handshake_clock"),
        (Self::WholeFrame, "frame_clock"),
        (Self::Idle, "idle_clock"),
        (Self::SlowReader, "slow_reader"),
        (Self::Limit, "limit"),
        (Self::Stopped, "stopped"),
    ];
}

/// Counts of one loop since it began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections now.
    pub connections: u64,
    /// Requests without an answer now.
    pub in_flight: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Devices that were welcomed.
    pub welcomed: u64,
    /// Rounds that had anything to do.
    pub rounds: u64,
    /// Reads that brought bytes.
    pub reads: u64,
    /// Sends.
    pub sends: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Requests handed to the engine.
    pub requests: u64,
    /// Requests refused by the gateway itself.
    pub refused: u64,
    /// Of these, told `busy` by a limit.
    pub busy: u64,
    /// Answers whose connection was gone: the terminal asks again.
    pub orphans: u64,
    /// Ended connections by reason, in the order of `Ending::ALL`.
    pub(crate) ended: [u64; 9],
}

impl Counts {
    pub(crate) fn end(&mut self, ending: Ending) {
        if let Some(count) = self.ended.get_mut(ending as usize) {
            *count += 1;
        }
    }

    /// How many connections ended so.
    pub(crate) fn ended(&self, ending: Ending) -> u64 {
        self.ended.get(ending as usize).copied().unwrap_or(0)
    }

    /// Adds another loop's counts.
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.connections, other.connections),
            (&mut self.in_flight, other.in_flight),
            (&mut self.accepted, other.accepted),
            (&mut self.welcomed, other.welcomed),
            (&mut self.rounds, other.rounds),
            (&mut self.reads, other.reads),
            (&mut self.sends, other.sends),
            (&mut self.bytes_in, other.bytes_in),
            (&mut self.bytes_out, other.bytes_out),
            (&mut self.requests, other.requests),
            (&mut self.refused, other.refused),
            (&mut self.busy, other.busy),
            (&mut self.orphans, other.orphans),
        ];
        for (mine, theirs) in pairs {
            *mine += theirs;
        }
        self.ended.iter_mut().zip(other.ended).for_each(|(mine, theirs)| *mine += theirs);
    }
}
