//! `fanfare release`: lets a wallet that was quarantined act again, once a person has looked. Works on
//! a ledger that no server has open.
//! Must never: write anything that the engine has not decided.

use std::io::Write;
use std::path::PathBuf;

use engine::host::OsHost;
use engine::release;
use ledger::ids::WalletNumber;

use super::{Failure, inspect};
use crate::directory::Directory;

/// Whom to release.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory. Its server must be stopped.
    pub dir: PathBuf,
    /// The wallet's number, as `fanfare inspect` shows it (16 hexadecimal digits), or the UID of the
    /// wristband it was opened with (8, 14 or 20).
    pub wallet: String,
}

/// Digits of a wallet's number; no UID has as many.
const NUMBER_DIGITS: usize = 16;

/// Releases the wallet that `args` name.
pub fn release(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = Directory::open(&args.dir)?;
    let wallet = if args.wallet.len() == NUMBER_DIGITS {
        u64::from_str_radix(&args.wallet, 16).ok().and_then(WalletNumber::new)
    } else {
        Some(inspect::wallet_of(&directory, &args.wallet)?)
    };
    let wallet = wallet.ok_or_else(|| {
        format!("{}: a wallet's number has {NUMBER_DIGITS} hexadecimal digits", args.wallet)
    })?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (shard, record) = release::release(&OsHost::new(directory.path()), threads, wallet)?;
    writeln!(out, "wallet {wallet} acts again: shard {shard} record {record}")?;
    Ok(())
}
