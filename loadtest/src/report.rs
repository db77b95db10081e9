//! Owns: the report of a run: its figures as JSON, its page as self-contained HTML, and the proof that both come
//! from the raw log.
//! Must never: show a figure that the raw log does not give.
//! Laws: none.

pub mod figures;
mod html;
mod names;
mod plots;
mod svg;
pub mod text;
mod verify;

use std::fs;
use std::path::Path;

pub use figures::{Report, compute};
pub use verify::{Difference, verify};

use crate::error::{LoadError, Result};
use crate::rawlog::{self, write_json};

/// Name of the figures' file in the run's directory.
pub const JSON: &str = "report.json";

/// Name of the page in the run's directory.
pub const HTML: &str = "report.html";

/// Reads the raw log in `dir`, computes its report, and writes both files beside it.
pub fn render(dir: &Path) -> Result<Report> {
    let report = compute(&rawlog::read(dir)?)?;
    write_json(&dir.join(JSON), &report)?;
    let path = dir.join(HTML);
    fs::write(&path, html::page(&report)).map_err(LoadError::file("write", &path))?;
    Ok(report)
}
