//! One ractor actor per wallet, all on one thread, the sender on another.

use std::sync::Arc;
use std::thread;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::wallet::{Counters, Tap, Wallet, drive};
use crate::{Figures, Size, measure};

struct WalletActor;

impl Actor for WalletActor {
    type Msg = Tap;
    type State = (Wallet, Arc<Counters>);
    type Arguments = Arc<Counters>;

    async fn pre_start(
        &self,
        _: ActorRef<Tap>,
        counters: Arc<Counters>,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((Wallet::default(), counters))
    }

    async fn handle(
        &self,
        _: ActorRef<Tap>,
        tap: Tap,
        (wallet, counters): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        counters.count(wallet.handle(tap));
        Ok(())
    }
}

/// See the module.
pub(crate) fn run(size: Size) -> Figures {
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (sender, started) = crossbeam_channel::bounded(1);
    let begin = || {
        let counters = Arc::clone(&counters);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async move {
                let mut wallets = Vec::new();
                for _ in 0..size.wallets {
                    let spawned = Actor::spawn(None, WalletActor, Arc::clone(&counters)).await;
                    wallets.push(spawned.expect("a wallet starts").0);
                }
                sender.send(wallets).expect("the sender waits");
                drop(stopped.await);
            });
        });
        (started.recv().expect("the wallets start"), thread)
    };
    measure(begin, |(wallets, thread)| {
        let tally = drive(size, &counters, |wallet, tap| {
            wallets[wallet].send_message(tap).expect("the wallet runs");
        });
        drop(stop);
        thread.join().expect("the runtime ends");
        tally
    })
}
