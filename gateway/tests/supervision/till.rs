//! A terminal that remembers its requests and their first answers, reconnects, and sends again.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use wire::{
    Answer, Class, Flags, FromServer, Hello, Line, Outcome, Refusal, Request, RequestId, RequestsWriter,
    Tender, Uid,
};

use crate::PATIENCE;

/// Requests in flight.
const WINDOW: usize = 8;
/// Every so manyth request of a bar takes an earlier sale back: its evidence is looked up.
const VOID_EVERY: usize = 10;

#[derive(Clone, Copy, Debug)]
enum What {
    Open,
    TopUp(i64),
    Sale,
    Void(RequestId),
}

/// A request and its first answer.
#[derive(Clone, Debug)]
pub struct Order {
    id: RequestId,
    pub band: usize,
    what: What,
    first: Option<Answer>,
}

impl Order {
    fn new(device: u32, counter: u64, band: usize, what: What) -> Self {
        Self { id: RequestId::new(device, counter).unwrap(), band, what, first: None }
    }

    pub fn opening(device: u32, counter: u64, band: usize) -> Self {
        Self::new(device, counter, band, What::Open)
    }

    pub fn top_up(device: u32, counter: u64, band: usize, amount: i64) -> Self {
        Self::new(device, counter, band, What::TopUp(amount))
    }

    pub fn sale(device: u32, counter: u64, band: usize) -> Self {
        Self::new(device, counter, band, What::Sale)
    }

    /// What it did to its wallet, as far as anybody was told.
    pub fn effect(&self) -> i64 {
        let applied = self.first.is_some_and(|first| first.class == Class::Applied);
        match self.what {
            _ if !applied => 0,
            What::Open => 0,
            What::TopUp(amount) => amount,
            What::Sale => -1,
            What::Void(_) => 1,
        }
    }

    fn push(&self, frame: &mut RequestsWriter<'_>) {
        let lines = [Line { item: 1, quantity: 1, unit_price: 1 }];
        let uid = uid(self.band);
        let request = match self.what {
            What::Open => Request::open_wallet(self.id, uid),
            What::TopUp(amount) => Request::top_up(self.id, uid, amount, Tender::Cash),
            What::Sale => Request { flags: Flags::CONFIRM, ..Request::purchase(self.id, uid, &lines) },
            What::Void(sale) => Request::void(self.id, uid, sale, 1),
        };
        assert!(frame.push(&request));
    }
}

fn uid(band: usize) -> Uid {
    Uid::new(&[4, u8::try_from(band).unwrap(), 3, 4, 5, 6, 7]).unwrap()
}

/// Ends the tills when it goes out of scope.
pub struct StopAtEnd<'a>(pub &'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// One device.
pub struct Till {
    device: u32,
    sells: bool,
    pub orders: Vec<Order>,
    in_flight: HashMap<RequestId, usize>,
    /// Sales tried outside of the orders.
    tries: u64,
}

impl Till {
    pub fn new(device: u32, sells: bool) -> Self {
        Self { device, sells, orders: Vec::new(), in_flight: HashMap::new(), tries: 0 }
    }

    /// Sells, through every break of the connection, until told to stop and everything is decided.
    pub fn sell(&mut self, server: SocketAddr, answered: &AtomicU64, stop: &AtomicBool) {
        if !self.sells {
            return;
        }
        let until = Instant::now() + 4 * PATIENCE;
        self.through_breaks(until, |till| {
            let open = |at: &usize| till.orders[*at].first.is_none();
            let open = (0..till.orders.len()).filter(open).collect();
            let next = |till: &mut Self| (!stop.load(Ordering::SeqCst)).then(|| till.invent());
            till.exchange(server, WINDOW, open, next, answered)
        });
    }

    /// Sends every request (again), one after the other: each answer must be the first one.
    pub fn send_all_again(&mut self, server: SocketAddr) {
        let until = Instant::now() + PATIENCE;
        self.through_breaks(until, |till| {
            let all = (0..till.orders.len()).collect();
            // An opening must be decided before its top-up is sent.
            let window = if till.sells { 64 } else { 1 };
            till.exchange(server, window, all, |_| None, &AtomicU64::new(0))
        });
    }

    fn through_breaks(&mut self, until: Instant, mut talk: impl FnMut(&mut Self) -> io::Result<()>) {
        while let Err(error) = talk(self) {
            assert!(Instant::now() < until, "the server did not come back: {error}");
            self.in_flight.clear();
            std::thread::yield_now();
        }
    }

    fn invent(&mut self) -> usize {
        let (at, counter) = (self.orders.len(), self.orders.len() as u64 + 1);
        let voided = (at % VOID_EVERY == VOID_EVERY - 1).then(|| &self.orders[at + 1 - VOID_EVERY]);
        let order = match voided.filter(|sale| sale.first.is_some()) {
            Some(sale) => Order::new(self.device, counter, sale.band, What::Void(sale.id)),
            None => Order::sale(self.device, counter, at % crate::festival::BANDS),
        };
        self.orders.push(order);
        at
    }

