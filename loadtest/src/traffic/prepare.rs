//! Owns: opening wallets, putting money on them, and reading what they hold, at desks, in frames.
//! Must never: top a wallet up that is not open yet: the two steps are two stretches of load.
//! Laws: checks L4 from outside.

use std::collections::VecDeque;

use wire::{Answer, Class, Command, Request, RequestId, RequestsWriter, Tender};

use super::{Wallets, part};
use crate::driver::{Sent, Traffic};

/// Which step of the preparation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Opens each wallet.
    Open,
    /// Puts cash on each: an amount between the two, in minor units, in whole units of the second place.
    TopUp {
        /// Smallest amount, in minor units.
        from: i64,
        /// Largest amount, in minor units.
        to: i64,
    },
    /// Asks what each holds: the answer must name the very balance of the books.
    Read,
}

#[derive(Debug)]
struct Desk {
    next: u32,
    end: u32,
    // Wallets whose request was refused for a moment (`busy`): they come again.
    again: VecDeque<u32>,
}

/// One step over all wallets, each desk its part.
#[derive(Debug)]
pub struct Prepare<'a> {
    wallets: &'a mut Wallets,
    step: Step,
    desks: Vec<Desk>,
    done: u32,
}

impl<'a> Prepare<'a> {
    /// A step over these wallets, shared out over so many desks.
    pub fn new(wallets: &'a mut Wallets, step: Step, desks: usize) -> Self {
        let all = wallets.len();
        let desk = |place| {
            let (next, count) = part(all, place, desks);
            Desk { next, end: next + count, again: VecDeque::new() }
        };
        Self { wallets, step, desks: (0..desks).map(desk).collect(), done: 0 }
    }

    /// Wallets that have taken the step.
    pub fn done(&self) -> u32 {
        self.done
    }

    fn command(&self) -> Command {
        match self.step {
            Step::Open => Command::OpenWallet,
            Step::TopUp { .. } => Command::TopUp,
            Step::Read => Command::Balance,
        }
    }

    fn amount(&self, wallet: u32) -> i64 {
        let Step::TopUp { from, to } = self.step else { return 0 };
        // Different from wallet to wallet, the same in each run, in whole euros.
        let steps = (to - from) / 100 + 1;
        from + i64::from(wallet.wrapping_mul(0x85eb_ca6b) >> 8) % steps * 100
    }
}

impl Traffic for Prepare<'_> {
    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        let desk = self.desks.get_mut(link)?;
        let wallet = match desk.again.pop_front() {
            Some(wallet) => wallet,
            None if desk.next < desk.end => {
                desk.next += 1;
                desk.next - 1
            }
            None => return None,
        };
        let uid = self.wallets.uid(wallet)?;
        let amount = self.amount(wallet);
        let mut request = match self.step {
            Step::Open => Request::open_wallet(id, uid),
            Step::TopUp { .. } => Request::top_up(id, uid, amount, Tender::Cash),
            Step::Read => Request::balance(id, uid),
        };
        request.till = till;
        frame.push(&request).then_some(Sent { token: wallet, delta: amount })
    }

    fn answered(&mut self, link: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        self.wallets.take(sent, self.command(), answer)?;
        match answer.class {
            Class::Applied | Class::Read => {
                self.done += 1;
                Ok(())
            }
            Class::Refused if answer.code == wire::Refusal::Busy.number() => {
                // The only copy did nothing, so another id is safe.
                self.desks.get_mut(link).ok_or("no such desk")?.again.push_back(sent.token);
                Ok(())
            }
            _ => Err(format!("{} in the preparation", wire::codes::name(answer.code))),
        }
    }
}
