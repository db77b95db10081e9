//! The test of the tests: each wrong line in the log is noticed by one of the crafted cases.
#![cfg(feature = "mutants")]

use ledger::journal::embedded::trials;
use ledger::mutant::{Mutant, choose};

#[test]
fn every_mutant_of_the_log_is_noticed() {
    trials::all().unwrap();
    let mutants = [
        Mutant::FramePositionIgnored,
        Mutant::FrameGenerationIgnored,
        Mutant::TailNotFlushed,
        Mutant::DamageTakenForTorn,
        Mutant::FailedFlushBelieved,
    ];
    for mutant in mutants {
        choose(Some(mutant));
        assert!(trials::all().is_err(), "{} lives", mutant.name());
    }
    choose(None);
    trials::all().unwrap();
}