    /// On one connection: first `again`, then whatever comes next.
    fn exchange(
        &mut self,
        server: SocketAddr,
        window: usize,
        mut again: VecDeque<usize>,
        mut next: impl FnMut(&mut Self) -> Option<usize>,
        answered: &AtomicU64,
    ) -> io::Result<()> {
        let mut link = Link::open(server, self.device)?;
        loop {
            let mut batch = Vec::new();
            while self.in_flight.len() < window {
                let Some(at) = again.pop_front().or_else(|| next(self)) else { break };
                self.in_flight.insert(self.orders[at].id, at);
                batch.push(at);
            }
            if !batch.is_empty() {
                link.send(|frame| batch.iter().for_each(|at| self.orders[*at].push(frame)))?;
            }
            if self.in_flight.is_empty() {
                return Ok(());
            }
            for answer in link.answers()? {
                let at = self.in_flight.remove(&answer.id).expect("nobody asked for it");
                match answer.outcome() {
                    Outcome::Applied => {
                        let first = self.orders[at].first.get_or_insert(answer);
                        assert_eq!(*first, answer, "another answer than the first");
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                    Outcome::Unknown | Outcome::Refused(Refusal::Busy) => again.push_back(at),
                    _ => panic!("{answer:?} to {:?}", self.orders[at]),
                }
            }
        }
    }

    /// One more sale, with this counter of the band; its answer, whatever it is.
    pub fn try_sale(&mut self, server: SocketAddr, band: usize, tag_counter: u32) -> Answer {
        let id = RequestId::new(self.device, (1 << 20) + self.tries).unwrap();
        self.tries += 1;
        let lines = [Line { item: 1, quantity: 1, unit_price: 1 }];
        let sale = Request { flags: Flags::CONFIRM, tag_counter, ..Request::purchase(id, uid(band), &lines) };
        self.ask(server, &sale)
    }

    /// Sends money from one band to another.
    pub fn pay(&mut self, server: SocketAddr, payer: usize, payee: usize, amount: i64) -> Answer {
        let id = RequestId::new(self.device, (1 << 20) + self.tries).unwrap();
        self.tries += 1;
        self.ask(server, &Request::transfer(id, uid(payer), uid(payee), amount))
    }

    fn ask(&self, server: SocketAddr, request: &Request<'_>) -> Answer {
        let mut link = Link::open(server, self.device).unwrap();
        link.send(|frame| assert!(frame.push(request))).unwrap();
        link.answers().unwrap()[0]
    }

    /// The balance that a statement shows.
    pub fn balance(&mut self, server: SocketAddr, band: usize) -> i64 {
        let id = RequestId::new(self.device, 1 << 30).unwrap();
        let mut link = Link::open(server, self.device).unwrap();
        link.send(|frame| assert!(frame.push(&Request::balance(id, uid(band))))).unwrap();
        link.answers().unwrap()[0].balance
    }
}

/// A welcomed connection.
struct Link {
    stream: TcpStream,
    came: Vec<u8>,
}

impl Link {
    fn open(server: SocketAddr, device: u32) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut link = Self { stream, came: Vec::new() };
        let mut out = Vec::new();
        Hello::new(1, device).push(&mut out).unwrap();
        link.stream.write_all(&out)?;
        while !link.frames(&mut Vec::new())? {
            link.read()?;
        }
        Ok(link)
    }

    fn send(&mut self, write: impl FnOnce(&mut RequestsWriter<'_>)) -> io::Result<()> {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        write(&mut frame);
        frame.finish().unwrap();
        self.stream.write_all(&out)
    }

    /// At least one answer.
    fn answers(&mut self) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        while answers.is_empty() {
            self.read()?;
            self.frames(&mut answers)?;
        }
        Ok(answers)
    }

    fn read(&mut self) -> io::Result<()> {
        let mut some = [0; 16 * 1024];
        match self.stream.read(&mut some)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.came.extend_from_slice(&some[..length]);
                Ok(())
            }
        }
    }

    /// Takes the whole frames that came; whether a welcome was among them.
    fn frames(&mut self, answers: &mut Vec<Answer>) -> io::Result<bool> {
        let (mut taken, mut welcomed) = (0, false);
        while let Some(frame) = wire::split_frame(&self.came[taken..]).unwrap() {
            taken += frame.size();
            match FromServer::parse(&frame).unwrap() {
                FromServer::Welcome(_) => welcomed = true,
                FromServer::Answers(many) => answers.extend(many.map(Result::unwrap)),
                FromServer::Statement(statement) => answers.push(statement.answer),
                FromServer::Fault(fault) => return Err(io::Error::other(fault.text.to_owned())),
                FromServer::Goodbye
                | FromServer::Pong(_)
                | FromServer::Notice(_)
                | FromServer::Configuration(_) => {}
            }
        }
        self.came.drain(..taken);
        Ok(welcomed)
    }
}
