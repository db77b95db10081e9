//! Owns: a server put together: the listening sockets, the ledger's group of parts (loops, journal,
//! look-ups, rebuilds) and HTTP, each under supervision; and its orderly end.
//! Must never: take part in a tap.
//! Laws: L3 (the log is closed only when everything was answered), L8 (the log's lock is let go
//! before it is opened anew).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::host::{Host, OsHost};
use engine::node::{self, Node, NodeError};
use engine::supervise::{self, Group, Notice, Part, Policy, Supervised};
use ledger::journal::embedded::Port;
use thiserror::Error;

use crate::core_loop::{CoreLoop, End, LoopParts, Wait};
use crate::directory::{Directory, DirectoryError};
use crate::http;
use crate::limits::Limits;
use crate::listener::{Dealer, ListenError, Listener};
use crate::shared::{Shared, SharedParts};
use crate::status::{Serving, Status};
use crate::time::{self, Time};
use crate::wake::Wake;

/// What a server is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// The ledger's directory.
    pub dir: PathBuf,
    /// Where terminals connect without TLS: this machine only.
    pub plain: SocketAddr,
    /// Where health and metrics are.
    pub http: SocketAddr,
    /// How many core loops.
    pub loops: u16,
    /// Limits of each loop.
    pub limits: Limits,
}

/// Why a server does not start.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The terminals' port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The port for health and metrics.
    #[error("could not listen on {0} for http: {1}; is another server running there?")]
    Http(SocketAddr, io::Error),
    /// The ledger.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The directory or its key.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A loop without a shard would serve connections of whose wallets it has none.
    #[error(
        "{loops} loops were asked for and the ledger has {shards} shards: start it with --loops {shards} or fewer"
    )]
    Loops {
        /// As many were asked for.
        loops: u16,
        /// As many there are.
        shards: u16,
    },
    /// Threads, descriptors.
    #[error("the system refused: {0}")]
    System(#[from] io::Error),
}

/// A running server.
pub struct Server {
    /// The ledger's parts.
    supervised: Supervised,
    /// HTTP, which answers also while the ledger is read back.
    watched: Supervised,
    status: Arc<Status>,
    address: SocketAddr,
    http: SocketAddr,
    patience: Duration,
    hanging: Duration,
}

impl Server {
    /// Recovers the ledger and starts serving it on this machine. `heard` is told what happens to its
    /// parts later. Shards that stopped on their way back are in [`Status::stopped`].
    pub fn start(
        config: Config,
        heard: impl Fn(&Notice) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let host = Arc::new(OsHost::new(&config.dir));
        Self::start_on(host, config, heard)
    }

    /// The same on a machine of the caller's choice: a test hands its own clock in.
    pub fn start_on(
        host: Arc<dyn Host>,
        config: Config,
        heard: impl Fn(&Notice) + Send + Sync + 'static,
    ) -> Result<Self, ServeError> {
        let directory = Directory::open(&config.dir)?;
        let listener = Arc::new(Listener::plain(config.plain)?);
        let http = config.http;
        let bound = TcpListener::bind(http).map_err(|error| ServeError::Http(http, error))?;
        let (address, http) = (listener.address(), bound.local_addr()?);
        let (time, ahead) = time::of(Arc::clone(&host));
        let status = Arc::new(Status::new(Arc::clone(&time), ahead, config.limits.hanging));
        // Whatever drains takes at most this, and then a moment.
        let patience = Duration::from_micros(config.limits.drain) + Duration::from_secs(1);
        let hanging = Duration::from_micros(config.limits.hanging);
        let data = Data { config, directory, host, time, listener, status: Arc::clone(&status) };
        let heard = Arc::new(heard);
        let notices = || {
            let (counting, heard) = (Arc::clone(&status), Arc::clone(&heard));
            Box::new(move |notice: &Notice| {
                if matches!(notice, Notice::Failed { .. }) {
                    counting.count_failure();
                }
                heard(notice);
            })
        };
        // Before the ledger is read back, which may take minutes: whoever looks after the process must hear that
        // it lives and is not ready, or would end it each time before it is done.
        let watched = vec![http::group(bound, Arc::clone(&status))];
        let watched = supervise::supervise(watched, Policy::default(), notices())?;
        // The first start is made here: a wrong directory is told at once, not tried five times.
        let first = match data.start() {
            Ok(parts) => Mutex::new(Some(parts)),
            Err(error) => {
                watched.stop(hanging);
                return Err(error);
            }
        };
        let data_group = Group {
            name: "ledger".to_owned(),
            start: Arc::new(move || match first.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(parts) => Ok(parts),
                None => data.start().map_err(|error| error.to_string()),
            }),
        };
        let supervised = supervise::supervise(vec![data_group], Policy::default(), notices())?;
        Ok(Self { supervised, watched, status, address, http, patience, hanging })
    }

    /// Where terminals connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are.
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// What it knows about itself.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// After how long without a round a core loop counts as hanging.
    pub const fn hanging(&self) -> Duration {
        self.hanging
    }

    /// Answers everything in flight, says goodbye to every terminal, closes the log. An error of the
    /// kind "timed out" says that a part hangs: then only the end of the process frees the ledger.
    pub fn stop(self) -> io::Result<()> {
        // While the loops drain the journal's thread must still run: first this, then the parts.
        self.status.drain(self.patience);
        let all = self.supervised.stop(self.hanging) && self.watched.stop(self.hanging);
        if !all {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "a part of the server hangs"));
        }
        self.status.take_serving().map_or(Ok(()), |serving| serving.log.close())
    }
}

