//! What wallets decide against the auditor, which knows nothing of how they decide: every history
//! that the random programs bring about must pass it, and leave the balances it worked out.

use ledger::audit::{Auditor, Report, Rule};
use ledger::block::{Block, Draft, Head};
use ledger::ids::{Epoch, LedgerId};
use ledger::record::leb::Reader;

use crate::world::{self, World};

pub(crate) fn audited(world: &World) -> Report {
    let mut auditor = Auditor::new(&[]);
    audit(&mut auditor, world);
    auditor.finish()
}

/// Hands the history of a shard to an auditor.
pub(crate) fn audit(auditor: &mut Auditor, world: &World) {
    let mut head = Head::default();
    for run in world.history.chunks(37) {
        let mut draft = Draft::new(LedgerId([9; 16]), world.state.shard(), Epoch(1));
        draft.begin(world.state.prologue(run[0].at));
        draft.place(head);
        for record in run {
            draft.push(record);
        }
        let header = draft.seal();
        let bytes = [&header.to_bytes()[..], draft.payload()].concat();
        auditor.block(&Block::read(&mut Reader::new(&bytes)).unwrap());
        head = header.head();
    }
}

/// The other 31 shards of the ledger are not there, and that is all the auditor may find.
pub(crate) fn check_audit(world: &World) {
    let report = audited(world);
    let broken: Vec<_> = report.findings.iter().filter(|found| found.rule != Rule::Missing).collect();
    assert!(broken.is_empty(), "{broken:#?}\nin {:#?}", world.history);
    assert_eq!(report.findings_total, 31);
    for band in 0..5 {
        let number = world::wallet(band);
        let worked_out = report.wallets.iter().find(|wallet| wallet.number == number);
        assert_eq!(worked_out.map(|wallet| wallet.purses), world.purses(band), "band {band}");
        let held = worked_out.map_or(0, |wallet| wallet.held);
        assert_eq!(held, world.state.held(number), "held of band {band}");
    }
}
