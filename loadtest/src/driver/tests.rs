//! Owns: tests of the client loop against the echo server in a thread of the same process.
//! Must never: assert a time.
//! Laws: none.

use std::net::SocketAddr;
use std::thread;

use super::{Driver, Load, Measured, Pace, Sent, Traffic, Until, Unwatched};
use crate::clock::Clock;
use crate::limits::echo::EchoServer;
use crate::num::{MILLI_NS, SECOND_NS};
use crate::pacing::Plan;
use crate::traffic::{Fixed, Wallets};

fn with_echo<R>(drive: impl FnOnce(SocketAddr) -> R) -> R {
    let mut server = EchoServer::bind(None).unwrap();
    let address = server.address().unwrap();
    let server = thread::spawn(move || server.serve());
    let result = drive(address);
    server.join().unwrap().unwrap();
    result
}

fn run(devices: u32, load: &Load) -> Measured {
    with_echo(|address| {
        let devices: Vec<u32> = (1..=devices).collect();
        let mut driver = Driver::connect(address, 1, &devices, 8_192, Clock::start()).unwrap();
        let mut traffic = Fixed::new(Wallets::new(100).unwrap(), 1);
        let measured = driver.run(&mut traffic, load, &mut Unwatched).unwrap();
        assert!(driver.links().iter().all(|link| link.flight.waiting() == 0));
        measured
    })
}

fn load(pace: Pace, until: Until) -> Load {
    Load { pace, until, warm_up_ns: 0, interval_ns: 10 * MILLI_NS }
}

fn answers(measured: &Measured) -> u64 {
    measured.intervals.iter().map(|interval| interval.counts.total()).sum()
}

#[test]
fn a_closed_loop_sends_exactly_the_answers_asked_for() {
    let single = run(3, &load(Pace::Closed { frame: 1, frames: 1 }, Until::Answers(1_000)));
    assert_eq!(answers(&single), 1_000);
    let frames = run(2, &load(Pace::Closed { frame: 2_000, frames: 2 }, Until::Answers(21_000)));
    assert_eq!(answers(&frames), 21_000);
    let timed: u64 = frames.intervals.iter().map(|interval| interval.latency.len()).sum();
    assert_eq!(timed, 21_000, "each answer is timed");
}

#[test]
fn an_open_loop_sends_its_whole_plan_and_measures_the_lag_of_each() {
    let plan = Plan::Even { rate: 5_000.0, length_ns: SECOND_NS / 20 };
    let measured = run(7, &load(Pace::Open(plan), Until::Exhausted));
    let lagged: u64 = measured.intervals.iter().map(|interval| interval.lag.len()).sum();
    assert_eq!((answers(&measured), lagged), (250, 250));
    assert!((measured.target_rate.unwrap() - 5_000.0).abs() < 1e-9);
}

#[test]
fn a_timed_loop_ends_and_leaves_nothing_in_flight() {
    let mut timed = load(Pace::Closed { frame: 1, frames: 1 }, Until::Time(20 * MILLI_NS));
    timed.warm_up_ns = 5 * MILLI_NS;
    let measured = run(2, &timed);
    assert!(measured.ended_ns - measured.began_ns >= 20 * MILLI_NS);
    assert!(answers(&measured) > 0);
}

/// Sends each of its requests once and then has nothing left.
struct Few(u32, Fixed);

impl Traffic for Few {
    fn next(
        &mut self,
        link: usize,
        id: wire::RequestId,
        till: u32,
        frame: &mut wire::RequestsWriter<'_>,
    ) -> Option<Sent> {
        self.0 = self.0.checked_sub(1)?;
        self.1.next(link, id, till, frame)
    }

    fn answered(&mut self, _: usize, _: Sent, answer: &wire::Answer) -> Result<(), String> {
        if answer.id.counter() == 9 { Err("nine is not a number".to_owned()) } else { Ok(()) }
    }
}

#[test]
fn exhausted_traffic_ends_the_loop_and_an_impossible_answer_stops_it() {
    let exhausted = |requests: u32, devices: &[u32]| {
        with_echo(|address| {
            let mut driver = Driver::connect(address, 1, devices, 16, Clock::start()).unwrap();
            let mut traffic = Few(requests, Fixed::new(Wallets::new(5).unwrap(), 1));
            let load = load(Pace::Closed { frame: 4, frames: 2 }, Until::Exhausted);
            driver.run(&mut traffic, &load, &mut Unwatched)
        })
    };
    assert_eq!(answers(&exhausted(13, &[1, 2]).unwrap()), 13);
    let stopped = exhausted(9, &[1]).unwrap_err().to_string();
    assert!(stopped.contains("1-9") && stopped.contains("nine is not a number"), "{stopped}");
}
