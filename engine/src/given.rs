//! What all cores of a node know about tags that wallets of other numbers took. Written when a record about
//! one is confirmed, never before (L10); read once a batch.

use std::sync::{PoisonError, RwLock};

use actors::tag::{News, Routes};

use crate::job::Job;

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
        news.drain(..).for_each(|news| routes.learn(news));
    }
}
