//! Owns: one thread's round: poll, read everything readable, gather all taps of the round into one
//! batch, let the engine decide and commit, send each connection its answers in one go.
//! Must never: treat a tap as it is read; block anywhere but in the poll; allocate per tap.
//! Laws: L3 and L10 (only what the engine gives out is sent), L12 (buffers and clocks).

mod accept;
mod clocks;
mod deliver;
mod follow;

use std::io;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use engine::core::Core;
use engine::job::{Clock, Job, Reply, Told};
use ledger::ids::ShardId;
use ledger::journal::Journal;
use ledger::mutant::{self, Point};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use wire::Refusal;

use crate::counts::{Counts, Ending};
use crate::limits::{ENDING_MICROS, EVENTS, READ_BYTES, SWEEP_MICROS};
use crate::listener::{Dealer, Listener};
use crate::session::{Desk, Fault};
use crate::shared::Shared;
use crate::slab::Slab;
use crate::time::Time;
use crate::view::View;
use crate::wake::Wake;

/// Token of the wake in the poll; a slab never gets so far.
const WAKE: u64 = u64::MAX;
/// Token of the listener.
const LISTENER: u64 = u64::MAX - 1;

/// What a loop is made of.
pub struct LoopParts<J: Journal> {
    /// Its number, from 0.
    pub number: u16,
    /// Its shards.
    pub core: Core<J>,
    /// What all loops share.
    pub shared: Arc<Shared>,
    /// Rings when something waits for this loop.
    pub wake: Wake,
    /// Where new connections come from; the node owns it too.
    pub listener: Arc<Listener>,
    /// Deals new connections to the loops.
    pub dealer: Arc<Dealer>,
    /// Connections that other loops accepted for this one.
    pub arrivals: Receiver<OwnedFd>,
    /// Shards whose state was dropped: someone is to rebuild them and send them back.
    pub rebuilds: Sender<ShardId>,
    /// The time.
    pub time: Time,
}

/// Whether a round may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until something happens, or a clock is due.
    Sleep,
    /// Not at all.
    No,
}

/// Why a loop ended.
#[derive(Debug)]
pub enum End {
    /// It was told to stop; everything in flight was answered.
    Stopped,
    /// The store died; everybody was told to send again.
    StoreDead(String),
    /// The poll itself failed.
    Poll(io::Error),
    /// A test made it end.
    Struck,
}

/// One core loop: its connections and its shards.
pub struct CoreLoop<J: Journal> {
    number: u16,
    core: Core<J>,
    shared: Arc<Shared>,
    wake: Wake,
    listener: Arc<Listener>,
    dealer: Arc<Dealer>,
    arrivals: Receiver<OwnedFd>,
    rebuilds: Sender<ShardId>,
    time: Time,
    epoll: OwnedFd,
    /// Whether the poll watches the listener.
    listening: bool,
    slab: Slab,
    events: Vec<Event>,
    /// Read into by all connections.
    buffer: Box<[u8]>,
    jobs: Vec<Job>,
    refused: Vec<wire::Answer>,
    /// Answers of this round, and the chains through them.
    ready: Vec<Told>,
    next: Vec<u32>,
    /// Places of connections to be settled at the end of the round.
    touched: Vec<u32>,
    scratch: Vec<u8>,
    in_flight: u32,
    partial_bytes: usize,
    counts: Counts,
    /// The engine has more to do at once.
    more: bool,
    /// The configuration it works by, and the changes of its shards it has looked at.
    view: Arc<View>,
    changes: Option<u64>,
    next_sweep: u64,
    /// Since when the loop is ending, and why.
    ending: Option<(u64, End)>,
}

