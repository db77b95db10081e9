//! What all cores of a node know about tags that were given to wallets of other numbers. Written when a
//! record about one is confirmed, never before (L10); read once a batch.

use std::sync::{PoisonError, RwLock};

use actors::tag::{Pairing, Routes};
use ledger::ids::TagNumber;

use crate::job::Job;

/// A tag, and the wallet that it was given to; `None` where it is free again.
pub(crate) type News = (TagNumber, Option<Pairing>);

/// See the module.
#[derive(Debug, Default)]
pub struct Given(RwLock<Routes>);

impl Given {
    /// Addresses jobs that just came in.
    pub(crate) fn resolve(&self, jobs: &mut [Job]) {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if routes.is_empty() {
            return;
        }
        for job in jobs {
            routes.resolve(&mut job.request);
        }
    }

    /// Takes in what was confirmed.
    pub(crate) fn learn(&self, news: &mut Vec<News>) {
        if news.is_empty() {
            return;
        }
        let mut routes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (tag, pairing) in news.drain(..) {
            routes.learn(tag, pairing);
        }
    }
}
