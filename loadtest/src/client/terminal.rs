//! Owns: one terminal as the specification's state machine: what to send now, what an incoming frame means.
//! Must never: know sockets or clocks (bytes and nanoseconds are handed in); forget an undecided request; use a
//! counter twice.
//! Laws: checks L4 from outside; L12 (never more in flight than the welcome allows).

use std::collections::VecDeque;

use wire::limits::{MAX_IN_FLIGHT, PING_SECONDS, RESEND_FIRST_MS, RESEND_LONGEST_MS};
use wire::{
    Answer, Command, Fault, Frame, FrameKind, FromServer, Hello, Notice, Refusal, Request, RequestId,
    RequestView, RequestsWriter, Statement, Welcome, push_empty, split_frame,
};

use super::ClientError;
use super::flight::{Flight, NEVER, Slot, Step};
use super::judge::{Ending, Verdict, judge};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Silence after a ping that means a dead connection.
const PONG_SECONDS: u64 = 10;

/// How a terminal behaves.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// Its festival.
    pub festival: u16,
    /// Undecided requests at a time.
    pub in_flight: usize,
    /// Nanoseconds after which it gives a request up; none: it asks for ever.
    pub give_up_ns: Option<u64>,
}

/// A request whose ending is known.
#[derive(Debug)]
pub struct Settled<'a> {
    /// Its id.
    pub id: RequestId,
    /// What the caller gave along.
    pub token: u64,
    /// What was asked.
    pub command: Command,
    /// When it was made.
    pub since_ns: u64,
    /// How it ended.
    pub ending: Ending,
    /// The answer that ended it: the request's own, a lookup's or a cancel's.
    pub answer: Answer,
    /// The movements, when it was a balance.
    pub statement: Option<&'a Statement<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Offline,
    Greeting,
    Ready,
    /// One side has said that this connection ends: nothing new leaves.
    Leaving,
}

/// One terminal.
#[derive(Debug)]
pub struct Terminal {
    habits: Habits,
    device: u32,
    counter: u64,
    incarnation: u64,
    configuration: u32,
    till: u32,
    phase: Phase,
    flight: Flight,
    queue: VecDeque<u64>,
    // Given up since the caller last asked; their cancels have not left before that.
    given_up: Vec<RequestId>,
    most_in_flight: usize,
    frame_requests: u16,
    frame_body: usize,
    sent_ns: u64,
    // When a ping left after which nothing has come; else never.
    pinged_ns: u64,
    // No slot is due before this.
    nearest_ns: u64,
}

impl Terminal {
    /// A terminal of this device whose next request has `counter` (from its durable store; 1 when it is new).
    pub fn new(habits: Habits, device: u32, counter: u64) -> Self {
        let most = usize::try_from(MAX_IN_FLIGHT).unwrap_or(usize::MAX);
        let capacity = habits.in_flight.clamp(1, most);
        Self {
            habits: Habits { in_flight: capacity, ..habits },
            device,
            counter: counter.max(1),
            incarnation: 0,
            configuration: 0,
            till: 0,
            phase: Phase::Offline,
            flight: Flight::new(capacity),
            queue: VecDeque::with_capacity(capacity),
            given_up: Vec::new(),
            most_in_flight: capacity,
            frame_requests: 1,
            frame_body: 0,
            sent_ns: 0,
            pinged_ns: NEVER,
            nearest_ns: NEVER,
        }
    }

    /// Its device number.
    pub fn device(&self) -> u32 {
        self.device
    }

    /// The counter of its next request: what a real terminal stores durably.
    pub fn counter(&self) -> u64 {
        self.counter
    }

    /// The till the welcome named.
    pub fn till(&self) -> u32 {
        self.till
    }

    /// Whether it has been welcomed and may send.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// How it behaves.
    pub fn habits(&self) -> &Habits {
        &self.habits
    }

