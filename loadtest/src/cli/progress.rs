//! Owns: the progress bar.
//! Must never: touch what is measured: it is drawn once a second, outside the paths that are timed.
//! Laws: none.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for one stretch of work.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar with a name in front; silent where standard error is no terminal.
    pub fn new(name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(2));
        let template = "{msg:<22} [{bar:30}] {human_pos} of {human_len} {per_sec}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(name.to_owned());
        Self { bar }
    }

    /// What a driver calls about once a second.
    pub fn answers(&self) -> impl FnMut(u64, u64) + '_ {
        |answered, planned| {
            if planned > 0 {
                self.bar.set_length(planned);
            }
            self.bar.set_position(answered);
        }
    }

    /// Takes the bar off the terminal.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
