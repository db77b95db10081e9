//! What holding, capturing, releasing and expiring ought to do.

use actors::command::{AskedLine, Command, Request};
use actors::festival::Role;
use ledger::ids::At;

use super::{Content, Fresh, Model, Wallet, done, total, vendor, wrong_lines};
use crate::world;

#[derive(Clone, Debug)]
pub(super) struct Hold {
    pub(super) id: u64,
    vendor: u32,
    /// Paid, bonus.
    parts: [i64; 2],
    /// Microseconds.
    due: i64,
}

impl Wallet {
    pub(super) fn held(&self) -> i64 {
        self.holds.iter().map(|hold| hold.parts[0] + hold.parts[1]).sum()
    }
}

impl Model {
    pub(crate) fn held(&self, band: u32) -> i64 {
        self.wallets.get(&world::tag(band).number.get()).map_or(0, Wallet::held)
    }

    /// Everything whose time is up at `at` goes back; how many holds that were.
    pub(crate) fn expire(&mut self, at: At) -> usize {
        let mut expired = 0;
        for wallet in self.wallets.values_mut() {
            let (over, open) = wallet.holds.drain(..).partition::<Vec<_>, _>(|hold| hold.due <= at.0);
            wallet.holds = open;
            for hold in &over {
                wallet.purses = [wallet.purses[0] + hold.parts[0], wallet.purses[1] + hold.parts[1]];
            }
            expired += over.len();
        }
        self.records += expired as u64;
        expired
    }
}

pub(super) fn judge_authorise(
    wallet: &Wallet,
    request: &Request,
    roles: &[Role],
    amount: i64,
    seconds: u32,
) -> Fresh {
    if let Some(code) = cannot_sell(request, roles) {
        Fresh::Refused(code)
    } else if vendor(request) == 0 || seconds == 0 || seconds > world::MOST_HOLD_SECONDS {
        Fresh::Refused(79)
    } else if amount <= 0 {
        Fresh::Refused(71)
    } else if amount > world::LARGEST {
        Fresh::Refused(72)
    } else if wallet.holds.len() == 8 {
        Fresh::Declined(29)
    } else if amount > total(wallet) {
        Fresh::Declined(1)
    } else {
        // Bonus money first, as the test festival says.
        let bonus = amount.min(wallet.purses[1]);
        done([bonus - amount, -bonus])
    }
}

pub(super) fn judge_capture(
    wallet: &Wallet,
    request: &Request,
    roles: &[Role],
    hold: u64,
    lines: &[AskedLine],
    amount: i64,
) -> Fresh {
    if let Some(code) = cannot_sell(request, roles).or_else(|| wrong_lines(request, lines, amount)) {
        return Fresh::Refused(code);
    }
    let parts = match open_hold(wallet, request, hold) {
        Ok(hold) => hold.parts,
        Err(code) => return Fresh::Declined(code),
    };
    if amount > parts[0] + parts[1] {
        return Fresh::Declined(23);
    }
    let bonus = amount.min(parts[1]);
    let sold = [amount - bonus, bonus];
    Fresh::Done { moved: [parts[0] - sold[0], parts[1] - sold[1]], stands: [-sold[0], -sold[1]] }
}

pub(super) fn judge_release(wallet: &Wallet, request: &Request, roles: &[Role], hold: u64) -> Fresh {
    if let Some(code) = cannot_sell(request, roles) {
        return Fresh::Refused(code);
    }
    match open_hold(wallet, request, hold) {
        Ok(hold) => done(hold.parts),
        Err(code) => Fresh::Declined(code),
    }
}

fn cannot_sell(request: &Request, roles: &[Role]) -> Option<u8> {
    if !roles.contains(&Role::Sell) {
        return Some(66);
    }
    (request.till != world::till_of(request.device.get())).then_some(80)
}

fn open_hold<'a>(wallet: &'a Wallet, request: &Request, id: u64) -> Result<&'a Hold, u8> {
    if let Some(hold) = wallet.holds.iter().find(|hold| hold.id == id) {
        return if hold.vendor == vendor(request) { Ok(hold) } else { Err(21) };
    }
    let known = wallet.known.get(&id).filter(|known| known.outcome == 0);
    Err(if known.is_some_and(|known| matches!(known.content, Content::Hold(..))) { 22 } else { 21 })
}

pub(super) fn take_effect(wallet: &mut Wallet, request: &Request, moved: [i64; 2], at: At) {
    match &request.command {
        Command::Authorise { seconds, .. } => wallet.holds.push(Hold {
            id: request.id.get(),
            vendor: vendor(request),
            parts: [-moved[0], -moved[1]],
            due: at.0 + i64::from(*seconds) * 1_000_000,
        }),
        Command::Capture { hold, .. } | Command::ReleaseHold { hold } => {
            wallet.holds.retain(|known| known.id != hold.get());
        }
        _ => {}
    }
}

/// A hold that has ended, or what ended one by giving all of it back.
pub(super) fn cannot_be_undone(wallet: &Wallet, id: u64, content: &Content) -> bool {
    match content {
        Content::Hold(..) => wallet.holds.iter().all(|hold| hold.id != id),
        Content::Release(_) => true,
        _ => false,
    }
}
