//! Owns: what can stop a load test, in words that say what to do.
//! Must never: stand for a decline or a refusal: those are results and are counted.
//! Laws: none.

use std::path::{Path, PathBuf};

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory could not be used.
    #[error("{what} {path}: {source}")]
    File {
        /// What was tried, with its verb: "read", "create".
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A socket, timer or process failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A raw log, report or festival does not hold what it must.
    #[error("{path}: {problem}")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The server broke the protocol, closed a connection or said no where the run needs a yes.
    #[error("the server {0}")]
    Server(String),
    /// The server process ended or never became ready.
    #[error("{0}")]
    Process(String),
    /// The arguments don't make a run.
    #[error("{0}")]
    Arguments(String),
}

/// The result of anything that can stop a run.
pub type Result<T> = std::result::Result<T, LoadError>;

impl LoadError {
    /// For `map_err` on file operations.
    pub fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { what, path, source }
    }

    /// For `map_err` on socket, timer and process operations.
    pub fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// For `map_err` on the raw system calls.
    pub fn call(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::System { what, source: errno.into() }
    }

    /// A file that does not hold what it must.
    pub fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), problem: problem.into() }
    }
}
