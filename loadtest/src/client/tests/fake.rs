//! Owns: a server without sockets that remembers ids as the specification says, and misbehaves on demand in every
//! way a real one may: lost connections, stragglers, busy, unknown, internal, late.
//! Must never: apply an id twice, or know what the terminal believes.
//! Laws: L4, as a model.

use std::collections::BTreeMap;

use wire::{
    Answer, Class, Command, ConnectionLimits, Decline, FromTerminal, Position, Read, Refusal, RequestId,
    RequestView, Roles, Welcome, push_answers, push_empty, push_statement, split_frame,
};

/// What an id came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Applied,
    Declined(Decline),
}

/// What the server does with a request it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Answer,
    Decline,
    /// Decides, then the connection breaks: the answer is lost.
    DecideAndBreak,
    /// The connection breaks; the request may be decided much later.
    BreakFirst,
    /// The connection breaks in the middle of the answer.
    BreakInAnswer,
    Busy,
    Late,
    Internal,
    /// Says neither yes nor no, having decided.
    UnknownDecided,
    /// Says neither yes nor no, having done nothing.
    UnknownIdle,
    /// A refusal that no retry heals.
    Useless,
}

/// The server.
pub struct Fake {
    pub fates: BTreeMap<RequestId, Fate>,
    /// How often each id was applied: more than once is a guest who paid twice.
    pub applied: BTreeMap<RequestId, u32>,
    /// Every request read: id and command.
    pub seen: Vec<(RequestId, Command)>,
    pub highest_counter: u64,
    pub in_flight: u32,
    pub frame_requests: u16,
    stragglers: Vec<Vec<u8>>,
    /// Money that can't be taken back.
    pub spent: bool,
}

impl Fake {
    pub fn new() -> Self {
        Self {
            fates: BTreeMap::new(),
            applied: BTreeMap::new(),
            seen: vec![],
            highest_counter: 0,
            in_flight: 100,
            frame_requests: 100,
            stragglers: vec![],
            spent: false,
        }
    }

    pub fn welcome(&self) -> Welcome {
        Welcome {
            version: 1,
            roles: Roles::SELL,
            configuration: 1,
            server_time: 0,
            incarnation: 1,
            highest_counter: self.highest_counter,
            ledger: [7; 16],
            till: 12,
            limits: ConnectionLimits {
                in_flight: self.in_flight,
                frame_requests: self.frame_requests,
                ..ConnectionLimits::default()
            },
            currency: 978,
            exponent: 2,
        }
    }

    /// Reads what a terminal sent (whole frames), appends what it sends back; false when the connection broke.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut mood: impl FnMut() -> Mood) -> bool {
        let mut rest = bytes;
        while let Some(frame) = split_frame(rest).unwrap() {
            rest = &rest[frame.size()..];
            match FromTerminal::parse(&frame).unwrap() {
                FromTerminal::Hello(_) => self.welcome().push(out).unwrap(),
                FromTerminal::Ping(cookie) => push_empty(out, wire::FrameKind::Pong, cookie),
                FromTerminal::Fetch(_) => panic!("this client fetches no configuration"),
                FromTerminal::Goodbye => push_empty(out, wire::FrameKind::ServerGoodbye, 0),
                FromTerminal::Requests(requests) => {
                    assert!(frame.header.count <= self.frame_requests, "more in a frame than allowed");
                    for (request, bytes) in requests.zip(cut(frame.body)) {
                        if !self.one(&request.unwrap(), bytes, mood(), out) {
                            return false;
                        }
                    }
                }
            }
        }
        assert!(rest.is_empty());
        true
    }

    fn one(&mut self, request: &RequestView<'_>, bytes: &[u8], mood: Mood, out: &mut Vec<u8>) -> bool {
        self.seen.push((request.id(), request.command()));
        let (id, command) = (request.id(), request.command().number());
        let refusal = match mood {
            Mood::BreakFirst => {
                self.stragglers.push(bytes.to_vec());
                return false;
            }
            Mood::Busy => Some(Answer::busy(id, command, 3)),
            Mood::Late => Some(Answer::refused(id, command, Refusal::Late)),
            Mood::Internal => Some(Answer::refused(id, command, Refusal::Internal)),
            Mood::UnknownIdle => Some(Answer::unknown(id, command)),
            Mood::Useless if request.command() != Command::Cancel => {
                Some(Answer::refused(id, command, Refusal::UnknownTag))
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            push_answers(out, &[refusal]).unwrap();
            return true;
        }
        let answer = self.decide(request, mood == Mood::Decline);
        match mood {
            Mood::DecideAndBreak => return false,
            Mood::UnknownDecided => push_answers(out, &[Answer::unknown(id, command)]).unwrap(),
            _ if request.command() == Command::Balance => push_statement(out, &answer, &[]).unwrap(),
            _ => push_answers(out, &[answer]).unwrap(),
        }
        if mood == Mood::BreakInAnswer {
            out.truncate(out.len() - 5);
        }
        mood != Mood::BreakInAnswer
    }

    /// Requests of broken connections that were still on their way.
    pub fn decide_stragglers(&mut self) {
        for bytes in std::mem::take(&mut self.stragglers) {
            let view = RequestView::parse(&bytes).unwrap().unwrap();
            self.decide(&view, false);
        }
    }

    fn decide(&mut self, request: &RequestView<'_>, decline: bool) -> Answer {
        let (id, command) = (request.id(), request.command().number());
        match request.command() {
            Command::Balance => return Answer::read(id, command, Read::Balance, Position::NONE, 5),
            Command::Lookup if !self.fates.contains_key(&id) => {
                return Answer::read(id, command, Read::NeverSeen, Position::NONE, 0);
            }
            Command::Cancel => return self.cancel(id),
            _ => {}
        }
        let why = Decline::InsufficientFunds;
        let fate = *self.fates.entry(id).or_insert_with(|| {
            if decline {
                return Fate::Declined(why);
            }
            *self.applied.entry(id).or_default() += 1;
            Fate::Applied
        });
        let position = Position::new(1, 9).unwrap();
        match fate {
            Fate::Applied => Answer::applied(id, command, position, 5),
            Fate::Declined(why) => Answer::declined(id, command, why, position, 5),
        }
    }

    fn cancel(&mut self, id: RequestId) -> Answer {
        let command = Command::Cancel.number();
        let position = Position::new(1, 10).unwrap();
        if self.spent && self.fates.get(&id) == Some(&Fate::Applied) {
            return Answer::declined(id, command, Decline::TopUpSpent, position, 5);
        }
        let now = match self.fates.get(&id) {
            None => Decline::Burned,
            Some(Fate::Applied) => Decline::Cancelled,
            Some(Fate::Declined(why)) => *why,
        };
        self.fates.insert(id, Fate::Declined(now));
        Answer { class: Class::Applied, code: now.number(), ..Answer::applied(id, command, position, 5) }
    }
}

/// The bytes of each request of a body.
fn cut(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
        let (request, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(request)
    })
}
