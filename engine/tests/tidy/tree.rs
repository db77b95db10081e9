//! The files of the workspace, or of a sample made up by a test, as relative paths and texts.

use std::path::{Path, PathBuf};

/// Folders that are no part of the project: what builds and runs leave behind.
const LEFT_BEHIND: [&str; 3] = ["target", "reports", "proptest-regressions"];

/// One file.
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    /// All of it; empty for what is no text.
    pub text: String,
}

/// A workspace.
pub struct Tree {
    /// By path.
    pub files: Vec<File>,
}

impl Tree {
    /// The workspace this test belongs to.
    pub fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
    }

    /// Every file under `root`, without dot folders (`.ci` excepted) and what runs leave behind.
    pub fn read(root: &Path) -> Self {
        let mut tree = Self { files: Vec::new() };
        tree.walk(root, "");
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }

    /// A sample.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    fn walk(&mut self, root: &Path, under: &str) {
        for entry in std::fs::read_dir(root.join(under)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if under.is_empty() { name.clone() } else { format!("{under}/{name}") };
            let hidden = name.starts_with('.') && name != ".ci";
            if hidden || LEFT_BEHIND.contains(&name.as_str()) {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                self.walk(root, &path);
            } else {
                // A picture has a path that documents point at, and no text.
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                self.files.push(File { path, text });
            }
        }
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.ending(".rs")
    }

    /// Files whose path ends so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }

    /// The text of one file.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|file| file.path == path).map(|file| file.text.as_str())
    }

    /// Whether a file or a folder has this path.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }
}

#[test]
fn the_walk_sees_nested_files_and_leaves_out_what_runs_leave() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["a/b/c.rs", "target/x.rs", ".git/config", ".ci/run", "a/reports/y.json"] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "text").unwrap();
    }
    let paths: Vec<_> = Tree::read(dir.path()).files.into_iter().map(|file| file.path).collect();
    assert_eq!(paths, [".ci/run", "a/b/c.rs"]);
}
