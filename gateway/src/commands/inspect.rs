//! `fanfare inspect`: blocks and records as a person can read them, in the order of the log.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ledger::block::Block;
use ledger::ids::{RecordNumber, ShardId, WalletNumber};
use ledger::record::Record;

use super::reading::{Flow, each_block, genesis};
use super::{Failure, channels, show};
use crate::directory::Directory;

/// What to show.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory.
    pub dir: PathBuf,
    /// Only this shard.
    #[arg(long)]
    pub shard: Option<u16>,
    /// Only records of this number or above, which count in each shard.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// At most so many records.
    #[arg(long, default_value_t = 100)]
    pub limit: u64,
    /// Only the wallet of the wristband with this UID (hexadecimal, 4, 7 or 10 bytes).
    #[arg(long, value_name = "UIDHEX")]
    pub wallet: Option<String>,
    /// Instead: the channels between shards, and what is on its way.
    #[arg(long, conflicts_with_all = ["shard", "from", "limit", "wallet"])]
    pub channels: bool,
}

/// Shows what `args` ask for.
pub fn inspect(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    let directory = Directory::open(&args.dir)?;
    if args.channels {
        return channels::channels(&directory, out);
    }
    let wallet = args.wallet.as_deref().map(|uid| wallet_of(&directory, uid)).transpose()?;
    if let Some(wallet) = wallet {
        writeln!(out, "wallet {wallet}")?;
    }
    let mut left = args.limit;
    let look = each_block(&directory, |block| {
        let filter = Filter { args, wallet };
        if filter.takes(block) {
            block_text(&filter, block, &mut left, out)
        } else {
            Ok(ControlFlow::Continue(()))
        }
    })?;
    match look {
        None => writeln!(out, "... more: raise --limit, or go on with --shard and --from")?,
        Some(look) if look.in_use => {
            writeln!(out, "... a server has this ledger open: its last second is not shown")?;
        }
        Some(look) if look.torn => writeln!(out, "... a torn tail follows; the next start cuts it")?,
        Some(_) => {}
    }
    Ok(())
}

/// The wallet that a wristband opened at a desk names.
pub(super) fn wallet_of(directory: &Directory, uid: &str) -> Result<WalletNumber, Failure> {
    let bytes = unhex(uid).filter(|bytes| [4, 7, 10].contains(&bytes.len()));
    let bytes = bytes.ok_or_else(|| format!("{uid}: a UID has 8, 14 or 20 hexadecimal digits"))?;
    Ok(directory.keys(&genesis(directory)?)?.tag(&bytes).number.as_wallet())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.is_ascii() && text.len().is_multiple_of(2) && !text.contains('+');
    let byte = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    digits.then(|| (0..text.len()).step_by(2).map(byte).collect()).flatten()
}

struct Filter<'a> {
    args: &'a Args,
    wallet: Option<WalletNumber>,
}

impl Filter<'_> {
    /// Whether anything of the block may be shown.
    fn takes(&self, block: &Block<'_>) -> bool {
        let shard = self.args.shard.is_none_or(|shard| ShardId(shard) == block.header.shard);
        shard && block.header.head().next_record.0 > self.args.from
    }

    fn takes_record(&self, number: RecordNumber, record: &Record) -> bool {
        let wallet = self.wallet.is_none_or(|wallet| record.envelope.wallet == Some(wallet));
        wallet && number.0 >= self.args.from
    }
}

fn block_text(filter: &Filter<'_>, block: &Block<'_>, left: &mut u64, out: &mut dyn Write) -> Flow {
    let header = &block.header;
    let currency = block.prologue()?.currency;
    let mut texts = Vec::new();
    let mut enough = false;
    block.each_record(|number, record| {
        if filter.takes_record(number, &record) {
            enough |= *left == 0;
            if *left > 0 {
                *left -= 1;
                texts.push(show::record(number, &record, currency));
            }
        }
    })?;
    if !texts.is_empty() {
        writeln!(
            out,
            "shard {} block {}  epoch {}  records {} to {}  {} bytes  hash {}",
            header.shard,
            header.seq,
            header.epoch.0,
            header.first,
            header.head().next_record.0.saturating_sub(1),
            header.length,
            show::hex(&header.hash),
        )?;
    }
    for text in texts {
        for line in text?.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}

/// As [`inspect`], for a path; all of it as text. For tests.
pub fn text(dir: &Path, change: impl FnOnce(&mut Args)) -> Result<String, Failure> {
    let mut args =
        Args { dir: dir.to_owned(), shard: None, from: 0, limit: 100, wallet: None, channels: false };
    change(&mut args);
    let mut out = Vec::new();
    inspect(&args, &mut out)?;
    Ok(String::from_utf8(out)?)
}
