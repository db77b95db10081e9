//! Owns: thousands of terminals on one thread: one epoll, connections that come and go, buffers made once.
//! Must never: wait on one connection; let a broken connection end the run; go on after an answer that can't be.
//! Laws: checks L4 from outside; L12 (connects in small groups, pauses between attempts).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use wire::{Request, RequestId};

use super::ClientError;
use super::judge::Ending;
use super::link::{Got, Link, State, system};
use super::terminal::{Habits, Settled, Terminal};

/// Bytes read at once: several frames of answers.
const READ_SIZE: usize = 256 << 10;

/// Events taken at once.
const EVENTS: usize = 1_024;

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(10);

/// Attempts to connect in one look: the listener's queue of a server is a few hundred long.
const CONNECTS_AT_ONCE: usize = 128;

/// What the terminals are to do.
pub trait Errands {
    /// The next request of a terminal under this id, with what is wanted back at its ending; none when it has
    /// nothing to ask at present.
    fn next(&mut self, place: usize, id: RequestId, till: u32) -> Option<(Request<'_>, u64)>;

    /// A request's ending is known.
    fn settled(&mut self, place: usize, settled: &Settled<'_>);

    /// A request's own answer, while its cancel or a look-up is out: its ending is still to come.
    fn overheard(&mut self, _answer: &wire::Answer) {}

    /// A request of a terminal that its barman will wait for no longer, and what he does then. Asked after each
    /// round of a terminal until it gives none.
    fn impatient(&mut self, _place: usize) -> Option<(RequestId, Impatience)> {
        None
    }

    /// A request is given up; its cancel leaves after this.
    fn gives_up(&mut self, _place: usize, _id: RequestId) {}
}

/// What a barman does who waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impatience {
    /// He gives the sale up.
    GiveUp,
    /// He asks what became of it.
    LookUp,
}

/// What has happened so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests made.
    pub asked: u64,
    /// Endings by the server's answer.
    pub answered: u64,
    /// Given up and undone.
    pub cancelled: u64,
    /// Given up, yet they stand.
    pub stands: u64,
    /// Left to a person.
    pub undecided: u64,
    /// Connections that were welcomed.
    pub welcomes: u64,
    /// Connections and attempts that broke.
    pub breaks: u64,
}

impl Counts {
    /// Requests whose ending is known.
    pub fn settled(&self) -> u64 {
        self.answered + self.cancelled + self.stands + self.undecided
    }

    fn note(&mut self, ending: Ending) {
        match ending {
            Ending::Answered => self.answered += 1,
            Ending::Cancelled => self.cancelled += 1,
            Ending::Stands => self.stands += 1,
            Ending::Undecided => self.undecided += 1,
            Ending::Overheard => {}
        }
    }
}

/// Terminals on one thread.
pub struct Swarm {
    poller: rustix::fd::OwnedFd,
    address: SocketAddr,
    links: Vec<Link>,
    origin: Instant,
    chance: fastrand::Rng,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
    next_tick_ns: u64,
    counts: Counts,
}

impl Swarm {
    /// One terminal for each device, each with the counter of its next request; they connect once it runs.
    pub fn new(
        address: SocketAddr,
        habits: Habits,
        devices: &[(u32, u64)],
        seed: u64,
    ) -> Result<Self, ClientError> {
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC);
        let links =
            devices.iter().map(|(device, counter)| Link::new(Terminal::new(habits, *device, *counter)));
        Ok(Self {
            poller: poller.map_err(|errno| system("create a poller", &errno))?,
            address,
            links: links.collect(),
            origin: Instant::now(),
            chance: fastrand::Rng::with_seed(seed),
            buffer: vec![0; READ_SIZE],
            events: Vec::with_capacity(EVENTS),
            next_tick_ns: 0,
            counts: Counts::default(),
        })
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The terminals, in the order of their places.
    pub fn terminals(&self) -> impl ExactSizeIterator<Item = &Terminal> {
        self.links.iter().map(|link| &link.terminal)
    }

    /// The terminal at a place, to restore what it had stored or to make it give up.
    pub fn terminal_mut(&mut self, place: usize) -> Option<&mut Terminal> {
        self.links.get_mut(place).map(|link| &mut link.terminal)
    }

    /// From now on the server is reached here; standing connections stay.
    pub fn redirect(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Nanoseconds since the swarm was made.
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Runs until `done` says so; it is asked after each round of events. An error is a server that broke the
    /// protocol or refused a terminal, or a system without sockets; a broken connection is none.
    pub fn run<E: Errands>(
        &mut self,
        errands: &mut E,
        mut done: impl FnMut(&Counts) -> bool,
    ) -> Result<(), ClientError> {
        while !done(&self.counts) {
            self.wait()?;
            for index in 0..self.events.len() {
                let place = self.events.get(index).map_or(u64::MAX, |event| event.data.u64());
                self.serve(usize::try_from(place).unwrap_or(usize::MAX), errands)?;
            }
            let now = self.now_ns();
            if now >= self.next_tick_ns {
                self.next_tick_ns = now + u64::try_from(TICK.as_nanos()).unwrap_or(u64::MAX);
                self.tick(now, errands)?;
            }
        }
        Ok(())
    }

    /// Says goodbye on every connection and closes it.
    pub fn leave(&mut self) {
        for link in &mut self.links {
            link.terminal.leave(&mut link.output);
            // What the socket does not take is lost with it: nobody is owed a goodbye.
            let _sent = link.flush();
            link.terminal.disconnected();
            link.state = State::Down(0);
        }
    }

    fn wait(&mut self) -> Result<(), ClientError> {
        let until_tick = Duration::from_nanos(self.next_tick_ns.saturating_sub(self.now_ns()));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(until_tick.min(TICK).subsec_nanos()) };
        self.events.clear();
        match epoll::wait(&self.poller, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(system("wait for events", &errno)),
        }
    }

