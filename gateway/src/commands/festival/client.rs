//! The organiser's end of a connection: a device like any other, that waits for what it asked.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use actors::festival::Festival;
use wire::{
    Answer, Class, Fetch, FrameKind, FromServer, Hello, Notice, Outcome, Refusal, Request, RequestId,
    RequestsWriter, Slice, Welcome, What,
};

use crate::commands::Failure;

/// How long nothing may come before a ping asks whether the server is there.
const QUIET: Duration = Duration::from_secs(2);

/// How long the whole may take. A healthy server is done within a second.
const PATIENCE: Duration = Duration::from_mins(1);

/// Requests without an answer: half of what one actor may have waiting in its shard's mailbox.
const IN_FLIGHT: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    came: Vec<u8>,
    server: SocketAddr,
    festival: u16,
    device: u32,
    welcome: Option<Welcome>,
    counter: u64,
    /// The newest version that the server said is in force everywhere.
    in_force: u32,
    until: Instant,
}

/// What a server said, without the buffer that it lay in.
enum Said {
    Answers(Vec<Answer>),
    Slice { version: u32, total: u32, code: u16, bytes: Vec<u8> },
    Other,
}

impl Client {
    /// Connects as `device` and is welcomed.
    pub fn connect(server: SocketAddr, festival: u16, device: u32) -> Result<Self, Failure> {
        let (came, welcome) = (Vec::new(), None);
        let (stream, until) = (dial(server)?, Instant::now() + PATIENCE);
        let mut client =
            Self { stream, came, server, festival, device, welcome, counter: 0, in_force: 0, until };
        client.greet()?;
        Ok(client)
    }

    /// Connects anew, with all the time there is: a person read for longer than a server waits for a word.
    pub fn connect_again(&mut self) -> Result<(), Failure> {
        (self.stream, self.until) = (dial(self.server)?, Instant::now() + PATIENCE);
        self.came.clear();
        self.welcome = None;
        self.greet()
    }

    fn greet(&mut self) -> Result<(), Failure> {
        let mut hello = Vec::new();
        Hello::new(self.festival, self.device).push(&mut hello)?;
        self.stream.write_all(&hello)?;
        while self.welcome.is_none() {
            self.hear()?;
        }
        Ok(())
    }

    /// The till the device stands at.
    pub fn till(&self) -> u32 {
        self.welcome.map_or(0, |welcome| welcome.till)
    }

    /// An id that was never used.
    pub fn new_id(&mut self) -> Result<RequestId, Failure> {
        let seen = self.welcome.map_or(0, |welcome| welcome.highest_counter);
        self.counter = self.counter.max(seen) + 1;
        let id = RequestId::new(self.device, self.counter);
        Ok(id.ok_or("the device has used up its request ids: enrol it under another number")?)
    }

    /// Numbers that another run of this device may have used lie behind.
    pub const fn skip_ids(&mut self) {
        self.counter += 1_000;
    }

    /// The whole configuration in force.
    pub fn configuration(&mut self) -> Result<Festival, Failure> {
        let mut whole = Vec::new();
        let mut known = 0;
        loop {
            let offset = u32::try_from(whole.len())?;
            let mut out = Vec::new();
            Fetch { version: known, offset, what: What::Whole.number() }.push(&mut out)?;
            self.stream.write_all(&out)?;
            let (version, total, code, bytes) = loop {
                if let Said::Slice { version, total, code, bytes } = self.hear()? {
                    break (version, total, code, bytes);
                }
            };
            if code != 0 {
                return Err(refused(code, self.device).into());
            }
            if known != 0 && version != known {
                // It changed meanwhile: from the beginning.
                whole.clear();
                known = 0;
                continue;
            }
            known = version;
            whole.extend_from_slice(&bytes);
            if whole.len() >= total as usize {
                self.in_force = self.in_force.max(version);
                return Ok(Festival::decode(&whole)?);
            }
            if bytes.is_empty() {
                return Err("the server sent a slice without bytes".into());
            }
        }
    }

