//! Owns: what a connection may say and when: hello first, then requests and pings, then goodbye. It
//! turns frames into jobs for the engine, and refuses alone what needs no wallet to be refused.
//! Must never: touch a socket; look at a wallet; let a request of one device speak for another.
//! Laws: L12 (what is in flight is bounded), L13 (festival, device).

use actors::festival::Role;
use engine::job::{Clock, Job, Lane, Mono, Reply};
use engine::limits::BUSY_RETRY_MS;
use wire::{Fetch, Frame, FrameKind, FromTerminal, Hello, Notice, Refusal, Requests, Slice, What, WireError};

use crate::counts::{Counts, Ending};
use crate::decode;
use crate::limits::LIVE_FRAME;
use crate::shared::{FIRST_INCARNATION, Shared};
use crate::standing::Member;
use crate::view::View;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing said yet.
    Hello,
    /// Welcomed.
    Open,
    /// Sends no more; everything in flight will be answered, then it ends.
    Leaving,
    /// The last bytes are on their way.
    Over,
}

/// The end of a session, as the terminal is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A refusal's code.
    pub(crate) code: Refusal,
    /// For a technician.
    pub(crate) text: String,
    /// For the metrics.
    pub(crate) ending: Ending,
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self { code: error.refusal(), text: error.to_string(), ending: Ending::Fault }
    }
}

impl Fault {
    /// Something else came first.
    pub(crate) fn no_hello() -> Self {
        let text = "the first frame must be a hello".to_owned();
        Self { code: Refusal::Unauthenticated, text, ending: Ending::Fault }
    }
}

/// What a session may use of its loop while it reads.
pub(crate) struct Desk<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) view: &'a View,
    pub(crate) clock: Clock,
    /// Where answers are to come back to.
    pub(crate) reply: Reply,
    /// Jobs of this round.
    pub(crate) jobs: &'a mut Vec<Job>,
    /// Answers that need no engine; empty between two frames.
    pub(crate) refused: &'a mut Vec<wire::Answer>,
    /// Requests of the whole loop without an answer.
    pub(crate) in_flight: &'a mut u32,
    pub(crate) counts: &'a mut Counts,
}

/// One device's conversation.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) phase: Phase,
    /// Who it is, once welcomed.
    pub(crate) member: Option<Member>,
    /// Requests without an answer.
    pub(crate) in_flight: u32,
}

impl Session {
    pub(crate) const fn new() -> Self {
        Self { phase: Phase::Hello, member: None, in_flight: 0 }
    }

    /// Takes one whole frame. What is to be sent at once is appended to `out`.
    pub(crate) fn frame(
        &mut self,
        frame: &Frame<'_>,
        desk: &mut Desk<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        let said = FromTerminal::parse(frame)?;
        match (self.phase, said, &self.member) {
            (Phase::Leaving | Phase::Over, ..) => Ok(()),
            (Phase::Open, FromTerminal::Requests(all), Some(member)) => {
                requests(all, member, &mut self.in_flight, desk, out)
            }
            (Phase::Open, FromTerminal::Fetch(fetch), Some(member)) => fetched(&fetch, member, desk, out),
            (Phase::Open, FromTerminal::Ping(cookie), _) => {
                wire::push_empty(out, FrameKind::Pong, cookie);
                Ok(())
            }
            (_, FromTerminal::Goodbye, _) => {
                self.phase = Phase::Leaving;
                Ok(())
            }
            (Phase::Hello, FromTerminal::Hello(hello), _) => self.hello(&hello, desk, out),
            (Phase::Hello, ..) => Err(Fault::no_hello()),
            (Phase::Open, ..) => Err(WireError::Unexpected { kind: frame.header.kind }.into()),
        }
    }

    fn hello(&mut self, hello: &Hello, desk: &mut Desk<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
        let shared = desk.shared;
        let member = admit(hello, desk)?;
        let festival = &desk.view.festival;
        let welcome = wire::Welcome {
            version: hello.version.min(wire::limits::VERSION),
            roles: wire::Roles(member.roles.0),
            configuration: festival.version.get(),
            server_time: desk.clock.wall.0,
            incarnation: FIRST_INCARNATION,
            highest_counter: member.highest(),
            ledger: shared.ledger.0,
            till: member.till.get(),
            limits: wire::ConnectionLimits { in_flight: shared.limits.in_flight, ..Default::default() },
            currency: festival.currency.numeric(),
            exponent: u8::try_from(festival.currency.exponent()).unwrap_or(0),
        };
        welcome.push(out)?;
        self.member = Some(member);
        self.phase = Phase::Open;
        desk.counts.welcomed += 1;
        if shared.is_stopping() {
            self.dismiss(out)?;
        }
        Ok(())
    }

    /// Another version is in force: the device may have another till or other roles by it.
    pub(crate) fn reconfigure(&mut self, view: &View, out: &mut Vec<u8>) -> Result<(), WireError> {
        let Some(member) = &mut self.member else { return Ok(()) };
        // Devices stay listed for ever; their places do not.
        if let Some(now) = view.standing.member(member.number.get()) {
            member.clone_from(now);
        }
        if self.phase == Phase::Open { Notice::Configuration(view.version()).push(out) } else { Ok(()) }
    }

