//! Owns: drawing: line charts and bar charts as inline SVG, with labelled axes, units and a legend.
//! Must never: use a script, a font or a picture from elsewhere; carry colour as the only sign (lines are named).
//! Laws: none.

use std::fmt::Write as _;

use crate::num::{count, to_f64};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// One line of a chart.
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    /// Which colour of the page's palette, from 1.
    pub colour: u8,
    /// Dashed: a plan or a limit, not a measurement.
    pub dashed: bool,
    /// Points, by rising x.
    pub points: Vec<(f64, f64)>,
}

/// What a chart says beside its lines.
pub struct Labels<'a> {
    /// For readers who can't see it.
    pub title: &'a str,
    /// Under the x axis.
    pub x: &'a str,
    /// Over the y axis.
    pub y: &'a str,
}

/// How a y value becomes a height and a tick a word.
#[derive(Clone, Copy)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    words: fn(f64) -> String,
}

impl Scale {
    /// From zero to a round number over the largest value.
    pub fn linear(values: impl Iterator<Item = f64>, words: fn(f64) -> String) -> Self {
        let largest = values.fold(0.0, f64::max);
        let step = tick_step(largest.max(1e-9));
        Self { low: 0.0, high: (largest / step).ceil().max(1.0) * step, log: false, words }
    }

    /// From a power of ten under the smallest value to one over the largest.
    pub fn log(values: impl Iterator<Item = f64>, words: fn(f64) -> String) -> Self {
        let (mut low, mut high) = (f64::MAX, f64::MIN_POSITIVE);
        for value in values.filter(|value| *value > 0.0) {
            low = low.min(value);
            high = high.max(value);
        }
        let low = if low > high { 1.0 } else { 10_f64.powf(low.log10().floor()) };
        Self { low, high: 10_f64.powf(high.log10().ceil()).max(low * 10.0), log: true, words }
    }

    fn part(&self, value: f64) -> f64 {
        if self.log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    fn ticks(&self) -> Vec<f64> {
        let mut ticks = Vec::new();
        if self.log {
            let mut at = self.low;
            while at <= self.high * 1.000_1 && ticks.len() < 12 {
                ticks.push(at);
                at *= 10.0;
            }
        } else {
            let step = tick_step(self.high);
            while to_f64(count(ticks.len())) * step <= self.high * 1.000_1 && ticks.len() < 12 {
                ticks.push(to_f64(count(ticks.len())) * step);
            }
        }
        ticks
    }
}

/// 1, 2 or 5 times a power of ten, so that four to eight steps reach the largest value.
fn tick_step(largest: f64) -> f64 {
    let rough = largest / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough).unwrap_or(10.0);
    factor * power
}

/// Text that is safe between tags and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A line chart; empty when there are no points.
pub fn lines(labels: &Labels<'_>, y: Scale, series: &[Series]) -> String {
    let all = || series.iter().flat_map(|line| line.points.iter());
    if all().next().is_none() {
        return String::new();
    }
    let x = Scale::linear(all().map(|(x, _)| *x), plain);
    let x = Scale { high: all().map(|(x, _)| *x).fold(0.0, f64::max).max(1e-9), ..x };
    let mut out = String::new();
    // Writing to a string can't fail, here and below.
    let _ = write!(
        out,
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(labels.title)
    );
    axes(&mut out, labels, x, y);
    for line in series {
        draw(&mut out, x, y, line);
    }
    legend(&mut out, series);
    out.push_str("</svg>");
    out
}

fn place(x: Scale, y: Scale, point: (f64, f64)) -> (f64, f64) {
    let across = LEFT + x.part(point.0) * (WIDTH - LEFT - RIGHT);
    let up = HEIGHT - BOTTOM - y.part(point.1).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM);
    (across, up)
}

fn axes(out: &mut String, labels: &Labels<'_>, x: Scale, y: Scale) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for tick in y.ticks() {
        let (_, at) = place(x, y, (0.0, tick));
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            (y.words)(tick)
        );
    }
    for tick in x.ticks() {
        let (at, _) = place(x, y, (tick, y.low));
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{bottom}\" y2=\"{:.1}\"/>\
             <text class=\"tick\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 4.0,
            bottom + 17.0,
            (x.words)(tick)
        );
    }
    let _ = write!(
        out,
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>\
         <text class=\"label\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\
         <text class=\"label\" x=\"4\" y=\"14\">{}</text>",
        f64::midpoint(LEFT, right),
        HEIGHT - 6.0,
        escape(labels.x),
        escape(labels.y)
    );
}