    /// Asks, and asks again whatever the server could say nothing about, until each has its answer.
    pub fn ask(&mut self, requests: &[Request<'_>]) -> Result<Vec<Answer>, Failure> {
        let mut answers = Vec::with_capacity(requests.len());
        for requests in requests.chunks(IN_FLIGHT) {
            let mut left: Vec<&Request<'_>> = requests.iter().collect();
            while !left.is_empty() {
                let decided = self.once(&left)?;
                left.retain(|request| decided.iter().all(|answer| answer.id != request.id));
                answers.extend(decided);
            }
        }
        Ok(answers)
    }

    /// Sends the requests once; the answers that decide one.
    fn once(&mut self, requests: &[&Request<'_>]) -> Result<Vec<Answer>, Failure> {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        if !requests.iter().all(|request| frame.push(request)) {
            return Err("a part of the configuration does not fit a request".into());
        }
        frame.finish()?;
        self.stream.write_all(&out)?;
        let mut all = Vec::new();
        while all.len() < requests.len() {
            if let Said::Answers(answers) = self.hear()? {
                all.extend(answers);
            }
        }
        let come_back = all.iter().filter(|answer| undecided(answer)).map(|answer| answer.come_back_ms).max();
        if let Some(millis) = come_back {
            std::thread::sleep(Duration::from_millis(millis.clamp(50, 5_000).into()));
        }
        all.retain(|answer| !undecided(answer));
        Ok(all)
    }

    /// Waits until the server says that `version`, or a newer one, is in force everywhere.
    pub fn wait_for(&mut self, version: u32) -> Result<(), Failure> {
        while self.in_force < version {
            self.hear()?;
        }
        Ok(())
    }

    /// The next that the server says; a ping where it says nothing.
    fn hear(&mut self) -> Result<Said, Failure> {
        loop {
            let came = std::mem::take(&mut self.came);
            if let Some(frame) = wire::split_frame(&came)? {
                let said = self.understand(&FromServer::parse(&frame)?)?;
                self.came = came[frame.size()..].to_vec();
                return Ok(said);
            }
            self.came = came;
            if Instant::now() > self.until {
                return Err("the server takes too long; run the command again: what was done is found".into());
            }
            let mut buffer = [0; 16 * 1024];
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    let text =
                        "the server closed the connection; run the command again: what was done is found";
                    return Err(text.into());
                }
                Ok(count) => self.came.extend_from_slice(&buffer[..count]),
                Err(error) if is_quiet(&error) => {
                    let mut ping = Vec::new();
                    wire::push_empty(&mut ping, FrameKind::Ping, 0);
                    self.stream.write_all(&ping)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn understand(&mut self, said: &FromServer<'_>) -> Result<Said, Failure> {
        Ok(match said {
            FromServer::Answers(answers) => Said::Answers(answers.clone().collect::<Result<_, _>>()?),
            FromServer::Configuration(Slice { version, total, code, bytes, .. }) => {
                Said::Slice { version: *version, total: *total, code: *code, bytes: bytes.to_vec() }
            }
            FromServer::Notice(Notice::Configuration(version)) => {
                self.in_force = self.in_force.max(*version);
                Said::Other
            }
            FromServer::Welcome(welcome) => {
                self.welcome = Some(*welcome);
                self.in_force = self.in_force.max(welcome.configuration);
                Said::Other
            }
            FromServer::Fault(fault) => return Err(format!("the server says: {}", fault.text).into()),
            FromServer::Goodbye => {
                return Err("the server stops; run the command again when it is back".into());
            }
            _ => Said::Other,
        })
    }
}

fn dial(server: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(server)
        .map_err(|error| format!("could not connect to {server}: {error}; is the server running there?"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(QUIET))?;
    Ok(stream)
}

/// Neither yes nor no: the same id is to be sent again.
fn undecided(answer: &Answer) -> bool {
    answer.class == Class::Unknown
        || matches!(answer.outcome(), Outcome::Refused(Refusal::Busy | Refusal::Internal))
}

fn refused(code: u16, device: u32) -> String {
    if code == Refusal::NotYourRole.number() {
        return format!(
            "device {device} may not change the configuration: take one with the role administer, or give it the role"
        );
    }
    format!("the server refuses the configuration: {}", wire::codes::name(code))
}

fn is_quiet(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
