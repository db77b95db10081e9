//! Where the tags are known to belong that were given to wallets of other numbers, so that requests go
//! straight to the wallet. Made of confirmed records only, and only a hint: a stale entry may cost a
//! way, never a wrong debit, because the wallet checks that the tag is its own.

use ledger::ids::{TagNumber, WalletNumber};

use super::Pairing;
use crate::command::{Command, Request};
use crate::table::Table;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Routes(Table<TagNumber, Pairing>);

impl Routes {
    /// A tag was given away, or is free again.
    pub fn learn(&mut self, tag: TagNumber, pairing: Option<Pairing>) {
        match pairing {
            Some(pairing) => self.0.insert(tag, pairing),
            None => self.0.remove(&tag),
        };
    }

    /// Whether no tag was given away.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts wallets in the place of their tags: in what the command names, and in the address where the
    /// tag's own actor has nothing to say.
    #[inline]
    pub fn resolve(&self, request: &mut Request) {
        match &mut request.command {
            Command::Transfer { payee: named, .. } | Command::Pair { wallet: named, .. } => {
                *named = self.wallet(named.as_tag()).unwrap_or(*named);
            }
            _ => {}
        }
        // What is about an id, or about the tag itself, is the tag's to look at first.
        if matches!(request.command, Command::Pair { .. } | Command::Cancel | Command::Lookup) {
            return;
        }
        let pairing = self.0.get(&request.tag.number).filter(|pairing| pairing.straight);
        request.wallet = pairing.map(|pairing| pairing.wallet);
    }

    fn wallet(&self, tag: TagNumber) -> Option<WalletNumber> {
        self.0.get(&tag).map(|pairing| pairing.wallet)
    }
}
