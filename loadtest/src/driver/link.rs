//! Owns: one terminal's connection as the driver keeps it: socket, unfinished bytes, requests without an answer.
//! Must never: wait: everything after the hello is non-blocking; hold more requests than its table has places.
//! Laws: checks L4 from outside (an answer to an id that is not in flight stops the run).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use wire::{FrameKind, FromServer, Hello, RequestId, RequestsWriter, Welcome, push_empty, split_frame};

use crate::error::{LoadError, Result};
use crate::num::index;

/// What a request in flight is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// What the traffic wants back with the answer, for example the wallet.
    pub token: u32,
    /// What the wallet's balance changes by when it is applied, in minor units.
    pub delta: i64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    // 0: free. Counters start at 1.
    counter: u64,
    since_ns: u64,
    sent: Sent,
}

const FREE: Slot = Slot { counter: 0, since_ns: 0, sent: Sent { token: 0, delta: 0 } };

/// Requests of one device without an answer, found by their counter.
#[derive(Debug)]
pub struct Flight {
    slots: Vec<Slot>,
    waiting: usize,
}

impl Flight {
    /// Room for `capacity` requests, rounded up to a power of two and doubled: answers may come out of order.
    pub fn new(capacity: usize) -> Self {
        Self { slots: vec![FREE; capacity.max(1).next_power_of_two() * 2], waiting: 0 }
    }

    fn place(&self, counter: u64) -> usize {
        index(counter) & (self.slots.len() - 1)
    }

    /// Whether this counter's place is free.
    pub fn has_room(&self, counter: u64) -> bool {
        self.slots.get(self.place(counter)).is_some_and(|slot| slot.counter == 0)
    }

    /// Remembers a request.
    pub fn insert(&mut self, counter: u64, since_ns: u64, sent: Sent) {
        let place = self.place(counter);
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = Slot { counter, since_ns, sent };
            self.waiting += 1;
        }
    }

    /// Takes a request out by its counter; none when it is not in flight.
    pub fn take(&mut self, counter: u64) -> Option<(u64, Sent)> {
        let place = self.place(counter);
        let slot = self.slots.get_mut(place).filter(|slot| counter != 0 && slot.counter == counter)?;
        slot.counter = 0;
        self.waiting -= 1;
        Some((slot.since_ns, slot.sent))
    }

    /// Requests without an answer.
    pub fn waiting(&self) -> usize {
        self.waiting
    }
}

/// One connection of the driver.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    /// The device that speaks on it.
    pub device: u32,
    /// The till the server says it stands at.
    pub till: u32,
    /// The counter of the next request.
    pub counter: u64,
    /// Requests without an answer.
    pub flight: Flight,
    /// Bytes received that are no whole frame yet.
    pub input: Vec<u8>,
    output: Vec<u8>,
    flushed: usize,
    /// Whether the poller was asked to tell when there is room to write.
    pub wants_room: bool,
    /// When bytes were last sent.
    pub last_sent_ns: u64,
}

/// How long connecting and the hello may take.
const PATIENCE: Duration = Duration::from_secs(20);