fn draw(out: &mut String, x: Scale, y: Scale, line: &Series) {
    let mut path = String::new();
    for (number, point) in line.points.iter().enumerate() {
        let (across, up) = place(x, y, *point);
        let _ = write!(path, "{}{across:.1} {up:.1}", if number == 0 { "M" } else { "L" });
    }
    let dashed = if line.dashed { " dashed" } else { "" };
    let _ = write!(out, "<path class=\"line c{}{dashed}\" d=\"{path}\"/>", line.colour);
    // An invisible dot on each point carries its figure as a tooltip; long lines get every n-th.
    let every = (line.points.len() / 150).max(1);
    for point in line.points.iter().step_by(every) {
        let (across, up) = place(x, y, *point);
        let _ = write!(
            out,
            "<circle class=\"dot\" cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"5\"><title>{}: {} at {}</title></circle>",
            escape(&line.name),
            (y.words)(point.1),
            (x.words)(point.0)
        );
    }
}

fn legend(out: &mut String, series: &[Series]) {
    let mut at = WIDTH - RIGHT;
    for line in series.iter().rev() {
        at -= 7.0 * to_f64(count(line.name.chars().count())) + 34.0;
        let dashed = if line.dashed { " dashed" } else { "" };
        let _ = write!(
            out,
            "<path class=\"line c{}{dashed}\" d=\"M{at:.1} 10L{:.1} 10\"/>\
             <text class=\"key\" x=\"{:.1}\" y=\"14\">{}</text>",
            line.colour,
            at + 18.0,
            at + 23.0,
            escape(&line.name)
        );
    }
}

/// One bar of a bar chart.
pub struct Bar {
    /// At its left.
    pub name: String,
    /// Its length.
    pub value: f64,
    /// At its right, in words.
    pub words: String,
    /// Which colour of the page's palette, from 1.
    pub colour: u8,
}

/// Horizontal bars from zero, one below another; empty without bars.
pub fn bars(title: &str, all: &[Bar]) -> String {
    const ROW: f64 = 30.0;
    const NAMES: f64 = 230.0;
    const WORDS: f64 = 230.0;
    if all.is_empty() {
        return String::new();
    }
    let largest = all.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let height = ROW * to_f64(count(all.len())) + 8.0;
    let mut out = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">",
        escape(title)
    );
    for (number, bar) in all.iter().enumerate() {
        let top = ROW * to_f64(count(number)) + 6.0;
        let length = (bar.value / largest * (WIDTH - NAMES - WORDS)).max(1.0);
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\
             <rect class=\"bar c{}\" x=\"{NAMES}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"18\" rx=\"3\"/>\
             <text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            NAMES - 10.0,
            top + 14.0,
            escape(&bar.name),
            bar.colour,
            NAMES + length + 8.0,
            top + 14.0,
            escape(&bar.words)
        );
    }
    out.push_str("</svg>");
    out
}

/// A number without unit.
pub fn plain(value: f64) -> String {
    if value >= 10.0 || value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for largest in [0.3, 1.0, 7.0, 99.0, 123_456.0, 3e6] {
            let scale = Scale::linear([largest].into_iter(), plain);
            let ticks = scale.ticks();
            assert!((3..=9).contains(&ticks.len()), "{largest}: {ticks:?}");
            assert!(*ticks.last().unwrap() >= largest);
        }
        assert!((tick_step(100.0) - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_log_scale_covers_its_values_by_powers_of_ten() {
        let scale = Scale::log([0.0, 45.0, 3_200.0].into_iter(), plain);
        assert_eq!(scale.ticks().len(), 4);
        assert!(scale.part(10.0).abs() < 1e-9 && (scale.part(10_000.0) - 1.0).abs() < 1e-9);
        assert_eq!(Scale::log([].into_iter(), plain).ticks().len(), 2, "nothing measured is no endless axis");
    }

    #[test]
    fn names_can_not_break_out_of_the_page() {
        let bar = Bar { name: "<script>".into(), value: 1.0, words: "\"&'".into(), colour: 1 };
        let drawn = bars("a<b", &[bar]);
        assert!(!drawn.contains("<script>") && drawn.contains("&lt;script&gt;"));
        assert!(drawn.contains("aria-label=\"a&lt;b\"") && drawn.contains("&quot;&amp;&#39;"));
    }

    #[test]
    fn nothing_to_draw_is_no_picture() {
        let labels = Labels { title: "t", x: "x", y: "y" };
        assert_eq!(lines(&labels, Scale::linear([].into_iter(), plain), &[]), "");
        assert_eq!(bars("t", &[]), "");
    }
}