    /// Whether a cancel is out or waits for a connection.
    pub fn is_giving_up(&self) -> bool {
        self.flight.look().any(|slot| slot.step == Step::Cancelling)
    }

    /// Requests whose ending is not known.
    pub fn undecided(&self) -> usize {
        self.flight.undecided()
    }

    /// Answers owed on this connection.
    pub fn owed(&self) -> usize {
        self.flight.owed()
    }

    /// The undecided requests as a real terminal stores them: id, caller's token, encoded bytes.
    pub fn unsettled(&self) -> impl Iterator<Item = (RequestId, u64, &[u8])> {
        self.flight.look().map(|slot| (slot.id, slot.token, slot.bytes.as_slice()))
    }

    /// Whether another request may be made now.
    pub fn has_room(&self) -> bool {
        self.flight.undecided() < self.habits.in_flight
    }

    /// The connection stands: says hello.
    pub fn connected(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Result<(), ClientError> {
        let hello = Hello {
            configuration: self.configuration,
            incarnation: self.incarnation,
            ..Hello::new(self.habits.festival, self.device)
        };
        hello.push(out)?;
        self.phase = Phase::Greeting;
        (self.sent_ns, self.pinged_ns) = (now_ns, NEVER);
        Ok(())
    }

    /// The connection is gone. What was owed is in doubt and leaves again after the next welcome.
    pub fn disconnected(&mut self) {
        self.phase = Phase::Offline;
        self.queue.clear();
        self.flight.disconnected();
    }

    /// Makes a request. `write` gets its id and the till; none when there is no room or `write` gives nothing. The
    /// request leaves with the next [`Terminal::fill`], and again until its ending is known.
    pub fn ask<'a>(
        &mut self,
        now_ns: u64,
        write: impl FnOnce(RequestId, u32) -> Option<(Request<'a>, u64)>,
    ) -> Option<RequestId> {
        if !self.has_room() {
            return None;
        }
        let id = RequestId::new(self.device, self.counter)?;
        let slot = self.flight.take_place(id)?;
        let asked = write(id, self.till).filter(|(request, _)| request.append_to(&mut slot.bytes));
        let Some((request, token)) = asked else {
            self.flight.give_back(id.counter());
            return None;
        };
        (slot.name, slot.command, slot.token) = (request.name, request.command, token);
        (slot.since_ns, slot.queued) = (now_ns, true);
        self.counter += 1;
        self.queue.push_back(id.counter());
        let gives_up = self.habits.give_up_ns.map_or(NEVER, |after| now_ns.saturating_add(after));
        self.nearest_ns = self.nearest_ns.min(gives_up);
        Some(id)
    }

    /// Takes up a request from the durable store after a restart: it may have been sent, so it is in doubt. Its id;
    /// none when the bytes are not one of this device's requests or there is no room.
    pub fn restore(&mut self, now_ns: u64, token: u64, bytes: &[u8]) -> Option<RequestId> {
        let Some(Ok(view)) = RequestView::parse(bytes) else { return None };
        let (id, command, name) = (view.id(), view.command(), view.owned_name());
        if id.device() != self.device
            || command.names_its_target()
            || self.flight.find(id.counter()).is_some()
        {
            return None;
        }
        let slot = self.flight.take_place(id)?;
        slot.bytes.extend_from_slice(bytes);
        (slot.name, slot.command, slot.token) = (name, command, token);
        (slot.since_ns, slot.doubt, slot.queued) = (now_ns, true, true);
        self.counter = self.counter.max(id.counter() + 1);
        self.queue.push_back(id.counter());
        self.nearest_ns = now_ns;
        Some(id)
    }

    /// Gives a request up: from now on its cancel is sent until it is answered.
    pub fn give_up(&mut self, id: RequestId) {
        let Some(slot) = self.flight.find(id.counter()).filter(|slot| !slot.settled) else { return };
        if slot.step == Step::Cancelling || !slot.command.consumes_id() {
            return;
        }
        slot.turn_to(Step::Cancelling);
        self.given_up.push(id);
        self.enqueue(id.counter());
    }

    /// Asks what became of a request that is out: what it came to, or, if the server never saw it, its cancel.
    pub fn look_up(&mut self, id: RequestId) {
        let Some(slot) = self.flight.find(id.counter()).filter(|slot| !slot.settled) else { return };
        if slot.step == Step::Asking && slot.command.consumes_id() {
            slot.turn_to(Step::LookingUp);
            self.enqueue(id.counter());
        }
    }

    /// What was given up since this was last called, for a caller that keeps it: before [`Terminal::fill`], so that
    /// no cancel leaves which its books do not know.
    pub fn take_given_up(&mut self) -> impl Iterator<Item = RequestId> + '_ {
        self.given_up.drain(..)
    }

