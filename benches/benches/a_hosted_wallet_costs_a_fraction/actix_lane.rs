//! One actix actor per wallet, all in one arbiter, as the framework means it: an arbiter is a thread.

use std::sync::Arc;

use actix::{Actor, Addr, Arbiter, Context, Handler, Message, System};

use crate::wallet::{Counters, Tap, Wallet, drive};
use crate::{Figures, Size, measure};

struct WalletActor {
    wallet: Wallet,
    counters: Arc<Counters>,
}

impl Actor for WalletActor {
    type Context = Context<Self>;
}

struct Sale(Tap);

impl Message for Sale {
    type Result = ();
}

impl Handler<Sale> for WalletActor {
    type Result = ();

    fn handle(&mut self, Sale(tap): Sale, _: &mut Self::Context) {
        self.counters.count(self.wallet.handle(tap));
    }
}

/// See the module.
pub(crate) fn run(size: Size) -> Figures {
    let system = System::new();
    let arbiter = system.block_on(async { Arbiter::new() });
    let counters = Arc::new(Counters::default());
    let figures = measure(
        || start(size, &arbiter, &counters),
        |wallets| drive(size, &counters, |wallet, tap| wallets[wallet].do_send(Sale(tap))),
    );
    arbiter.stop();
    figures
}

/// Starts the wallets on the arbiter's thread, and returns when the last one runs.
fn start(size: Size, arbiter: &Arbiter, counters: &Arc<Counters>) -> Vec<Addr<WalletActor>> {
    let (sender, started) = crossbeam_channel::bounded(1);
    let counters = Arc::clone(counters);
    arbiter.spawn_fn(move || {
        let wallet = |_| WalletActor { wallet: Wallet::default(), counters: Arc::clone(&counters) }.start();
        let wallets: Vec<_> = (0..size.wallets).map(wallet).collect();
        // What was spawned runs only after this returns: told by the last of what is queued behind.
        actix::spawn(async move {
            tokio::task::yield_now().await;
            drop(sender.send(wallets));
        });
    });
    started.recv().expect("the arbiter runs")
}
