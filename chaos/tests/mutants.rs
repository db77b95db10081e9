//! The test of the tests, in a build with the `mutants` feature: no mutant survives, and the build
//! without one passes with the same budget.
#![cfg(feature = "mutants")]

use chaos::mutants::{self, Hunt};

#[test]
fn no_mutant_survives() {
    assert_eq!(mutants::run(&Hunt::default()), 0);
}
