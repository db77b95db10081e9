//! Owns: the swarm's tests: real sockets on the loopback, a tiny server that answers canned answers and breaks
//! connections at counted moments.
//! Must never: depend on how long anything takes.
//! Laws: L4: what is sent again has the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use wire::{Class, Line, Request, RequestId, Uid, split_frame};

use super::fake::{Fake, Mood};
use crate::client::terminal::{Habits, Settled};
use crate::client::{ClientError, Ending, Errands, Swarm, Terminal};

const LINES: [Line; 2] =
    [Line { item: 1, quantity: 1, unit_price: 650 }, Line { item: 2, quantity: 2, unit_price: 400 }];

/// Each terminal makes so many sales.
struct Sales {
    left: Vec<u32>,
    paid: BTreeMap<RequestId, u32>,
}

impl Errands for Sales {
    fn next(&mut self, place: usize, id: RequestId, till: u32) -> Option<(Request<'_>, u64)> {
        self.left[place] = self.left[place].checked_sub(1)?;
        let uid = Uid::new(&u32::try_from(place).unwrap().to_le_bytes()).unwrap();
        Some((Request { till, ..Request::purchase(id, uid, &LINES) }, u64::try_from(place).unwrap()))
    }

    fn settled(&mut self, place: usize, settled: &Settled<'_>) {
        assert_eq!((settled.token, settled.ending), (u64::try_from(place).unwrap(), Ending::Answered));
        assert_eq!(settled.answer.class, Class::Applied);
        *self.paid.entry(settled.id).or_default() += 1;
    }
}

/// Serves one connection until it ends or, by `moods`, breaks.
fn serve(mut stream: TcpStream, server: &mut Fake, mut mood: impl FnMut() -> Mood) {
    let (mut input, mut chunk) = (vec![], [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut chunk) {
        input.extend_from_slice(&chunk[..length]);
        let mut whole = 0;
        while let Some(frame) = split_frame(&input[whole..]).unwrap() {
            whole += frame.size();
        }
        let frames: Vec<u8> = input.drain(..whole).collect();
        let mut out = vec![];
        let alive = server.read(&frames, &mut out, &mut mood);
        if stream.write_all(&out).is_err() || !alive {
            return;
        }
    }
}

fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn habits(in_flight: usize) -> Habits {
    Habits { festival: 1, in_flight, give_up_ns: None }
}

/// One terminal against a server that breaks each of its first connections after some requests: decided or not.
#[test]
fn a_broken_connection_comes_back_with_the_same_ids() {
    let (listener, address) = listen();
    let (send, books): (Sender<Fake>, Receiver<Fake>) = channel();
    let server = std::thread::spawn(move || {
        let mut server = Fake::new();
        // The 15th request of a connection; the last one lives.
        for fifteenth in [Mood::DecideAndBreak, Mood::BreakFirst, Mood::BreakInAnswer, Mood::Answer] {
            let (stream, _) = listener.accept().unwrap();
            let mut read = 0;
            serve(stream, &mut server, || {
                read += 1;
                if read == 15 { fifteenth } else { Mood::Answer }
            });
        }
        send.send(server).unwrap();
    });
    let mut swarm = Swarm::new(address, habits(10), &[(5, 1)], 1).unwrap();
    let mut sales = Sales { left: vec![100], paid: BTreeMap::new() };
    swarm.run(&mut sales, |counts| counts.settled() == 100).unwrap();
    let counts = swarm.counts();
    assert_eq!((counts.asked, counts.answered, counts.welcomes, counts.breaks), (100, 100, 4, 3));
    assert_eq!(swarm.terminals().map(Terminal::counter).collect::<Vec<_>>(), [101]);
    swarm.leave();
    server.join().unwrap();

    let books = books.recv().unwrap();
    assert_eq!(sales.paid.len(), 100);
    assert!(sales.paid.values().all(|times| *times == 1));
    assert!(books.applied.values().all(|times| *times == 1), "somebody paid twice");
    let ids: BTreeSet<_> = books.seen.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), 100, "an id was made for what had one");
    assert!(books.seen.len() > 100, "nothing was sent again");
}

/// Terminals with one sale in flight each, next to one that sends frames of hundreds.
#[test]
fn many_terminals_run_on_one_thread() {
    let (listener, address) = listen();
    let places = 40_u32;
    let server = std::thread::spawn(move || {
        let connections = (0..places).map(|_| {
            let (stream, _) = listener.accept().unwrap();
            std::thread::spawn(move || {
                let mut server = Fake::new();
                serve(stream, &mut server, || Mood::Answer);
                server.applied.len()
            })
        });
        let all: Vec<_> = connections.collect();
        all.into_iter().map(|connection| connection.join().unwrap()).sum::<usize>()
    });
    let devices: Vec<_> = (1..=places).map(|device| (device, 1)).collect();
    let mut swarm = Swarm::new(address, habits(1), &devices, 2).unwrap();
    let mut sales = Sales { left: vec![25; devices.len()], paid: BTreeMap::new() };
    swarm.run(&mut sales, |counts| counts.settled() == 40 * 25).unwrap();
    swarm.leave();
    assert_eq!((server.join().unwrap(), sales.paid.len()), (1000, 1000));
}

#[test]
fn frames_of_thousands_fit_one_connection() {
    let (listener, address) = listen();
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut server = Fake::new();
        (server.in_flight, server.frame_requests) = (4000, 2000);
        serve(stream, &mut server, || Mood::Answer);
        server.applied.len()
    });
    let mut swarm = Swarm::new(address, habits(4000), &[(5, 1)], 3).unwrap();
    let mut sales = Sales { left: vec![20_000], paid: BTreeMap::new() };
    swarm.run(&mut sales, |counts| counts.settled() == 20_000).unwrap();
    swarm.leave();
    assert_eq!((server.join().unwrap(), sales.paid.len()), (20_000, 20_000));
}

/// The server is down first; the terminals wait for it and find it at its new address.
#[test]
fn terminals_wait_for_a_server_that_is_not_there() {
    let (listener, nobody) = listen();
    drop(listener);
    let mut swarm = Swarm::new(nobody, habits(1), &[(5, 1)], 4).unwrap();
    let mut sales = Sales { left: vec![3], paid: BTreeMap::new() };
    swarm.run(&mut sales, |counts| counts.breaks == 2).unwrap();
    let (listener, address) = listen();
    let server = std::thread::spawn(move || {
        let mut server = Fake::new();
        serve(listener.accept().unwrap().0, &mut server, || Mood::Answer);
    });
    swarm.redirect(address);
    swarm.run(&mut sales, |counts| counts.settled() == 3).unwrap();
    swarm.leave();
    server.join().unwrap();
}

#[test]
fn a_server_of_another_protocol_stops_the_run() {
    let (listener, address) = listen();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Keeps the connection until the terminal closes it.
        while matches!(stream.read(&mut [0; 64]), Ok(1..)) {}
    });
    let mut swarm = Swarm::new(address, habits(1), &[(5, 1)], 5).unwrap();
    let mut sales = Sales { left: vec![3], paid: BTreeMap::new() };
    let error = swarm.run(&mut sales, |_| false).unwrap_err();
    assert!(matches!(error, ClientError::Wire(_)), "{error}");
    drop(swarm);
    server.join().unwrap();
}
