//! Golden examples inside `FORMAT.md`: fenced blocks whose info string is `golden NAME`, and the list of
//! their digests as they were written at the document's level. They are compared with what the code
//! produces, and written only by an explicit command. What was there the list says and not the example,
//! so one that was emptied, or taken out and put back, changes no more easily than any other.

use std::collections::BTreeMap;
use std::path::PathBuf;

const OPEN: &str = "```golden ";
const LIST: &str = "```digests\n";
const CLOSE: &str = "```\n";
const LEVEL_LINE: &str = "Format level of this document: ";

/// What writes the examples; one run does all of them and a new level.
pub const COMMAND: &str =
    "UPDATE_GOLDEN=1 cargo test -p ledger --test format_golden every_example_is_what_the_code_writes";

pub struct Document {
    text: String,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md")
}

fn digest(example: &str) -> String {
    let hash = blake3::hash(example.as_bytes());
    hash.to_hex()[..16].to_owned()
}

fn list(produced: &BTreeMap<&str, String>) -> String {
    let lines: Vec<_> =
        produced.iter().map(|(name, example)| format!("{name} {}\n", digest(example))).collect();
    lines.concat()
}

impl Document {
    pub fn open() -> Self {
        Self::of(&std::fs::read_to_string(path()).unwrap())
    }

    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    pub fn save(text: &str) {
        std::fs::write(path(), text).unwrap();
    }

    /// The level the document says it describes.
    pub fn level(&self) -> u16 {
        let line = self.text.lines().find_map(|line| line.strip_prefix(LEVEL_LINE)).unwrap();
        line.trim().parse().unwrap()
    }

    /// The level of the last row of the history of levels.
    pub fn last_level(&self) -> u16 {
        let rows = self.text.split("\n### Levels\n").nth(1).unwrap().lines();
        let rows = rows.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        rows.last().unwrap().split('|').nth(1).unwrap().trim().parse().unwrap()
    }

    /// Names of all golden examples, in order.
    pub fn names(&self) -> Vec<&str> {
        self.text.lines().filter_map(|line| line.strip_prefix(OPEN)).collect()
    }

    /// Where the text of a fenced block begins and ends.
    fn span(&self, open: &str) -> std::ops::Range<usize> {
        let found: Vec<_> = self.text.match_indices(open).collect();
        assert_eq!(found.len(), 1, "FORMAT.md must hold exactly one block `{}`", open.trim());
        let start = found[0].0 + open.len();
        let length = self.text[start..].find(CLOSE).unwrap();
        start..start + length
    }

    pub fn golden(&self, name: &str) -> &str {
        &self.text[self.span(&format!("{OPEN}{name}\n"))]
    }

    /// Examples and their digests, as the command last wrote them.
    fn listed(&self) -> BTreeMap<&str, &str> {
        self.text[self.span(LIST)].lines().map(|line| line.split_once(' ').unwrap()).collect()
    }

    /// The bytes of an example: hex up to the bar of each line.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let hex = |line: &str| line.split('|').next().unwrap_or_default().to_string();
        let groups: Vec<String> = self.golden(name).lines().map(hex).collect();
        let digits = groups.iter().flat_map(|group| group.split_whitespace());
        digits.map(|digits| u8::from_str_radix(digits, 16).unwrap()).collect()
    }

    /// Everything in which the document is not what the code of `level` produces.
    pub fn differences(&self, produced: &BTreeMap<&str, String>, level: u16) -> Vec<String> {
        let mut found = Vec::new();
        if (self.level(), self.last_level()) != (level, level) {
            found.push(format!("the document does not describe level {level}, or its history ends before"));
        }
        for name in self.names() {
            match produced.get(name) {
                Some(now) if now == self.golden(name) => {}
                Some(now) => found.push(format!("`{name}` is\n{}\nproduced:\n{now}", self.golden(name))),
                None => found.push(format!("`{name}` is compared with nothing")),
            }
        }
        let missing = produced.keys().filter(|name| !self.names().contains(name));
        found.extend(missing.map(|name| format!("there is no example `{name}`")));
        if self.text[self.span(LIST)] != list(produced) {
            found.push("the list of digests is not that of these examples".to_owned());
        }
        found
    }

    /// The document with what the code of `level` produces; why not, if that would change or drop an
    /// example that this level has.
    pub fn rewritten(&self, produced: &BTreeMap<&str, String>, level: u16) -> Result<String, String> {
        if level < self.level() {
            return Err(format!("a level never goes back to {level}"));
        }
        for (name, was) in self.listed().into_iter().filter(|_| level == self.level()) {
            if produced.get(name).is_none_or(|now| digest(now) != was) {
                return Err(format!("`{name}` stands at level {level} already: raise `ledger::LEVEL` first"));
            }
        }
        let mut new = Self::of(&self.text);
        for (name, now) in produced {
            let span = new.span(&format!("{OPEN}{name}\n"));
            new.text.replace_range(span, now);
        }
        let span = new.span(LIST);
        new.text.replace_range(span, &list(produced));
        let stated = format!("{LEVEL_LINE}{}", self.level());
        new.text = new.text.replace(&stated, &format!("{LEVEL_LINE}{level}"));
        Ok(new.text)
    }
}
