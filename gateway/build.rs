//! Names the commit that a release build is made from, for `fanfare --version` and for the reports of
//! `loadtest`, which shares this script: a binary that was built before the tree moved on must not be called by
//! a later commit. Without git, and in a debug build, which is nobody's figure and would be made again after
//! every commit, it is `unknown`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binaries are made of, from the root. Where any of it is not as the commit has it, the build is
/// marked.
const SOURCES: [&str; 15] = [
    "Cargo.toml",
    "Cargo.lock",
    "ledger/Cargo.toml",
    "ledger/src",
    "actors/Cargo.toml",
    "actors/src",
    "engine/Cargo.toml",
    "engine/src",
    "gateway/Cargo.toml",
    "gateway/build.rs",
    "gateway/src",
    "gateway/wire/Cargo.toml",
    "gateway/wire/src",
    "loadtest/Cargo.toml",
    "loadtest/src",
];

fn main() {
    // The script runs in the folder of its crate.
    let root = Path::new("..");
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let watched = if release { watched(root) } else { vec![root.join("gateway/build.rs")] };
    for path in watched {
        println!("cargo:rerun-if-changed={}", path.display());
    }
    let commit = if release { commit(root) } else { None };
    println!("cargo:rustc-env=FANFARE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// What `git` says in the tree at `root`.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The commit of the tree at `root`, `-dirty` when sources differ from it.
pub(crate) fn commit(root: &Path) -> Option<String> {
    let id = git(root, &["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(root, &[&["status", "--porcelain", "--"], &SOURCES[..]].concat())
        .is_some_and(|text| text.is_empty());
    Some(if clean { id } else { format!("{id}-dirty") })
}

/// Whatever may make the name another one: the sources, and where git notes that HEAD has moved.
pub(crate) fn watched(root: &Path) -> Vec<PathBuf> {
    let branch = git(root, &["symbolic-ref", "HEAD"]);
    let notes = ["HEAD", "logs/HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    let notes = notes.filter_map(|note| git(root, &["rev-parse", "--git-path", note]));
    let all = notes.map(PathBuf::from).chain(SOURCES.map(PathBuf::from));
    all.map(|path| root.join(path)).filter(|path| path.exists()).collect()
}
