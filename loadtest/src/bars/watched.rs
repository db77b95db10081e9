//! Owns: one terminal on a connection that stays open while its device is revoked, and from when on it is refused.
//! Must never: take one refused answer for all: what it asks about lies in every shard, and each must refuse.
//! Laws: checks L13 from outside.

use std::net::SocketAddr;
use std::time::Duration;

use wire::{Answer, Class, FromServer, Notice, Refusal, Request, Uid, split_frame};

use crate::clock::Clock;
use crate::driver::{Link, Sent};
use crate::error::{LoadError, Result};
use crate::num::{SECOND_NS, index};

/// Balances asked for at a time.
const FRAME: u16 = 64;

/// Wallets that are asked about in turn: with 32 shards none is left out but once in 300,000 tries.
const WALLETS: u32 = 512;

/// After so long the device will not be refused any more.
const PATIENCE_NS: u64 = 20 * SECOND_NS;

/// How long one read waits.
const READ: Duration = Duration::from_millis(50);

/// When a device was refused for good, from its answers in the order in which they came.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refused {
    since_ns: Option<u64>,
    in_a_row: u32,
    served: u64,
}

impl Refused {
    fn take(&mut self, answer: &Answer, now: u64) -> std::result::Result<(), String> {
        if answer.class == Class::Read {
            *self = Self { served: self.served + 1, ..Self::default() };
            return Ok(());
        }
        if answer.class != Class::Refused {
            return Err(format!("class {} for a balance", answer.class.number()));
        }
        if answer.code == Refusal::DeviceRevoked.number() {
            self.since_ns.get_or_insert(now);
            self.in_a_row += 1;
            return Ok(());
        }
        // A full mailbox says nothing of the device.
        let busy = answer.code == Refusal::Busy.number();
        if busy { Ok(()) } else { Err(format!("{} for a balance", wire::codes::name(answer.code))) }
    }

    /// Since when, once every wallet was asked about and none was told any more.
    fn for_good(&self) -> Option<u64> {
        self.since_ns.filter(|_| self.in_a_row >= WALLETS)
    }
}

/// A terminal that asks for one wallet's balance after the other.
#[derive(Debug)]
pub struct Watched {
    link: Link,
    clock: Clock,
    uids: Vec<Uid>,
    next: u32,
    refused: Refused,
}

impl Watched {
    /// Connects; `uid` names the wallets, which are open.
    pub fn connect(
        (address, festival, device): (SocketAddr, u16, u32),
        clock: Clock,
        uid: impl Fn(u32) -> Option<Uid>,
    ) -> Result<Self> {
        let link = Link::connect(address, festival, device, usize::from(FRAME))?;
        let set_up = || {
            link.socket().set_nonblocking(false)?;
            link.socket().set_read_timeout(Some(READ))
        };
        set_up().map_err(LoadError::system("set up a connection"))?;
        let uids: Vec<Uid> = (0..WALLETS).filter_map(uid).collect();
        if uids.len() < index(u64::from(WALLETS)) {
            return Err(LoadError::Arguments(format!("fewer than {WALLETS} wallets to ask about")));
        }
        Ok(Self { link, clock, uids, next: 0, refused: Refused::default() })
    }

    /// Asks until every answer is that the device is revoked. Returns when the first of those came that no other
    /// answer followed; an error when it was never served before, or is served for ever.
    pub fn run(mut self) -> Result<u64> {
        let until = self.clock.now() + PATIENCE_NS;
        while self.clock.now() < until {
            self.round()?;
            if let Some(since_ns) = self.refused.for_good() {
                let served = self.refused.served > 0;
                let never = || LoadError::Server("refused the watched device from the start".to_owned());
                return served.then_some(since_ns).ok_or_else(never);
            }
        }
        let seconds = PATIENCE_NS / SECOND_NS;
        Err(LoadError::Server(format!("went on serving the watched device for {seconds} s")))
    }

