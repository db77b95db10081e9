//! A scripted scenario in the place of the crowd: a few requests in a fixed order, each settled before
//! the next, and time that passes between them. Whatever goes wrong meanwhile, every request is sent
//! until its end is known, and the laws judge as ever.

use actors::command::{AskedLine, Command};
use ledger::ids::{DeviceNumber, RequestId};

use super::fixture;
use super::{Verdict, World};
use crate::laws::Violation;
use ledger::law::Law;

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Scene {
    /// A device with all roles asks about the one wristband, under this counter.
    Ask(u64, Command),
    /// Time passes, in seconds.
    Pass(u32),
}

/// Sells, tops up and opens: see the fixture.
const DEVICE: u32 = 6;
/// Rounds in which a healed world must have answered everybody.
const HEALING_ROUNDS: usize = 400;
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
                Scene::Ask(counter, command) => {
                    let letter = self.clients.ask(DEVICE, *counter, command.clone());
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
            }
        }
        self.heal()
    }
}

/// One hold's life, in each of its four ways to end.
pub fn holds() -> Vec<Scene> {
    let id = |counter| DeviceNumber::new(DEVICE).and_then(|device| RequestId::of(device, counter));
    let hold = |amount, seconds| Command::Authorise { amount, seconds };
    let mut script = vec![
        Scene::Ask(1, Command::Open),
        Scene::Ask(2, Command::TopUp { tender: ledger::record::Tender::Cash, amount: fixture::TOP_UP_MAX }),
        Scene::Ask(3, hold(2_000, 3_600)),
        Scene::Ask(5, hold(500, 3_600)),
        Scene::Ask(7, hold(600, 5)),
        Scene::Ask(8, hold(700, 3_600)),
        Scene::Ask(8, Command::Cancel),
        Scene::Pass(4),
        Scene::Pass(2),
    ];
    let line = AskedLine { item: 4, quantity: 1, unit_price: 1_100 };
    let captured = |hold| Command::Capture { hold, lines: std::iter::once(line).collect(), amount: 1_100 };
    script.extend(id(3).map(|hold| Scene::Ask(4, captured(hold))));
    script.extend(id(5).map(|hold| Scene::Ask(6, Command::ReleaseHold { hold })));
    // Too late: time has given it back.
    script.extend(id(7).map(|hold| Scene::Ask(9, captured(hold))));
    script
}