/// Makes the parts that live and die with the open log.
struct Data {
    config: Config,
    directory: Directory,
    host: Arc<dyn Host>,
    time: Time,
    listener: Arc<Listener>,
    status: Arc<Status>,
}

impl Data {
    /// Opens the log, recovers every shard, builds the loops.
    fn start(&self) -> Result<Vec<Part>, ServeError> {
        if let Some(before) = self.status.take_serving() {
            // It is dead or its loops are: what is not on disk was never acknowledged.
            let _dead = before.log.close();
        }
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.parts(node::open(&*self.host, threads)?)
    }

    fn parts(&self, mut node: Node) -> Result<Vec<Part>, ServeError> {
        let (loops, shards) = (self.config.loops.max(1), node.count());
        if loops > shards {
            return Err(ServeError::Loops { loops, shards });
        }
        let parts = SharedParts {
            keys: self.directory.keys_named(node.key_id)?,
            ledger: node.ledger,
            epoch: node.epoch,
            festival: Arc::clone(&node.festival),
            highest: std::mem::take(&mut node.highest),
            shards: node.count(),
        };
        let log = node.log.clone();
        let wakes = (0..loops).map(|_| Wake::new()).collect::<Result<Vec<_>, _>>()?;
        let rings: Vec<_> = wakes.iter().map(Wake::waker).collect();
        let running = node.run(&rings, (self.time)());
        let shared = Arc::new(Shared::new(parts, self.config.limits, loops));
        // From here on: a loop that hangs before its first round is one too.
        (0..loops).for_each(|number| shared.set_beat(number, (self.time)().mono.0));
        (0..).zip(&running.cores).for_each(|(number, core)| shared.note_stopped(number, core.stopped()));
        let (dealer, arrivals) = Dealer::new(&wakes);
        let dealer = Arc::new(dealer);
        let mut parts = running.parts;
        for (((core, arrivals), wake), number) in running.cores.into_iter().zip(arrivals).zip(&wakes).zip(0..)
        {
            let loop_parts = LoopParts {
                number,
                core,
                shared: Arc::clone(&shared),
                wake: wake.clone(),
                listener: Arc::clone(&self.listener),
                dealer: Arc::clone(&dealer),
                arrivals,
                rebuilds: running.rebuilds.clone(),
                time: Arc::clone(&self.time),
            };
            parts.push(loop_part(loop_parts, Arc::clone(&self.status)));
        }
        self.status.set_serving(Serving { shared, log, wakes });
        Ok(parts)
    }
}

/// A core loop on a thread of its own.
fn loop_part(parts: LoopParts<Port>, status: Arc<Status>) -> Part {
    let (name, wake) = (format!("loop {}", parts.number), parts.wake.waker());
    let run = move |stop: &supervise::Stop| {
        let mut core_loop = CoreLoop::new(parts).map_err(|error| format!("could not poll: {error}"))?;
        while !stop.is_set() {
            match core_loop.round(Wait::Sleep) {
                None => {}
                Some(End::Stopped) => {
                    status.loop_drained();
                    while !stop.is_set() {
                        core_loop.rest(Wait::Sleep);
                    }
                }
                Some(End::StoreDead(cause)) => return Err(cause),
                Some(End::Poll(error)) => return Err(format!("the poll failed: {error}")),
                Some(End::Struck) => return Ok(()),
            }
        }
        Ok(())
    };
    Part { name, run: Box::new(run), wake }
}