    fn tick<E: Errands>(&mut self, now: u64, errands: &mut E) -> Result<(), ClientError> {
        let mut connects = 0;
        for place in 0..self.links.len() {
            let Some(link) = self.links.get_mut(place) else { break };
            if link.may_connect(now) {
                if connects < CONNECTS_AT_ONCE {
                    connects += 1;
                    self.connect(place, now)?;
                }
                continue;
            }
            if !link.terminal.tick(now, &mut link.output) {
                self.break_off(place);
                continue;
            }
            if link.terminal.is_ready() {
                self.send(place, errands)?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, place: usize, now: u64) -> Result<(), ClientError> {
        let Some(link) = self.links.get_mut(place) else { return Ok(()) };
        if !link.connect(&self.address)? {
            self.counts.breaks += 1;
            link.broken(now, &mut self.chance);
            return Ok(());
        }
        let Some(socket) = link.socket() else { return Ok(()) };
        let data = epoll::EventData::new_u64(u64::try_from(place).unwrap_or(u64::MAX));
        epoll::add(&self.poller, socket, data, epoll::EventFlags::OUT)
            .map_err(|errno| system("watch a connection", &errno))
    }

    /// An event at a connection.
    fn serve<E: Errands>(&mut self, place: usize, errands: &mut E) -> Result<(), ClientError> {
        let now = self.now_ns();
        let Some(link) = self.links.get_mut(place) else { return Ok(()) };
        if let State::Connecting(_) = link.state {
            if !link.connected(now)? {
                self.break_off(place);
                return Ok(());
            }
            // Watched for room until now; the flush asks for the rest.
            link.wants_room = true;
            return self.flush(place);
        }
        match link.receive(&mut self.buffer) {
            Got::End => {
                self.break_off(place);
                return Ok(());
            }
            Got::Nothing => {}
            Got::Bytes(length) => {
                let was_ready = link.terminal.is_ready();
                let fresh = self.buffer.get(..length).unwrap_or_default();
                take(link, now, place, fresh, errands, &mut self.counts)?;
                if !was_ready && link.terminal.is_ready() {
                    link.welcomed();
                    self.counts.welcomes += 1;
                }
            }
        }
        self.send(place, errands)
    }

    /// Asks for more where there is room, and sends what there is.
    fn send<E: Errands>(&mut self, place: usize, errands: &mut E) -> Result<(), ClientError> {
        let now = self.now_ns();
        let Some(link) = self.links.get_mut(place) else { return Ok(()) };
        // While bytes wait for the server, nothing is added to them.
        if link.terminal.is_ready() && !link.has_output() {
            while link.terminal.has_room() {
                let errands = &mut *errands;
                if link.terminal.ask(now, move |id, till| errands.next(place, id, till)).is_none() {
                    break;
                }
                self.counts.asked += 1;
            }
            while let Some((id, what)) = errands.impatient(place) {
                match what {
                    Impatience::GiveUp => link.terminal.give_up(id),
                    Impatience::LookUp => link.terminal.look_up(id),
                }
            }
            link.terminal.take_given_up().for_each(|id| errands.gives_up(place, id));
            link.terminal.fill(now, &mut link.output)?;
        }
        self.flush(place)
    }

    fn flush(&mut self, place: usize) -> Result<(), ClientError> {
        let Some(link) = self.links.get_mut(place) else { return Ok(()) };
        if !link.flush() {
            self.break_off(place);
            return Ok(());
        }
        let wants_room = link.has_output();
        if wants_room == link.wants_room {
            return Ok(());
        }
        link.wants_room = wants_room;
        let Some(socket) = link.socket() else { return Ok(()) };
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, wants_room);
        let data = epoll::EventData::new_u64(u64::try_from(place).unwrap_or(u64::MAX));
        epoll::modify(&self.poller, socket, data, flags).map_err(|errno| system("watch a connection", &errno))
    }

    /// The connection is over; closing its socket takes it from the poller too.
    fn break_off(&mut self, place: usize) {
        let now = self.now_ns();
        if let Some(link) = self.links.get_mut(place) {
            self.counts.breaks += 1;
            link.broken(now, &mut self.chance);
        }
    }
}

/// Hands received bytes to the terminal, together with those kept from before.
fn take<E: Errands>(
    link: &mut Link,
    now: u64,
    place: usize,
    fresh: &[u8],
    errands: &mut E,
    counts: &mut Counts,
) -> Result<(), ClientError> {
    let tell = |settled: &Settled<'_>| {
        if settled.ending == Ending::Overheard {
            return errands.overheard(&settled.answer);
        }
        counts.note(settled.ending);
        errands.settled(place, settled);
    };
    if link.input.is_empty() {
        // The usual case: whole frames, taken where they were read.
        let used = link.terminal.received(now, fresh, tell)?;
        link.input.extend_from_slice(fresh.get(used..).unwrap_or_default());
        return Ok(());
    }
    link.input.extend_from_slice(fresh);
    let used = link.terminal.received(now, &link.input, tell)?;
    link.input.drain(..used);
    Ok(())
}
