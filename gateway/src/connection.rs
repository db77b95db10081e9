//! Owns: one terminal's socket with what has arrived in part and what waits to be sent.
//! Must never: hold memory for a length that was only claimed; read on for a peer that does not take
//! its answers; send twice in a round.
//! Laws: L12 (both buffers are bounded).

use rustix::buffer::spare_capacity;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use wire::{FrameKind, Refusal, split_frame};

use engine::job::Told;

use crate::counts::{Counts, Ending};
use crate::encode::{self, END};
use crate::limits::{KEEP_BYTES, Limits, PARTIAL_STEP, PROGRESS_BYTES};
use crate::session::{Desk, Fault, Phase, Session};
use crate::view::View;

/// The answers of a round that are this connection's: a chain through the round's answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mine {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// No answers in this round.
pub(crate) const NONE: Mine = Mine { first: END, last: END };

/// One terminal's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    pub(crate) session: Session,
    pub(crate) mine: Mine,
    /// It is in the list of those to be settled at the end of the round.
    pub(crate) touched: bool,
    /// The other side sends no more.
    ended: bool,
    /// This side sends no more.
    shut: bool,
    /// What the poll watches for.
    pub(crate) interest: EventFlags,
    /// A frame of which not all bytes are there.
    partial: Vec<u8>,
    /// What the socket did not take; the first `sent` bytes of it, less than half, are gone.
    out: Vec<u8>,
    sent: usize,
    /// Bytes taken since `progress`.
    taken: usize,
    /// Monotonic microseconds of the last bytes heard, and of the first byte of `partial`.
    heard: u64,
    frame_began: u64,
    /// Of the last progress worth the name in sending while something waits, or of the last word sent.
    progress: u64,
    /// Why it ends, once that is known.
    pub(crate) ending: Ending,
}

impl Connection {
    pub(crate) fn new(socket: OwnedFd, now: u64) -> Self {
        Self {
            socket,
            session: Session::new(),
            mine: NONE,
            touched: false,
            ended: false,
            shut: false,
            interest: EventFlags::IN,
            partial: Vec::new(),
            out: Vec::new(),
            sent: 0,
            taken: 0,
            heard: now,
            frame_began: now,
            progress: now,
            ending: Ending::Goodbye,
        }
    }

    /// Bytes held for a frame that has arrived in part.
    pub(crate) fn partial_bytes(&self) -> usize {
        self.partial.capacity()
    }

    /// Whether something is to be sent or the session is to be ended.
    pub(crate) fn needs_care(&self) -> bool {
        !self.out.is_empty() || matches!(self.session.phase, Phase::Leaving | Phase::Over)
    }