    /// The server goes away: says so. What is in flight will be answered, then the session ends.
    pub(crate) fn dismiss(&mut self, out: &mut Vec<u8>) -> Result<(), WireError> {
        match self.phase {
            Phase::Open => Notice::GoingAway.push(out),
            Phase::Hello => {
                self.phase = Phase::Leaving;
                Ok(())
            }
            Phase::Leaving | Phase::Over => Ok(()),
        }
    }
}

/// Requests, on their way to the engine or refused.
fn requests(
    requests: Requests<'_>,
    member: &Member,
    in_flight: &mut u32,
    desk: &mut Desk<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let limits = &desk.shared.limits;
    let throttle = member.busy_for(limits.declines_per_minute, desk.clock.mono);
    let lane = if requests.len() > LIVE_FRAME { Lane::Backlog } else { Lane::Live };
    desk.refused.clear();
    for request in requests {
        if let Err(refused) = take(request, member, in_flight, (lane, throttle), desk) {
            desk.refused.push(refused);
        }
    }
    if !desk.refused.is_empty() {
        desk.counts.refused += desk.refused.len() as u64;
        wire::push_answers(out, desk.refused)?;
    }
    Ok(())
}

/// One request: on its way to the engine, or refused here and now.
#[inline]
fn take(
    request: Result<wire::RequestView<'_>, wire::Malformed>,
    member: &Member,
    in_flight: &mut u32,
    (lane, throttle): (Lane, Option<u32>),
    desk: &mut Desk<'_>,
) -> Result<(), wire::Answer> {
    let view = request.map_err(|bad| wire::Answer::refused(bad.id, bad.command, bad.why.refusal()))?;
    let (id, command) = (view.id(), view.command().number());
    let limits = &desk.shared.limits;
    let full = *in_flight >= limits.in_flight || *desk.in_flight >= limits.loop_in_flight;
    // Reads leave no record: a throttled device may still see what became of its requests.
    let writes = !matches!(view.command(), wire::Command::Balance | wire::Command::Lookup);
    let gives_up = view.command() == wire::Command::Cancel;
    let too_often = || member.gives_up_too_often(limits.cancels_per_minute, desk.clock.mono);
    let throttle = throttle.filter(|_| writes).or_else(|| gives_up.then(too_often).flatten());
    if let Some(come_back) = throttle.or(full.then_some(BUSY_RETRY_MS)) {
        desk.counts.busy += 1;
        return Err(wire::Answer::busy(id, command, come_back));
    }
    let request = decode::request(&view, &desk.shared.keys, member, desk.shared.festival)
        .map_err(|refusal| wire::Answer::refused(id, command, refusal))?;
    let wait = u64::from(view.wait_ms()) * 1_000;
    let deadline = (wait > 0).then(|| Mono(desk.clock.mono.0.saturating_add(wait)));
    desk.jobs.push(Job { reply: desk.reply, deadline, lane, ways: 0, request });
    if gives_up {
        member.gave_up(desk.clock.mono);
    }
    desk.counts.requests += 1;
    *in_flight += 1;
    *desk.in_flight += 1;
    Ok(())
}

/// A slice of the configuration. A terminal that asks faster than it takes what it gets is told to wait.
fn fetched(fetch: &Fetch, member: &Member, desk: &Desk<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    let view = desk.view;
    let own;
    let slice = match What::from_u16(fetch.what) {
        _ if out.len() > desk.shared.limits.pause_bytes => Slice::refused(fetch, Refusal::Busy),
        None => Slice::refused(fetch, Refusal::Unsupported),
        Some(What::Whole) if member.revoked => Slice::refused(fetch, Refusal::DeviceRevoked),
        Some(What::Whole) if !member.roles.has(Role::Administer) => {
            Slice::refused(fetch, Refusal::NotYourRole)
        }
        Some(What::Whole) => Slice::of(fetch, view.version(), view.whole()),
        Some(What::Own) => {
            own = view.own(member).encode();
            Slice::of(fetch, view.version(), &own)
        }
    };
    Ok(slice.push(out)?)
}

/// Whether the server can serve this terminal (L13).
fn admit(hello: &Hello, desk: &Desk<'_>) -> Result<Member, Fault> {
    let (shared, view) = (desk.shared, desk.view);
    let fault = |code, text| Err(Fault { code, text, ending: Ending::Fault });
    if hello.festival != shared.festival.0 {
        let text = format!("festival {} is not served here; check the terminal's festival", hello.festival);
        return fault(Refusal::WrongFestival, text);
    }
    if hello.incarnation > FIRST_INCARNATION {
        let text = format!(
            "the terminal has seen incarnation {} and this server is {FIRST_INCARNATION}; it runs on an old copy \
             of the ledger",
            hello.incarnation
        );
        return fault(Refusal::Unsupported, text);
    }
    let member = view.standing.member(hello.device);
    if member.is_some_and(|member| member.revoked) {
        return fault(Refusal::DeviceRevoked, format!("device {} was revoked", hello.device));
    }
    member.cloned().ok_or_else(|| Fault {
        code: Refusal::Unauthenticated,
        text: format!("device {} is not enrolled in configuration {}", hello.device, view.festival.version),
        ending: Ending::Fault,
    })
}