    fn enqueue(&mut self, counter: u64) {
        let Some(slot) = self.flight.find(counter) else { return };
        slot.due_ns = NEVER;
        if !std::mem::replace(&mut slot.queued, true) {
            self.queue.push_back(counter);
        }
    }

    /// Appends frames with all that is to be sent and fits the welcome's limits.
    pub fn fill(&mut self, now_ns: u64, out: &mut Vec<u8>) -> Result<(), ClientError> {
        while self.phase == Phase::Ready && !self.queue.is_empty() {
            let mut frame = RequestsWriter::begin(out);
            while let Some(counter) = self.queue.front().copied() {
                let full = frame.count() >= self.frame_requests || self.flight.owed() >= self.most_in_flight;
                if full || !append(&mut self.flight, counter, &mut frame, self.frame_body) {
                    break;
                }
                self.queue.pop_front();
            }
            if frame.count() == 0 {
                // Only requests settled meanwhile, or as much in flight as is allowed.
                frame.abandon();
                break;
            }
            frame.finish()?;
            self.sent_ns = now_ns;
        }
        Ok(())
    }

    /// Says goodbye: nothing new leaves, what was asked is answered in full.
    pub fn leave(&mut self, out: &mut Vec<u8>) {
        if self.phase == Phase::Ready {
            push_empty(out, FrameKind::Goodbye, 0);
            self.phase = Phase::Leaving;
        }
    }

    /// Does what is due: sends again after a pause, gives up, pings. False when the connection is dead.
    pub fn tick(&mut self, now_ns: u64, out: &mut Vec<u8>) -> bool {
        if now_ns >= self.nearest_ns {
            self.take_due(now_ns);
        }
        if self.phase == Phase::Offline {
            return true;
        }
        if now_ns.saturating_sub(self.pinged_ns) > PONG_SECONDS * SECOND {
            return false;
        }
        if self.phase == Phase::Ready
            && now_ns.saturating_sub(self.sent_ns) > u64::from(PING_SECONDS) * SECOND
        {
            push_empty(out, FrameKind::Ping, now_ns);
            (self.sent_ns, self.pinged_ns) = (now_ns, now_ns);
        }
        true
    }

    fn take_due(&mut self, now_ns: u64) {
        let gives_up_after = self.habits.give_up_ns.unwrap_or(NEVER);
        let mut nearest = NEVER;
        let (queue, given_up) = (&mut self.queue, &mut self.given_up);
        for slot in self.flight.all() {
            let gives_up = slot.since_ns.saturating_add(gives_up_after);
            let may_give_up = slot.step != Step::Cancelling && slot.command.consumes_id();
            if may_give_up && gives_up <= now_ns {
                slot.turn_to(Step::Cancelling);
                given_up.push(slot.id);
                slot.due_ns = now_ns;
            } else if may_give_up {
                nearest = nearest.min(gives_up);
            }
            if now_ns < slot.due_ns {
                nearest = nearest.min(slot.due_ns);
            } else {
                slot.due_ns = NEVER;
                if !std::mem::replace(&mut slot.queued, true) {
                    queue.push_back(slot.id.counter());
                }
            }
        }
        self.nearest_ns = nearest;
    }

