//! The state's hash (L6): BLAKE3 over a canonical, versioned encoding in which nothing depends on
//! the order in which tables happen to hold things.

use blake3::Hasher;

use super::ShardState;
use super::due::Task;
use crate::codes::Decline;
use crate::wallet::Wallet;

/// Raised whenever the encoding below changes.
const VERSION: u16 = 4;

impl ShardState {
    /// Hash of everything a decision can depend on.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = Hasher::new();
        hasher.update(&VERSION.to_le_bytes());
        hasher.update(&self.shard.0.to_le_bytes());
        hasher.update(&self.epoch.0.to_le_bytes());
        hasher.update(&self.last_at.0.to_le_bytes());
        hasher.update(&self.next_record.0.to_le_bytes());
        if let Some(genesis) = &self.genesis {
            hasher.update(&genesis.ledger.0);
            hasher.update(&genesis.shards.to_le_bytes());
            hasher.update(&genesis.key_id);
        }
        self.digest_configuration(&mut hasher);
        let wallets = self.slots.sorted();
        put(&mut hasher, wallets.len() as u64);
        for wallet in wallets {
            self.digest_wallet(&mut hasher, wallet);
        }
        for (sale, void) in self.refunds.sorted() {
            put(&mut hasher, sale.0);
            put(&mut hasher, void.0);
        }
        self.digest_holds(&mut hasher);
        self.digest_allowances(&mut hasher);
        for (account, balance) in self.stripes.sorted() {
            put(&mut hasher, u64::from(account.kind as u8));
            put(&mut hasher, account.owner);
            put(&mut hasher, u64::from(account.currency.numeric()));
            put(&mut hasher, balance.cast_unsigned());
        }
        self.digest_channels(&mut hasher);
        self.digest_tags(&mut hasher);
        *hasher.finalize().as_bytes()
    }

    fn digest_holds(&self, hasher: &mut Hasher) {
        for (wallet, holds) in self.holds.sorted() {
            for hold in holds {
                for value in [wallet, hold.id.get(), hold.record.0] {
                    put(hasher, value);
                }
                for part in hold.from {
                    put(hasher, part.cast_unsigned());
                }
                put(hasher, hold.vendor.map_or(0, |vendor| vendor.get().into()));
                put(hasher, hold.timer.number);
            }
        }
        put(hasher, self.timers.ever_set());
        for (timer, task) in self.timers.iter() {
            put(hasher, timer.due.0.cast_unsigned());
            put(hasher, timer.number);
            match task {
                Task::Expire { wallet, hold } => {
                    put(hasher, wallet.get());
                    put(hasher, hold.get());
                }
                Task::GiveBack { child } => put(hasher, child.get()),
            }
        }
    }

    fn digest_allowances(&self, hasher: &mut Hasher) {
        for ((parent, child), given) in self.allowances.all_given() {
            for value in [*parent, *child, given.message] {
                put(hasher, value);
            }
            put(hasher, given.target.cast_unsigned());
            put(hasher, given.mark.cast_unsigned());
        }
        for (child, kept) in self.allowances.all_kept() {
            for value in [child.get(), kept.parent.get(), u64::from(kept.asked)] {
                put(hasher, value);
            }
            for amount in [kept.target, kept.mark, kept.left] {
                put(hasher, amount.cast_unsigned());
            }
            put(hasher, kept.timer.map_or(0, |timer| timer.number));
        }
        for (position, spent) in self.allowances.all_spent() {
            for value in [position.0, spent.parent.get(), spent.amount.cast_unsigned()] {
                put(hasher, value);
            }
        }
        for ((to, number), spent) in self.allowances.all_sent() {
            for value in [to.0.into(), number, spent.parent.get(), spent.amount.cast_unsigned()] {
                put(hasher, value);
            }
        }
    }

    fn digest_channels(&self, hasher: &mut Hasher) {
        for (from, number) in self.channels.taken() {
            put(hasher, from.0.into());
            put(hasher, number);
        }
        for (to, outbox) in self.channels.outboxes() {
            put(hasher, to.0.into());
            put(hasher, outbox.sent());
            put(hasher, outbox.acknowledged());
            // What waits follows from the records that sent it, and those from the chain; their
            // numbers and records tell two outboxes apart.
            for waiting in outbox.waiting() {
                put(hasher, waiting.number);
                put(hasher, waiting.record.0);
            }
        }
    }

    fn digest_tags(&self, hasher: &mut Hasher) {
        let given = self.tags.all_given();
        put(hasher, given.len() as u64);
        for (tag, pairing) in given {
            put(hasher, tag.get());
            put(hasher, pairing.wallet.get());
            put(hasher, pairing.straight.into());
        }
        for ((wallet, tag), further) in self.tags.all_further() {
            put(hasher, wallet.get());
            put(hasher, tag.get());
            put(hasher, further.check);
            put(hasher, further.standing as u64);
        }
    }

    fn digest_configuration(&self, hasher: &mut Hasher) {
        if let Some(spreading) = &self.spreading {
            let (version, progress) = spreading.progress();
            put(hasher, version.get().into());
            for (shard, told) in progress {
                put(hasher, shard.0.into());
                put(hasher, told as u64);
            }
        }
        for (shard, times) in self.configuration.told_again() {
            put(hasher, shard.0.into());
            put(hasher, times.into());
        }
        if let Some(adopted) = self.adopted() {
            put(hasher, adopted.version.get().into());
            hasher.update(&adopted.hash);
        }
        for ((version, part), bytes) in self.configuration.staged() {
            put(hasher, version.get().into());
            put(hasher, (*part).into());
            put(hasher, bytes.len() as u64);
            hasher.update(bytes);
        }
    }

    fn digest_wallet(&self, hasher: &mut Hasher, wallet: &Wallet) {
        let balances = wallet.balances();
        for value in [wallet.number, wallet.check, u64::from(wallet.festival), u64::from(wallet.flags)] {
            put(hasher, value);
        }
        for value in [balances.paid, balances.bonus, balances.deposit] {
            put(hasher, value.cast_unsigned());
        }
        for value in [wallet.last_till, wallet.last_amount, wallet.last_second, wallet.remembered] {
            put(hasher, value.into());
        }
        for entry in self.memory.newest_first(wallet) {
            put(hasher, entry.id.get());
            put(hasher, entry.content.into());
            put(hasher, entry.record.0);
            put(hasher, entry.outcome.number().into());
            put(hasher, entry.stands.map_or(0, Decline::number).into());
            put(hasher, entry.balance.cast_unsigned());
        }
    }
}

fn put(hasher: &mut Hasher, value: u64) {
    hasher.update(&value.to_le_bytes());
}
