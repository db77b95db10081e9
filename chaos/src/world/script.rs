//! A scripted scenario in the place of the crowd: a few requests in a fixed order, each settled before
//! the next, and time that passes between them. Whatever goes wrong meanwhile, every request is sent
//! until its end is known, and the laws judge as ever.

use actors::address::Tag;
use actors::command::Command;
use ledger::ids::Office;
use ledger::law::Law;

use super::tally::{Row, Tally};
use super::{Verdict, World, fixture};
use crate::laws::Violation;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Scene {
    /// A device asks about a wristband or an office, under this counter.
    Ask(Tag, u64, Command),
    /// Time passes, in seconds.
    Pass(u32),
    /// Within ten seconds nothing is on its way between shards, and transit is zero.
    Rest,
}

/// A script, and how often what is durable at its end says that a thing happened, whatever went wrong.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// What it is about.
    pub name: &'static str,
    /// What happens; without a scene the crowd does what it likes.
    pub scenes: Vec<Scene>,
    /// What must be durable in the end, and how often.
    pub ends: Vec<(Row, u64)>,
}

/// Sells, tops up and opens: see the fixture.
pub(crate) const DEVICE: u32 = 6;
/// Rounds in which a healed world must have answered everybody.
const HEALING_ROUNDS: usize = 400;
/// How long a client waits before it asks again.
const COMES_BACK_MICROS: u32 = 50_000;
/// Rounds in which what time brings about is decided and stored.
const ROUNDS: usize = 100;

impl World {
    /// Everybody sends what they know no end of, until they do.
    pub(super) fn settle_everybody(&mut self) -> Verdict {
        for _ in 0..HEALING_ROUNDS {
            self.round()?;
            self.check_held()?;
            let open = self.clients.unsettled();
            if open.is_empty() && self.laws.waiting() == 0 && self.net.is_empty() {
                return Ok(());
            }
            if self.laws.waiting() == 0 && self.net.is_empty() {
                // Whoever is told to come back does so later, not at once.
                self.clock.pass(COMES_BACK_MICROS);
                self.net = open;
            }
        }
        let open = self.laws.still_waiting().next().map(|waiting| waiting.request.clone());
        Err(Violation::new(Law::Bounded, format!("no answer though nothing fails any more: {open:?}")))
    }

    /// Plays the scenes one after the other, then comes to an end as every run does.
    pub(super) fn play(&mut self, script: &[Scene]) -> Verdict {
        for scene in script {
            match scene {
                Scene::Ask(tag, counter, command) => {
                    let office = Office::of(tag.number.as_wallet()).is_some();
                    let device = if office { fixture::ADMINISTRATOR } else { DEVICE };
                    let letter = self.clients.ask(device, *counter, *tag, command.clone());
                    let letter = letter.ok_or_else(|| Violation::new(Law::Order, "a scene without sense"))?;
                    self.net.push(letter);
                    self.settle_everybody()?;
                }
                Scene::Pass(seconds) => {
                    self.clock.pass(seconds.saturating_mul(1_000_000));
                    for _ in 0..ROUNDS {
                        self.round()?;
                    }
                }
                Scene::Rest => {
                    let until = self.agreeing();
                    self.drain_channels(until)?;
                }
            }
        }
        self.heal()
    }
}

impl Script {
    /// The first thing that happened too often, or not often enough.
    pub fn missed(&self, tally: &Tally) -> Option<String> {
        let wrong = self.ends.iter().find(|(row, times)| tally.of(*row) != *times)?;
        Some(format!("{:?} {} times, not {}", wrong.0, tally.of(wrong.0), wrong.1))
    }
}
