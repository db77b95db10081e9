//! Owns: one stretch of load, turn by turn: wait for events, take answers, send what is due or free to go.
//! Must never: measure from the send in an open loop; count an answer twice.
//! Laws: checks L4 from outside.

use std::mem;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::time::{Itimerspec, TimerfdTimerFlags, timerfd_settime};
use wire::{Answer, FromServer, Notice, split_frame};

use super::{Driver, HUNG_NS, Load, Measured, PING_NS, Pace, Progress, Traffic, Until};
use crate::error::{LoadError, Result};
use crate::machine::CpuTicks;
use crate::num::{MILLI_NS, SECOND_NS, count, index};
use crate::pacing::Schedule;
use crate::stats::Recorder;

/// The poller's name for the timer; links are named by their place.
pub(super) const TIMER: u64 = u64::MAX;

/// Below this a timer costs more than it saves: the loop just turns again.
const SPIN_NS: u64 = 5_000;

/// Longest wait for events: intervals, deadlines and pings are looked at that often.
const LONGEST_WAIT_NS: u64 = 50 * MILLI_NS;

/// Events taken in one turn.
const EVENTS: usize = 1_024;

/// A run of answers with the same meaning and age, recorded together.
#[derive(Default)]
struct Batch {
    class: u8,
    code: u16,
    since_ns: u64,
    answers: u64,
}

pub(super) struct Turn<'a, T> {
    driver: &'a mut Driver,
    traffic: &'a mut T,
    load: &'a Load,
    schedule: Option<Schedule>,
    recorder: Option<Recorder>,
    progress: Progress<'a>,
    batch: Batch,
    // Requests that may still be sent.
    budget: u64,
    waiting: u64,
    answered: u64,
    began_ns: u64,
    last_answer_ns: u64,
    next_second_ns: u64,
}

impl<'a, T: Traffic> Turn<'a, T> {
    pub(super) fn new(
        driver: &'a mut Driver,
        traffic: &'a mut T,
        load: &'a Load,
        schedule: Option<Schedule>,
        recorder: Recorder,
        progress: Progress<'a>,
    ) -> Self {
        let now = driver.clock.now();
        let budget = match (load.until, &schedule) {
            (_, Some(schedule)) => schedule.planned(),
            (Until::Answers(answers), None) => answers,
            (Until::Time(_) | Until::Exhausted, None) => u64::MAX,
        };
        Self {
            driver,
            traffic,
            load,
            schedule,
            recorder: Some(recorder),
            progress,
            batch: Batch::default(),
            budget,
            waiting: 0,
            answered: 0,
            began_ns: now,
            last_answer_ns: now,
            next_second_ns: now,
        }
    }

    pub(super) fn run(mut self, target_rate: Option<f64>) -> Result<Measured> {
        let mut cpu = CpuTicks::now();
        if self.schedule.is_none() && self.load.warm_up_ns > 0 {
            self.fill_all()?;
            let until = self.began_ns + self.load.warm_up_ns;
            while self.driver.clock.now() < until && !self.idle()? {
                self.turn()?;
            }
            self.began_ns = self.driver.clock.now();
            cpu = CpuTicks::now();
            if let Some(recorder) = &mut self.recorder {
                recorder.restart(self.began_ns);
            }
        }
        let deadline = match self.load.until {
            Until::Time(length) if self.schedule.is_none() => self.began_ns + length,
            _ => u64::MAX,
        };
        self.fill_all()?;
        while self.driver.clock.now() < deadline && !self.idle()? {
            self.turn()?;
        }
        self.close_batch(self.driver.clock.now());
        let ended_ns = self.driver.clock.now();
        let cpu = CpuTicks::now().since(cpu);
        let intervals = self.recorder.take().map(|recorder| recorder.finish(ended_ns)).unwrap_or_default();
        self.budget = 0;
        while self.waiting > 0 {
            self.turn()?;
        }
        Ok(Measured { intervals, began_ns: self.began_ns, ended_ns, cpu, target_rate })
    }

    /// Nothing in flight and nothing left to send.
    fn idle(&mut self) -> Result<bool> {
        if self.waiting > 0 {
            return Ok(false);
        }
        if let Some(schedule) = &self.schedule {
            return Ok(schedule.peek().is_none());
        }
        // A traffic that had nothing a moment ago may have something now: a request to repeat.
        self.fill_all()?;
        Ok(self.waiting == 0)
    }

