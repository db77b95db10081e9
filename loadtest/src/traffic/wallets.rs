//! Owns: the wallets of a run: their tags, and what each must hold after the answers so far.
//! Must never: let a wallet's expected balance follow the server's word.
//! Laws: checks L2 and L9 from outside.

use wire::{Answer, Class, Command, Uid};

use crate::driver::Sent;
use crate::error::LoadError;

/// The tag of a wallet: 7 bytes, different for each number, none of them following another.
pub fn uid_of(wallet: u32) -> Result<Uid, LoadError> {
    // An odd multiplier permutes the 32-bit numbers: tags are handed out in no order, as on a festival.
    let [a, b, c, d] = wallet.wrapping_mul(0x9e37_79b1).to_le_bytes();
    Uid::new(&[0x04, 0xfa, 0xa1, a, b, c, d])
        .ok_or_else(|| LoadError::Arguments("a tag of seven bytes is not accepted".to_owned()))
}

/// The tester's books.
#[derive(Debug, Clone)]
pub struct Wallets {
    balances: Vec<i64>,
    uids: Vec<Uid>,
}

impl Wallets {
    /// So many wallets, not opened yet.
    pub fn new(wallets: u32) -> Result<Self, LoadError> {
        let uids = (0..wallets).map(uid_of).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { balances: vec![0; uids.len()], uids })
    }

    /// How many.
    pub fn len(&self) -> u32 {
        u32::try_from(self.uids.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The tag of a wallet.
    pub fn uid(&self, wallet: u32) -> Option<Uid> {
        self.uids.get(wallet as usize).copied()
    }

    /// What a wallet must hold, in minor units.
    pub fn balance(&self, wallet: u32) -> i64 {
        self.balances.get(wallet as usize).copied().unwrap_or(0)
    }

    /// Sum of all balances.
    pub fn total(&self) -> i64 {
        self.balances.iter().sum()
    }

    /// Takes a transfer into the books: what both wallets hold once the money has arrived.
    pub fn moved(&mut self, payer: u32, payee: u32, amount: i64) {
        self.credit(payer, -amount);
        self.credit(payee, amount);
    }

    /// Money for a wallet from another one.
    pub fn credit(&mut self, wallet: u32, amount: i64) {
        if let Some(balance) = self.balances.get_mut(wallet as usize) {
            *balance += amount;
        }
    }

    /// Takes an answer into the books. An applied one moves the wallet by the request's delta and a decline does not
    /// move it; in both cases the server must name the very balance the books say.
    pub fn take(&mut self, sent: Sent, command: Command, answer: &Answer) -> Result<(), String> {
        if answer.command != command.number() {
            return Err(format!("command {} instead of {}", answer.command, command.number()));
        }
        let Some(balance) = self.balances.get_mut(sent.token as usize) else {
            return Err(format!("wallet {} does not exist", sent.token));
        };
        match answer.class {
            Class::Applied => *balance += sent.delta,
            Class::Declined | Class::Read => {}
            Class::Refused | Class::Unknown => return Ok(()),
        }
        if answer.balance != *balance {
            return Err(format!("balance {} instead of {balance} on wallet {}", answer.balance, sent.token));
        }
        if *balance < 0 {
            return Err(format!("wallet {} fell to {balance}", sent.token));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use wire::{Decline, Position, Refusal, RequestId};

    #[test]
    fn tags_differ() {
        let tags: HashSet<Vec<u8>> = (0..100_000).map(|n| uid_of(n).unwrap().as_bytes().to_vec()).collect();
        assert_eq!(tags.len(), 100_000);
    }

    #[test]
    fn the_books_follow_applied_answers_only_and_catch_a_wrong_balance() {
        let mut wallets = Wallets::new(2).unwrap();
        let id = RequestId::from_raw(7);
        let command = Command::TopUp;
        let top_up = Sent { token: 1, delta: 500 };
        let applied = |balance| Answer::applied(id, command.number(), Position::NONE, balance);
        wallets.take(top_up, command, &applied(500)).unwrap();
        assert_eq!((wallets.balance(1), wallets.balance(0), wallets.total()), (500, 0, 500));
        assert!(wallets.take(top_up, command, &applied(999)).unwrap_err().contains("999 instead of 1000"));
        let mut wallets = Wallets::new(1).unwrap();
        let sale = Sent { token: 0, delta: -5 };
        let purchase = Command::Purchase;
        let declined = |balance| {
            Answer::declined(id, purchase.number(), Decline::InsufficientFunds, Position::NONE, balance)
        };
        wallets.take(sale, purchase, &declined(0)).unwrap();
        assert!(wallets.take(sale, purchase, &declined(-5)).is_err(), "a decline must not move money");
        let busy = Answer::refused(id, purchase.number(), Refusal::Busy);
        wallets.take(sale, purchase, &busy).unwrap();
        assert_eq!(wallets.balance(0), 0);
        let overdrawn = Answer::applied(id, purchase.number(), Position::NONE, -5);
        assert!(wallets.take(sale, purchase, &overdrawn).unwrap_err().contains("fell to -5"));
        assert!(wallets.take(sale, Command::Void, &busy).unwrap_err().contains("command"));
    }
}
