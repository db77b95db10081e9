//! Owns: rounds of the oracle against a server that is killed under it: drive until the kill, restart, settle, verify,
//! compare; and a last round with a server that forgot, which the oracle must find out.
//! Must never: share a process with the oracle, whose steps it starts as commands of their own.
//! Laws: L1, L2, L3, L4, L9 from outside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use serde::Serialize;
use serde_json::Value;

use crate::error::{LoadError, Result};
use crate::lanes::own_binary;
use crate::process::{LISTENING, Server};
use crate::session::Fanfare;

/// How the rounds are run.
#[derive(Debug, Clone)]
pub struct Rounds {
    /// The server.
    pub fanfare: Fanfare,
    /// Directory of ledger, oracle's file and logs; empty at the start.
    pub dir: PathBuf,
    /// Kills.
    pub rounds: u32,
    /// How long the server is asked before each kill; the first round opens and funds the wallets besides.
    pub length: Duration,
    /// Seed of what is asked.
    pub seed: u64,
}

/// What the rounds came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Requests in the oracle's file.
    pub asked: u64,
    /// Requests without an answer when the server was killed, over all rounds.
    pub unanswered: u64,
    /// Of these, settled after the restart.
    pub settled: u64,
    /// Requests given up after they took effect, of all rounds.
    pub taken_back: u64,
    /// Requests given up before they came.
    pub burned: u64,
    /// Balances read and compared, over all rounds.
    pub wallets_read: u64,
    /// What can't be. Empty when all is well.
    pub contradictions: Vec<String>,
    /// Contradictions found with a server that had lost the last round. None found means that the oracle is blind.
    pub found_of_a_loss: u64,
}

impl Outcome {
    /// Whether the server kept all it said, cancels included, and the oracle would have seen it if not.
    pub fn is_good(&self) -> bool {
        let given_up = self.taken_back > 0 && self.burned > 0;
        given_up
            && self.contradictions.is_empty()
            && self.settled == self.unanswered
            && self.found_of_a_loss > 0
    }
}

impl Rounds {
    /// Runs them all; `say` hears of each round.
    pub fn run(&self, mut say: impl FnMut(&str)) -> Result<Outcome> {
        let mut outcome = Outcome {
            asked: 0,
            unanswered: 0,
            settled: 0,
            taken_back: 0,
            burned: 0,
            wallets_read: 0,
            contradictions: Vec::new(),
            found_of_a_loss: 0,
        };
        self.fanfare.init(&self.ledger())?;
        for round in 1..=self.rounds {
            if round == self.rounds {
                copy_dir(&self.ledger(), &self.dir.join("old"))?;
            }
            let line = self.round(round, &mut outcome)?;
            say(&line);
        }
        outcome.found_of_a_loss = self.after_a_loss()?;
        say(&format!(
            "a server that lost the last round: {} contradictions found, as there must be",
            outcome.found_of_a_loss
        ));
        Ok(outcome)
    }

    fn round(&self, round: u32, outcome: &mut Outcome) -> Result<String> {
        let server = self.serve(&self.ledger(), round)?;
        let mut oracle = Self::oracle("drive", &server, &self.log())?;
        oracle.args(["--seconds", "60", "--until-broken", "--seed"]);
        oracle.arg((self.seed + u64::from(round)).to_string());
        let child = spawn(&mut oracle)?;
        thread::sleep(self.length);
        server.kill()?;
        let driven = finish(child, &mut outcome.contradictions)?;
        let server = self.serve(&self.ledger(), round)?;
        let settled = run(Self::oracle("settle", &server, &self.log())?, &mut outcome.contradictions)?;
        stop(server)?;
        let verified = self.fanfare.verify(&self.ledger())?;
        if verified["exit"] != 0 {
            outcome.contradictions.push(format!("fanfare verify: {verified}"));
        }
        let kept = self.dir.join("verify.json");
        fs::write(&kept, verified["said"].to_string()).map_err(LoadError::file("write", &kept))?;
        let mut compare = Command::new(own_binary()?);
        compare.args(["oracle", "compare", "--log"]).arg(self.log()).arg("--verify").arg(&kept);
        run(compare, &mut outcome.contradictions)?;
        let number = |from: &Value, name: &str| from[name].as_u64().unwrap_or(0);
        let (asked, unanswered) = (number(&driven, "asked"), number(&driven, "unanswered"));
        outcome.asked = asked;
        (outcome.taken_back, outcome.burned) = (number(&driven, "taken_back"), number(&driven, "burned"));
        outcome.unanswered += number(&settled, "unknown");
        outcome.settled += number(&settled, "settled");
        outcome.wallets_read += number(&settled, "wallets_read");
        Ok(format!(
            "round {round}: {asked} asked, killed with {unanswered} unanswered, {} settled, {} asked again, \
             {} cancelled, {} burned, {} balances read",
            settled["settled"],
            settled["asked_again"],
            outcome.taken_back,
            outcome.burned,
            settled["wallets_read"],
        ))
    }

    /// Settles with a server that forgot the last round, on a copy of the oracle's file.
    fn after_a_loss(&self) -> Result<u64> {
        let copy = self.dir.join("oracle-of-the-loss.log");
        fs::copy(self.log(), &copy).map_err(LoadError::file("copy", &copy))?;
        let server = self.serve(&self.dir.join("old"), self.rounds + 1)?;
        let mut heard = Vec::new();
        run(Self::oracle("settle", &server, &copy)?, &mut heard)?;
        stop(server)?;
        Ok(crate::num::count(heard.len()))
    }

    fn oracle(step: &str, server: &Server, log: &Path) -> Result<Command> {
        let mut command = Command::new(own_binary()?);
        command.args(["oracle", step, "--small", "--address"]).arg(server.address(LISTENING)?.to_string());
        command.arg("--log").arg(log);
        Ok(command)
    }

    fn serve(&self, ledger: &Path, round: u32) -> Result<Server> {
        self.fanfare.serve(ledger, &self.dir.join(format!("serve-{round}.log")))
    }

    fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("oracle.log")
    }
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.stdout(Stdio::piped()).spawn().map_err(LoadError::system("start the oracle"))
}

/// One step of the oracle: what it printed, its contradictions added to `contradictions`.
fn run(mut command: Command, contradictions: &mut Vec<String>) -> Result<Value> {
    finish(spawn(&mut command)?, contradictions)
}

fn finish(child: Child, contradictions: &mut Vec<String>) -> Result<Value> {
    let output = child.wait_with_output().map_err(LoadError::system("wait for the oracle"))?;
    let said: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| LoadError::Process("the oracle ended without a word; see above".to_owned()))?;
    let heard = contradictions.len();
    for key in ["contradictions", "differences"] {
        let lines = said[key].as_array().into_iter().flatten();
        contradictions.extend(lines.filter_map(Value::as_str).map(str::to_owned));
    }
    if !output.status.success() && contradictions.len() == heard {
        contradictions.push(format!("a step of the oracle failed: {said}"));
    }
    Ok(said)
}

fn stop(server: Server) -> Result<()> {
    let status = server.stop()?;
    if status.success() {
        return Ok(());
    }
    Err(LoadError::Process(format!("the server ended with {status} after SIGTERM")))
}

fn copy_dir(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to).map_err(LoadError::file("create", to))?;
    for entry in fs::read_dir(from).map_err(LoadError::file("list", from))? {
        let path = entry.map_err(LoadError::file("list", from))?.path();
        let Some(name) = path.file_name() else { continue };
        let copy = to.join(name);
        if path.is_dir() {
            copy_dir(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).map_err(LoadError::file("copy", &path))?;
        }
    }
    Ok(())
}