impl<J: Journal> CoreLoop<J> {
    /// A loop that has not turned yet. Fails when the process has no file descriptor left.
    pub fn new(parts: LoopParts<J>) -> io::Result<Self> {
        let LoopParts { number, core, shared, wake, listener, dealer, arrivals, rebuilds, time } = parts;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, EventData::new_u64(WAKE), EventFlags::IN | EventFlags::ET)?;
        let view = shared.view();
        let mut new = Self {
            number,
            core,
            shared,
            wake,
            listener,
            dealer,
            arrivals,
            rebuilds,
            time,
            epoll,
            listening: false,
            slab: Slab::default(),
            events: Vec::with_capacity(EVENTS),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            jobs: Vec::new(),
            refused: Vec::new(),
            ready: Vec::new(),
            next: Vec::new(),
            touched: Vec::new(),
            scratch: Vec::new(),
            in_flight: 0,
            partial_bytes: 0,
            counts: Counts::default(),
            more: true,
            view,
            changes: None,
            next_sweep: 0,
            ending: None,
        };
        new.listen()?;
        Ok(new)
    }

    /// Turns until it is told to stop or the store dies.
    pub fn run(&mut self) -> End {
        loop {
            if let Some(end) = self.round(Wait::Sleep) {
                return end;
            }
        }
    }

    /// One round. Says when the loop has ended, and why.
    pub fn round(&mut self, wait: Wait) -> Option<End> {
        if let Err(error) = self.poll(wait) {
            return Some(End::Poll(error));
        }
        self.wake.awake();
        if mutant::struck(Point::CoreLoop) {
            return Some(End::Struck);
        }
        let clock = (self.time)();
        self.shared.set_beat(self.number, clock.mono.0);
        self.counts.rounds += u64::from(!self.events.is_empty());
        for at in 0..self.events.len() {
            let Event { flags, data, .. } = self.events[at];
            match data.u64() {
                WAKE => {}
                LISTENER => self.accept(clock),
                token => self.event(token, flags, clock),
            }
        }
        self.take_arrivals(clock);
        self.core.submit(&mut self.jobs);
        let dead = self.turn_core(clock);
        if mutant::struck(Point::CoreLoopAnswering) {
            return Some(End::Struck);
        }
        self.deliver(clock);
        self.follow(clock);
        if clock.mono.0 >= self.next_sweep {
            self.sweep(clock);
        }
        self.ended(clock, dead)
    }

    /// One round of a loop that was told to stop and has no connection left: its shards go on deciding
    /// and confirming, because the other loops may still be answering taps of these shards.
    pub fn rest(&mut self, wait: Wait) {
        // A poll that fails has nothing to watch any more.
        let _nothing = self.poll(wait);
        self.wake.awake();
        let clock = (self.time)();
        self.shared.set_beat(self.number, clock.mono.0);
        // Whoever was accepted for this loop meanwhile sees the connection close.
        self.arrivals.try_iter().for_each(drop);
        self.turn_core(clock);
        self.deliver(clock);
    }

    /// Lets the shards work. Whether the store is dead.
    fn turn_core(&mut self, clock: Clock) -> bool {
        let turn = self.core.turn(clock);
        self.more = turn.more;
        for shard in self.core.take_rebuilds() {
            // Its thread lives as long as the node. Full: the shard stays away, and says busy.
            let _gone = self.rebuilds.try_send(shard);
        }
        turn.dead
    }

    fn poll(&mut self, wait: Wait) -> io::Result<()> {
        let sleepy = wait == Wait::Sleep && !self.more && self.wake.may_sleep();
        let micros = match &self.ending {
            _ if !sleepy => 0,
            None => SWEEP_MICROS,
            Some(_) => ENDING_MICROS,
        };
        // A quarter second: it fits.
        let tv_nsec = i64::try_from(micros * 1_000).unwrap_or(0);
        let timeout = Timespec { tv_sec: 0, tv_nsec };
        self.events.clear();
        let events = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, events, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Something happened on a connection.
    fn event(&mut self, token: u64, flags: EventFlags, clock: Clock) {
        let Some((place, connection)) = self.slab.find(token) else { return };
        if flags.contains(EventFlags::OUT) && !connection.touched {
            connection.touched = true;
            self.touched.push(place);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            self.read(token, clock);
        }
    }

    /// Reads once from a connection; whether anything came.
    fn read(&mut self, token: u64, clock: Clock) -> bool {
        let Some((place, connection)) = self.slab.find(token) else { return false };
        let before = connection.partial_bytes();
        let mut desk = Desk {
            shared: &self.shared,
            view: &self.view,
            clock,
            reply: Reply { home: self.number, token },
            jobs: &mut self.jobs,
            refused: &mut self.refused,
            in_flight: &mut self.in_flight,
            counts: &mut self.counts,
        };
        let received = connection.receive(&mut self.buffer, &mut desk);
        let grown = connection.partial_bytes() > before;
        self.partial_bytes = (self.partial_bytes + connection.partial_bytes()).saturating_sub(before);
        if grown && self.partial_bytes > self.shared.limits.partial_bytes {
            self.partial_bytes = self.partial_bytes.saturating_sub(connection.partial_bytes());
            connection.fault(&Fault {
                code: Refusal::Busy,
                text: "too many unfinished frames; come back in a few seconds".to_owned(),
                ending: Ending::Limit,
            });
        }
        match received {
            Ok(anything) => {
                if connection.needs_care() && !connection.touched {
                    connection.touched = true;
                    self.touched.push(place);
                }
                anything
            }
            Err(ending) => {
                self.drop_connection(place, ending);
                false
            }
        }
    }

    /// Closes a connection at once. Its answers, if any come, find nobody.
    fn drop_connection(&mut self, place: u32, ending: Ending) {
        if let Some(connection) = self.slab.remove(place) {
            self.partial_bytes = self.partial_bytes.saturating_sub(connection.partial_bytes());
            self.counts.end(ending);
        }
    }

    /// What this loop has counted.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The engine behind it, for tests.
    pub const fn core(&self) -> &Core<J> {
        &self.core
    }
}