    fn turn(&mut self) -> Result<()> {
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        let wait = Timespec { tv_sec: 0, tv_nsec: self.arm_timer()?.cast_signed() };
        match epoll::wait(&self.driver.poller, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(LoadError::call("wait for events")(errno)),
        }
        for event in events {
            let place = event.data.u64();
            if place != TIMER {
                self.on_event(index(place), event.flags)?;
            }
        }
        let now = self.driver.clock.now();
        self.send_due(now)?;
        if let Some(recorder) = &mut self.recorder {
            recorder.turn(now);
        }
        if now >= self.next_second_ns {
            self.each_second(now)?;
        }
        Ok(())
    }

    /// Sets the timer to the next planned start; returns how long to wait for events at most.
    fn arm_timer(&mut self) -> Result<u64> {
        let Some(next) = self.schedule.as_ref().and_then(Schedule::peek) else { return Ok(LONGEST_WAIT_NS) };
        let ahead = next.saturating_sub(self.driver.clock.now());
        if ahead <= SPIN_NS {
            return Ok(0);
        }
        if ahead < LONGEST_WAIT_NS {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let timer = Itimerspec {
                it_interval: zero,
                it_value: Timespec { tv_sec: 0, tv_nsec: ahead.cast_signed() },
            };
            timerfd_settime(&self.driver.timer, TimerfdTimerFlags::empty(), &timer)
                .map_err(LoadError::call("set the timer"))?;
        }
        Ok(LONGEST_WAIT_NS)
    }

