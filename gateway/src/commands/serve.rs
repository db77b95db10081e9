//! `fanfare serve`: owns the process of a running server: its signals, its watch over hanging loops,
//! what it says on the terminal.
//! Must never: end without closing the log, unless a loop hangs: then at once, for its manager to
//! start it anew.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read as _, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use engine::recovery::Stopped;
use engine::supervise::Notice;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::Failure;
use crate::limits::Limits;
use crate::server::{Config, Server};
use crate::time::SECOND;

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

/// Looks at the loops in the time after which one counts as hanging.
const LOOKS: u32 = 5;

/// Looks in a row that must find a loop silent. After a pause of the whole process (a stopped
/// machine, a debugger) the first look comes before the loops had their turn: it is no hang.
const SILENT_LOOKS: u32 = 3;

/// A difference of the machine's clock and the ledger's, in microseconds, that somebody must hear of.
const CLOCK_MICROS: u64 = SECOND;

/// What the bell rings when a group was given up; signals ring zero bytes of their own.
const GAVE_UP: u8 = b'!';

/// Serves until a signal, or until a part has failed too often.
pub fn serve(args: &Args, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    raise_descriptors();
    let (bell, ring) = UnixStream::pair()?;
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
    let mut said = Said::default();
    said.look(server.status().stopped(), &mut io::stderr());
    writeln!(out, "listening on {}", server.address())?;
    writeln!(out, "http on {}", server.http())?;
    out.flush()?;
    attend(server, bell, said, out)
}

/// Looks after a running server until the bell rings, and stops it. Where it hangs instead the process
/// ends at once, for its manager to start it anew: nobody was told what is not on disk.
pub fn attend(
    server: Server,
    mut bell: UnixStream,
    mut said: Said,
    out: &mut dyn Write,
) -> Result<ExitCode, Failure> {
    bell.set_read_timeout(Some(server.hanging() / LOOKS))?;
    let Some(gave_up) = watch(&mut bell, &server, &mut said)? else { end("a core loop hangs") };
    let closed = server.stop();
    if closed.as_ref().is_err_and(|error| error.kind() == ErrorKind::TimedOut) {
        end("it was told to stop and hangs");
    }
    if gave_up {
        return Err("a part of the server failed too often; what happened is said above".into());
    }
    closed?;
    writeln!(out, "stopped")?;
    Ok(ExitCode::SUCCESS)
}

fn end(why: &str) -> ! {
    let _unheard = writeln!(io::stderr(), "fanfare: {why}; the process ends at once");
    std::process::abort()
}

/// Waits for the bell, and looks after the loops and their shards meanwhile. Whether a part was given up;
/// `None` if a loop hangs.
fn watch(bell: &mut UnixStream, server: &Server, said: &mut Said) -> io::Result<Option<bool>> {
    let mut rung = [0];
    let mut hang = Hang::default();
    loop {
        match bell.read(&mut rung) {
            Ok(_) => return Ok(Some(rung == [GAVE_UP])),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        said.look(server.status().stopped(), &mut io::stderr());
        said.look_at_clock(server.status().clock_ahead(), &mut io::stderr());
        if hang.look(server.status().longest_silence(), server.hanging()) {
            return Ok(None);
        }
    }
}

/// The stopped shards that were told of, each once, and whether the clock was.
#[derive(Debug, Default)]
pub struct Said {
    stopped: BTreeSet<Stopped>,
    clock: bool,
}

impl Said {
    /// Says when the machine's clock was set, once until it agrees again.
    fn look_at_clock(&mut self, ahead: i64, out: &mut dyn Write) {
        let apart = ahead.unsigned_abs() >= CLOCK_MICROS;
        if apart && !self.clock {
            let (seconds, way) =
                (ahead.unsigned_abs() / SECOND, if ahead > 0 { "ahead of" } else { "behind" });
            let _unheard = writeln!(
                out,
                "fanfare: the machine's clock was set: it is {seconds} s {way} the ledger's, which goes on as if it \
                 had not been; put the clock right, or start the server anew if it is right now"
            );
        }
        self.clock = apart;
    }

    fn look(&mut self, stopped: Vec<Stopped>, out: &mut dyn Write) {
        for stopped in stopped.into_iter().filter(|stopped| self.stopped.insert(*stopped)) {
            let _unheard = writeln!(
                out,
                "fanfare: {stopped}; this shard is stopped and the others are served, a start with a mended \
                 build brings it back"
            );
        }
    }
}

/// Looks that found a loop silent, in a row.
#[derive(Debug, Default)]
struct Hang(u32);

impl Hang {
    /// One look at the longest silence of a loop; whether it hangs for good. By then readiness has been
    /// red for as long again: nobody but a new process can help.
    fn look(&mut self, silence: Option<u64>, hanging: Duration) -> bool {
        let silent = silence.is_some_and(|silence| Duration::from_micros(silence) > 2 * hanging);
        self.0 = if silent { self.0 + 1 } else { 0 };
        self.0 >= SILENT_LOOKS
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

#[cfg(test)]
mod tests {
    use ledger::ids::{RecordNumber, ShardId};

    use super::*;

    #[test]
    fn a_stopped_shard_is_told_once() {
        // A line a second, all night, in which nobody finds what else went wrong.
        let record = RecordNumber(17);
        let at = |shard| Stopped { shard: ShardId(shard), seq: 4, record, message: None };
        let (mut said, mut out) = (Said::default(), Vec::new());
        for stopped in [vec![], vec![at(3)], vec![at(3)], vec![at(1), at(3)]] {
            said.look(stopped, &mut out);
        }
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(|line| line.split(';').next().unwrap()).collect();
        let line = |shard| {
            format!("fanfare: shard {shard} block 4 could not be applied: record 17 makes this build panic")
        };
        assert_eq!(lines, [line(3), line(1)]);
    }

    #[test]
    fn a_clock_that_was_set_is_told_once_until_it_is_right() {
        // The clock was wrong all evening, and the first to notice was the tax office.
        let mut said = Said::default();
        let mut look = |ahead| {
            let mut out = Vec::new();
            said.look_at_clock(ahead, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert!(look(-3_600_000_000).contains("3600 s behind the ledger's"));
        assert_eq!([look(-3_599_000_000), look(999_999)], ["", ""]);
        assert!(look(2_000_000).contains("2 s ahead of the ledger's"));
    }

    #[test]
    fn a_loop_hangs_when_three_looks_in_a_row_find_it_silent() {
        // A virtual machine that was paused for a minute, and lost every connection for it.
        let hanging = Duration::from_secs(5);
        let mut hang = Hang::default();
        let mut looks = |silences: &[Option<u64>]| -> Vec<bool> {
            silences.iter().map(|silence| hang.look(silence.map(|s| s * 1_000_000), hanging)).collect()
        };
        assert_eq!(looks(&[Some(60), Some(60), Some(0)]), [false; 3]);
        assert_eq!(looks(&[Some(10), Some(10), Some(10), None]), [false; 4]);
        assert_eq!(looks(&[Some(11), Some(12), Some(13)]), [false, false, true]);
    }
}
