//! Figures: medians, spreads, ratios, and how they are printed.

/// The same figure, once a round.
#[derive(Debug, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    pub fn of(figures: impl AsRef<[f64]>) -> Self {
        Self(figures.as_ref().to_vec())
    }

    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() % 2 {
            0 if middle > 0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted.get(middle).copied().unwrap_or(f64::NAN),
        }
    }

    fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// `median (least–most) unit`.
    pub fn show(&self, unit: &str) -> String {
        format!("{} ({}–{}) {unit}", round(self.median()), round(self.least()), round(self.most()))
    }

    /// The median of the rounds' ratios.
    pub fn ratio_to(&self, baseline: &Self) -> f64 {
        Self(self.0.iter().zip(&baseline.0).map(|(ours, bare)| ours / bare).collect()).median()
    }
}

fn round(figure: f64) -> String {
    match figure {
        figure if figure >= 1000.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

/// One line of the result.
pub fn print_line(what: &str, ours: &str, bare: &str, result: &str) {
    println!("| {what} | {ours} | {bare} | {result} |");
}

/// The machine, and the head of the table.
pub fn print_machine() {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |name| name.trim_start_matches(['\t', ' ', ':']));
    println!("{model}, {cores} cores: one for the server, one for the client\n");
    print_line("measured", "hubbub", "baseline", "result");
    println!("|---|---|---|---|");
}
