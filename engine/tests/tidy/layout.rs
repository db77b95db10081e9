//! The rooms of the house: which folders there are, and which crate may know which.

use toml::{Table, Value};

use crate::tree::{File, Tree};

const FOLDERS: [&str; 8] =
    ["actors", "benches", "chaos", "deploy", "engine", "gateway", "ledger", "loadtest"];

/// Each crate and the crates of the workspace that it may know. Arrows point down only, and nothing
/// depends on the three that stand outside and look in.
const ARROWS: [(&str, &[&str]); 8] = [
    ("ledger", &[]),
    ("actors", &["ledger"]),
    ("engine", &["actors", "ledger"]),
    ("wire", &[]),
    ("gateway", &["actors", "engine", "ledger", "wire"]),
    ("loadtest", &["wire"]),
    ("chaos", &["actors", "engine", "gateway", "ledger", "wire"]),
    ("benches", &["actors", "engine", "gateway", "ledger", "wire"]),
];

/// Crates without IO, clock, randomness and async, and what would bring those in.
const PURE: [&str; 2] = ["actors", "wire"];
const IMPURE: [&str; 9] =
    ["actix-web", "crossbeam-channel", "fastrand", "jiff", "rand", "ractor", "rustix", "tokio", "tracing"];

/// Top-level folders are exactly the ones of the floor plan, besides dot folders.
pub fn folders(tree: &Tree) -> Vec<String> {
    let mut found: Vec<&str> =
        tree.files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
    found.retain(|name| !name.starts_with('.'));
    found.dedup();
    let unknown = found.iter().filter(|name| !FOLDERS.contains(name));
    let unknown = unknown.map(|name| format!("{name}/: not a folder of the floor plan"));
    let missing = FOLDERS.iter().filter(|name| !found.contains(name));
    unknown.chain(missing.map(|name| format!("{name}/: missing"))).collect()
}

/// Every crate's manifest names only the crates below it, in every kind of dependency.
pub fn arrows(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, manifest, name) in crates(tree) {
        let Some((_, below)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            broken.push(format!("{}: `{name}` has no place among the arrows", file.path));
            continue;
        };
        for (dependency, normal) in dependencies(&manifest) {
            let own = ARROWS.iter().any(|(own, _)| *own == dependency);
            if own && !below.contains(&dependency.as_str()) {
                broken.push(format!("{}: `{name}` must not know `{dependency}`", file.path));
            }
            if normal && PURE.contains(&name.as_str()) && IMPURE.contains(&dependency.as_str()) {
                broken.push(format!("{}: `{name}` is pure: no `{dependency}`", file.path));
            }
        }
    }
    broken
}

/// Every crate takes its lints from the root: there is one place where they are decided.
pub fn lints(tree: &Tree) -> Vec<String> {
    let shared = |manifest: &Table| {
        let lints = manifest.get("lints").and_then(Value::as_table);
        lints.is_some_and(|lints| lints.get("workspace") == Some(&Value::Boolean(true)))
    };
    let bare = crates(tree).into_iter().filter(|(_, manifest, _)| !shared(manifest));
    bare.map(|(file, _, _)| format!("{}: does not take the shared lints", file.path)).collect()
}

/// Manifests that describe a crate, with its name.
fn crates(tree: &Tree) -> Vec<(&File, Table, String)> {
    let manifests = tree.ending("Cargo.toml");
    let parsed = manifests.filter_map(|file| {
        let manifest: Table = file.text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.path));
        let name = manifest.get("package")?.get("name")?.as_str()?.to_owned();
        Some((file, manifest, name))
    });
    parsed.collect()
}

/// What a manifest depends on, and whether the product does or only its tests and build.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(|targets| targets.values().filter_map(Value::as_table));
    let mut found = Vec::new();
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(named) = table.get(kind).and_then(Value::as_table) else { continue };
            for (name, how) in named {
                let package = how.get("package").and_then(Value::as_str).unwrap_or(name);
                found.push((package.to_owned(), kind == "dependencies"));
            }
        }
    }
    found
}

#[cfg(test)]
mod can_fail {
    use super::*;

    fn manifest(name: &str, rest: &str) -> String {
        format!("[package]\nname = \"{name}\"\n{rest}")
    }

    #[test]
    fn a_folder_too_many_and_one_too_few() {
        let tree = Tree::of(&[("utils/src/lib.rs", ""), ("test", ""), (".ci/run", ""), ("ledger/x", "")]);
        let broken = folders(&tree);
        assert!(broken.contains(&"utils/: not a folder of the floor plan".to_owned()), "{broken:?}");
        assert!(broken.contains(&"deploy/: missing".to_owned()), "{broken:?}");
        assert_eq!(broken.len(), 1 + 7);
    }

    #[test]
    fn an_arrow_that_points_up() {
        let cases = [
            ("ledger", "[dependencies]\nactors.workspace = true\n"),
            ("actors", "[dev-dependencies]\nengine = { path = \"../engine\" }\n"),
            ("loadtest", "[dependencies]\nours = { package = \"engine\", path = \"../engine\" }\n"),
            ("gateway", "[build-dependencies]\nloadtest.workspace = true\n"),
            ("engine", "[target.'cfg(unix)'.dependencies]\nwire.workspace = true\n"),
            ("benches", "[dependencies]\nchaos.workspace = true\n"),
            ("wire", "[dependencies]\ntokio.workspace = true\n"),
            ("utils", ""),
        ];
        for (name, rest) in cases {
            let text = manifest(name, rest);
            assert_eq!(arrows(&Tree::of(&[("x/Cargo.toml", &text)])).len(), 1, "{name}");
        }
        let fine = manifest("engine", "[dependencies]\nledger.workspace = true\ntokio.workspace = true\n");
        assert_eq!(arrows(&Tree::of(&[("x/Cargo.toml", &fine)])), Vec::<String>::new());
    }

    #[test]
    fn a_crate_with_lints_of_its_own() {
        let bare = manifest("engine", "[lints.clippy]\npedantic = \"allow\"\n");
        let fine = manifest("engine", "[lints]\nworkspace = true\n");
        assert_eq!(lints(&Tree::of(&[("x/Cargo.toml", &bare)])).len(), 1);
        assert_eq!(lints(&Tree::of(&[("x/Cargo.toml", &fine)])).len(), 0);
    }
}
