//! The figures of a workload as a picture (SVG): a panel a figure, a bar a target, a line from the least to the greatest
//! run. Not here: which figures (`report.rs`).

use std::fmt::Write as _;

/// All lengths in pixels.
const WIDTH: f64 = 760.0;
const NAME_WIDTH: f64 = 110.0;
const VALUE_WIDTH: f64 = 150.0;
const ROW: f64 = 20.0;
const BAR: f64 = 12.0;
const TITLE: f64 = 34.0;

pub struct Panel {
    pub title: String,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub name: &'static str,
    pub least: f64,
    pub median: f64,
    pub greatest: f64,
}

pub fn draw(panels: &[Panel]) -> String {
    let rows: usize = panels.iter().map(|panel| panel.bars.len()).sum();
    let height = panels.len() as f64 * TITLE + rows as f64 * ROW + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>text {{ fill: #222 }} rect {{ fill: #8a94a6 }} rect.ours {{ fill: #2563eb }} \
         line {{ stroke: #222 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} line {{ stroke: #ddd }} }}\
         </style>\n"
    );
    let mut y = 0.0;
    for panel in panels {
        y += TITLE;
        let _ = writeln!(svg, "<text x=\"0\" y=\"{}\" font-weight=\"bold\">{}</text>", y - 10.0, panel.title);
        let widest = panel.bars.iter().map(|bar| bar.greatest).fold(f64::MIN_POSITIVE, f64::max);
        let scale = (WIDTH - NAME_WIDTH - VALUE_WIDTH) / widest;
        for (at, bar) in panel.bars.iter().enumerate() {
            let x = |value: f64| NAME_WIDTH + value * scale;
            let (top, middle) = (y, y + BAR / 2.0);
            let class = if at == 0 { " class=\"ours\"" } else { "" };
            let _ = writeln!(
                svg,
                "<text x=\"0\" y=\"{:.1}\">{}</text><rect{class} x=\"{NAME_WIDTH}\" y=\"{top:.1}\" width=\"{:.1}\" \
                 height=\"{BAR}\"/><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                y + BAR - 2.0,
                bar.name,
                (bar.median * scale).max(1.0),
                x(bar.least),
                x(bar.greatest),
                x(bar.greatest) + 8.0,
                y + BAR - 2.0,
                rounded(bar.median)
            );
            y += ROW;
        }
    }
    svg + "</svg>\n"
}

/// Three significant digits are more than a shared machine gives.
fn rounded(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_its_panel_and_others_are_in_proportion() {
        let bar = |name, median| Bar { name, least: median, median, greatest: median };
        let panel = Panel { title: "CPU".into(), bars: vec![bar("ours", 50.0), bar("other", 100.0)] };
        let svg = draw(&[panel]);
        assert!(svg.contains("class=\"ours\" x=\"110\" y=\"34.0\" width=\"250.0\""), "{svg}");
        assert!(svg.contains("width=\"500.0\"") && svg.contains(">50.0<") && svg.contains(">100<"), "{svg}");
    }
}