    fn on_event(&mut self, place: usize, flags: epoll::EventFlags) -> Result<()> {
        if flags.contains(epoll::EventFlags::OUT) {
            self.flush(place)?;
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            self.receive(place)?;
            if self.schedule.is_none() {
                self.fill(place)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, place: usize) -> Result<()> {
        let mut buffer = mem::take(&mut self.driver.buffer);
        let result = self.receive_into(place, &mut buffer);
        self.driver.buffer = buffer;
        result
    }

    fn receive_into(&mut self, place: usize, buffer: &mut [u8]) -> Result<()> {
        let Some(link) = self.driver.links.get_mut(place) else { return Ok(()) };
        let length = link.receive(buffer)?;
        let mut input = mem::take(&mut link.input);
        let fresh = buffer.get(..length).unwrap_or_default();
        if input.is_empty() {
            let used = self.consume(place, fresh)?;
            input.extend_from_slice(fresh.get(used..).unwrap_or_default());
        } else {
            input.extend_from_slice(fresh);
            let used = self.consume(place, &input)?;
            input.drain(..used);
        }
        if let Some(link) = self.driver.links.get_mut(place) {
            link.input = input;
        }
        Ok(())
    }

    fn consume(&mut self, place: usize, bytes: &[u8]) -> Result<usize> {
        let now = self.driver.clock.now();
        let mut used = 0;
        let broken = |error| LoadError::Server(format!("broke the protocol: {error}"));
        while let Some(frame) = split_frame(bytes.get(used..).unwrap_or_default()).map_err(broken)? {
            used += frame.size();
            match FromServer::parse(&frame).map_err(broken)? {
                FromServer::Answers(answers) => {
                    for answer in answers {
                        self.on_answer(place, &answer.map_err(broken)?, now)?;
                    }
                    self.close_batch(now);
                }
                FromServer::Statement(statement) => {
                    self.on_answer(place, &statement.answer, now)?;
                    self.close_batch(now);
                }
                FromServer::Pong(_)
                | FromServer::Notice(Notice::Configuration(_))
                | FromServer::Configuration(_) => {}
                FromServer::Notice(Notice::GoingAway) => {
                    return Err(LoadError::Server("is going away in the middle of a run".into()));
                }
                FromServer::Goodbye => {
                    return Err(LoadError::Server("said goodbye in the middle of a run".into()));
                }
                FromServer::Fault(fault) => {
                    let name = wire::codes::name(fault.code);
                    return Err(LoadError::Server(format!("ended a connection: {name} ({})", fault.text)));
                }
                FromServer::Welcome(_) => return Err(LoadError::Server("welcomed a terminal twice".into())),
            }
        }
        Ok(used)
    }

    fn on_answer(&mut self, place: usize, answer: &Answer, now: u64) -> Result<()> {
        let Some(link) = self.driver.links.get_mut(place) else { return Ok(()) };
        let mine = answer.id.device() == link.device;
        let Some((since_ns, sent)) = link.flight.take(answer.id.counter()).filter(|_| mine) else {
            return Err(LoadError::Server(format!("answered {}, which is not in flight", answer.id)));
        };
        self.waiting -= 1;
        self.answered += 1;
        self.last_answer_ns = now;
        self.traffic.answered(place, sent, answer).map_err(|problem| {
            LoadError::Server(format!("gave request {} an answer that can't be: {problem}", answer.id))
        })?;
        let (class, code) = (answer.class.number(), answer.code);
        if (class, code, since_ns) != (self.batch.class, self.batch.code, self.batch.since_ns) {
            self.close_batch(now);
            self.batch = Batch { class, code, since_ns, answers: 0 };
        }
        self.batch.answers += 1;
        Ok(())
    }

    fn close_batch(&mut self, now: u64) {
        let Batch { class, code, since_ns, answers } = mem::take(&mut self.batch);
        if let Some(recorder) = self.recorder.as_mut().filter(|_| answers > 0) {
            recorder.answered(class, code, now.saturating_sub(since_ns), answers);
        }
    }

    fn fill_all(&mut self) -> Result<()> {
        if self.schedule.is_none() {
            for place in 0..self.driver.links.len() {
                self.fill(place)?;
            }
        }
        Ok(())
    }

    /// Closed loop: sends whole frames while there is room for them.
    fn fill(&mut self, place: usize) -> Result<()> {
        let Pace::Closed { frame, frames } = self.load.pace else { return Ok(()) };
        let most = usize::from(frame) * usize::from(frames);
        let mut wrote = false;
        while self.budget > 0 {
            let Some(link) = self.driver.links.get_mut(place) else { break };
            if link.flight.waiting() + usize::from(frame) > most {
                break;
            }
            let limit = u16::try_from(self.budget).unwrap_or(u16::MAX).min(frame);
            let now = self.driver.clock.now();
            let traffic = &mut *self.traffic;
            let sent =
                link.write_frame(limit, now, |id, till, frame| traffic.next(place, id, till, frame))?;
            if sent == 0 {
                break;
            }
            wrote = true;
            self.sent(u64::from(sent));
        }
        if wrote { self.flush(place) } else { Ok(()) }
    }

    fn sent(&mut self, requests: u64) {
        self.waiting += requests;
        self.budget = self.budget.saturating_sub(requests);
        if let Some(recorder) = &mut self.recorder {
            recorder.sent(requests);
        }
    }

    /// Open loop: sends whatever the plan says is due, however slow the server is.
    fn send_due(&mut self, mut now: u64) -> Result<()> {
        let links = self.driver.links.len();
        while let Some(schedule) = &mut self.schedule {
            let number = schedule.started();
            let Some(intended) = schedule.due(now) else { break };
            let place = self.traffic.pick(number, links);
            let Some(link) = self.driver.links.get_mut(place) else { break };
            let traffic = &mut *self.traffic;
            let sent =
                link.write_frame(1, intended, |id, till, frame| traffic.next(place, id, till, frame))?;
            if sent == 0 {
                // The terminal holds as many unanswered requests as it can: the server has fallen far behind.
                let device = link.device;
                return Err(LoadError::Server(format!("left all requests of device {device} unanswered")));
            }
            self.sent(u64::from(sent));
            self.flush(place)?;
            now = self.driver.clock.now();
            if let Some(recorder) = &mut self.recorder {
                recorder.lagged(now.saturating_sub(intended), 1);
            }
        }
        Ok(())
    }

    fn flush(&mut self, place: usize) -> Result<()> {
        let now = self.driver.clock.now();
        let Some(link) = self.driver.links.get_mut(place) else { return Ok(()) };
        link.flush(now)?;
        let wants_room = link.has_output();
        if wants_room != link.wants_room {
            link.wants_room = wants_room;
            let flags = if wants_room {
                epoll::EventFlags::IN | epoll::EventFlags::OUT
            } else {
                epoll::EventFlags::IN
            };
            let data = epoll::EventData::new_u64(count(place));
            epoll::modify(&self.driver.poller, link.socket(), data, flags)
                .map_err(LoadError::call("watch a connection"))?;
        }
        Ok(())
    }

    fn each_second(&mut self, now: u64) -> Result<()> {
        self.next_second_ns = now + SECOND_NS;
        let planned = match (&self.schedule, self.load.until) {
            (Some(schedule), _) => schedule.planned(),
            (None, Until::Answers(answers)) => answers,
            (None, _) => 0,
        };
        self.progress.answers(self.answered, planned);
        if self.waiting > 0 && now.saturating_sub(self.last_answer_ns) > HUNG_NS {
            let waiting = self.waiting;
            return Err(LoadError::Server(format!("gave no answer for 30 s while {waiting} requests wait")));
        }
        for place in 0..self.driver.links.len() {
            let Some(link) = self.driver.links.get_mut(place) else { break };
            if now.saturating_sub(link.last_sent_ns) > PING_NS {
                link.write_ping();
                self.flush(place)?;
            }
        }
        Ok(())
    }
}
