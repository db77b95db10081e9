//! `fanfare serve`: owns the process of a running server: its signals, its watch over hanging loops,
//! what it says on the terminal.
//! Must never: end without closing the log, unless a loop hangs: then at once, for its manager to
//! start it anew.

use std::io::{self, ErrorKind, Read as _, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use engine::supervise::Notice;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Failure;
use crate::limits::Limits;
use crate::server::{Config, Server};
use crate::status::HANGING_MICROS;

/// What `fanfare serve` is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory, as `fanfare init` made it.
    dir: PathBuf,
    /// Where terminals connect over plain TCP: a loopback address; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    plain: SocketAddr,
    /// Where health and metrics are; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    http: SocketAddr,
    /// Threads that serve terminals: 1 on small machines, at most the number of shards.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    loops: u16,
}

/// How often the process looks after its loops.
const LOOK: Duration = Duration::from_secs(1);

/// Looks in a row that must find a loop silent. After a pause of the whole process (a stopped
/// machine, a debugger) the first look comes before the loops had their turn: it is no hang.
const SILENT_LOOKS: u32 = 3;

/// What the bell rings when a group was given up; signals ring zero bytes of their own.
const GAVE_UP: u8 = b'!';

/// Serves until a signal, or until a part has failed too often.
pub fn serve(args: &Args, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    raise_descriptors();
    let (mut bell, ring) = UnixStream::pair()?;
    bell.set_read_timeout(Some(LOOK))?;
    for signal in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(signal, ring.try_clone()?)?;
    }
    let config = Config {
        dir: args.dir.clone(),
        plain: args.plain,
        http: args.http,
        loops: args.loops,
        limits: Limits::default(),
    };
    let server = Server::start(config, move |notice| say(notice, &ring))?;
    writeln!(out, "listening on {}", server.address())?;
    writeln!(out, "http on {}", server.http())?;
    out.flush()?;
    let gave_up = watch(&mut bell, &server)?;
    let closed = server.stop();
    if gave_up {
        return Err("a part of the server failed too often; what happened is said above".into());
    }
    closed?;
    writeln!(out, "stopped")?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for the bell, and looks after the loops meanwhile. Whether a part was given up.
fn watch(bell: &mut UnixStream, server: &Server) -> io::Result<bool> {
    let mut rung = [0];
    let mut silent_looks = 0;
    loop {
        match bell.read(&mut rung) {
            Ok(_) => return Ok(rung == [GAVE_UP]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        // Readiness has been red for as long again: nobody but a new process can help.
        let silent = server.status().longest_silence().is_some_and(|silent| silent > 2 * HANGING_MICROS);
        silent_looks = if silent { silent_looks + 1 } else { 0 };
        if silent_looks == SILENT_LOOKS {
            let _unheard = writeln!(io::stderr(), "fanfare: a core loop hangs; the process ends at once");
            std::process::abort();
        }
    }
}

/// Says what happened to a part.
fn say(notice: &Notice, ring: &UnixStream) {
    let text = match notice {
        Notice::Started(_) | Notice::Stopped => return,
        Notice::Failed { group, cause } => format!("{group} failed and is started anew: {cause}"),
        Notice::GaveUp(group) => format!("{group} failed too often"),
    };
    let _unheard = writeln!(io::stderr(), "fanfare: {text}");
    if matches!(notice, Notice::GaveUp(_)) {
        let mut ring = ring;
        let _rung = ring.write(&[GAVE_UP]);
    }
}

/// One descriptor per terminal: takes as many as the system lets this process have.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused, the loops live with what there is.
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
