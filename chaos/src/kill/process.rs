//! The real `fanfare` binary as a child process: makes a ledger, serves it, dies, is verified.
//! Must never: leave a server behind.
//! Laws: L3 (what a killed process left in its files is all there is).

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Trouble;

/// A binary and the directory that it works in.
#[derive(Clone, Debug)]
pub struct Fanfare {
    binary: PathBuf,
    place: PathBuf,
    loops: u16,
}

impl Fanfare {
    /// The binary at `binary`, or the one beside this program.
    pub fn new(binary: Option<&Path>, place: &Path, loops: u16) -> Result<Self, Trouble> {
        let beside = || Ok::<_, io::Error>(std::env::current_exe()?.with_file_name("fanfare"));
        let binary = binary.map_or_else(beside, |given| Ok(given.to_owned()))?;
        if !binary.is_file() {
            let binary = binary.display();
            return Err(Trouble::setup(format!(
                "{binary} is not there: build it, or name it with --fanfare"
            )));
        }
        Ok(Self { binary, place: place.to_owned(), loops })
    }

    /// The ledger's directory.
    pub fn ledger(&self) -> PathBuf {
        self.place.join("ledger")
    }

    /// A file beside it.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Makes the ledger.
    pub fn init(&self, festival: &str) -> Result<(), Trouble> {
        let file = self.beside("festival.toml");
        std::fs::write(&file, festival)?;
        let made =
            Command::new(&self.binary).arg("init").arg("--festival").arg(file).arg(self.ledger()).output()?;
        if !made.status.success() {
            return Err(Trouble::setup(format!("fanfare init: {}", String::from_utf8_lossy(&made.stderr))));
        }
        Ok(())
    }

    /// Serves it on free ports, once it has recovered; `under` is a program that runs it, with its arguments.
    pub fn serve(&self, under: &[String]) -> Result<Server, Trouble> {
        let mut command = match under {
            [] => Command::new(&self.binary),
            [program, arguments @ ..] => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
        };
        let said = self.beside("serve.log");
        command.arg("serve").arg(self.ledger()).args(["--plain", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
        command.args(["--loops", &self.loops.to_string()]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(File::options().create(true).append(true).open(&said)?);
        let mut child = command.spawn()?;
        let out = child.stdout.take();
        let out = BufReader::new(out.ok_or_else(|| Trouble::setup("the server has no output"))?);
        let number = child.id();
        let mut server =
            Server { child, number, out, address: SocketAddr::from(([127, 0, 0, 1], 0)), ended: false };
        server.address = server.told("listening on ").map_err(|error| {
            Trouble::setup(format!("fanfare serve did not start ({error}); it said: {}", tail(&said)))
        })?;
        server.told("http on ")?;
        if !under.is_empty() {
            server.number = child_of(server.number)?;
        }
        Ok(server)
    }

    /// Verifies the files of a ledger that nobody serves.
    pub fn verify(&self) -> Result<serde_json::Value, Trouble> {
        let told = Command::new(&self.binary).arg("verify").arg(self.ledger()).arg("--json").output()?;
        serde_json::from_slice(&told.stdout).map_err(|error| {
            Trouble::setup(format!("fanfare verify: {error}; {}", String::from_utf8_lossy(&told.stderr)))
        })
    }
}

/// The one child of a process.
fn child_of(number: u32) -> Result<u32, Trouble> {
    let children = std::fs::read_to_string(format!("/proc/{number}/task/{number}/children"))?;
    let child = children.split_whitespace().next().and_then(|child| child.parse().ok());
    child.ok_or_else(|| Trouble::setup(format!("process {number} has no child")))
}

fn signal(number: u32, signal: Signal) -> Result<(), Trouble> {
    let process = i32::try_from(number).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| Trouble::setup(format!("{number} is no process")))?;
    Ok(kill_process(process, signal).map_err(io::Error::from)?)
}

/// The last lines of a file.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("; ")
}

/// A server that runs. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The server's own process: `child`, or the child of that.
    number: u32,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
    ended: bool,
}

impl Server {
    /// Where terminals connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// kill -9, and waits for the end.
    pub fn kill(mut self) -> Result<(), Trouble> {
        signal(self.number, Signal::KILL)?;
        let status = self.wait()?;
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(Trouble::setup(format!("the server had ended before it was killed: {status}"))),
        }
    }

    /// Asks it to end orderly, and waits until it has.
    pub fn stop(mut self) -> Result<(), Trouble> {
        signal(self.number, Signal::TERM)?;
        let status = self.wait()?;
        if !status.success() {
            return Err(Trouble::setup(format!("the server did not end orderly: {status}")));
        }
        Ok(())
    }

    fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.ended = true;
        Ok(status)
    }

    /// The next line, which begins with `what`: an address.
    fn told(&mut self, what: &str) -> Result<SocketAddr, Trouble> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        let address = line.trim_end().strip_prefix(what).and_then(|address| address.parse().ok());
        address.ok_or_else(|| Trouble::setup(format!("the server said {line:?} instead of \"{what}...\"")))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.ended {
            // It may have ended by itself.
            let _ended = signal(self.number, Signal::KILL);
            let _ended = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}
