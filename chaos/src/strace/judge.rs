//! Whether a trace keeps the order: a block is written, a flush that began after the write was done
//! completes, and only then a socket is given the answer. Answers are matched with the records of the
//! blocks that were written, each by its own request: that another record names the id proves nothing.
//! Must never: believe a flush that failed, nor one that comes after a failed one, without a new write.
//! Laws: checks L3 on the system calls of a running server.

use std::collections::{HashMap, HashSet};

use ledger::record::Kind;
use wire::{Class, Command, Decline, FromServer, RequestId};

use super::trace::{Call, End, Line};
use crate::laws::watch;

/// A record of a request: its id, and whether it closes that id (a cancel's) or is the request's own.
type Recorded = (RequestId, bool);

/// What a trace shows.
#[derive(Debug, Default)]
pub struct Judge {
    line: usize,
    begun: HashMap<u32, Begun>,
    /// By file: blocks whose write is done and that no flush has confirmed yet.
    written: HashMap<String, Vec<Vec<Recorded>>>,
    /// At which line a completed flush covered the record.
    durable: HashMap<Recorded, usize>,
    streams: HashMap<String, Stream>,
    /// Requests whose answer left, and whether it was a cancel's.
    pub answered: HashSet<(RequestId, bool)>,
    /// What was counted.
    pub counts: Counts,
    /// What does not hold.
    pub wrong: Vec<String>,
}

/// Counts of a trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Completed writes to the log.
    pub writes: u64,
    /// Completed flushes of it.
    pub flushes: u64,
    /// Writes to terminals' sockets.
    pub sends: u64,
    /// Answers in them that need a record.
    pub answers: u64,
    /// Answers `unknown, resend`.
    pub unknown: u64,
    /// Calls on the log that strace made fail.
    pub injected: u64,
    /// Requests in the blocks of those.
    pub struck: u64,
}

#[derive(Debug)]
struct Begun {
    call: Call,
    line: usize,
    /// Of a flush: how many writes were done when it began.
    covers: usize,
}

/// What one connection was sent.
#[derive(Debug, Default)]
struct Stream {
    bytes: Vec<u8>,
    /// How far whole frames have been read.
    read: usize,
    /// Where each send begins, and its line.
    sends: Vec<(usize, usize)>,
    /// Nothing a terminal would understand.
    foreign: bool,
}

/// Enough to see what is wrong.
const MOST_SAID: usize = 20;

impl Judge {
    /// The next line.
    pub fn take(&mut self, line: Line) {
        self.line += 1;
        match line {
            Line::Began(thread, call) => {
                let begun = self.begin(call);
                self.begun.insert(thread, begun);
            }
            Line::Ended(thread, end) => {
                if let Some(begun) = self.begun.remove(&thread) {
                    self.end(&begun, &end);
                }
            }
            Line::Whole(_, call, end) => {
                let begun = self.begin(call);
                self.end(&begun, &end);
            }
            Line::Other => {}
        }
    }

    fn begin(&self, call: Call) -> Begun {
        let covers = self.written.get(&call.on).map_or(0, Vec::len);
        Begun { call, line: self.line, covers }
    }

    fn end(&mut self, begun: &Begun, end: &End) {
        let call = &begun.call;
        let log = call.on.contains("/log/");
        self.counts.injected += u64::from(log && end.injected);
        match call.name.as_str() {
            "pwrite64" | "pwritev" | "pwritev2" if log => self.wrote(call, end),
            "fdatasync" | "fsync" if log => self.flushed(begun, end),
            "sendto" | "sendmsg" | "write" | "writev" if call.on.starts_with("socket:") => {
                self.sent(begun, end);
            }
            _ => {}
        }
    }

    fn wrote(&mut self, call: &Call, end: &End) {
        let Some(length) = end.value else {
            self.counts.struck += records(&call.bytes).len() as u64;
            return;
        };
        self.counts.writes += 1;
        let records = records(&call.bytes[..length.min(call.bytes.len())]);
        self.written.entry(call.on.clone()).or_default().push(records);
    }