    /// Nothing is in flight, half read or unsent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.owes_nothing() && self.partial.is_empty()
    }

    /// Nothing is in flight or unsent.
    fn owes_nothing(&self) -> bool {
        self.session.in_flight == 0 && self.out.is_empty()
    }

    /// Reads once and hands whole frames to the session. An error ends the connection at once.
    /// Returns whether anything came.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], desk: &mut Desk<'_>) -> Result<bool, Ending> {
        if self.partial.is_empty() {
            let Some(count) = came(&recv(&self.socket, &mut *buffer, RecvFlags::empty()))? else {
                return Ok(false);
            };
            self.arrived(count, desk);
            let bytes = &buffer[..count];
            let used = self.frames(bytes, desk);
            if used < count {
                self.partial.extend_from_slice(&bytes[used..]);
                self.frame_began = desk.clock.mono.0;
            }
            return Ok(true);
        }
        let mut partial = std::mem::take(&mut self.partial);
        grow(&mut partial);
        let before = partial.len();
        let outcome = came(&recv(&self.socket, spare_capacity(&mut partial), RecvFlags::empty()));
        let mut used = 0;
        if let Ok(Some(_)) = outcome {
            self.arrived(partial.len() - before, desk);
            used = self.frames(&partial, desk);
        }
        if used == partial.len() && partial.capacity() > KEEP_BYTES {
            partial = Vec::new();
        } else if used > 0 {
            partial.drain(..used);
            self.frame_began = desk.clock.mono.0;
        }
        self.partial = partial;
        outcome.map(|count| count.is_some())
    }

    fn arrived(&mut self, count: usize, desk: &mut Desk<'_>) {
        self.heard = desk.clock.mono.0;
        desk.counts.reads += 1;
        desk.counts.bytes_in += count as u64;
        if count == 0 {
            // It sends no more, but may still listen: that is a goodbye.
            self.ended = true;
            if matches!(self.session.phase, Phase::Hello | Phase::Open) {
                self.session.phase = Phase::Leaving;
            }
        }
    }

    /// Hands the whole frames in `bytes` to the session; returns how many bytes are done with.
    fn frames(&mut self, bytes: &[u8], desk: &mut Desk<'_>) -> usize {
        let mut used = 0;
        while matches!(self.session.phase, Phase::Hello | Phase::Open) {
            let taken = match split_frame(&bytes[used..]) {
                // Nobody who has not said who it is has room for more than that.
                Ok(None) if self.session.phase == Phase::Hello && begins_otherwise(&bytes[used..]) => {
                    Err(Fault::no_hello())
                }
                Ok(None) => return used,
                Ok(Some(frame)) => {
                    used += frame.size();
                    self.session.frame(&frame, desk, &mut self.out)
                }
                Err(error) => Err(error.into()),
            };
            if let Err(fault) = taken {
                self.fault(&fault);
            }
        }
        // After a goodbye or a fault nothing that comes is anybody's.
        bytes.len()
    }

    /// Ends the session with a word why.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        // The text is cut to what fits by the writer itself, so this cannot fail.
        let _fits = wire::Fault::new(fault.code, &fault.text).push(&mut self.out);
        self.session.phase = Phase::Over;
        self.ending = fault.ending;
        self.partial = Vec::new();
    }

    /// Tells the terminal that the server goes away.
    pub(crate) fn dismiss(&mut self) {
        self.ending = Ending::Stopped;
        // A notice has a fixed size that fits.
        let _fits = self.session.dismiss(&mut self.out);
    }

    /// Goes on by another version of the configuration, and tells the terminal.
    pub(crate) fn reconfigure(&mut self, view: &View) {
        // A notice has a fixed size that fits.
        let _fits = self.session.reconfigure(view, &mut self.out);
    }

    /// Sends this round's answers and whatever else waits, in one system call.
    pub(crate) fn tell(
        &mut self,
        told: &[Told],
        next: &[u32],
        scratch: &mut Vec<u8>,
        counts: &mut Counts,
        now: engine::job::Mono,
    ) -> Result<(), Ending> {
        let mine = std::mem::replace(&mut self.mine, NONE);
        if mine.first == END {
            return self.flush(counts, now.0);
        }
        scratch.clear();
        let waiting = !self.out.is_empty();
        let out = if waiting { &mut self.out } else { &mut *scratch };
        let sums = encode::chain(out, told, next, mine.first).map_err(|_| Ending::Fault)?;
        self.session.in_flight = self.session.in_flight.saturating_sub(sums.count);
        if let Some(member) = &self.session.member {
            member.raise(sums.highest);
            if sums.declined > 0 {
                member.declined(sums.declined, now);
            }
        }
        if waiting {
            return self.flush(counts, now.0);
        }
        let sent = self.send(scratch, counts)?;
        if sent < scratch.len() {
            self.out.extend_from_slice(&scratch[sent..]);
            self.progress = now.0;
            self.taken = 0;
        }
        Ok(())
    }

    /// Sends what waits, as far as the socket takes it.
    fn flush(&mut self, counts: &mut Counts, now: u64) -> Result<(), Ending> {
        if self.out.is_empty() {
            return Ok(());
        }
        let sent = self.send(&self.out[self.sent..], counts)?;
        self.sent += sent;
        self.taken += sent;
        if self.sent == self.out.len() {
            self.sent = 0;
            self.out.clear();
            self.out.shrink_to(KEEP_BYTES);
        } else if self.sent > self.out.len() / 2 {
            // A peer that never takes all of it would else have everything kept that it was ever told.
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        let waited_before = self.interest.contains(EventFlags::OUT);
        if !waited_before || self.out.is_empty() || self.taken >= PROGRESS_BYTES {
            self.progress = now;
            self.taken = 0;
        }
        Ok(())
    }

    /// So much waits for the other side that it is not read any more.
    fn is_paused(&self, limits: &Limits) -> bool {
        self.out.len() - self.sent > limits.pause_bytes
    }

    fn send(&self, bytes: &[u8], counts: &mut Counts) -> Result<usize, Ending> {
        counts.sends += 1;
        match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(sent) => {
                counts.bytes_out += sent as u64;
                Ok(sent)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(_) => Err(Ending::Lost),
        }
    }

    /// Takes the session's end as far as it can go now. An error says that it is over.
    pub(crate) fn end(&mut self, counts: &mut Counts, now: u64) -> Result<(), Ending> {
        if self.session.phase == Phase::Leaving && self.session.in_flight == 0 {
            wire::push_empty(&mut self.out, FrameKind::ServerGoodbye, 0);
            self.session.phase = Phase::Over;
            self.flush(counts, now)?;
        }
        if self.session.phase == Phase::Over && self.out.is_empty() && !self.shut {
            // Closing with unread bytes would reset the connection and could take the last word
            // along: say the end first, and wait for the other side's.
            shutdown(&self.socket, Shutdown::Write).map_err(|_| self.ending)?;
            self.shut = true;
            self.progress = now;
        }
        if self.shut && self.ended { Err(self.ending) } else { Ok(()) }
    }

    /// What the poll should watch for now.
    pub(crate) fn wanted(&self, limits: &Limits) -> EventFlags {
        let mut wanted = EventFlags::empty();
        if !self.ended && !self.is_paused(limits) {
            wanted |= EventFlags::IN;
        }
        if !self.out.is_empty() {
            wanted |= EventFlags::OUT;
        }
        wanted
    }

    /// Looks at the connection's clocks. A clock that ran out ends it: with a word why if one can
    /// still be said, else at once.
    pub(crate) fn look_at_clocks(&mut self, limits: &Limits, now: u64) -> Result<(), Ending> {
        let past = |since: u64, time: u64| now.saturating_sub(since) > time;
        if self.shut {
            return if past(self.progress, limits.linger) { Err(self.ending) } else { Ok(()) };
        }
        if !self.out.is_empty() && past(self.progress, limits.slow_reader) {
            return Err(Ending::SlowReader);
        }
        if self.is_paused(limits) {
            // The rest of a frame may lie unread: that is not the other side's fault.
            self.frame_began = now;
        }
        let over = match self.session.phase {
            Phase::Hello if past(self.progress, limits.handshake) => Some((Ending::Handshake, "no hello")),
            Phase::Open if !self.partial.is_empty() && past(self.frame_began, limits.whole_frame) => {
                Some((Ending::WholeFrame, "a frame was begun and not finished"))
            }
            Phase::Open if self.owes_nothing() && past(self.heard, limits.idle) => {
                Some((Ending::Idle, "nothing was heard; send a ping when there is nothing to say"))
            }
            _ => None,
        };
        if let Some((ending, text)) = over {
            self.fault(&Fault { code: Refusal::Late, text: format!("{text} in time"), ending });
        }
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Bytes that came (0: the other side sends no more), or nothing yet.
fn came<T>(outcome: &Result<(T, usize), Errno>) -> Result<Option<usize>, Ending> {
    match outcome {
        Ok((_, count)) => Ok(Some(*count)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(_) => Err(Ending::Lost),
    }
}

/// Whether what has come of a frame says that it is no hello.
fn begins_otherwise(bytes: &[u8]) -> bool {
    matches!(wire::parse_header(bytes), Ok(Some(header)) if header.kind != FrameKind::Hello)
}

/// Makes room for the rest of the frame, but never for more than as much again as has really come.
fn grow(partial: &mut Vec<u8>) {
    let missing = match wire::parse_header(partial) {
        Ok(Some(header)) => header.frame_size().saturating_sub(partial.len()),
        _ => PARTIAL_STEP,
    };
    let step = missing.min(partial.len().max(PARTIAL_STEP)).max(1);
    partial.reserve_exact(step);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    const SECOND: u64 = 1_000_000;

    fn connected() -> (Connection, UnixStream) {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        (Connection::new(here.into(), 0), there)
    }

    /// A round in which so much more is to be told, as the loop ends it.
    fn round(connection: &mut Connection, more: usize, now: u64) {
        connection.out.extend(std::iter::repeat_n(7, more));
        connection.flush(&mut Counts::default(), now).unwrap();
        connection.interest = connection.wanted(&Limits::default());
    }

    #[test]
    fn a_reader_that_never_takes_all_of_it_costs_no_more_than_what_it_has_not_taken() {
        // One terminal that was always a little behind had everything kept that it was ever told.
        let (mut connection, mut there) = connected();
        let mut taken = vec![0; 64 * 1024];
        round(&mut connection, 1 << 20, 0);
        for now in 1..2_000 {
            there.read_exact(&mut taken).unwrap();
            round(&mut connection, taken.len(), now);
            assert!(!connection.out.is_empty());
            assert!(connection.out.len() <= 2 * (connection.out.len() - connection.sent) + taken.len());
        }
        assert!(connection.out.capacity() <= 4 << 20);
    }

    #[test]
    fn a_reader_that_takes_a_byte_now_and_then_is_let_go() {
        let limits = Limits::default();
        for (each, ends) in [(1, true), (64 * 1024, false)] {
            let (mut connection, mut there) = connected();
            let mut taken = vec![0; each];
            // Nothing waited for an hour before: the clock begins with the first byte that has to.
            let start = 3_600 * SECOND;
            round(&mut connection, 1 << 20, start);
            assert_eq!(connection.look_at_clocks(&limits, start), Ok(()));
            let mut ended = false;
            for now in (start..).step_by(usize::try_from(9 * SECOND).unwrap()).take(12).skip(1) {
                there.read_exact(&mut taken).unwrap();
                round(&mut connection, 0, now);
                ended |= connection.look_at_clocks(&limits, now) == Err(Ending::SlowReader);
            }
            assert_eq!(ended, ends, "{each} bytes at a time");
        }
    }
}
