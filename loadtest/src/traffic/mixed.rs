//! Owns: purchases with a transfer now and then, by the same terminals, every answer checked to the cent.
//! Must never: pay a wallet that buys: when the money arrives is the server's affair, and no balance of the payee's
//! could be checked.
//! Laws: checks L2, L4, L9 from outside.

use wire::{Answer, Class, Command, RequestId, RequestsWriter};

use super::transfers::transfer;
use super::{Sales, Wallets};
use crate::driver::{Sent, Traffic};
use crate::error::LoadError;
use crate::festival_file::Festival;

/// Of so many wallets one is only paid and buys nothing.
const PAID_ONLY: u32 = 8;

/// Purchases, and each so many-th request a transfer.
#[derive(Debug)]
pub struct Mixed<'a> {
    sales: Sales<'a>,
    one_in: Option<u64>,
    buyers: u32,
    // Who is paid by the one request that each terminal has in flight; none: a purchase.
    payees: Vec<Option<u32>>,
    requests: u64,
    sent_off: u64,
    rng: fastrand::Rng,
}

impl<'a> Mixed<'a> {
    /// Purchases at these tills by seven of eight wallets, one request in flight each; one in so many requests is
    /// a transfer to one of the others.
    pub fn new(
        wallets: &'a mut Wallets,
        festival: &'a Festival,
        tills: &[u32],
        one_in: Option<u64>,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let buyers = wallets.len() - wallets.len() / PAID_ONLY;
        Ok(Self {
            sales: Sales::among(buyers, wallets, festival, tills, 1, 1)?,
            one_in,
            buyers,
            payees: vec![None; tills.len()],
            requests: 0,
            sent_off: 0,
            rng: fastrand::Rng::with_seed(seed),
        })
    }

    /// Transfers that the server took.
    pub fn sent_off(&self) -> u64 {
        self.sent_off
    }

    /// Who is paid by the next request, where it is a transfer.
    fn payee(&mut self) -> Option<u32> {
        self.requests += 1;
        let due = self.one_in.is_some_and(|one_in| self.requests.is_multiple_of(one_in));
        due.then(|| self.rng.u32(self.buyers..self.sales.wallets().len()))
    }
}

impl Traffic for Mixed<'_> {
    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        let payee = self.payee();
        *self.payees.get_mut(link)? = payee;
        let Some(payee) = payee else { return self.sales.next(link, id, till, frame) };
        let payer = self.sales.buyer(link)?;
        transfer(self.sales.wallets(), id, till, (payer, payee), frame)
    }

    fn answered(&mut self, link: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        let payee = self.payees.get_mut(link).ok_or("no such terminal")?.take();
        let Some(payee) = payee else { return self.sales.answered(link, sent, answer) };
        let wallets = self.sales.wallets();
        wallets.take(sent, Command::Transfer, answer)?;
        if answer.class == Class::Applied {
            self.sent_off += 1;
            wallets.credit(payee, -sent.delta);
        }
        Ok(())
    }
}