    fn flushed(&mut self, begun: &Begun, end: &End) {
        let Some(written) = self.written.get_mut(&begun.call.on) else { return };
        if end.value.is_none() {
            // The system may have dropped what it could not flush: a later flush proves nothing of it.
            self.counts.struck += written.drain(..).map(|records| records.len() as u64).sum::<u64>();
            return;
        }
        self.counts.flushes += 1;
        // Fewer are there when another flush failed or covered them meanwhile.
        for record in written.drain(..begun.covers.min(written.len())).flatten() {
            self.durable.entry(record).or_insert(self.line);
        }
    }

    fn sent(&mut self, begun: &Begun, end: &End) {
        let call = &begun.call;
        let Some(length) = end.value else { return };
        let mut stream = self.streams.remove(&call.on).unwrap_or_default();
        if !stream.foreign {
            self.counts.sends += 1;
            if call.cut {
                self.say(format!("line {}: more was sent than the trace shows", begun.line));
            }
            stream.sends.push((stream.bytes.len(), begun.line));
            stream.bytes.extend(&call.bytes[..length.min(call.bytes.len())]);
            self.frames(&mut stream);
        }
        self.streams.insert(call.on.clone(), stream);
    }

    fn frames(&mut self, stream: &mut Stream) {
        loop {
            let rest = &stream.bytes[stream.read..];
            let frame = match wire::split_frame(rest) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(_) => break,
            };
            let Ok(said) = FromServer::parse(&frame) else { break };
            if let FromServer::Answers(answers) = said {
                let first = stream.read + wire::limits::HEADER;
                for (number, answer) in answers.enumerate() {
                    let Ok(answer) = answer else { break };
                    let at = first + number * wire::limits::ANSWER;
                    let send = stream.sends.partition_point(|(start, _)| *start <= at);
                    let line = stream.sends.get(send.saturating_sub(1)).map_or(0, |(_, line)| *line);
                    self.answer(&answer, line);
                }
            }
            stream.read += frame.size();
        }
        stream.foreign = true;
    }

    /// An answer whose first byte left with the send that began at `line`.
    fn answer(&mut self, answer: &wire::Answer, line: usize) {
        match answer.class {
            Class::Applied | Class::Declined => {}
            Class::Unknown => {
                self.counts.unknown += 1;
                return;
            }
            Class::Refused | Class::Read => return,
        }
        self.counts.answers += 1;
        let cancels = answer.command == Command::Cancel.number();
        self.answered.insert((answer.id, cancels));
        if self.durable.get(&needs(answer, cancels)).is_none_or(|flushed| *flushed >= line) {
            self.say(format!("L3: line {line} answers {}, which no completed flush covers", answer.id));
        }
    }

    fn say(&mut self, what: String) {
        if self.wrong.len() < MOST_SAID {
            self.wrong.push(what);
        }
    }
}

/// Which record an answer stands on: the request's own, or the one by which its cancel closed the id.
fn needs(answer: &wire::Answer, cancels: bool) -> Recorded {
    let code = Decline::from_u16(answer.code);
    let closed = matches!(code, Some(Decline::Cancelled | Decline::Burned));
    // A declined cancel left a record of its own; one that found a no, none.
    (answer.id, closed || cancels && answer.class == Class::Declined)
}

/// The requests whose records stand in a written frame.
fn records(bytes: &[u8]) -> Vec<Recorded> {
    let mut found = Vec::new();
    watch::blocks_of(bytes, &mut |block| {
        // A block that cannot be read has no records: its answers will be found without.
        let _readable = block.each_record(|_, record| {
            let closes = matches!(record.body.kind(), Kind::Cancelled | Kind::Burned);
            let id = record.envelope.request.map(|id| RequestId::from_raw(id.get()));
            found.extend(id.map(|id| (id, closes)));
        });
    });
    found
}