    /// Takes whole frames from the front of `bytes` and says how many bytes they were. `tell` hears each ending.
    /// An error means that the connection must be closed.
    pub fn received(
        &mut self,
        now_ns: u64,
        bytes: &[u8],
        mut tell: impl FnMut(&Settled<'_>),
    ) -> Result<usize, ClientError> {
        let mut rest = bytes;
        while let Some(frame) = split_frame(rest)? {
            // Anything at all shows that the connection lives.
            self.pinged_ns = NEVER;
            self.take(now_ns, &frame, &mut tell)?;
            rest = rest.get(frame.size()..).unwrap_or_default();
        }
        Ok(bytes.len() - rest.len())
    }

    fn take(
        &mut self,
        now: u64,
        frame: &Frame<'_>,
        tell: &mut impl FnMut(&Settled<'_>),
    ) -> Result<(), ClientError> {
        let said = match FromServer::parse(frame) {
            // A newer server's notice is skipped.
            Err(wire::WireError::UnknownNotice { .. }) => return Ok(()),
            said => said?,
        };
        let greeted = matches!(self.phase, Phase::Ready | Phase::Leaving);
        match said {
            FromServer::Welcome(welcome) if self.phase == Phase::Greeting => self.welcomed(&welcome),
            FromServer::Fault(fault) => self.faulted(fault),
            _ if !greeted => Err(ClientError::OutOfTurn(frame.header.kind.name())),
            FromServer::Answers(answers) => {
                for answer in answers {
                    self.answered(now, &answer?, None, tell)?;
                }
                Ok(())
            }
            FromServer::Statement(statement) => {
                self.answered(now, &statement.answer.clone(), Some(&statement), tell)
            }
            FromServer::Notice(Notice::Configuration(version)) => {
                self.configuration = version;
                Ok(())
            }
            FromServer::Notice(Notice::GoingAway) | FromServer::Goodbye => {
                self.phase = Phase::Leaving;
                Ok(())
            }
            // This client asks for no configuration.
            FromServer::Pong(_) | FromServer::Configuration(_) => Ok(()),
            FromServer::Welcome(_) => Err(ClientError::OutOfTurn("welcome")),
        }
    }

    fn welcomed(&mut self, welcome: &Welcome) -> Result<(), ClientError> {
        if welcome.incarnation < self.incarnation {
            return Err(ClientError::OldServer { found: welcome.incarnation, seen: self.incarnation });
        }
        self.incarnation = welcome.incarnation;
        self.configuration = welcome.configuration;
        self.till = welcome.till;
        // Never below what the server has seen: a counter used twice would be another sale's id.
        self.counter = self.counter.max(welcome.highest_counter.saturating_add(1));
        let allowed = usize::try_from(welcome.limits.in_flight).unwrap_or(usize::MAX);
        self.most_in_flight = allowed.clamp(1, self.habits.in_flight * 2);
        self.frame_requests = welcome.limits.frame_requests.max(1);
        self.frame_body = usize::try_from(welcome.limits.body).unwrap_or(usize::MAX);
        self.phase = Phase::Ready;
        self.queue.clear();
        for slot in self.flight.all() {
            (slot.queued, slot.due_ns) = (true, NEVER);
            self.queue.push_back(slot.id.counter());
        }
        // The oldest first: guests have waited longest for them.
        self.queue.make_contiguous().sort_unstable();
        Ok(())
    }

    fn faulted(&mut self, fault: Fault<'_>) -> Result<(), ClientError> {
        self.phase = Phase::Leaving;
        match Refusal::from_u16(fault.code) {
            Some(Refusal::Busy | Refusal::Late | Refusal::Internal) => Ok(()),
            _ => {
                Err(ClientError::Refused { name: wire::codes::name(fault.code), text: fault.text.to_owned() })
            }
        }
    }

    fn answered(
        &mut self,
        now_ns: u64,
        answer: &Answer,
        statement: Option<&Statement<'_>>,
        tell: &mut impl FnMut(&Settled<'_>),
    ) -> Result<(), ClientError> {
        let unasked = ClientError::Unasked { id: answer.id, command: answer.command };
        let Some(command) = Command::from_u8(answer.command) else { return Err(unasked) };
        let counter = answer.id.counter();
        if answer.id.device() != self.device || !self.flight.answered(counter, command) {
            return Err(unasked);
        }
        // After its cancel's answer nothing that comes for a request counts.
        let Some(slot) = self.flight.find(counter).filter(|slot| !slot.settled) else { return Ok(()) };
        if slot.asks() != command {
            overheard(slot, answer, statement, tell);
            return Ok(());
        }
        match judge(slot, answer, statement.is_some()) {
            Verdict::Insane(problem) => return Err(ClientError::Insane { id: answer.id, command, problem }),
            Verdict::Settle(ending) => {
                let (token, since_ns, command) = (slot.token, slot.since_ns, slot.command);
                tell(&Settled {
                    id: answer.id,
                    token,
                    command,
                    since_ns,
                    ending,
                    answer: *answer,
                    statement,
                });
                self.flight.settle(counter);
            }
            Verdict::Again(after_ms) => {
                slot.doubt |= answer.class == wire::Class::Unknown;
                slot.due_ns = now_ns.saturating_add(pause_ns(slot.tries, after_ms));
                self.nearest_ns = self.nearest_ns.min(slot.due_ns);
            }
            Verdict::LookUp => {
                slot.turn_to(Step::LookingUp);
                self.enqueue(counter);
            }
            Verdict::Cancel => {
                slot.turn_to(Step::Cancelling);
                self.given_up.push(answer.id);
                self.enqueue(counter);
            }
        }
        Ok(())
    }
}

/// The request's own answer while its cancel or a look-up is out: the word of that counts, but what was said is said.
fn overheard(
    slot: &Slot,
    answer: &Answer,
    statement: Option<&Statement<'_>>,
    tell: &mut impl FnMut(&Settled<'_>),
) {
    let (id, token, since_ns, command) = (slot.id, slot.token, slot.since_ns, slot.command);
    let decided = matches!(answer.class, wire::Class::Applied | wire::Class::Declined);
    if decided && answer.command == command.number() {
        let ending = Ending::Overheard;
        tell(&Settled { id, token, command, since_ns, ending, answer: *answer, statement });
    }
}

/// The server's own pause, or one that doubles with each try.
fn pause_ns(tries: u32, after_ms: u32) -> u64 {
    if after_ms > 0 {
        return u64::from(after_ms) * MS;
    }
    let doubled = RESEND_FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(10));
    u64::from(doubled.min(RESEND_LONGEST_MS)) * MS
}

/// Appends what the request's present step asks; false when the frame is full. A request whose ending is known
/// meanwhile is passed over.
fn append(flight: &mut Flight, counter: u64, frame: &mut RequestsWriter<'_>, most_body: usize) -> bool {
    let Some(slot) = flight.find(counter).filter(|slot| slot.queued) else { return true };
    if slot.settled || slot.owes(slot.asks()) {
        slot.queued = false;
        return true;
    }
    // One that is too long alone leaves alone: the server says what is wrong with it.
    if frame.count() > 0 && frame.body_len() + slot.bytes.len() > most_body {
        return false;
    }
    let name = slot.name;
    let about = |ask: fn(RequestId, wire::Name) -> Request<'static>| name.map(|name| ask(slot.id, name));
    let fits = match slot.step {
        Step::Asking => frame.push_encoded(&slot.bytes),
        Step::LookingUp => about(Request::lookup).is_some_and(|request| frame.push(&request)),
        Step::Cancelling => about(Request::cancel).is_some_and(|request| frame.push(&request)),
    };
    if fits {
        slot.queued = false;
        flight.sent(counter);
    }
    fits
}
