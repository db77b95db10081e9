//! Owns: the client loop: one thread, one epoll, any number of terminals, in a closed or an open loop. Server and
//! echo are driven by the very same loop, so that their figures can be divided.
//! Must never: wait on one connection; believe an answer it can't assign to a request; coordinate its sending with a
//! slow server in an open loop.
//! Laws: checks L4 from outside: each answer belongs to exactly one request in flight.

mod link;
mod turn;

pub use link::{Flight, Link, Sent};

use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::epoll;
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
use wire::{Answer, RequestId, RequestsWriter};

use crate::clock::Clock;
use crate::error::{LoadError, Result};
use crate::machine::CpuTicks;
use crate::num::{SECOND_NS, nanos};
use crate::pacing::{Plan, Schedule};
use crate::stats::{Interval, Recorder};

/// What the terminals ask for and what they accept as answers.
pub trait Traffic {
    /// Writes the next request of a terminal into the frame; none when it has nothing (more) to send.
    fn next(&mut self, link: usize, id: RequestId, till: u32, frame: &mut RequestsWriter<'_>)
    -> Option<Sent>;

    /// Judges an answer. An error stops the run: the server said something that can't be.
    fn answered(&mut self, link: usize, sent: Sent, answer: &Answer) -> std::result::Result<(), String>;

    /// Which terminal makes request `number` of an open loop.
    fn pick(&mut self, number: u64, links: usize) -> usize {
        crate::num::index(number % crate::num::count(links.max(1)))
    }
}

/// How terminals send.
#[derive(Debug, Clone)]
pub enum Pace {
    /// A terminal sends its next frame when one is answered.
    Closed {
        /// Requests in a frame.
        frame: u16,
        /// Frames in flight.
        frames: u16,
    },
    /// Requests leave when a plan says so.
    Open(Plan),
}

/// When a closed loop ends. It always ends when no terminal has anything to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After so many nanoseconds of measuring.
    Time(u64),
    /// After so many answers.
    Answers(u64),
    /// When the traffic is exhausted.
    Exhausted,
}

/// One stretch of load.
#[derive(Debug, Clone)]
pub struct Load {
    /// How terminals send.
    pub pace: Pace,
    /// When it ends (an open loop ends with its plan).
    pub until: Until,
    /// Nanoseconds at the start that are not measured (closed loop).
    pub warm_up_ns: u64,
    /// Length of an interval of the raw log.
    pub interval_ns: u64,
}

/// What one stretch of load measured.
#[derive(Debug)]
pub struct Measured {
    /// The intervals.
    pub intervals: Vec<Interval>,
    /// When measuring began on the driver's clock.
    pub began_ns: u64,
    /// When it ended.
    pub ended_ns: u64,
    /// What the processors did meanwhile.
    pub cpu: CpuTicks,
    /// The rate that an open loop intended.
    pub target_rate: Option<f64>,
}

/// Somebody who watches a run, for example a progress bar.
pub trait Watch {
    /// Another stretch of work begins.
    fn stage(&mut self, what: &str);

    /// About once a second: the answers of this stretch so far, and those of its whole plan, 0 when not known.
    fn answers(&mut self, answered: u64, planned: u64);
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn stage(&mut self, _: &str) {}

    fn answers(&mut self, _: u64, _: u64) {}
}

/// Who watches, handed down to the loop.
pub type Progress<'a> = &'a mut dyn Watch;

/// After so long without any answer while requests wait, the server is taken for hung.
const HUNG_NS: u64 = 30 * SECOND_NS;

/// A terminal that has been quiet for so long sends a ping.
const PING_NS: u64 = wire::limits::PING_SECONDS as u64 * SECOND_NS;

/// Bytes read at once: several frames of answers.
const READ_SIZE: usize = 256 << 10;

/// Terminals on one thread.
#[derive(Debug)]
pub struct Driver {
    poller: rustix::fd::OwnedFd,
    timer: rustix::fd::OwnedFd,
    links: Vec<Link>,
    clock: Clock,
    buffer: Vec<u8>,
}

impl Driver {
    /// Connects a terminal for each device and exchanges hello and welcome.
    pub fn connect(
        address: SocketAddr,
        festival: u16,
        devices: &[u32],
        in_flight: usize,
        clock: Clock,
    ) -> Result<Self> {
        raise_open_files();
        let poller =
            epoll::create(epoll::CreateFlags::CLOEXEC).map_err(LoadError::call("create a poller"))?;
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, flags).map_err(LoadError::call("create a timer"))?;
        let timer_data = epoll::EventData::new_u64(turn::TIMER);
        // Edge-triggered: each expiry wakes the loop once and nobody has to read the timer.
        epoll::add(&poller, &timer, timer_data, epoll::EventFlags::IN | epoll::EventFlags::ET)
            .map_err(LoadError::call("watch the timer"))?;
        let mut links = Vec::with_capacity(devices.len());
        for (place, device) in devices.iter().enumerate() {
            let link = Link::connect(address, festival, *device, in_flight)?;
            let data = epoll::EventData::new_u64(crate::num::count(place));
            epoll::add(&poller, link.socket(), data, epoll::EventFlags::IN)
                .map_err(LoadError::call("watch a connection"))?;
            links.push(link);
        }
        Ok(Self { poller, timer, links, clock, buffer: vec![0; READ_SIZE] })
    }

    /// The terminals.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// Runs one stretch of load to its end and takes all answers that are still on their way.
    pub fn run<T: Traffic>(
        &mut self,
        traffic: &mut T,
        load: &Load,
        progress: Progress<'_>,
    ) -> Result<Measured> {
        let began = self.clock.now();
        let schedule = match &load.pace {
            // The first start lies a little ahead, so that it is not late already.
            Pace::Open(plan) => Some(Schedule::start(plan.clone(), began + nanos(Duration::from_millis(20)))),
            Pace::Closed { .. } => None,
        };
        let target_rate = match &load.pace {
            Pace::Open(Plan::Even { rate, .. }) => Some(*rate),
            Pace::Open(Plan::Along(curve)) => Some(curve.mean_rate()),
            Pace::Closed { .. } => None,
        };
        let recorder = Recorder::start(began, load.interval_ns)?;
        turn::Turn::new(self, traffic, load, schedule, recorder, progress).run(target_rate)
    }
}

/// Thousands of terminals need as many open files; the hard limit is ours to use.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // If it may not be raised, the connection that does not fit says so.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests;
