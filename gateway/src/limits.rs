//! Owns: every limit of a loop and its connections, each with its reason (L12). What the protocol
//! itself limits is in `wire::limits`.
//! Must never: be bypassed; hold a number without a reason.

use wire::limits::{
    HANDSHAKE_SECONDS, IDLE_SECONDS, MAX_CANCELS_PER_MINUTE, MAX_DECLINES_PER_MINUTE, MAX_IN_FLIGHT,
    WHOLE_FRAME_SECONDS,
};

use crate::time::SECOND;

/// Bytes read from one connection in one round: one connection cannot keep the others waiting, and
/// the buffer, shared by all connections of a loop, stays in the processor's second-level cache.
pub const READ_BYTES: usize = 256 * 1024;

/// Events taken from the system in one round. Enough to gather, prefetch and flush many taps
/// together; few enough that terminals get their answers and send again while the next round is
/// read. With 4,096 terminals of one tap each 512 made 91 % of a plain echo's rate, 4,096 made 71 %
/// (`loadtest bars --only taps-4096 --runs 3 --scale 0.5`).
pub const EVENTS: usize = 512;

/// Connections accepted in one round: a storm of reconnects does not starve those who are in.
pub const ACCEPTS: usize = 256;

/// Connections waiting in the kernel to be accepted: 4,096 terminals reconnect at once after a
/// restart. The system may allow less (`net.core.somaxconn`).
pub const LISTEN_BACKLOG: i32 = 4_096;

/// Accepted sockets on their way to another loop. When they are this many the accepting loop keeps
/// the next one itself.
pub const HANDOFF: usize = 1_024;

/// Requests in a frame above which nobody can be standing at a bar for each of them: such frames take
/// the backlog lane.
pub const LIVE_FRAME: usize = 64;

/// How often a loop looks at its connections' clocks and publishes its counts, in microseconds. The
/// shortest clock is 20 times as long.
pub const SWEEP_MICROS: u64 = 250_000;

/// How often a loop that is ending looks for connections that are owed nothing any more.
pub const ENDING_MICROS: u64 = 2_000;

/// The first piece of memory for a frame that arrives in parts; it doubles as bytes really come, so
/// that a length alone claims nothing.
pub const PARTIAL_STEP: usize = 16 * 1024;

/// Memory of a connection's buffers above which it is given back when they run empty.
pub const KEEP_BYTES: usize = 4 * 1024;

/// What a terminal must take of the answers that wait for it within `slow_reader`, in bytes, or all of them: one
/// that takes a byte now and then would hold its place and its buffers for ever.
pub const PROGRESS_BYTES: usize = 4 * 1024;

/// The limits that differ between a server, a test and a larger machine. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one loop. 9,000 terminals and 200 gates, each twice while it reconnects.
    pub connections: usize,
    /// Requests of one connection without an answer; the next is told `busy`.
    pub in_flight: u32,
    /// Requests of one loop without an answer. Past about 16,000 only waiting grows; eight
    /// connections may be at their own limit before the loop says `busy`.
    pub loop_in_flight: u32,
    /// Bytes of one loop's frames that have arrived in part: 256 frames of the largest size.
    pub partial_bytes: usize,
    /// Answers of one connection waiting to be sent, in bytes, from which on it is not read any
    /// more: 8,192 answers.
    pub pause_bytes: usize,
    /// Time for the hello.
    pub handshake: u64,
    /// Time from the first byte of a frame to its last.
    pub whole_frame: u64,
    /// Silence after which a connection is closed.
    pub idle: u64,
    /// Time in which a reader must take [`PROGRESS_BYTES`] of what waits for it, or all of it.
    pub slow_reader: u64,
    /// Time for the other side to close after the last byte was sent.
    pub linger: u64,
    /// Time for everything in flight to be answered when the server stops.
    pub drain: u64,
    /// Silence of a core loop after which it counts as hanging: readiness turns red. After twice as long
    /// the process ends, and so it does when a part has not ended this long after it was told to.
    pub hanging: u64,
    /// Declines of one device in a minute, after which it is told `busy`.
    pub declines_per_minute: u32,
    /// Requests that one device may give up in a minute, after which its cancels are told `busy`.
    pub cancels_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_480,
            in_flight: MAX_IN_FLIGHT,
            loop_in_flight: 8 * MAX_IN_FLIGHT,
            partial_bytes: 256 * 1024 * 1024,
            pause_bytes: 256 * 1024,
            handshake: u64::from(HANDSHAKE_SECONDS) * SECOND,
            whole_frame: u64::from(WHOLE_FRAME_SECONDS) * SECOND,
            idle: u64::from(IDLE_SECONDS) * SECOND,
            slow_reader: 10 * SECOND,
            linger: 2 * SECOND,
            drain: 5 * SECOND,
            hanging: 5 * SECOND,
            declines_per_minute: MAX_DECLINES_PER_MINUTE,
            cancels_per_minute: MAX_CANCELS_PER_MINUTE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The maker of a terminal that was cut off found no word of why in the document that he had.
    #[test]
    fn the_specification_tells_the_limits_that_a_terminal_meets() {
        let limits = Limits::default();
        let seconds = |micros: u64| usize::try_from(micros / SECOND).unwrap();
        let expected = [
            ("connections of a thread", limits.connections),
            ("requests in flight of a thread", usize::try_from(limits.loop_in_flight).unwrap()),
            ("unfinished frames of a thread, bytes in total", limits.partial_bytes),
            ("answers waiting for one terminal, bytes", limits.pause_bytes),
            ("bytes of them that it must take at a time, or all", PROGRESS_BYTES),
            ("seconds in which it takes less", seconds(limits.slow_reader)),
            ("seconds to close after the server's last byte", seconds(limits.linger)),
        ];
        let table = include_str!("../wire/SPEC.md").split("<!-- limits of the server -->\n").nth(1).unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|')).skip(2);
        let found: Vec<(&str, usize)> = rows
            .map(|row| {
                let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
                (cells[0], cells[1].parse().unwrap())
            })
            .collect();
        assert_eq!(found, expected);
    }
}