    /// One frame, and all of its answers.
    fn round(&mut self) -> Result<()> {
        let now = self.clock.now();
        let (uids, next) = (&self.uids, &mut self.next);
        self.link.write_frame(FRAME, now, |id, till, frame| {
            let uid = *uids.get(index(u64::from(*next % WALLETS)))?;
            let mut request = Request::balance(id, uid);
            request.till = till;
            let sent = Sent { token: *next % WALLETS, delta: 0 };
            frame.push(&request).then(|| {
                *next += 1;
                sent
            })
        })?;
        while self.link.has_output() {
            self.link.flush(now)?;
        }
        let mut buffer = vec![0; 64 << 10];
        let until = now + PATIENCE_NS;
        while self.link.flight.waiting() > 0 {
            let length = self.link.receive(&mut buffer)?;
            self.link.input.extend_from_slice(buffer.get(..length).unwrap_or_default());
            self.consume()?;
            if self.clock.now() > until {
                return Err(LoadError::Server("left the watched device without an answer".to_owned()));
            }
        }
        Ok(())
    }

    fn consume(&mut self) -> Result<()> {
        let input = std::mem::take(&mut self.link.input);
        let broken = |error| LoadError::Server(format!("broke the protocol: {error}"));
        let (mut used, now) = (0, self.clock.now());
        while let Some(frame) = split_frame(input.get(used..).unwrap_or_default()).map_err(broken)? {
            used += frame.size();
            match FromServer::parse(&frame).map_err(broken)? {
                FromServer::Answers(answers) => {
                    for answer in answers {
                        self.take(&answer.map_err(broken)?, now)?;
                    }
                }
                FromServer::Statement(statement) => self.take(&statement.answer, now)?,
                FromServer::Pong(_) | FromServer::Notice(Notice::Configuration(_)) => {}
                other => return Err(LoadError::Server(format!("sent the watched device {other:?}"))),
            }
        }
        self.link.input = input.get(used..).unwrap_or_default().to_vec();
        Ok(())
    }

    fn take(&mut self, answer: &Answer, now: u64) -> Result<()> {
        let device = self.link.device;
        if answer.id.device() != device || self.link.flight.take(answer.id.counter()).is_none() {
            return Err(LoadError::Server(format!("answered {}, which is not in flight", answer.id)));
        }
        self.refused
            .take(answer, now)
            .map_err(|problem| LoadError::Server(format!("gave device {device} {problem}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Position, RequestId};

    fn refused(why: Refusal) -> Answer {
        Answer::refused(RequestId::new(1, 1).unwrap(), wire::Command::Balance.number(), why)
    }

    fn told() -> Answer {
        Answer { class: Class::Read, position: Position::NONE, ..refused(Refusal::Busy) }
    }

    /// One shard that still obeys a stolen device would have passed as "declined within 1 s".
    #[test]
    fn a_device_is_refused_for_good_once_no_shard_serves_it_any_more() {
        let mut watched = Refused::default();
        watched.take(&told(), 1).unwrap();
        watched.take(&refused(Refusal::DeviceRevoked), 2).unwrap();
        watched.take(&told(), 3).unwrap();
        for now in 4..u64::from(WALLETS) + 3 {
            watched.take(&refused(Refusal::DeviceRevoked), now).unwrap();
            watched.take(&refused(Refusal::Busy), now).unwrap();
        }
        assert_eq!(watched.for_good(), None, "one wallet was not asked about");
        watched.take(&refused(Refusal::DeviceRevoked), 999).unwrap();
        assert_eq!((watched.for_good(), watched.served), (Some(4), 2));
    }

    #[test]
    fn any_other_answer_ends_the_run() {
        let mut watched = Refused::default();
        assert!(watched.take(&refused(Refusal::NotYourRole), 1).unwrap_err().contains("not_your_role"));
        assert!(watched.take(&Answer { class: Class::Applied, ..told() }, 1).is_err());
    }
}
