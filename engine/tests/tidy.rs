//! Hygiene is a test: the rules of the house that a compiler does not know, checked over every file
//! of the workspace. Each rule is a function from the tree to what breaks it, and has a test that
//! shows that it can fail; here they meet the real tree.
//!
//! It owns no rule about behaviour: those are the laws L1 to L13, and here it is only checked that
//! each of them has a test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/rust_text.rs"]
mod rust_text;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use tree::Tree;

fn clean(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn real() -> Tree {
    let tree = Tree::read(&Tree::root());
    let sources = tree.rust().count();
    assert!(sources > 50, "only {sources} sources were found: the walk is broken");
    tree
}

#[test]
fn top_level_folders_are_the_eight() {
    clean(&layout::folders(&real()));
}

#[test]
fn arrows_point_down() {
    clean(&layout::arrows(&real()));
}

#[test]
fn every_crate_takes_the_shared_lints() {
    clean(&layout::lints(&real()));
}

#[test]
fn every_file_says_what_it_owns() {
    clean(&source::headers(&real()));
}

#[test]
fn files_and_functions_stay_small() {
    clean(&source::sizes(&real()));
}

#[test]
fn unsafe_stays_in_its_rooms() {
    clean(&source::unsafe_rooms(&real()));
}

#[test]
fn the_deciding_half_is_deterministic() {
    clean(&source::deterministic(&real()));
}

#[test]
fn actors_hand_out_no_state() {
    clean(&source::state_stays_inside(&real()));
}

#[test]
fn no_stub_no_ignored_and_no_sleeping_test() {
    clean(&source::stubs(&real()));
}

#[test]
fn gated_tests_are_run() {
    clean(&source::gated(&real()));
}

#[test]
fn every_law_has_a_test() {
    clean(&source::laws(&real()));
}

#[test]
fn sources_are_ascii() {
    clean(&source::ascii(&real()));
}

#[test]
fn links_and_file_names_in_documents_resolve() {
    clean(&documents::links(&real()));
}

#[test]
fn no_file_names_a_machine() {
    clean(&documents::machines(&real()));
}
