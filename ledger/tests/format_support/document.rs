//! Golden examples inside `FORMAT.md`: fenced blocks whose info string is `golden NAME`. They are
//! compared with what the code produces, and written only by an explicit command that refuses to
//! change an example while the level stays the same.

use std::path::PathBuf;

const OPEN: &str = "```golden ";
const CLOSE: &str = "```\n";
const LEVEL_LINE: &str = "Format level of this document: ";

/// Whether the explicit command may write an example: an empty one always, another one only
/// together with a new level.
pub fn may_change(present: &str, stated: u16, level: u16) -> bool {
    present.is_empty() || stated != level
}

pub struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    pub fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md");
        let text = std::fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    /// The level the document says it describes.
    pub fn level(&self) -> u16 {
        let line = self.text.lines().find_map(|line| line.strip_prefix(LEVEL_LINE)).unwrap();
        line.trim().parse().unwrap()
    }

    /// Names of all golden examples, in order.
    pub fn names(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix(OPEN)).collect()
    }

    /// Where the text of an example begins and ends.
    fn span(&self, name: &str) -> std::ops::Range<usize> {
        let open = format!("{OPEN}{name}\n");
        let found: Vec<_> = self.text.match_indices(&open).collect();
        assert_eq!(found.len(), 1, "FORMAT.md must hold exactly one example `{name}`");
        let start = found[0].0 + open.len();
        let length = self.text[start..].find(CLOSE).unwrap();
        start..start + length
    }

    pub fn golden(&self, name: &str) -> &str {
        &self.text[self.span(name)]
    }

    /// The bytes of an example: hex up to the bar of each line.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let hex = |line: &str| line.split('|').next().unwrap_or_default().to_string();
        let groups: Vec<String> = self.golden(name).lines().map(hex).collect();
        let digits = groups.iter().flat_map(|group| group.split_whitespace());
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    }

    /// Compares an example with what the code makes of it today. Under `UPDATE_GOLDEN=1` fills an
    /// empty one, and rewrites another only if the code's level is not the document's.
    pub fn check(&mut self, name: &str, produced: &str) {
        if self.golden(name) == produced {
            return;
        }
        assert!(
            std::env::var_os("UPDATE_GOLDEN").is_some(),
            "`{name}` in FORMAT.md differs from what the code produces:\n{}\nproduced:\n{produced}\n\
             Directories written by earlier builds no longer read the same. If that is meant, raise \
             `ledger::LEVEL` and run UPDATE_GOLDEN=1 cargo test -p ledger --test format_golden --test format_log",
            self.golden(name)
        );
        assert!(
            may_change(self.golden(name), self.level(), ledger::LEVEL),
            "`{name}` would change though the level is still {}: raise `ledger::LEVEL` first",
            ledger::LEVEL
        );
        let span = self.span(name);
        self.text.replace_range(span, produced);
    }

    /// Writes what [`Document::check`] changed, and the new level.
    pub fn save(mut self) {
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let old = format!("{LEVEL_LINE}{}", self.level());
            self.text = self.text.replace(&old, &format!("{LEVEL_LINE}{}", ledger::LEVEL));
            std::fs::write(&self.path, &self.text).unwrap();
        }
    }
}
