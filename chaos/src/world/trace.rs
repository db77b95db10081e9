//! What happened, line by line, as one hash: two runs of a seed must give the same. Keeps the lines
//! themselves only when asked to.

use std::fmt::{Arguments, Write as _};

/// The trace of a run.
#[derive(Default)]
pub struct Trace {
    hasher: blake3::Hasher,
    line: String,
    kept: Option<Vec<String>>,
    lines: u64,
}

impl Trace {
    /// Keeps the lines, for a person to read.
    pub fn keep(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// Adds a line.
    pub fn line(&mut self, line: Arguments<'_>) {
        self.line.clear();
        // Writing to a string cannot fail.
        let _always = self.line.write_fmt(line);
        self.line.push('\n');
        self.hasher.update(self.line.as_bytes());
        self.lines += 1;
        if let Some(kept) = &mut self.kept {
            kept.push(self.line.trim_end().to_owned());
        }
    }

    /// How many lines.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// The lines, if they were kept.
    pub fn kept(&self) -> &[String] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// Hash of all lines.
    pub fn hash(&self) -> [u8; 32] {
        *self.hasher.finalize().as_bytes()
    }
}
