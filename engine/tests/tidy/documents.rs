//! Rules over documents and every other text: what is pointed at exists, and nothing names the
//! machine that it was written on.

use crate::tree::{File, Tree};

/// Endings that make a name with a slash in it the name of a file of ours.
const ENDINGS: [&str; 7] = [".rs", ".md", ".toml", ".sh", ".yml", ".yaml", ".json"];

/// Relative links, their anchors, and file names in backticks.
pub fn links(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for file in tree.ending(".md") {
        for (line, text) in prose(&file.text) {
            let dead_links = targets(&text).into_iter().filter(|target| !resolves(tree, file, target));
            broken.extend(dead_links.map(|target| format!("{}:{line}: link to `{target}`", file.path)));
            let dead_names = named(&text).into_iter().filter(|name| !exists(tree, file, name));
            broken.extend(dead_names.map(|name| format!("{}:{line}: no file `{name}`", file.path)));
        }
    }
    broken
}

/// Lines outside fenced blocks, counted from 1.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            lines.push((number + 1, line.to_owned()));
        }
    }
    lines
}

/// Targets of `[text](target)` that are not addresses of the web.
fn targets(line: &str) -> Vec<&str> {
    let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    links.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// Names in backticks that can only be paths of ours.
fn named(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let is_path = |name: &&str| {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte));
        let first = name.split('/').next().unwrap_or_default();
        let ours = ["actors", "benches", "chaos", "deploy", "engine", "gateway", "ledger", "loadtest", ".ci"];
        name.contains('/')
            && plain
            && (ours.contains(&first) || ENDINGS.iter().any(|end| name.ends_with(end)))
    };
    let made_by_runs = |name: &&str| name.starts_with("target/") || name.starts_with("reports/");
    quoted.filter(is_path).filter(|name| !made_by_runs(name) && !name.starts_with('/')).collect()
}

/// From the root, or from the document's own folder.
fn exists(tree: &Tree, file: &File, name: &str) -> bool {
    tree.has(name) || tree.has(&beside(file, name))
}

fn resolves(tree: &Tree, file: &File, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { file.path.clone() } else { beside(file, path) };
    if anchor.is_empty() {
        return tree.has(&path);
    }
    let headings = tree.text(&path).map(prose).unwrap_or_default();
    headings.iter().any(|(_, line)| line.starts_with('#') && slug(line) == anchor)
}

/// `name` as seen from the folder of `file`, from the root.
fn beside(file: &File, name: &str) -> String {
    let mut parts: Vec<&str> = file.path.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchor of a heading, as the forges make it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Paths of a workplace and hosts of package registries. Put together here, so that this file does
/// not name them itself.
fn machine_names() -> Vec<String> {
    let folders = ["work", "farm", "root", "home"].map(|folder| format!("/{folder}/"));
    let hosts = [
        ("index.", "crates.io"),
        ("static.", "crates.io"),
        ("pypi.", "org"),
        ("files.", "pythonhosted"),
        ("registry.", "npmjs"),
        ("deb.", "debian.org"),
        ("proxy.", "golang"),
        ("repo1.", "maven"),
    ];
    folders.into_iter().chain(hosts.map(|(host, domain)| format!("{host}{domain}"))).collect()
}

/// No text names a machine or a registry; the lock file has to.
pub fn machines(tree: &Tree) -> Vec<String> {
    let names = machine_names();
    let texts = tree.files.iter().filter(|file| file.path != "Cargo.lock");
    let found = texts.flat_map(|file| {
        let lines = file.text.lines().enumerate();
        let bad = lines.filter(|(_, line)| names.iter().any(|name| line.contains(name)));
        bad.map(|(line, _)| format!("{}:{}: names a machine or a registry", file.path, line + 1))
    });
    found.collect()
}

#[cfg(test)]
mod can_fail {
    use super::*;

    fn broken(text: &str) -> usize {
        let files = [("docs/a.md", text), ("docs/b.md", "# A heading, here\n"), ("ledger/src/x.rs", "")];
        links(&Tree::of(&files)).len()
    }

    #[test]
    fn dead_links_and_names() {
        for dead in [
            "[x](c.md)",
            "[x](../b.md)",
            "[x](b.md#nothing)",
            "[x](#nothing)",
            "see `ledger/src/y.rs`",
            "see `engine/`",
            "`src/y.rs`",
        ] {
            assert_eq!(broken(dead), 1, "{dead}");
        }
    }

    #[test]
    fn live_links_and_what_is_no_path() {
        for fine in [
            "[x](b.md) and [y](../ledger/src/x.rs)",
            "[x](b.md#a-heading-here)",
            "[x](https://example.org/a)",
            "`ledger/src/x.rs`, `ledger/`, `docs/b.md`",
            "`a/s`, `GET /metrics`, `target/release/fanfare`, `application/json`",
            "```\n[x](c.md)\n```",
        ] {
            assert_eq!(broken(fine), 0, "{fine}");
        }
    }

    #[test]
    fn a_machine_by_name() {
        for name in machine_names() {
            let text = format!("a\ncd {name}x\n");
            assert_eq!(machines(&Tree::of(&[("README.md", &text)])).len(), 1, "{name}");
            assert_eq!(machines(&Tree::of(&[("Cargo.lock", &text)])).len(), 0, "{name}");
        }
    }
}
