//! Owns: starting, watching and ending other processes: the server under test, the echo.
//! Must never: leave one behind; end one it did not start.
//! Laws: none.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
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

/// What a command that asked something came to.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its exit code.
    pub code: i32,
    /// What it printed after it was answered; everything, if it never asked.
    pub out: String,
    /// What it printed to the other stream.
    pub err: String,
    /// Whether it asked.
    pub asked: bool,
}

/// Runs a command to its end and gives it `answer` where it prints `question`; `answering` is called just before.
pub fn answered(
    command: &mut Command,
    question: &str,
    answer: &str,
    answering: impl FnOnce(),
) -> Result<Asked> {
    let program = name(command);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        piped.spawn().map_err(|source| LoadError::Process(format!("can't start {program}: {source}")))?;
    let broken = |source| LoadError::Process(format!("can't talk to {program}: {source}"));
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (mut bytes, mut asked) = (Vec::new(), false);
    if let (Some(mut stdin), Some(mut stdout)) = (stdin, stdout) {
        let mut chunk = [0; 4_096];
        while !asked {
            let length = stdout.read(&mut chunk).map_err(broken)?;
            if length == 0 {
                break;
            }
            bytes.extend_from_slice(chunk.get(..length).unwrap_or_default());
            asked = bytes.ends_with(question.as_bytes());
        }
        if asked {
            bytes.clear();
            answering();
            stdin.write_all(answer.as_bytes()).map_err(broken)?;
        }
        drop(stdin);
        stdout.read_to_end(&mut bytes).map_err(broken)?;
    }
    let output = child.wait_with_output().map_err(broken)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(Asked {
        code: output.status.code().unwrap_or(-1),
        out: text(&bytes),
        err: text(&output.stderr),
        asked,
    })
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

    /// The time from the organiser's yes would have begun with a command that never asked for it.
    #[test]
    fn a_question_is_answered_once_it_is_asked() {
        let mut answers = 0;
        let script = "echo first; printf 'sure? '; read yes; echo $yes; echo no >&2; exit 3";
        let asked = answered(&mut shell(script), "sure? ", "y\n", || answers += 1).unwrap();
        let (out, err) = ("y\n".to_owned(), "no\n".to_owned());
        assert_eq!(asked, Asked { code: 3, out, err, asked: true });
        let silent = answered(&mut shell("echo nothing differs"), "sure? ", "y\n", || answers += 1).unwrap();
        assert_eq!((silent.out.as_str(), silent.asked), ("nothing differs\n", false));
        assert_eq!(answers, 1);
    }
}
