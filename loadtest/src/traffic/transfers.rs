//! Owns: payments between random wallets, made at desks, and the tester's books of them.
//! Must never: judge the balance of an answer: money from other wallets may or may not have arrived by then. What
//! each wallet must hold is asked for when all has arrived.
//! Laws: checks L2, L5 from outside, with the reading of all wallets afterwards.

use wire::{Answer, Class, Command, Refusal, Request, RequestId, RequestsWriter};

use super::{Wallets, part, put};
use crate::driver::{Sent, Traffic};
use crate::error::LoadError;
use crate::num::{count, index};

/// What each transfer moves, in minor units: thousands of them empty no wallet.
pub const TRANSFER: i64 = 100;

/// No transfer of this wallet is in flight.
const NOBODY: u32 = u32::MAX;

/// Payments by any number of desks, each with payers of its own; anybody may be paid.
#[derive(Debug)]
pub struct Transfers<'a> {
    wallets: &'a mut Wallets,
    // Of each desk: the first of its payers, how many there are, and whose turn it is.
    desks: Vec<(u32, u32, u32)>,
    // Who is paid by the transfer that each wallet has in flight.
    payees: Vec<u32>,
    sent_off: u64,
    rng: fastrand::Rng,
}

impl<'a> Transfers<'a> {
    /// Payments at so many desks. Fails when a desk would have more in flight than payers.
    pub fn new(
        wallets: &'a mut Wallets,
        desks: usize,
        in_flight: usize,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let all = wallets.len();
        let parts: Vec<(u32, u32)> = (0..desks).map(|desk| part(all, desk, desks)).collect();
        if all < 2 || parts.iter().any(|(_, payers)| u64::from(*payers) <= count(in_flight)) {
            return Err(LoadError::Arguments(format!(
                "{all} wallets are too few for {desks} desks with {in_flight} transfers in flight each"
            )));
        }
        Ok(Self {
            payees: vec![NOBODY; index(u64::from(all))],
            desks: parts.into_iter().map(|(from, payers)| (from, payers, 0)).collect(),
            wallets,
            sent_off: 0,
            rng: fastrand::Rng::with_seed(seed),
        })
    }

    /// Transfers that the server took: their money has left the payers.
    pub fn sent_off(&self) -> u64 {
        self.sent_off
    }

    /// The desk's next wallet that has no transfer in flight.
    fn payer(&mut self, desk: usize) -> Option<u32> {
        let (from, payers, at) = self.desks.get_mut(desk)?;
        for _ in 0..*payers {
            let payer = *from + *at;
            *at = (*at + 1) % *payers;
            if self.payees.get(index(u64::from(payer))) == Some(&NOBODY) {
                return Some(payer);
            }
        }
        None
    }

    /// Anybody but the payer.
    fn payee(&mut self, payer: u32) -> u32 {
        let other = self.rng.u32(0..self.wallets.len() - 1);
        if other < payer { other } else { other + 1 }
    }
}

/// Puts a payment from one wallet to another into the frame.
pub(super) fn transfer(
    wallets: &Wallets,
    id: RequestId,
    till: u32,
    (payer, payee): (u32, u32),
    frame: &mut RequestsWriter<'_>,
) -> Option<Sent> {
    let request = Request::transfer(id, wallets.uid(payer)?, wallets.uid(payee)?, TRANSFER);
    put(frame, till, request, (payer, -TRANSFER))
}

impl Traffic for Transfers<'_> {
    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        let payer = self.payer(link)?;
        let payee = self.payee(payer);
        let sent = transfer(self.wallets, id, till, (payer, payee), frame)?;
        *self.payees.get_mut(index(u64::from(payer)))? = payee;
        Some(sent)
    }

    fn answered(&mut self, _: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        if answer.command != Command::Transfer.number() {
            return Err(format!("command {} instead of a transfer", answer.command));
        }
        let place = self.payees.get_mut(index(u64::from(sent.token))).ok_or("no such wallet")?;
        let payee = std::mem::replace(place, NOBODY);
        match answer.class {
            Class::Applied if answer.balance < 0 => {
                Err(format!("wallet {} fell to {}", sent.token, answer.balance))
            }
            Class::Applied => {
                self.sent_off += 1;
                self.wallets.moved(sent.token, payee, -sent.delta);
                Ok(())
            }
            // A full channel: it did nothing, and its payer's next turn is another transfer.
            Class::Refused if answer.code == Refusal::Busy.number() => Ok(()),
            _ => Err(format!("{} to a wallet with money", wire::codes::name(answer.code))),
        }
    }
}
