//! Owns: starting, watching and ending other processes: the server under test, the echo.
//! Must never: leave one behind; end one it did not start.
//! Laws: none.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::error::{LoadError, Result};

/// How long a server may take until it listens: a replay of tens of millions of records is part of it.
const START_PATIENCE: Duration = Duration::from_mins(5);

/// How long a server may take to end after SIGTERM.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// A process that announces where it listens.
#[derive(Debug)]
pub struct Server {
    child: Child,
    // Addresses by the words before them.
    announced: Vec<(&'static str, SocketAddr)>,
}

/// What a server prints before the address of its terminals' port.
pub const LISTENING: &str = "listening on ";

/// What a server prints before the address of its HTTP port.
pub const HTTP: &str = "http on ";

impl Server {
    /// Starts a command and waits until it has announced each of these; its output is kept in `log`.
    pub fn start(command: &mut Command, announces: &[&'static str], log: &Path) -> Result<Self> {
        let file = File::create(log).map_err(LoadError::file("create", log))?;
        let errors = file.try_clone().map_err(LoadError::file("open", log))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|source| LoadError::Process(format!("can't start {}: {source}", name(command))))?;
        let (lines, heard) = sync_channel(64);
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || pass_on(stdout, file, &lines));
        }
        let mut server = Self { child, announced: Vec::new() };
        let wanted = |server: &Self| announces.iter().all(|words| server.address(words).is_ok());
        let began = Instant::now();
        while !wanted(&server) {
            let line = next_line(&heard, began).map_err(|why| {
                LoadError::Process(format!("{} {why}; its output is in {}", name(command), log.display()))
            })?;
            let hit = |words: &&'static str| Some((*words, line.strip_prefix(*words)?.trim().parse().ok()?));
            server.announced.extend(announces.iter().filter_map(hit));
        }
        Ok(server)
    }

    /// The address it announced after these words.
    pub fn address(&self, words: &str) -> Result<SocketAddr> {
        let found = self.announced.iter().find(|(announced, _)| *announced == words);
        found
            .map(|(_, address)| *address)
            .ok_or_else(|| LoadError::Process(format!("no \"{words}ADDRESS\" announced")))
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end and waits until it has.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        self.wait(STOP_PATIENCE)
    }

    /// Ends it without asking, as a power cut would end the process, and waits until it is gone.
    pub fn kill(mut self) -> Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.wait(STOP_PATIENCE)
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().map_err(LoadError::system("wait for a process"))? {
                return Ok(status);
            }
            if began.elapsed() > patience {
                return Err(LoadError::Process(format!(
                    "the server did not end within {} s",
                    patience.as_secs()
                )));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // A process that has ended already needs no signal.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn next_line(heard: &Receiver<String>, began: Instant) -> std::result::Result<String, String> {
    let left = START_PATIENCE.saturating_sub(began.elapsed());
    heard.recv_timeout(left).map_err(|error| match error {
        RecvTimeoutError::Timeout => format!("announced no address within {} s", START_PATIENCE.as_secs()),
        RecvTimeoutError::Disconnected => "ended before it announced its address".to_owned(),
    })
}

/// Copies a process's output to its log; the first lines go to whoever waits for the announcement.
fn pass_on(stdout: ChildStdout, mut log: File, lines: &SyncSender<String>) {
    for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
        // A log that can't be written is no reason to block the process by not reading on.
        let _ = writeln!(log, "{line}");
        let _ = lines.try_send(line);
    }
}

/// Runs a command to its end and returns its exit code with what it printed.
pub fn output(command: &mut Command) -> Result<(i32, String, String)> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| LoadError::Process(format!("can't start {}: {source}", name(command))))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_server_is_ready_when_it_has_announced_everything() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "echo hello; echo http on 127.0.0.1:81; echo listening on 127.0.0.1:80; exec cat /dev/zero >/dev/null";
        let server = Server::start(&mut shell(script), &[LISTENING, HTTP], &log).unwrap();
        assert_eq!(server.address(LISTENING).unwrap().port(), 80);
        assert_eq!(server.address(HTTP).unwrap().port(), 81);
        assert!(!server.kill().unwrap().success());
    }

    #[test]
    fn a_server_that_ends_early_says_where_its_output_is() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let error = Server::start(&mut shell("echo broken >&2; exit 3"), &[LISTENING], &log).unwrap_err();
        assert!(error.to_string().contains("ended before") && error.to_string().contains("log"), "{error}");
        assert_eq!(std::fs::read_to_string(log).unwrap(), "broken\n");
    }

    #[test]
    fn a_process_is_not_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let script = "echo listening on 127.0.0.1:1; exec cat /dev/zero >/dev/null";
        let server = Server::start(&mut shell(script), &[LISTENING], &dir.path().join("log")).unwrap();
        let proc = format!("/proc/{}", server.pid());
        assert!(Path::new(&proc).exists());
        drop(server);
        assert!(!Path::new(&proc).exists());
    }

    #[test]
    fn output_has_code_and_both_streams() {
        let (code, out, err) = output(&mut shell("echo a; echo b >&2; exit 4")).unwrap();
        assert_eq!((code, out.as_str(), err.as_str()), (4, "a\n", "b\n"));
    }
}
