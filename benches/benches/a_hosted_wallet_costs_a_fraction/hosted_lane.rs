//! The lane of the design: wallets as plain state in the table of a shard, which takes slices of
//! many messages at a time from one bounded queue.

use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

use crate::wallet::{Tally, Tap, Wallet, taps};
use crate::{Figures, Size, measure};

type Slice = Vec<(usize, Tap)>;

/// Messages of a slice, and slices of the queue.
const SLICE: usize = 1_024;
const QUEUE: usize = 64;

fn shard(size: Size) -> (Sender<Slice>, JoinHandle<Tally>) {
    let (sender, queue) = crossbeam_channel::bounded(QUEUE);
    let wallets: Vec<Wallet> = (0..size.wallets).map(|_| Wallet::default()).collect();
    (sender, std::thread::spawn(move || host(wallets, &queue)))
}

fn host(mut wallets: Vec<Wallet>, queue: &Receiver<Slice>) -> Tally {
    let mut tally = Tally::default();
    for slice in queue {
        for (wallet, tap) in slice {
            tally.count(wallets[wallet].handle(tap));
        }
    }
    tally
}

/// See the module.
pub(crate) fn run(size: Size) -> Figures {
    measure(
        || shard(size),
        |(sender, thread)| {
            let mut taps = taps(size);
            loop {
                let slice: Slice = taps.by_ref().take(SLICE).collect();
                if slice.is_empty() {
                    break;
                }
                sender.send(slice).expect("the shard runs");
            }
            drop(sender);
            thread.join().expect("the shard ends")
        },
    )
}