impl Link {
    /// Connects, says hello and waits for the welcome; from then on the socket does not block.
    pub fn connect(address: SocketAddr, festival: u16, device: u32, in_flight: usize) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
            .map_err(LoadError::system("connect to the server"))?;
        let set_up = |stream: &TcpStream| {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))
        };
        set_up(&stream).map_err(LoadError::system("set up a connection"))?;
        let (welcome, input) = greet(&mut stream, festival, device)?;
        stream.set_nonblocking(true).map_err(LoadError::system("set up a connection"))?;
        Ok(Self {
            stream,
            device,
            till: welcome.till,
            counter: welcome.highest_counter + 1,
            flight: Flight::new(in_flight),
            input,
            output: Vec::new(),
            flushed: 0,
            wants_room: false,
            last_sent_ns: 0,
        })
    }

    /// The socket, to register with a poller.
    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Writes a frame of up to `limit` requests behind what waits to be sent, remembering each. Returns how many
    /// `next` gave; with none, nothing is written.
    pub fn write_frame(
        &mut self,
        limit: u16,
        since_ns: u64,
        mut next: impl FnMut(RequestId, u32, &mut RequestsWriter<'_>) -> Option<Sent>,
    ) -> Result<u16> {
        let start = self.output.len();
        let mut frame = RequestsWriter::begin(&mut self.output);
        while frame.count() < limit && self.flight.has_room(self.counter) {
            let Some(id) = RequestId::new(self.device, self.counter) else { break };
            let Some(sent) = next(id, self.till, &mut frame) else { break };
            self.flight.insert(self.counter, since_ns, sent);
            self.counter += 1;
        }
        let count = frame.count();
        frame.finish().map_err(|error| LoadError::Arguments(error.to_string()))?;
        if count == 0 {
            self.output.truncate(start);
        }
        Ok(count)
    }

    /// Writes a ping behind what waits to be sent.
    pub fn write_ping(&mut self) {
        push_empty(&mut self.output, FrameKind::Ping, self.counter);
    }

    /// Whether bytes wait for room in the socket.
    pub fn has_output(&self) -> bool {
        self.flushed < self.output.len()
    }

    /// Sends what the socket takes.
    pub fn flush(&mut self, now: u64) -> Result<()> {
        self.last_sent_ns = now;
        while let Some(rest) = self.output.get(self.flushed..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => {
                    return Err(LoadError::Server(format!(
                        "closed the connection of device {}",
                        self.device
                    )));
                }
                Ok(sent) => self.flushed += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(LoadError::System { what: "send to the server", source }),
            }
        }
        self.output.clear();
        self.flushed = 0;
        Ok(())
    }

    /// Reads once into `buffer`; 0 when nothing is there. A closed connection is an error.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.stream.read(buffer) {
            Ok(0) => Err(LoadError::Server(format!("closed the connection of device {}", self.device))),
            Ok(length) => Ok(length),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            Err(source) => Err(LoadError::System { what: "receive from the server", source }),
        }
    }
}

fn greet(stream: &mut TcpStream, festival: u16, device: u32) -> Result<(Welcome, Vec<u8>)> {
    let mut hello = Vec::new();
    Hello::new(festival, device).push(&mut hello).map_err(|error| LoadError::Arguments(error.to_string()))?;
    stream.write_all(&hello).map_err(LoadError::system("send a hello"))?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let length = stream.read(&mut chunk).map_err(LoadError::system("wait for the welcome"))?;
        if length == 0 {
            return Err(LoadError::Server(format!(
                "closed device {device}'s connection instead of welcoming it"
            )));
        }
        bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let broken = |error: wire::WireError| LoadError::Server(format!("broke the protocol: {error}"));
        let Some(frame) = split_frame(&bytes).map_err(broken)? else { continue };
        return match FromServer::parse(&frame).map_err(broken)? {
            FromServer::Welcome(welcome) => {
                let size = frame.size();
                Ok((welcome, bytes.split_off(size)))
            }
            FromServer::Fault(fault) => Err(LoadError::Server(format!(
                "refused device {device}: {} ({})",
                wire::codes::name(fault.code),
                fault.text
            ))),
            other => Err(LoadError::Server(format!("answered a hello with {other:?}"))),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_its_request_out_once() {
        let mut flight = Flight::new(3);
        let sent = |token| Sent { token, delta: -5 };
        for counter in 1..=8 {
            assert!(flight.has_room(counter));
            flight.insert(counter, counter * 10, sent(7));
        }
        assert!(!flight.has_room(9), "the place of counter 1 is still taken");
        assert_eq!(flight.take(1), Some((10, sent(7))));
        assert_eq!(flight.take(1), None);
        assert!(flight.has_room(9));
        assert_eq!(flight.take(9), None, "an answer to an id that was never sent");
        assert_eq!(flight.take(0), None);
        assert_eq!(flight.waiting(), 7);
    }
}
