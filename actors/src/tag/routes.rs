//! Where the tags are known to belong that wallets of other numbers took, so that requests go straight to
//! the wallet. Made of confirmed records only: what a wallet took is its own for ever, so an entry is
//! never wrong; a missing one costs a way.

use ledger::ids::{TagNumber, WalletNumber};

use crate::command::{Command, Request};
use crate::table::Table;

/// What a record says about where a tag's requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It was given away; `straight` says that it remembers no id from before.
    Given {
        /// The tag.
        tag: TagNumber,
        /// Requests need not ask it.
        straight: bool,
    },
    /// A wallet took it.
    Taken {
        /// The tag.
        tag: TagNumber,
        /// The wallet.
        wallet: WalletNumber,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Route {
    straight: bool,
    wallet: Option<WalletNumber>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Routes(Table<TagNumber, Route>);

impl Routes {
    /// Takes in what was confirmed.
    pub fn learn(&mut self, news: News) {
        match news {
            News::Given { tag, straight } => self.0.entry(tag).or_default().straight = straight,
            News::Taken { tag, wallet } => self.0.entry(tag).or_default().wallet = Some(wallet),
        }
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
            Command::Transfer { payee: named, .. }
            | Command::Pair { wallet: named, .. }
            | Command::SetAllowance { child: named, .. } => {
                let wallet = self.0.get(&named.as_tag()).and_then(|route| route.wallet);
                *named = wallet.unwrap_or(*named);
            }
            _ => {}
        }
        // What is about an id, or about the tag itself, is the tag's to look at first.
        if matches!(request.command, Command::Pair { .. } | Command::Cancel | Command::Lookup) {
            return;
        }
        let route = self.0.get(&request.tag.number).filter(|route| route.straight);
        request.wallet = route.and_then(|route| route.wallet);
    }
}
