//! Owns: the progress bar.
//! Must never: touch what is measured: it is drawn once a second, outside the paths that are timed.
//! Laws: none.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadtest::driver::Watch;

/// The bar of a whole run.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar; silent where standard error is no terminal.
    pub fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(2));
        let template = "{msg:<36} [{bar:30}] {human_pos} of {human_len} {per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar }
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Watch for Bar {
    fn stage(&mut self, what: &str) {
        self.bar.reset();
        self.bar.set_length(0);
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            eprintln!("{what}");
        }
    }

    fn answers(&mut self, answered: u64, planned: u64) {
        if planned > 0 {
            self.bar.set_length(planned);
        }
        self.bar.set_position(answered);
    }
}
